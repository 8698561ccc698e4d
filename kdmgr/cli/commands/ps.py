"""`kdmgr ps`: models that the Ollama server holds in memory."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json
from kdmgr.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.memory import Residence


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ps`."""
    add_json(parser)
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask the server; 3 when none answers."""
    import asyncio

    from kdmgr.services.app import Services
    from kdmgr.services.memory import loaded_now

    loaded = asyncio.run(loaded_now(Services.create(host=args.host)))
    if args.json:
        import json

        body = {"schema_version": 1, "models": [_object(residence) for residence in loaded]}
        console.print(json.dumps(body, indent=2))
    elif loaded:
        print_loaded(loaded, console)
    else:
        console.note("no model is loaded")
    return 0


def print_loaded(loaded: list[Residence], console: Console) -> None:
    """A table, and a word on each that runs on the CPU though a GPU holds a part of it."""
    rows = [_row(residence) for residence in loaded]
    console.table(("NAME", "SIZE", "ON GPU", "ON CPU", "CONTEXT", "UNTIL"), rows, right=(1, 2, 3, 4))
    for residence in loaded:
        if residence.spill and residence.model.size_vram:
            name, spill = residence.model.name, format_bytes(residence.spill)
            console.note(f"{name} does not fit the GPU: {spill} of it run on the CPU, which is slow; kdmgr fit {name}")


def _row(residence: Residence) -> tuple[str, ...]:
    model = residence.model
    share = "?" if residence.gpu_share is None else f"{residence.gpu_share:.0%}"
    return (
        model.name,
        format_bytes(model.size),
        share,
        format_bytes(residence.spill),
        format_count(model.n_ctx),
        (describe_end(residence)),
    )


def describe_end(residence: Residence) -> str:
    """When a model will be unloaded: `14:05:30 (in 4:02)`, `for ever`."""
    if residence.forever:
        return "for ever"
    if residence.model.expires_at is None or residence.seconds_left is None:
        return "?"
    if not residence.seconds_left:
        return "being unloaded"
    moment = residence.model.expires_at.astimezone()
    day = "%Y-%m-%d " if residence.seconds_left > 86400 else ""
    return f"{moment.strftime(f'{day}%H:%M:%S')} (in {format_duration(residence.seconds_left)})"


def _object(residence: Residence) -> dict[str, object]:
    model = residence.model
    return {
        "name": model.name,
        "size_bytes": model.size,
        "size_vram_bytes": model.size_vram,
        "size_cpu_bytes": residence.spill,
        "gpu_share": residence.gpu_share,
        "n_ctx": model.n_ctx,
        "expires_at": model.expires_at.isoformat() if model.expires_at and not residence.forever else None,
        "forever": residence.forever,
    }
