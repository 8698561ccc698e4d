"""Students as plain JSON values: everything that is known, with units in the keys and every source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kdmgr.catalog.licences import is_open
from kdmgr.catalog.tasks import TASKS, why_task

if TYPE_CHECKING:
    from kdmgr.catalog.students import Score, Student
    from kdmgr.services.size_estimates import SizedStudent


def sized_object(one: SizedStudent, modelfiles: Mapping[str, str]) -> dict[str, Any]:
    """A student, and what it takes on the machine that was asked about; `modelfiles` by the students' ids."""
    speed = one.speed
    fit = {
        "basis": one.basis.value,
        "basis_words": one.words,
        "estimated": not one.planned,
        "verdict": one.verdict.value,
        "n_ctx": one.n_ctx,
        "memory_bytes": one.memory_bytes,
        "decode_tok_s": speed.decode_tok_s if speed else None,
        "low_tok_s": speed.low_tok_s if speed else None,
        "high_tok_s": speed.high_tok_s if speed else None,
        "speed_grade": speed.grade if speed else None,
        "speed_basis": speed.basis if speed else None,
    }
    return {
        **student_object(one.student),
        "modelfile": modelfiles.get(one.student.id),
        "size_bytes": one.size_bytes,
        "size_basis": one.words if one.n_ctx is None else None,
        "installed": list(one.installed),
        "pull": one.pull,
        "fit": fit if one.n_ctx is not None else None,
    }


def student_object(student: Student) -> dict[str, Any]:
    """The entry."""
    lineage, teacher = student.lineage, student.lineage.teacher
    return {
        "id": student.id,
        "name": student.name,
        "publisher": student.publisher,
        "family": student.family,
        "modality": student.modality,
        "tasks": {name: why for name, task in TASKS.items() if (why := why_task(student, task))},
        "architecture": student.architecture,
        "parameters": student.parameters,
        "active_parameters": student.active_parameters,
        "n_ctx_train": student.context_length,
        "released": student.released,
        "licence": student.licence,
        "licence_is_open": is_open(student.licence),
        "hf_repo": student.hf_repo,
        "gguf_repos": list(student.gguf_repos),
        "ollama": [tag.tag for tag in student.ollama],
        "ollama_tags": [
            {"tag": tag.tag, "size_bytes": tag.size_bytes, "n_ctx_train": tag.context, "digest": tag.digest}
            for tag in student.ollama
        ],
        "teacher": teacher.name,
        "teacher_parameters": teacher.parameters,
        "teacher_hf_repo": teacher.hf_repo,
        "teacher_ollama": teacher.ollama,
        "teacher_is_open": teacher.is_open,
        "method": lineage.method,
        "methods": list(lineage.methods),
        "method_note": lineage.note,
        "losses": asdict(lineage.losses),
        "evidence": lineage.grade.value,
        "evidence_url": student.evidence.url,
        "evidence_where": student.evidence.where,
        "confidence": student.evidence.confidence,
        "disputed": lineage.disputed,
        "unverified": list(student.unverified),
        "scores": [score_object(score) for score in student.scores],
        "notes": student.notes,
        "from_user": student.from_user,
    }


def score_object(score: Score) -> dict[str, Any]:
    """A score, with the share of the teacher's that it is where both are of one source."""
    return {
        "benchmark": score.benchmark,
        "shots": score.shots,
        "student": score.student,
        "teacher": score.teacher,
        "teacher_name": score.teacher_name,
        "retention": score.retention,
        "lower_is_better": score.lower_is_better,
        "same_source": score.same_source,
        "source_url": score.source_url,
        "teacher_source_url": score.teacher_source_url,
    }
