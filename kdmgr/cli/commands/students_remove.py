"""`kdmgr students remove`: forget a student of your own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_yes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `students remove`."""
    parser.add_argument("id", metavar="ID", help="one of your own; those that come with kdmgr stay")
    add_yes(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask, then remove the line."""
    from kdmgr.cli.asking import confirm
    from kdmgr.errors import NotFound
    from kdmgr.services.app import Services
    from kdmgr.services.own_students import forget_student

    services = Services.create()
    student = services.catalog.get(args.id)
    if student is None or not student.from_user:
        hint = "it comes with kdmgr, and stays" if student else "kdmgr students lists all"
        raise NotFound(f"none of your own students is called {args.id}", hint=hint)
    question = f"remove {student.id} ({student.name}, taught by {student.lineage.teacher.name})?"
    if not confirm(question, console, yes=args.yes):
        console.note("nothing was removed")
        return 0
    path = forget_student(services.paths.config, student.id)
    console.note(f"removed {student.id} from {path}")
    return 0
