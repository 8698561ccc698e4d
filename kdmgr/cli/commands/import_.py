"""`kdmgr import FILE NAME`: put a GGUF file into kdmgr's store."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json
from kdmgr.units import format_bytes, format_duration, format_parameters, format_speed

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.models.progress import Progress
    from kdmgr.services.receipts import ImportReceipt

_BAR, _REFRESH_S = 30, 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a .gguf file")
    parser.add_argument("name", metavar="NAME", help="what to call it: NAME or NAME:TAG")
    parser.add_argument("-f", "--file", dest="modelfile", type=Path, metavar="MODELFILE", help="a Modelfile")
    parser.add_argument("--replace", action="store_true", help="take the place of a model of this name")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the name")
    add_json(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Import; Ctrl-C cancels and leaves nothing behind."""
    from kdmgr.refs import parse_ollama_name
    from kdmgr.services.app import Services

    bar = ProgressBar(console, silent=args.quiet or not console.terminal)
    try:
        receipt = Services.create().importing.import_model(
            args.file, parse_ollama_name(args.name), bar.show, modelfile=args.modelfile, replace=args.replace
        )
    finally:
        bar.end()
    if args.json:
        import json
        from dataclasses import asdict

        console.print(json.dumps({"schema_version": 1, **asdict(receipt)}, indent=2))
    elif args.quiet:
        console.print(receipt.name)
    else:
        print_receipt(receipt, console)
    return 0


def print_receipt(receipt: ImportReceipt, console: Console) -> None:
    """A receipt for people."""
    template = f"{receipt.template or 'of no known family'} (from the {receipt.template_source})"
    fields = {
        "name": receipt.name,
        "file": receipt.file,
        "size": format_bytes(receipt.size),
        "sha256": receipt.sha256,
        "model": f"{receipt.architecture} · {format_parameters(receipt.parameters)} · {receipt.quant or '?'}",
        "template": "none" if receipt.template_source == "none" else template,
        "parameters": ", ".join(f"{key} {value}" for key, value in receipt.modelfile_parameters.items()),
        "teacher": f"{receipt.teacher} ({receipt.method})" if receipt.teacher else "unknown",
        "imported": receipt.imported_at,
    }
    console.fields({key: value for key, value in fields.items() if value})
    for warning in receipt.warnings:
        console.note(f"warning: {warning}")


class ProgressBar:
    """One line on stderr, redrawn at most ten times a second: bar, share, speed and time left."""

    def __init__(self, console: Console, *, silent: bool) -> None:
        self._console = console
        self._silent = silent
        self._started = monotonic()
        self._drawn = 0.0
        self._open = False

    def show(self, progress: Progress) -> None:
        """Draw `progress`, unless it was drawn just now."""
        now = monotonic()
        done = progress.total is not None and progress.completed >= progress.total
        if self._silent or (not done and now - self._drawn < _REFRESH_S):
            return
        self._drawn, self._open = now, True
        share = progress.completed / progress.total if progress.total else 0.0
        speed = progress.completed / max(now - self._started, 1e-6)
        left = (progress.total or 0) - progress.completed
        filled = int(share * _BAR)
        bar = "█" * filled + "·" * (_BAR - filled)
        eta = f", {format_duration(left / speed)} left" if left and speed else ""
        text = f"{progress.status} {bar} {share:4.0%} {format_speed(speed)}{eta}"
        self._console.stderr.write(f"\r\x1b[2K{text}")
        self._console.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            self._open = False
            self._console.stderr.write("\n")
