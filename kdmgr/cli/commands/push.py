"""`kdmgr push MODEL`: have the Ollama server send a model to the registry that its name begins with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `push`."""
    parser.add_argument("model", metavar="MODEL", help="you/model:tag; `kdmgr cp` gives a model such a name")
    parser.add_argument("--insecure", action="store_true", help="let the registry speak plain http")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Push; Ctrl-C stops it, and a second push sends only what is missing."""
    import asyncio

    return asyncio.run(_push(args, console))


async def _push(args: argparse.Namespace, console: Console) -> int:
    from contextlib import aclosing

    from kdmgr.cli.progress_bar import ProgressBar
    from kdmgr.models.progress import Progress
    from kdmgr.services.app import Services
    from kdmgr.services.pushing import push_model

    bar = ProgressBar(console, silent=args.quiet or not console.terminal)
    try:
        async with aclosing(push_model(Services.create(host=args.host), args.model, insecure=args.insecure)) as steps:
            async for step in steps:
                bar.show(Progress(step.status, None, step.completed, step.total))
    finally:
        bar.end()
    console.note(f"pushed {args.model}")
    return 0
