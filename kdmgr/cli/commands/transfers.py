"""`kdmgr transfers`: what was pulled and imported, by commands or the app, with the receipts of what came."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json, add_yes
from kdmgr.cli.asking import confirm
from kdmgr.errors import NotFound

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.transfer_history import HistoryEntry, TransferHistory

FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `transfers`."""
    parser.add_argument("names", nargs="*", metavar="MODEL", help="only of these, each with its receipt")
    parser.add_argument("--forget", action="store_true", help="list them no more; models and receipts stay")
    add_yes(parser)
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """List what has ended, the newest first; the exit code is 4 for a name that was never brought."""
    from kdmgr.services.app import Services

    history = Services.create().transfer_history
    entries = history.entries()
    if args.names:
        entries = [entry for name in dict.fromkeys(args.names) for entry in _choose(entries, name)]
    if args.forget:
        return _forget(history, entries, args, console)
    if args.json:
        import json

        from kdmgr.cli.transfers_text import history_object

        console.print(json.dumps(history_object(entries), indent=2))
    elif entries:
        _print(history, entries, console, with_receipts=bool(args.names))
    else:
        console.note("nothing was pulled or imported yet: kdmgr pull MODEL, or kdmgr import FILE")
    return 0


def _choose(entries: list[HistoryEntry], name: str) -> list[HistoryEntry]:
    from kdmgr.services.transfer_history import is_called

    found = [entry for entry in entries if is_called(entry, name)]
    if not found:
        raise NotFound(f"no pull or import of {name} is known", hint="kdmgr transfers lists those that are")
    return found


def _print(history: TransferHistory, entries: list[HistoryEntry], console: Console, *, with_receipts: bool) -> None:
    from kdmgr.cli.transfers_text import print_history

    print_history(entries, console)
    if not with_receipts:
        console.note("one with its receipt: kdmgr transfers MODEL")
        return
    from kdmgr.cli.receipt_text import print_story

    for entry in entries:
        if entry.receipt is not None:
            console.print()
            print_story(history.tell(entry.receipt), console)


def _forget(history: TransferHistory, entries: list[HistoryEntry], args: argparse.Namespace, console: Console) -> int:
    if not entries:
        console.note("there is nothing to forget")
        return 0
    what = f"{len(entries)} transfer{'s' if len(entries) > 1 else ''}"
    if not confirm(f"forget {what}? No model is removed.", console, yes=args.yes):
        console.note("nothing was forgotten")
        return FAILED
    if args.names:
        for entry in entries:
            history.forget(entry)
    else:
        history.clear()
    console.note(f"forgot {what}; models and their receipts stay")
    return 0
