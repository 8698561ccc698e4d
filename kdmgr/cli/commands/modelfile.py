"""`kdmgr modelfile list|show|check`: the shipped Modelfiles, and whether one is sound."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `modelfile`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the student families that kdmgr has one for")
    show = actions.add_parser("show", help="print one of them")
    show.add_argument("name", metavar="FAMILY")
    check = actions.add_parser("check", help="whether Ollama would take a Modelfile")
    check.add_argument("path", type=Path, metavar="FILE")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do one of the actions."""
    from kdmgr.services.modelfiles import check_modelfile, read_shipped, shipped_names

    if args.action == "list":
        for name in shipped_names():
            console.print(name)
    elif args.action == "show":
        console.print(printable(read_shipped(args.name)), end="")
    else:
        checked = check_modelfile(args.path)
        for warning in checked.warnings:
            console.note(f"warning: {warning}")
        family = checked.family or "of no known family" if checked.has_template else "none"
        console.print(f"{printable(str(args.path))}: {checked.n_commands} commands, template {family}")
    return 0
