"""One line of `students.jsonl` to a `Student`.

The schema: one JSON object per line (UTF-8, "\\n"), sorted by id, all keys present, null for unknown.

    id                 lower case, unique: letters, digits, `.`, `_`, `-`
    name, publisher, family, modality, licence       text
    architecture       llama.cpp's name
    parameters, active_parameters                    integers, rounded as published
    context_length     tokens it was trained for
    released           "YYYY-MM"
    hf_repo            "owner/name" of the weights; gguf_repos: a list of conversions
    ollama             [{tag, size_bytes, context, digest}]: what the library listed; sizes rounded as printed
    teacher            {name, parameters, hf_repo, ollama, open}
    base               {name, hf_repo, student, source_url}: the weights it began with; `student` is the id of the
                       entry that describes them, where they are a student's
    method, methods    of `METHODS`; losses: {hard, soft, hidden}, each true, false or null; method_note: text
    evidence           {url, where, confidence}: where the lineage was read, and how well it carries the claim
    scores             [{benchmark, shots, student, teacher, teacher_name, lower_is_better, same_source,
                       source_url, teacher_source_url, base}]; base: {name, score, source_url}, what the base model
                       scored when measured alike
    unverified         names of fields whose value was not checked; `a.b` is a detail of `a`
    notes              text: disputes, traps, how things hang together

Optional: `disputed` (what of the claim somebody speaks against, and why); `blobs` (sha256 of GGUF files), `n_layer`,
`n_embd`, `n_vocab`. `audit` has what the shipped lines must meet beyond this.
A user's file has the same schema; there, only `id`, `name` and `teacher.name` are required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdmgr.catalog.students import (
    Base,
    BaseScore,
    Evidence,
    Lineage,
    Losses,
    OllamaTag,
    Score,
    Student,
    Teacher,
    find_doubts,
    grade_lineage,
)


def decode_student(entry: Mapping[str, Any], *, from_user: bool = False) -> Student:
    """The student that a complete and valid entry describes; others go through `check_entry` first."""
    return Student(
        id=entry["id"],
        name=entry["name"],
        publisher=entry["publisher"],
        family=entry["family"],
        modality=entry["modality"],
        architecture=entry["architecture"],
        parameters=entry["parameters"],
        active_parameters=entry["active_parameters"],
        context_length=entry["context_length"],
        released=entry["released"],
        licence=entry["licence"],
        hf_repo=entry["hf_repo"],
        gguf_repos=tuple(entry["gguf_repos"]),
        ollama=tuple(OllamaTag(**tag) for tag in entry["ollama"]),
        lineage=_decode_lineage(entry),
        evidence=Evidence(**entry["evidence"]),
        scores=tuple(map(_decode_score, entry["scores"])),
        unverified=tuple(entry["unverified"]),
        notes=entry["notes"],
        blobs=tuple(entry.get("blobs", ())),
        n_layer=entry.get("n_layer"),
        n_embd=entry.get("n_embd"),
        n_vocab=entry.get("n_vocab"),
        base=Base(**entry["base"]) if entry.get("base") else None,
        from_user=from_user,
    )


def _decode_score(score: Mapping[str, Any]) -> Score:
    base = score.get("base")
    return Score(**{**score, "base": BaseScore(**base) if base else None})


def _decode_lineage(entry: Mapping[str, Any]) -> Lineage:
    teacher = entry["teacher"]
    doubts = find_doubts(tuple(entry["unverified"]))
    return Lineage(
        teacher=Teacher(teacher["name"], teacher["parameters"], teacher["hf_repo"], teacher["ollama"], teacher["open"]),
        method=entry["method"],
        methods=tuple(entry["methods"]),
        losses=Losses(**entry["losses"]),
        note=entry["method_note"],
        grade=grade_lineage(entry["evidence"]["confidence"], doubts, entry.get("disputed")),
        doubts=doubts,
        disputed=entry.get("disputed"),
    )
