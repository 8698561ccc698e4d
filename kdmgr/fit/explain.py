"""How each number of a plan came about: formula, inputs, result. What `--explain` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kdmgr.fit.kv_cache import CELL_PADDING, full_cells, layer_bytes, sliding_cells, state_bytes, token_bytes
from kdmgr.fit.machine import Backend, Device
from kdmgr.fit.options import EngineBuild, ResolvedOptions
from kdmgr.fit.overhead import device_overhead, host_overhead
from kdmgr.fit.placement import budget, usable_devices
from kdmgr.fit.plan import DevicePlan, FitReport, Speed
from kdmgr.fit.prompt_speed import active_parameters
from kdmgr.fit.speed import DEEP, DEPTH, cache_read
from kdmgr.gguf.layers import Attention
from kdmgr.gguf.shape import ModelShape
from kdmgr.units import format_bytes, format_count, format_parameters


@dataclass(frozen=True, slots=True)
class Step:
    """One number: what it is, how it is calculated, with which inputs, and what comes out."""

    name: str
    formula: str
    inputs: str
    result: str


def explain(report: FitReport) -> list[Step]:
    """All steps of a report, in the order in which one follows from the other."""
    return [
        *_explain_options(report),
        *_explain_model(report),
        *_explain_estimate(report),
        *_explain_places(report),
        *_explain_speed(report),
    ]


def _explain_options(report: FitReport) -> Iterator[Step]:
    options = report.options
    yield Step("context", "per slot", options.n_ctx_basis, f"{options.n_ctx} tokens × {options.n_parallel} slots")
    rule = "Ollama's rule: 512, above 4096 cells 1024, above 32768 cells 2048"
    formula = rule if options.engine_build is EngineBuild.OLLAMA_030 else "512 unless set"
    own = ", in Ollama's own engine" if options.in_ollamas_engine else ""
    build = f"engine build {options.engine_build.value}{own}"
    yield Step("physical batch", formula, build, f"{options.n_ubatch} tokens")


def _explain_model(report: FitReport) -> Iterator[Step]:
    shape, options = report.shape, report.options
    if options.in_ollamas_engine:
        from kdmgr.fit.ollama_engine.explaining import explain_model

        yield from explain_model(shape, options)
        return
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


def _explain_estimate(report: FitReport) -> Iterator[Step]:
    found = report.plan.estimate
    if found is None:
        return
    yield Step(
        "Ollama's estimate",
        "layers with their caches, last to first, while graph, driver and one layer more have room",
        f"KV cache {format_bytes(found.kv_bytes)}, graph {format_bytes(found.graph_partial)} with some layers and "
        f"{format_bytes(found.graph_full)} with all, {format_bytes(report.options.gpu_overhead_bytes)} kept free",
        f"{found.n_layers} of {found.n_model_layers} layers, {format_bytes(found.vram_bytes)} of "
        f"{format_bytes(found.total_bytes)} on devices",
    )


def _explain_places(report: FitReport) -> Iterator[Step]:
    usable = _devices_in_use(report)
    for device, planned in zip(report.machine.devices, report.plan.devices, strict=True):
        name = _name(planned, report, device.index)
        if id(device) not in usable:
            yield Step(name, "not used", _why_unused(report), "no layers")
            continue
        overhead = device_overhead(device)
        size = "unknown" if overhead.size is None else format_bytes(overhead.size)
        yield Step(f"{name}: overhead", "measured, on no buffer line", overhead.basis, size)
        if report.options.in_ollamas_engine:
            from kdmgr.fit.ollama_engine.explaining import explain_target

            yield explain_target(name, device, planned, report)
        elif report.plan.estimate is None:
            yield _explain_target(name, device, size, report)
        yield _explain_layers(name, planned, report)
        yield _explain_compute(name, planned, report)
    host, runtime = report.plan.host, host_overhead(report.machine.host)
    yield Step("host: overhead", "resident beside buffers, measured", runtime.basis, format_bytes(runtime.size))
    yield _explain_layers("host", host, report)
    yield _explain_compute("host", host, report)


def _devices_in_use(report: FitReport) -> set[int]:
    """Identities of the devices that the engine considers."""
    estimate, devices = report.plan.estimate, report.machine.devices
    if estimate is not None:
        return {id(devices[index]) for index in estimate.devices}
    if report.options.in_ollamas_engine:
        return {id(device) for device, planned in zip(devices, report.plan.devices, strict=True) if planned.n_layers}
    return {id(device) for device in usable_devices(report.machine)}


def _why_unused(report: FitReport) -> str:
    if report.plan.estimate is not None:
        return "Ollama's estimate leaves it out"
    if report.options.in_ollamas_engine:
        return "others hold all layers, or more of them"
    return "another library's devices have more memory"


def _explain_target(name: str, device: Device, overhead: str, report: FitReport) -> Step:
    margin = report.options.margin_bytes
    return Step(
        f"{name}: target",
        "free − overhead − margin",
        f"{format_bytes(device.free_bytes)} − {overhead} − {format_bytes(margin)}",
        format_bytes(budget(device) - margin),
    )


def _name(planned: DevicePlan, report: FitReport, index: int) -> str:
    return planned.name if len(report.plan.devices) == 1 else f"GPU {index}, {planned.name}"


def _explain_layers(name: str, planned: DevicePlan, report: FitReport) -> Step:
    how = "whole layers back to front while the target holds"
    if report.plan.estimate is not None:
        how = "as many as Ollama's estimate says, the output layer last"
    elif report.options.in_ollamas_engine:
        how = "as many as have room, from the last, on as few GPUs as hold them; the output layer only with all others"
    elif report.plan.whole:
        how = "all layers, split by free memory"
    experts = f", {planned.n_expert_layers} of them without experts" if planned.n_expert_layers else ""
    return Step(
        f"{name}: layers",
        how if planned.kind != "host" else "what no device takes, and the token table",
        f"weights {format_bytes(planned.components.weights)}, KV cache {format_bytes(planned.components.kv_cache)}",
        f"{planned.n_layers} of {report.plan.n_layers}{experts}",
    )


def _explain_compute(name: str, planned: DevicePlan, report: FitReport) -> Step:
    options = report.options
    read_back = planned.kind == "host" and not options.in_ollamas_engine
    logits = f", logits {report.shape.n_vocab} × {options.n_parallel} × 4" if read_back else ""
    graph = "the graph of Ollama's own engine" if options.in_ollamas_engine else "the engine's graph"
    pooled = options.in_ollamas_engine and planned.kind in (Backend.CUDA, Backend.ROCM)
    pool = ", and the pool that its operations take from" if pooled else ""
    return Step(
        f"{name}: compute",
        f"{graph} for one batch, its allocator replayed{pool}",
        f"n_ubatch {options.n_ubatch}, {format_count(options.n_ctx)} cells, "
        f"flash attention {'on' if options.flash_attn else 'off'}{logits}",
        format_bytes(planned.components.compute),
    )


def _explain_speed(report: FitReport) -> Iterator[Step]:
    speed = report.speed
    if speed is None:
        return
    reads = [f"{format_bytes(place.reads)} on {place.name}" for place in report.plan.devices if place.reads]
    if report.plan.host.reads:
        reads.append(f"{format_bytes(report.plan.host.reads)} on the host")
    formula = "1 / (Σ bytes read / (efficiency × bandwidth) + layers × time per layer)"
    inputs = f"weights read per token: {'; '.join(reads)}; {speed.basis}"
    yield Step("speed", formula, inputs, f"{_show_speed(speed)}, grade {speed.grade}")
    yield from _explain_full_context(report, speed)
    if speed.prompt is not None:
        yield Step(
            "prompt speed",
            "efficiency × FP16 FLOP/s / (2 × active parameters)",
            f"{format_parameters(active_parameters(report.shape))} active parameters, {speed.prompt.basis}",
            str(speed.prompt),
        )


def _explain_full_context(report: FitReport, speed: Speed) -> Iterator[Step]:
    """The same with the whole context in use, where that is deeper than what speed is stated for."""
    n_ctx = report.options.n_ctx
    shown = speed.full_words or (f"{speed.full_tok_s:.1f} tok/s" if speed.full_tok_s is not None else None)
    if shown is None or n_ctx <= DEPTH:
        return
    rough = "roughly " if speed.full_tok_s is not None and (speed.rough or n_ctx > DEEP) else ""
    yield Step(
        "speed at full context",
        "the same, with all of the cache to read",
        f"{format_bytes(cache_read(report.shape, report.options, n_ctx))} of cache and state per token, "
        f"{format_count(n_ctx)} tokens deep",
        f"{rough}{shown}",
    )


def _show_speed(speed: Speed) -> str:
    if speed.words is not None:
        return speed.words
    if speed.decode_tok_s is None:
        return f"at most {speed.high_tok_s:.1f} tok/s"
    return f"{'roughly ' if speed.rough else ''}{speed.decode_tok_s:.1f} tok/s"
