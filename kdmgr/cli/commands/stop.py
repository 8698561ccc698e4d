"""`kdmgr stop MODEL…`: free the memory of models that a server holds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host
from kdmgr.errors import UsageError

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `stop`."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help="a loaded model, or a pattern like 'qwen*'")
    parser.add_argument("--all", action="store_true", help="all that are loaded")
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Unload; 4 for a name that is not loaded."""
    import asyncio

    if bool(args.models) == args.all:
        raise UsageError("name a model, or --all", hint="`kdmgr ps` shows what is loaded")
    return asyncio.run(_stop(args, console))


async def _stop(args: argparse.Namespace, console: Console) -> int:
    from contextlib import aclosing

    from kdmgr.services.app import Services
    from kdmgr.services.memory import stop_models

    n_stopped = 0
    async with aclosing(stop_models(Services.create(host=args.host), args.models)) as stopped:
        async for stop in stopped:
            n_stopped += 1
            busy = "" if stop.gone else " will be unloaded when it has finished its answer"
            console.note(f"{stop.name}{busy or ' is unloaded'}")
    if not n_stopped:
        console.note("no model is loaded")
    return 0
