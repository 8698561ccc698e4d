"""`kdmgr prune`: remove what no model needs: orphans, cut transfers, temporary files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_store, add_yes
from kdmgr.units import format_bytes, format_duration, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.disk_use import PrunePlan


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prune`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument(
        "--older-than",
        default="1h",
        metavar="TIME",
        help="what nobody has written to for so long (default: 1h, the least for a store of Ollama's)",
    )
    add_store(parser)
    add_host(parser)
    add_yes(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Name everything that would go, ask, remove; 1 when something had to stay."""
    import asyncio

    from kdmgr.cli.asking import confirm
    from kdmgr.services.app import Services
    from kdmgr.services.disk_use import look_at_disks, plan_prune
    from kdmgr.units import parse_duration

    age_s = parse_duration(args.older_than)
    services = Services.create(host=args.host)
    disks = asyncio.run(look_at_disks(services, place=args.store))
    for note in disks.notes:
        console.note(note)
    plans = [plan_prune(use, age_s) for use in disks.uses]
    for plan in plans:
        _print_plan(plan, console)
    total = format_bytes(sum(plan.freed for plan in plans))
    if not any(plan.chosen for plan in plans):
        console.note("there is nothing to remove")
        return 0
    if args.dry_run:
        console.note(f"would free {total}")
        return 0
    if not confirm(f"remove these and free {total}?", console, yes=args.yes):
        console.note("nothing was removed")
        return 1
    return max(_prune(services, plan, console) for plan in plans if plan.chosen)


def _print_plan(plan: PrunePlan, console: Console) -> None:
    survey = plan.use.survey
    for problem in survey.problems:
        console.note(f"warning: {problem}; so no whole file of {survey.root} is removed")
    for stray in plan.chosen:
        path = stray.folder or stray.paths[0]
        console.print(f"{stray.kind:<10} {format_bytes(stray.disk_bytes):>11}  {printable(str(path))}")
    if plan.too_young:
        size = format_bytes(sum(stray.disk_bytes for stray in plan.too_young))
        age = format_duration(plan.age_s)
        console.note(f"{len(plan.too_young)} more ({size}) were written to within {age}, and stay: {survey.root}")


def _prune(services: Services, plan: PrunePlan, console: Console) -> int:
    from kdmgr.services.disk_use import prune

    pruned = prune(services, plan)
    console.note(f"removed {len(pruned.removed)} and freed {format_bytes(pruned.freed)}: {plan.use.survey.root}")
    for name, why in pruned.kept:
        console.note(f"kept {name}: {why}")
    if any("ermission" in why for _, why in pruned.kept) and plan.use.place == "ollama":
        console.note("hint: the server removes them itself when it starts: sudo systemctl restart ollama")
    return int(bool(pruned.kept))
