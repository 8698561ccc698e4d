"""A student's lineage for `kdmgr show --json`: unknown is null, every claim keeps its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdmgr.catalog.retention import Retention
    from kdmgr.catalog.teachers import TeacherFacts
    from kdmgr.services.lineage import LineageStory


def lineage_object(story: LineageStory) -> dict[str, Any]:
    """The same as plain JSON values."""
    student, lineage = story.student, story.student.lineage
    return {
        "id": student.id,
        "name": student.name,
        "publisher": student.publisher,
        "parameters": student.parameters,
        "n_ctx_train": student.context_length,
        "released": student.released,
        "licence": student.licence,
        "hf_repo": student.hf_repo,
        "gguf_repos": list(student.gguf_repos),
        "ollama": [{"tag": tag.tag, "size_bytes": tag.size_bytes, "digest": tag.digest} for tag in student.ollama],
        "teacher": lineage.teacher.name,
        "teachers": [_teacher_object(facts) for facts in story.teachers],
        "methods": list(lineage.methods),
        "method_note": lineage.note,
        "base": [
            {"name": link.base.name, "hf_repo": link.base.hf_repo, "id": link.student.id if link.student else None}
            for link in story.chain
        ],
        "evidence": {
            "grade": lineage.grade.value,
            "where": student.evidence.where,
            "url": student.evidence.url,
            "unverified": list(student.unverified),
            "disputed": lineage.disputed,
        },
        "retention": [_retention_object(each) for each in story.retention],
        "notes": student.notes,
        "sources": list(story.sources),
    }


def _teacher_object(facts: TeacherFacts) -> dict[str, Any]:
    return {
        "id": facts.id,
        "name": facts.name,
        "open": facts.is_open,
        "parameters": facts.parameters,
        "hf_repo": facts.hf_repo,
        "ollama": facts.ollama,
    }


def _retention_object(each: Retention) -> dict[str, Any]:
    score = each.score
    return {
        "benchmark": score.benchmark,
        "shots": score.shots,
        "student": score.student,
        "teacher": score.teacher,
        "teacher_name": score.teacher_name,
        "base": score.base.score if score.base else None,
        "base_name": score.base.name if score.base else None,
        "lower_is_better": score.lower_is_better,
        "share": each.share,
        "why_no_share": each.why_no_share,
        "gap_closed": each.gap_closed,
        "why_no_gap": each.why_no_gap,
        "source_url": score.source_url,
        "teacher_source_url": score.teacher_source_url,
    }
