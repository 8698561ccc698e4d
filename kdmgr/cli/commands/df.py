"""`kdmgr df`: what the disk is used for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json, add_store
from kdmgr.units import format_bytes, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.disk_use import Disks, DiskUse

_KINDS = {"orphan": "orphans", "partial": "cut transfers", "temporary": "temporary files"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `df`."""
    add_json(parser)
    add_store(parser)
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Survey the disks that can be looked at."""
    import asyncio

    from kdmgr.services.app import Services
    from kdmgr.services.disk_use import look_at_disks

    disks = asyncio.run(look_at_disks(Services.create(host=args.host), place=args.store))
    if args.json:
        _print_json(disks, console)
    else:
        for use in disks.uses:
            _print_use(use, console)
    for note in disks.notes:
        console.note(note)
    return 0


def _print_use(use: DiskUse, console: Console) -> None:
    survey = use.survey
    name = "kdmgr's store" if use.place == "kdmgr" else "Ollama's store"
    console.print(console.style(f"{name}  {printable(str(survey.root))}", "bold"))
    if survey.models:
        rows = [
            (str(each.model.ref), format_bytes(each.size), format_bytes(each.own), format_bytes(each.shared))
            for each in survey.models
        ]
        console.table(("MODEL", "SIZE", "ONLY ITS OWN", "SHARED"), rows, right=(1, 2, 3))
    console.print(f"  models          {format_bytes(survey.models_bytes)}, every file counted once")
    if survey.shared_bytes:
        console.print(f"  of these shared {format_bytes(survey.shared_bytes)}")
    for kind, words in _KINDS.items():
        if strays := survey.of_kind(kind):
            size = format_bytes(sum(stray.disk_bytes for stray in strays))
            console.print(f"  {words:<15} {size} in {len(strays)}")
    console.print(f"  free            {format_bytes(use.free)}")
    console.print()
    for problem in survey.problems:
        console.note(f"warning: {problem}")
    if survey.problems:
        console.note("so no file is called an orphan: it may belong to a manifest that cannot be read")
    elif survey.strays:
        console.note("kdmgr prune removes what no model needs; it asks first")


def _print_json(disks: Disks, console: Console) -> None:
    import json

    stores = [_object(use) for use in disks.uses]
    console.print(json.dumps({"schema_version": 1, "stores": stores, "notes": list(disks.notes)}, indent=2))


def _object(use: DiskUse) -> dict[str, object]:
    survey = use.survey
    return {
        "store": use.place,
        "folder": str(survey.root),
        "total_bytes": survey.total,
        "models_bytes": survey.models_bytes,
        "shared_bytes": survey.shared_bytes,
        "free_bytes": use.free,
        "models": [
            {"name": str(each.model.ref), "size_bytes": each.size, "own_bytes": each.own, "shared_bytes": each.shared}
            for each in survey.models
        ],
        "left_over": [
            {"file": stray.name, "kind": stray.kind, "disk_bytes": stray.disk_bytes, "modified_at": stray.modified_at}
            for stray in survey.strays
        ],
        "problems": list(survey.problems),
    }
