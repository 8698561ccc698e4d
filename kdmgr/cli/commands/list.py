"""`kdmgr list`: the installed models of both stores."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json
from kdmgr.units import format_bytes, format_parameters

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.rows import ModelRow


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `list`."""
    add_json(parser)
    parser.add_argument("--names", action="store_true", help="only the names, one a line")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print what is installed; problems go to stderr."""
    from kdmgr.services.app import Services

    services = Services.create()
    models, problems = services.library.list_models()
    if args.names:
        for model in models:
            console.print(model.name)
        return 0
    rows = services.installed_rows()
    if args.json:
        _print_json(rows, problems, console)
    elif rows:
        _print_table(rows, console)
        console.note(f"{format_bytes(services.library.own.disk_use())} in kdmgr's store, shared blobs counted once")
    else:
        console.note("no models are installed; import one: kdmgr import model.gguf NAME")
    for problem in problems:
        console.note(f"warning: {problem}")
    return 0


def _print_table(rows: list[ModelRow], console: Console) -> None:
    cells = (
        (
            row.name,
            format_bytes(row.size_bytes),
            format_parameters(row.parameters),
            row.quant or "?",
            row.teacher or "",
            row.origin,
        )
        for row in rows
    )
    console.table(("NAME", "SIZE", "PARAMETERS", "QUANT", "TEACHER", "STORE"), cells, right=(1, 2))


def _print_json(rows: list[ModelRow], problems: list[str], console: Console) -> None:
    import json

    models = [
        {
            "name": row.name,
            "store": row.origin,
            "size_bytes": row.size_bytes,
            "parameters": row.parameters,
            "quant": row.quant,
            "n_ctx_train": row.n_ctx_train,
            "student": row.match.student.id if row.match else None,
            "teacher": row.teacher,
        }
        for row in rows
    ]
    console.print(json.dumps({"schema_version": 1, "models": models, "problems": problems}, indent=2))
