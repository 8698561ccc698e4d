"""`kdmgr rm MODEL…`: remove models from kdmgr's own store, or from the Ollama server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_store, add_yes
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.stock import Held


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rm`."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name, or a pattern like 'qwen*'")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    add_store(parser)
    add_host(parser)
    add_yes(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Say what goes and what it frees, ask, remove; 1 when it was not wanted after all."""
    import asyncio

    from kdmgr.cli.asking import confirm
    from kdmgr.services.app import Services
    from kdmgr.services.removing import describe_freed, would_free
    from kdmgr.services.stock import take_stock

    services = Services.create(host=args.host)
    stock = asyncio.run(take_stock(services, place=args.store))
    chosen = stock.choose(args.models)
    freed = would_free(services, stock, chosen)
    words = describe_freed(freed, stock.disk.why_not)
    _print_chosen(chosen, services, console)
    if args.dry_run:
        console.note(f"would free {words}")
        return 0
    plural = "this model" if len(chosen) == 1 else f"these {len(chosen)} models"
    if not confirm(f"remove {plural} and free {words}?", console, yes=args.yes):
        console.note("nothing was removed")
        return 1
    asyncio.run(_remove(services, chosen, console))
    console.note(f"freed {words}")
    return 0


def _print_chosen(chosen: list[Held], services: Services, console: Console) -> None:
    for held in chosen:
        where = "kdmgr's store" if held.place == "kdmgr" else services.host.address.url
        console.note(f"  {held.name}  {format_bytes(held.size)}, in {where}")


async def _remove(services: Services, chosen: list[Held], console: Console) -> None:
    from contextlib import aclosing

    from kdmgr.services.removing import remove_models

    async with aclosing(remove_models(services, chosen)) as removing:
        async for removed in removing:
            gone = " was gone already" if removed.was_gone else ""
            console.note(f"{removed.held.name}{gone}" if gone else f"removed {removed.held.name}")
