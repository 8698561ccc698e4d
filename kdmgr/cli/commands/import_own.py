"""Imports into kdmgr's own store, for the embedded engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.commands.import_ import build_request
from kdmgr.cli.progress_bar import ProgressBar
from kdmgr.errors import UsageError

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.receipts import ImportReceipt


def import_into_store(
    args: argparse.Namespace, services: Services, sources: list[Path], name: str | None, console: Console
) -> ImportReceipt | None:
    """The receipt; None for a dry run."""
    if args.quantize or args.base:
        raise UsageError("only an Ollama server quantises and adapts", hint="import into it: --to ollama")
    request = build_request(args, sources, name, services)
    if len(sources) > 1 or not sources or sources[0].is_dir():
        raise UsageError(
            "kdmgr's own store takes one GGUF file", hint="import several files or a folder into Ollama: --to ollama"
        )
    if args.dry_run:
        services.importing.check(sources[0], request.ref, modelfile=args.modelfile, replace=args.replace)
        console.note(f"would import {sources[0]} as {request.ref} into kdmgr's store")
        return None
    bar = ProgressBar(console, silent=args.quiet or not console.terminal)
    try:
        return services.importing.import_model(
            sources[0],
            request.ref,
            bar.show,
            modelfile=args.modelfile,
            replace=args.replace,
            teacher=args.teacher,
            method=args.method,
        )
    finally:
        bar.end()
