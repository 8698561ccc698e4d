"""Imports into a running Ollama server."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.commands.import_ import build_request, confirm
from kdmgr.cli.progress_bar import ProgressBar
from kdmgr.errors import Interrupted
from kdmgr.services.import_transfer import ImportTransfer, where_of
from kdmgr.services.pull_plan import OLLAMA
from kdmgr.services.transfer_log import written_down
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.import_plan import ImportPlan, ImportRequest
    from kdmgr.services.receipts import ImportReceipt


def import_into_server(
    args: argparse.Namespace, services: Services, sources: list[Path], name: str | None, console: Console
) -> ImportReceipt | None:
    """Check, say what was found, ask where the name is taken, import. The receipt; None where nothing was done."""
    request = build_request(args, sources, name, services)
    plan = asyncio.run(_prepare(services, request))
    if not args.quiet:
        tell_plan(plan, console)
    if args.dry_run:
        _print_modelfile(plan, console)
        return None
    if plan.taken and not request.replace:
        if not (args.yes or confirm(f"{request.ref} exists on the server: replace it? [y/N] ", console)):
            console.note("nothing was imported")
            return None
        plan = replace(plan, request=replace(request, replace=True))
    bar = ProgressBar(console, silent=args.quiet or not console.terminal)
    transfer = ImportTransfer(plan.request, OLLAMA, where_of(services, OLLAMA), plan.sources.size)
    try:
        with written_down(services.transfer_log, transfer):
            return asyncio.run(_perform(services, plan, bar))
    except KeyboardInterrupt:
        bar.end()
        raise Interrupted(
            "interrupted: no model was made", hint="import again: what was hashed or sent completely is not done twice"
        ) from None
    finally:
        bar.end()


def tell_plan(plan: ImportPlan, console: Console) -> None:
    """What will be made of what, on stderr."""
    sources = plan.sources
    if sources.folder is not None or len(sources.files) > 4:
        console.note(f"{len(sources.files)} files of {sources.path}, {format_bytes(sources.size)}")
    else:
        for file in sources.files:
            console.note(f"{file.kind.value}: {file.path} ({format_bytes(file.state.size)})")
    if sources.base:
        console.note(f"from: {sources.base}, which the server has")
    console.note(f"fit: {plan.fit_words}")
    if plan.is_proposed and plan.proposal is not None:
        for reason in plan.proposal.reasons:
            console.note(f"proposed: {reason}")
    for warning in plan.warnings:
        console.note(f"warning: {warning}")


def _print_modelfile(plan: ImportPlan, console: Console) -> None:
    if plan.modelfile is not None:
        from kdmgr.modelfile.render import render
        from kdmgr.units import printable

        console.print(printable(render(plan.modelfile)), end="")
    doing = "replaced" if plan.taken else "made"
    console.note(f"nothing was sent; {plan.request.ref} would be {doing}")


async def _prepare(services: Services, request: ImportRequest) -> ImportPlan:
    engine = services.ollama_engine()
    try:
        return await services.server_importing(engine).prepare(request)
    finally:
        await engine.close()


async def _perform(services: Services, plan: ImportPlan, bar: ProgressBar) -> ImportReceipt:
    engine = services.ollama_engine()
    try:
        return await services.server_importing(engine).perform(plan, bar.show)
    finally:
        await engine.close()
