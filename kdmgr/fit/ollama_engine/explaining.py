"""How the figures of Ollama's own engine come about, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from kdmgr.fit.explain import Step
from kdmgr.fit.machine import Device
from kdmgr.fit.ollama_engine.cells import CELL_PADDING, N_CHECKPOINTS, cache_bytes, layer_cells, state_bytes
from kdmgr.fit.ollama_engine.layout import minimum_memory
from kdmgr.fit.ollama_engine.rules import find_rules, keeps_cache
from kdmgr.fit.options import ResolvedOptions, cache_type
from kdmgr.fit.plan import DevicePlan, FitReport
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import format_bytes


def explain_model(shape: ModelShape, options: ResolvedOptions) -> Iterator[Step]:
    """Weights, cache and states."""
    view = shape.engine_view
    twice = f", the head being the token table again ({format_bytes(view.token_embd)})" if shape.weights.tied else ""
    yield Step(
        "weights",
        "Ollama's own engine: Σ bytes of all tensors, each padded to 32",
        f"{len(view.blocks)} layers of {format_bytes(sum(view.blocks))}, input {format_bytes(view.input)}, output "
        f"{format_bytes(view.output)}{twice}",
        format_bytes(view.input + sum(view.blocks) + view.output),
    )
    if shape.attention is not None and keeps_cache(shape):
        yield from _explain_cache(shape, shape.attention, options)
    if shape.recurrent is not None:
        yield Step(
            "recurrent state",
            f"layers × slots × 4 bytes × (rolling + state elements) × (1 + {N_CHECKPOINTS} copies to go back to)",
            f"{sum(shape.recurrent.layers)} × {options.n_parallel} × 4 × "
            f"({shape.recurrent.n_embd_r} + {shape.recurrent.n_embd_s}) × {1 + N_CHECKPOINTS}",
            format_bytes(sum(state_bytes(shape, options))),
        )


def explain_target(name: str, device: Device, planned: DevicePlan, report: FitReport) -> Step:
    """What is left for layers on a device."""
    parts = (device.free_bytes, minimum_memory(device), report.options.gpu_overhead_bytes)
    graph = planned.components.compute or 0
    return Step(
        f"{name}: room for layers",
        "free − minimum for the driver − OLLAMA_GPU_OVERHEAD − compute",
        " − ".join(format_bytes(part) for part in (*parts, graph)),
        format_bytes(max(parts[0] - parts[1] - parts[2] - graph, 0)),
    )


def _explain_cache(shape: ModelShape, attention: Attention, options: ResolvedOptions) -> Iterator[Step]:
    """One step for the layers of each size, and their sum."""
    rules = find_rules(shape)
    kinds: dict[tuple[bool, int, int, int], int] = {}
    for layer, owned in enumerate(attention.caches):
        if owned:
            cells = layer_cells(shape, options, layer)
            slides = bool(rules and rules.slides and attention.slides[layer])
            key = (slides, cells, attention.k_width(layer), attention.v_width(layer))
            kinds[key] = kinds.get(key, 0) + 1
    type_k, type_v = cache_type(options.type_k), cache_type(options.type_v)
    for (slides, cells, k, v), count in kinds.items():
        size = type_k.row_bytes(k) + type_v.row_bytes(v)
        kept = max(attention.n_swa, rules.keeps if rules else 0)
        window = f"slots × {kept} kept + batch {options.n_batch}, at most slots × n_ctx" if slides else "slots × n_ctx"
        yield Step(
            f"KV of {count} {'sliding' if slides else 'full'} layers",
            f"layers × cells × (K width × bytes of {options.type_k} + V width × bytes of {options.type_v}), "
            f"cells = {window}, padded to {CELL_PADDING}",
            f"{count} × {cells} × ({k} and {v} elements = {size} bytes)",
            format_bytes(count * cells * size),
        )
    total = sum(cache_bytes(shape, options) or ())
    yield Step("KV cache", "Σ over the layers that have one", "the steps above", format_bytes(total))
