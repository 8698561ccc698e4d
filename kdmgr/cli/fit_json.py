"""`kdmgr fit --json`: the contract. Unknown numbers are null; every size says its unit in its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdmgr.fit.plan import Components, DevicePlan, FitReport, PromptSpeed

if TYPE_CHECKING:
    from kdmgr.services.rows import Assessment
    from kdmgr.services.teachers import TeacherFit

SCHEMA_VERSION = 1


def fit_object(assessment: Assessment, teacher: TeacherFit | None = None) -> dict[str, Any]:
    """One assessment as plain JSON values, with what its teacher would take where that was asked."""
    report = assessment.report
    return {
        "schema_version": SCHEMA_VERSION,
        "ref": report.ref,
        "source": report.source,
        "architecture": report.shape.architecture,
        "parameters": report.shape.parameters,
        "quant": report.shape.quant,
        "n_ctx_train": report.shape.n_ctx_train,
        "options": _options(report),
        "memory": _memory(report),
        "offload": {
            "n_gpu_layers": report.plan.n_gpu_layers,
            "n_layers": report.plan.n_layers,
            "n_expert_layers_on_host": report.plan.n_expert_layers,
        },
        "estimate": _estimate(report),
        "verdict": report.verdict.value,
        "reason": report.reason,
        "headroom_bytes": report.headroom_bytes,
        "max_n_ctx": report.max_n_ctx,
        "speed": _speed(report),
        "student": _student(assessment),
        "teacher": None if teacher is None else teacher_object(teacher),
        "alternatives": list(report.alternatives),
        "unknown": list(report.unknown),
        "notes": list(assessment.notes),
    }


def _options(report: FitReport) -> dict[str, Any]:
    options = report.options
    return {
        "n_ctx": options.n_ctx,
        "n_ctx_basis": options.n_ctx_basis,
        "n_parallel": options.n_parallel,
        "n_batch": options.n_batch,
        "n_ubatch": options.n_ubatch,
        "type_k": options.type_k,
        "type_v": options.type_v,
        "flash_attn": options.flash_attn,
        "engine_build": options.engine_build.value,
        "split_mode": options.split_mode.value,
        "margin_bytes": options.margin_bytes,
    }


def _memory(report: FitReport) -> dict[str, Any]:
    return {
        **_components(report.plan.components),
        "devices": [_place(device) for device in report.plan.devices],
        "host": _place(report.plan.host),
    }


def _place(place: DevicePlan) -> dict[str, Any]:
    return {
        "name": place.name,
        "kind": place.kind,
        "n_layers": place.n_layers,
        "n_expert_layers_on_host": place.n_expert_layers,
        **_components(place.components),
        # Of the place itself, not of the model: these two come last, so that they win.
        "total_bytes": place.total_bytes,
        "free_bytes": place.free_bytes,
        "used_bytes": place.components.total,
    }


def _components(parts: Components) -> dict[str, Any]:
    return {
        "weights_bytes": parts.weights,
        "kv_cache_bytes": parts.kv_cache,
        "recurrent_bytes": parts.recurrent,
        "compute_bytes": parts.compute,
        "projector_bytes": parts.projector,
        "overhead_bytes": parts.overhead,
        "total_bytes": parts.total,
    }


def _estimate(report: FitReport) -> dict[str, Any] | None:
    """What Ollama up to 0.11.4 believes; null for engines that do not estimate."""
    found = report.plan.estimate
    if found is None:
        return None
    return {
        "n_gpu_layers": found.n_layers,
        "n_layers": found.n_model_layers,
        "total_bytes": found.total_bytes,
        "vram_bytes": found.vram_bytes,
        "kv_cache_bytes": found.kv_bytes,
        "graph_partial_bytes": found.graph_partial,
        "graph_full_bytes": found.graph_full,
        "devices": [
            {"index": index, "n_layers": n_layers, "vram_bytes": size}
            for index, n_layers, size in zip(found.devices, found.device_layers, found.device_bytes, strict=True)
        ],
    }


def _speed(report: FitReport) -> dict[str, Any] | None:
    speed = report.speed
    if speed is None:
        return None
    return {
        "decode_tok_s": speed.decode_tok_s,
        "low_tok_s": speed.low_tok_s,
        "high_tok_s": speed.high_tok_s,
        "basis": speed.basis,
        "grade": speed.grade,
        "rough": speed.rough,
        "words": speed.words,
        "full_context_tok_s": speed.full_tok_s,
        "full_context_words": speed.full_words,
        "prompt": _prompt(speed.prompt),
    }


def _prompt(prompt: PromptSpeed | None) -> dict[str, Any] | None:
    if prompt is None:
        return None
    return {"low_tok_s": prompt.low_tok_s, "high_tok_s": prompt.high_tok_s, "basis": prompt.basis}


def teacher_object(teacher: TeacherFit) -> dict[str, Any]:
    """What running the teacher would take; `basis` says what the figures follow from, or why there are none."""
    facts = teacher.facts
    return {
        "name": teacher.name,
        "id": facts.id if facts else None,
        "open": facts.is_open if facts else None,
        "parameters": facts.parameters if facts else None,
        "quant": teacher.quant,
        "n_ctx": teacher.n_ctx,
        "memory_bytes": teacher.memory,
        "is_estimate": teacher.is_estimate,
        "verdict": teacher.verdict.value,
        "decode_tok_s": teacher.speed.decode_tok_s if teacher.speed else None,
        "machines": teacher.machines,
        "smallest_card": teacher.smallest_card,
        "basis": teacher.basis,
    }


def _student(assessment: Assessment) -> dict[str, Any] | None:
    match = assessment.match
    if match is None:
        return None
    student = match.student
    return {
        "id": student.id,
        "name": student.name,
        "teacher": student.lineage.teacher.name,
        "method": student.lineage.method,
        "evidence": student.lineage.grade.value,
        "disputed": student.lineage.disputed,
        "evidence_url": student.evidence.url,
        "relation": match.relation,
        "certainty": match.certainty.value,
        "matched_by": list(match.evidence),
    }
