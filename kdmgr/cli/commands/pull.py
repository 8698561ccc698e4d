"""`kdmgr pull REF…`: get models, through Ollama or into kdmgr's own store; and what interrupted pulls left."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_engine, add_host, add_json, add_machine, add_yes
from kdmgr.errors import KdmgrError, UsageError
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.pull_plan import PullOptions, PullPlan
    from kdmgr.services.transfer_state import TransferState

FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pull`."""
    parser.add_argument("refs", nargs="*", metavar="MODEL", help="an Ollama name or hf.co/user/repo:QUANT")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="what interrupted pulls have left")
    what.add_argument("--resume", action="store_true", help="go on with what interrupted pulls have left")
    what.add_argument("--remove", action="store_true", help="remove what interrupted pulls have left")
    add_engine(parser)
    add_host(parser)
    parser.add_argument("--parallel-items", type=int, metavar="N", help="models at the same time (default: 2)")
    parser.add_argument("--insecure", action="store_true", help="have the Ollama server use plain http")
    add_machine(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, only the names")
    add_yes(parser)
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Plan, ask where somebody should be asked, pull; Ctrl-C stops and keeps what has come."""
    from kdmgr.services.app import Services
    from kdmgr.services.leftovers import choose_leftovers

    with closing(Services.create(host=args.host)) as services:
        if args.list or args.remove or args.resume:
            found = choose_leftovers(services.leftovers(), args.refs)
            if args.list:
                return _list(found, args, console)
            if args.remove:
                return _remove(services, found, args, console)
            args.refs = list(dict.fromkeys(entry.name for entry in found if entry.name))
            if not args.refs:
                console.note("no interrupted pull has left anything that can be resumed")
                return 0
        if not args.refs:
            raise UsageError("no model named", hint="kdmgr pull phi3:mini, or see kdmgr pull --list")
        return _pull(services, args, console)


def _pull(services: Services, args: argparse.Namespace, console: Console) -> int:
    plans = _plan(services, args, console)
    for plan in plans:
        if plan.objections and not args.yes and not _agree(plan, console):
            return FAILED
    states = asyncio.run(_run_queue(services, plans, args, console))
    if args.json:
        _print_json(states, console)
    for state in states:
        if state.error is not None:
            name = f"{state.name}: " if len(states) > 1 else ""
            console.error(f"{name}{state.error.message}", state.error.hint)
        elif args.quiet:
            console.print(state.name)
    return max((state.error.exit_code if state.error else 0 for state in states), default=0)


def _plan(services: Services, args: argparse.Namespace, console: Console) -> list[PullPlan]:
    from kdmgr.cli.pull_text import describe_plan

    options = _options(services, args)
    plans = []
    for ref in dict.fromkeys(args.refs):
        plan = services.plan_pull(ref, options)
        if not args.quiet:
            console.note(describe_plan(plan))
            for note in plan.notes:
                console.note(f"note: {note}")
        plans.append(plan)
    return plans


def _options(services: Services, args: argparse.Namespace) -> PullOptions:
    from kdmgr.services.pull_plan import PullOptions

    machine = services.machine(args.gpu or (), args.vram)
    return PullOptions(engine=args.engine, insecure=args.insecure, machine=machine)


def _agree(plan: PullPlan, console: Console) -> bool:
    """Whether to pull in spite of what speaks against it; without a terminal nobody can be asked."""
    for sentence in plan.objections:
        console.note(f"warning: {sentence}")
    if not sys.stdin.isatty():
        console.error(f"{plan.name} was not pulled", "add --yes to pull it anyway")
        return False
    return _confirm(f"pull {plan.name} anyway? [y/N] ", console)


async def _run_queue(
    services: Services, plans: list[PullPlan], args: argparse.Namespace, console: Console
) -> tuple[TransferState, ...]:
    from kdmgr.cli.pull_text import PullPrinter

    queue = services.transfer_queue(args.parallel_items)
    for plan in plans:
        queue.add(plan)
    printer = PullPrinter(console, silent=args.quiet)
    try:
        async with aclosing(queue.watch()) as changes:
            async for states in changes:
                printer.show(states)
    except asyncio.CancelledError:
        await queue.close()
        printer.show(queue.states())
        console.note("stopped: what has come is kept; pull again to go on, or see kdmgr pull --list")
        raise
    finally:
        await queue.close()
    return queue.states()


def _list(found: list[Leftover], args: argparse.Namespace, console: Console) -> int:
    if args.json:
        import json

        entries = [
            {
                "name": entry.name,
                "engine": entry.engine,
                "where": entry.where,
                "completed_bytes": entry.completed,
                "total_bytes": entry.total,
                "digests": list(entry.digests),
            }
            for entry in found
        ]
        console.print(json.dumps({"schema_version": 1, "interrupted": entries}, indent=2))
    elif found:
        rows = (
            (entry.key, format_bytes(entry.completed), format_bytes(entry.total), entry.engine, entry.where)
            for entry in found
        )
        console.table(("NAME", "HERE", "SIZE", "ENGINE", "WHERE"), rows, right=(1, 2))
        console.note("go on: kdmgr pull NAME, or all: kdmgr pull --resume; be rid of it: kdmgr pull --remove NAME")
    else:
        console.note("no interrupted pull has left anything")
    return 0


def _remove(services: Services, found: list[Leftover], args: argparse.Namespace, console: Console) -> int:
    if not found:
        console.note("no interrupted pull has left anything")
        return 0
    freed = sum(entry.completed or 0 for entry in found)
    what = f"{', '.join(entry.key for entry in found)}: {format_bytes(freed)}"
    if not args.yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked here", hint="add --yes to remove without asking")
        if not _confirm(f"remove what has come of {what}? [y/N] ", console):
            console.note("nothing was removed")
            return FAILED
    services.remove_leftovers(found)
    console.note(f"removed what had come of {what}")
    return 0


def _confirm(question: str, console: Console) -> bool:
    from kdmgr.units import printable

    console.stderr.write(printable(question))
    console.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_json(states: tuple[TransferState, ...], console: Console) -> None:
    import json

    items = [
        {
            "name": state.name,
            "engine": state.engine,
            "phase": state.phase.value,
            "completed_bytes": state.completed,
            "total_bytes": state.total,
            "left_over_bytes": state.left_over,
            "error": _error_object(state.error),
        }
        for state in states
    ]
    console.print(json.dumps({"schema_version": 1, "pulls": items}, indent=2))


def _error_object(error: KdmgrError | None) -> dict[str, str | None] | None:
    return None if error is None else {"message": error.message, "hint": error.hint}
