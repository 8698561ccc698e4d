"""`kdmgr students`: the catalog of distilled students, on this machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json, add_machine
from kdmgr.units import format_bytes, format_count, format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `students`."""
    parser.add_argument("search", nargs="?", metavar="TEXT", help="in the name, the family, the tags or the teacher")
    parser.add_argument("--fits", action="store_true", help="only those whose weights this machine has memory for")
    parser.add_argument("--method", metavar="METHOD", help="only those taught this way: sequence-level, prune+logits …")
    add_json(parser)
    add_machine(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """List the students that pass the filters, by name."""
    from kdmgr.services.app import Services
    from kdmgr.services.choosing import choose_students

    services = Services.create()
    machine = services.machine(args.gpu or (), args.vram) if args.fits else None
    students = choose_students(services.catalog, search=args.search, method=args.method, machine=machine)
    if args.json:
        import json

        body = {"schema_version": 1, "students": [_object(student) for student in students]}
        console.print(json.dumps(body, indent=2))
    else:
        header = ("STUDENT", "PARAMETERS", "SIZE", "CONTEXT", "TEACHER", "METHOD", "EVIDENCE")
        console.table(header, [_row(student) for student in students], right=(1, 2, 3))
        console.note(f"{len(students)} of {len(services.catalog)} students")
        if args.fits:
            console.note("by the size that the publisher lists; `kdmgr fit FILE` plans cache and buffers too")
    return 0


def _row(student: Student) -> tuple[str, ...]:
    lineage, tag = student.lineage, next(iter(student.ollama), None)
    return (
        student.name,
        format_parameters(student.parameters),
        format_bytes(tag.size_bytes if tag else None),
        format_count(student.context_length),
        lineage.teacher.name[:40],
        lineage.method,
        lineage.grade.value,
    )


def _object(student: Student) -> dict[str, object]:
    lineage, tag = student.lineage, next(iter(student.ollama), None)
    return {
        "id": student.id,
        "name": student.name,
        "parameters": student.parameters,
        "size_bytes": tag.size_bytes if tag else None,
        "n_ctx_train": student.context_length,
        "ollama": [entry.tag for entry in student.ollama],
        "hf_repo": student.hf_repo,
        "licence": student.licence,
        "teacher": lineage.teacher.name,
        "method": lineage.method,
        "evidence": lineage.grade.value,
        "evidence_url": student.evidence.url,
        "unverified": list(student.unverified),
    }
