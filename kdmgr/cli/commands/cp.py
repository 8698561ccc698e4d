"""`kdmgr cp MODEL NAME`: a second name for a model; the files are shared, so it costs no room."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_store

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cp` and `mv`."""
    parser.add_argument("model", metavar="MODEL", help="a model of kdmgr's store or of the server")
    parser.add_argument("name", metavar="NAME", help="its new name: NAME or NAME:TAG")
    parser.add_argument("--replace", action="store_true", help="take the place of a model of this name")
    add_store(parser)
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Copy within the place that has the model."""
    return copy_or_move(args, console, moving=False)


def copy_or_move(args: argparse.Namespace, console: Console, *, moving: bool) -> int:
    """The whole of `cp` and `mv`."""
    import asyncio

    from kdmgr.services.app import Services
    from kdmgr.services.copying import check_destination, copy_model, move_model
    from kdmgr.services.stock import take_stock

    async def work() -> str:
        services = Services.create(host=args.host)
        stock = await take_stock(services, place=args.store)
        source = stock.require(args.model)
        ref = check_destination(stock, source, args.name, replacing=args.replace)
        await (move_model if moving else copy_model)(services, source, ref)
        where = "in kdmgr's store" if source.place == "kdmgr" else f"on {services.host.address.url}"
        return f"{source.name} is now {'called' if moving else 'also'} {ref}, {where}"

    console.note(asyncio.run(work()))
    return 0
