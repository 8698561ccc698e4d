"""`kdmgr keep-alive MODEL TIME`: how long a server keeps a model in memory."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `keep-alive`."""
    parser.add_argument("model", metavar="MODEL", help="a model of the server; it is loaded if it is not yet")
    parser.add_argument("time", metavar="TIME", help="30s, 90m, 1h30m, 2d or forever, from now or its last answer on")
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Tell the server; 4 when it has no such model."""
    import asyncio

    from kdmgr.cli.commands.ps import print_loaded
    from kdmgr.services.app import Services
    from kdmgr.services.memory import keep_alive, parse_keep_time

    seconds = parse_keep_time(args.time, args.model)
    was_loaded, residence = asyncio.run(keep_alive(Services.create(host=args.host), args.model, seconds))
    if residence is None:
        console.note(f"{args.model} is not loaded any more")
        return 1
    console.note(f"{residence.model.name} {'has been loaded' if was_loaded else 'stays loaded'}")
    print_loaded([residence], console)
    return 0
