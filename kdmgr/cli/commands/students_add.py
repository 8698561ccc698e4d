"""`kdmgr students add`: keep a find as a student of your own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kdmgr.catalog.students import METHODS
from kdmgr.cli.arguments import add_json, add_yes
from kdmgr.units import format_count, format_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `students add`."""
    parser.add_argument("model", metavar="MODEL", help="hf.co/user/repo, or an Ollama name")
    parser.add_argument("--teacher", metavar="NAME", help="who taught it")
    parser.add_argument("--method", metavar="METHOD", help=f"how: {', '.join(METHODS)}")
    parser.add_argument("--evidence", metavar="URL", help="a page that says so (default: what the model card claims)")
    parser.add_argument("--name", metavar="NAME", help="what it is called (default: as its repository)")
    parser.add_argument("--id", metavar="ID", help="its id in the catalog (default: made of its name)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written")
    add_yes(parser)
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Write the entry; whoever would lose another one is asked first."""
    from contextlib import closing
    from datetime import date

    from kdmgr.cli.asking import confirm
    from kdmgr.services.adopting import Said, adopt
    from kdmgr.services.app import Services
    from kdmgr.services.own_students import keep_student

    said = Said(args.id, args.name, args.teacher, args.method, args.evidence)
    with closing(Services.create()) as services:
        adoption = adopt(services, args.model, said, console.note, date.today())
        for note in (*adoption.notes, *adoption.objections):
            console.note(f"note: {note}")
        if not args.dry_run:
            if adoption.objections and not confirm("keep it all the same?", console, yes=args.yes):
                console.note("nothing was written")
                return 0
            path = keep_student(services.paths.config, adoption.entry, replace=True)
    _print(adoption.entry, None if args.dry_run else path, args, console)
    return 0


def _print(entry: dict[str, Any], path: Path | None, args: argparse.Namespace, console: Console) -> None:
    from kdmgr.catalog.check import check_entry
    from kdmgr.catalog.codec import decode_student

    student = decode_student(check_entry(entry), from_user=True)
    if args.json:
        import json

        body = {"schema_version": 1, "written": path is not None, "file": str(path or ""), "entry": entry}
        console.print(json.dumps(body, indent=2))
        return
    fields = {
        "id": student.id,
        "name": student.name,
        "model": f"{student.architecture or '?'} · {format_parameters(student.parameters)}",
        "context": format_count(student.context_length),
        "teacher": student.lineage.teacher.name,
        "method": student.lineage.method,
        "grade": student.lineage.grade.value,
        "evidence": student.evidence.url or "none",
        "says": student.evidence.where,
        "notes": student.notes,
    }
    for label, text in fields.items():
        if text:
            console.paragraph(label, text, 10)
    console.note(f"written to {path}" if path else "nothing was written")
