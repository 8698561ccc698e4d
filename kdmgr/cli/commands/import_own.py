"""Imports into kdmgr's own store, for the embedded engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.cli.commands.import_ import build_request
from kdmgr.cli.progress_bar import ProgressBar
from kdmgr.models.store import file_size
from kdmgr.services.import_transfer import ImportTransfer, require_one_file, where_of
from kdmgr.services.pull_plan import EMBEDDED
from kdmgr.services.transfer_log import written_down

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.receipts import ImportReceipt


def import_into_store(
    args: argparse.Namespace, services: Services, sources: list[Path], name: str | None, console: Console
) -> ImportReceipt | None:
    """The receipt; None for a dry run."""
    request = build_request(args, sources, name, services)
    source = require_one_file(request)
    if args.dry_run:
        services.importing.check(source, request.ref, modelfile=args.modelfile, replace=args.replace)
        console.note(f"would import {source} as {request.ref} into kdmgr's store")
        return None
    bar = ProgressBar(console, silent=args.quiet or not console.terminal)
    transfer = ImportTransfer(request, EMBEDDED, where_of(services, EMBEDDED), file_size(source))
    try:
        with written_down(services.transfer_log, transfer):
            return services.importing.import_model(
                source,
                request.ref,
                bar.show,
                modelfile=args.modelfile,
                replace=args.replace,
                teacher=args.teacher,
                method=args.method,
            )
    finally:
        bar.end()
