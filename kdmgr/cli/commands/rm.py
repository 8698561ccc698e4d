"""`kdmgr rm MODEL…`: remove models from kdmgr's own store."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_yes
from kdmgr.errors import UsageError
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rm`."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models of kdmgr's store")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    add_yes(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Say what goes and what it frees, ask, remove."""
    from kdmgr.services.app import Services

    services = Services.create()
    models = services.library.choose_for_removal(args.models)
    freed = format_bytes(services.library.would_free(models))
    names = ", ".join(model.name for model in models)
    if args.dry_run:
        console.note(f"would remove {names} and free {freed}")
        return 0
    if not args.yes and not _confirm(f"remove {names} and free {freed}? [y/N] ", console):
        console.note("nothing was removed")
        return 1
    services.library.remove(models)
    for model in models:
        services.receipts.forget(model.stored.ref)
    console.note(f"removed {names}, freed {freed}")
    return 0


def _confirm(question: str, console: Console) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", hint="add --yes to remove without asking")
    console.stderr.write(question)
    console.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
