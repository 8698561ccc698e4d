"""`kdmgr students`: the catalog of distilled students, on this machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `students`."""
    from kdmgr.cli.student_list import add_filters

    parser.add_argument("search", nargs="?", metavar="TEXT", help="in the name, the family, the tags or the teacher")
    add_filters(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """List the students that pass the filters, in the order asked for."""
    from kdmgr.cli.student_list import run_list

    return run_list(args, console)
