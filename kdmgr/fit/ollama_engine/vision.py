"""The part of Gemma 3 that reads images, as Ollama's own engine runs it (Ollama v0.24.0, model/models/gemma3).

Its graph is reserved before the text's, in the same buffers: the larger of the two counts.
"""

from __future__ import annotations

from kdmgr.fit.graph.allocator import Tensor
from kdmgr.fit.graph.builder import F16, F32, Place
from kdmgr.fit.graph.choosing import choose_layers
from kdmgr.fit.ollama_engine.context import EngineGraph
from kdmgr.fit.options import ResolvedOptions
from kdmgr.gguf.engine_view import Vision
from kdmgr.gguf.shape import ModelShape

_IMAGE_TOKENS = 256


def build_vision_graph(shape: ModelShape, options: ResolvedOptions, output: Place) -> EngineGraph | None:
    """One image's graph; all of it lies where the output layer does. None for models whose graph is not known."""
    vision = shape.engine_view.vision
    if vision is None or shape.architecture != "gemma3" or not vision.patch_size or not shape.n_embd:
        return None
    graph = EngineGraph()
    graph.place = output
    value = _embed_patches(graph, vision)
    places = [output] * (vision.n_layer + 1)
    for _ in choose_layers([0] * vision.n_layer, places, settles_late=True):
        value = _layer(graph, value, vision, flash_attn=options.flash_attn)
    graph.expand(_project(graph, _norm(graph, value), vision, shape.n_embd))
    return graph


def _embed_patches(graph: EngineGraph, vision: Vision) -> Tensor:
    """`ggml_conv_2d` spelled out, and the patches' positions."""
    n, width, side = vision.n_patches, vision.n_embd, vision.image_size
    pixels = graph.input((side, side, vision.n_channels))
    unrolled = graph.op((vision.n_channels * vision.patch_size**2, n), pixels, element=vision.kernel_bytes)
    value = graph.weighted(graph.op((n, width), unrolled))
    value = graph.each(graph.op((n, width), graph.view(value, (n, width))))
    value = graph.op((width, n), graph.view(value, (width, n)))
    positions = graph.op((width, n), graph.input((n,)))
    # They are looked up where their table lies, however many there are.
    positions.place = graph.place.device
    return graph.each(value, positions)


def _norm(graph: EngineGraph, value: Tensor) -> Tensor:
    return graph.weighted(graph.each(graph.weighted(graph.each(graph.op(value.shape, value)))))


def _layer(graph: EngineGraph, value: Tensor, vision: Vision, *, flash_attn: bool) -> Tensor:
    normed = _norm(graph, value)
    middle = graph.each(_attend(graph, normed, vision, flash_attn=flash_attn), value)
    hidden = graph.weighted(graph.each(_multiply(graph, _norm(graph, middle), vision.n_ff)))
    return graph.each(graph.each(_multiply(graph, graph.view(hidden, hidden.shape), vision.n_embd)), middle)


def _multiply(graph: EngineGraph, value: Tensor, rows: int) -> Tensor:
    return graph.weighted(graph.op((rows, *value.shape[1:]), value), F16 * rows * value.shape[0])


def _attend(graph: EngineGraph, value: Tensor, vision: Vision, *, flash_attn: bool) -> Tensor:
    n, heads = vision.n_patches, vision.n_head
    size = vision.n_embd // heads
    q, k, v = (graph.view(graph.each(_multiply(graph, value, vision.n_embd)), (size, heads, n)) for _ in range(3))
    # It is all ordered from its result: what the attention expands early goes into another graph.
    q, k = graph.view(q, q.shape), graph.view(k, k.shape)
    if flash_attn:
        out = graph.op((size, heads, n), q, k, graph.view(v, v.shape))
    else:
        turned = graph.op((n, size, heads), graph.view(v, (n, size, heads)))
        scores = graph.each(graph.op((n, n, heads), k, q))
        mixed = graph.op((size, n, heads), turned, scores)
        out = graph.op((size, heads, n), graph.view(mixed, (size, heads, n)))
    return graph.each(_multiply(graph, graph.view(out, (vision.n_embd, n)), vision.n_embd))


def _project(graph: EngineGraph, value: Tensor, vision: Vision, n_embd: int) -> Tensor:
    """Patches are averaged down to an image's tokens; the last matrix is turned first."""
    n, width = vision.n_patches, vision.n_embd
    turned = graph.op((n, width), graph.view(value, (n, width)))
    pooled = graph.op((_IMAGE_TOKENS, width), turned)
    rows = graph.op((width, _IMAGE_TOKENS), graph.view(pooled, (width, _IMAGE_TOKENS)))
    normed = graph.weighted(graph.each(graph.each(rows)))
    matrix = graph.input((vision.projection_bytes // F32,))
    matrix.home = graph.place.device
    return graph.op((n_embd, _IMAGE_TOKENS), graph.op(matrix.shape, matrix), normed)
