"""How each number of a plan came about: formula, inputs, result. What `--explain` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kdmgr.fit.kv_cache import CELL_PADDING, full_cells, layer_bytes, sliding_cells, state_bytes, token_bytes
from kdmgr.fit.options import EngineBuild, ResolvedOptions
from kdmgr.fit.overhead import device_overhead, host_overhead
from kdmgr.fit.placement import budget, usable_devices
from kdmgr.fit.plan import DevicePlan, FitReport
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import format_bytes, format_count


@dataclass(frozen=True, slots=True)
class Step:
    """One number: what it is, how it is calculated, with which inputs, and what comes out."""

    name: str
    formula: str
    inputs: str
    result: str


def explain(report: FitReport) -> list[Step]:
    """All steps of a report, in the order in which one follows from the other."""
    return [*_explain_options(report), *_explain_model(report), *_explain_places(report), *_explain_speed(report)]


def _explain_options(report: FitReport) -> Iterator[Step]:
    options = report.options
    yield Step("context", "per slot", options.n_ctx_basis, f"{options.n_ctx} tokens × {options.n_parallel} slots")
    rule = "Ollama's rule: 512, above 4096 cells 1024, above 32768 cells 2048"
    formula = "512 unless set" if options.engine_build is EngineBuild.LLAMA_CPP else rule
    yield Step("physical batch", formula, f"engine build {options.engine_build.value}", f"{options.n_ubatch} tokens")


def _explain_model(report: FitReport) -> Iterator[Step]:
    shape, options = report.shape, report.options
    weights = shape.weights
    yield Step(
        "weights",
        "Σ elements / block size × bytes per block, over all tensors that are loaded",
        f"{len(weights.blocks)} layers of {format_bytes(sum(weights.blocks))}, token table "
        f"{format_bytes(weights.input)}, output {format_bytes(weights.output)}",
        format_bytes(weights.total),
    )
    if shape.attention is not None:
        yield from _explain_cache(shape.attention, options)
        total = sum(layer_bytes(shape.attention, options))
        yield Step("KV cache", "Σ over the layers that have one", "the steps above", format_bytes(total))
    if shape.recurrent is not None:
        yield from _explain_state(shape, options)


def _explain_cache(attention: Attention, options: ResolvedOptions) -> Iterator[Step]:
    """One step for the layers of each size, full and sliding apart."""
    kinds: dict[tuple[bool, int, int], int] = {}
    for layer, cached in enumerate(attention.caches):
        if cached:
            key = (attention.slides[layer], attention.k_width(layer), attention.v_width(layer))
            kinds[key] = kinds.get(key, 0) + 1
    for (slides, k, v), count in kinds.items():
        layer = next(
            index
            for index, cached in enumerate(attention.caches)
            if cached
            and (attention.slides[index], attention.k_width(index), attention.v_width(index)) == (slides, k, v)
        )
        cells = sliding_cells(options, attention.n_swa) if slides else full_cells(options)
        window = f"min(n_ctx, window {attention.n_swa} + n_ubatch {options.n_ubatch})" if slides else "n_ctx"
        yield Step(
            f"KV of {count} {'sliding' if slides else 'full'} layers",
            f"layers × cells × (K width × bytes of {options.type_k} + V width × bytes of {options.type_v}), "
            f"cells = {window} padded to {CELL_PADDING} × slots",
            f"{count} × {cells} × ({k} and {v} elements = {token_bytes(attention, options, layer)} bytes)",
            format_bytes(count * cells * token_bytes(attention, options, layer)),
        )


def _explain_state(shape: ModelShape, options: ResolvedOptions) -> Iterator[Step]:
    state = shape.recurrent
    assert state is not None
    yield Step(
        "recurrent state",
        "layers × slots × 4 bytes × (rolling + state elements)",
        f"{sum(state.layers)} × {options.n_parallel} × 4 × ({state.n_embd_r} + {state.n_embd_s})",
        format_bytes(sum(state_bytes(shape, options))),
    )


def _explain_places(report: FitReport) -> Iterator[Step]:
    usable = {id(device) for device in usable_devices(report.machine)}
    for device, planned in zip(report.machine.devices, report.plan.devices, strict=True):
        name = _name(planned, report, device.index)
        overhead = device_overhead(device)
        size = "unknown" if overhead.size is None else format_bytes(overhead.size)
        if id(device) not in usable:
            yield Step(name, "not used", "another library's devices have more memory", "no layers")
            continue
        yield Step(f"{name}: overhead", "measured, on no buffer line", overhead.basis, size)
        target = budget(device) - report.options.margin_bytes
        yield Step(
            f"{name}: target",
            "free − overhead − margin",
            f"{format_bytes(device.free_bytes)} − {size} − {format_bytes(report.options.margin_bytes)}",
            format_bytes(target),
        )
        yield _explain_layers(name, planned, report)
        yield _explain_compute(name, planned, report)
    host, runtime = report.plan.host, host_overhead(report.machine.host)
    yield Step("host: overhead", "resident beside buffers, measured", runtime.basis, format_bytes(runtime.size))
    yield _explain_layers("host", host, report)
    yield _explain_compute("host", host, report)


def _name(planned: DevicePlan, report: FitReport, index: int) -> str:
    return planned.name if len(report.plan.devices) == 1 else f"GPU {index}, {planned.name}"


def _explain_layers(name: str, planned: DevicePlan, report: FitReport) -> Step:
    whole = report.plan.whole
    how = "all layers, split by free memory" if whole else "whole layers back to front while the target holds"
    experts = f", {planned.n_expert_layers} of them without experts" if planned.n_expert_layers else ""
    return Step(
        f"{name}: layers",
        how if planned.kind != "host" else "what no device takes, and the token table",
        f"weights {format_bytes(planned.components.weights)}, KV cache {format_bytes(planned.components.kv_cache)}",
        f"{planned.n_layers} of {report.plan.n_layers}{experts}",
    )


def _explain_compute(name: str, planned: DevicePlan, report: FitReport) -> Step:
    options = report.options
    logits = f", logits {report.shape.n_vocab} × {options.n_parallel} × 4" if planned.kind == "host" else ""
    return Step(
        f"{name}: compute",
        "the engine's graph for one batch, its allocator replayed",
        f"n_ubatch {options.n_ubatch}, {format_count(options.n_ctx)} cells, "
        f"flash attention {'on' if options.flash_attn else 'off'}{logits}",
        format_bytes(planned.components.compute),
    )


def _explain_speed(report: FitReport) -> Iterator[Step]:
    if report.speed is None:
        return
    reads = [f"{format_bytes(place.reads)} on {place.name}" for place in report.plan.devices if place.reads]
    if report.plan.host.reads:
        reads.append(f"{format_bytes(report.plan.host.reads)} on the host")
    speed = report.speed
    shown = f"{speed.decode_tok_s:.1f}" if speed.decode_tok_s is not None else f"at most {speed.high_tok_s:.1f}"
    yield Step(
        "speed",
        "1 / (Σ bytes read / (efficiency × bandwidth) + layers × time per layer)",
        f"weights read per token: {'; '.join(reads)}; {speed.basis}",
        f"{shown} tok/s, grade {speed.grade}",
    )
