"""`kdmgr list`: the installed models of both stores and of the server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json
from kdmgr.units import format_bytes, format_duration, format_parameters

if TYPE_CHECKING:
    from datetime import datetime

    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.listing import Listed, Listing


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `list`."""
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="a part of a name, or a pattern like 'qwen*'")
    add_json(parser)
    add_host(parser)
    parser.add_argument("--names", action="store_true", help="only the names, one a line, of this machine's stores")
    # The orders and stores of services.listing, which is not imported for --help.
    orders = ("modified", "size", "parameters", "name", "quant", "teacher")
    parser.add_argument("--sort", choices=orders, default="modified", help="default: modified, the newest first")
    parser.add_argument("-r", "--reverse", action="store_true", help="the other way round")
    parser.add_argument("--store", choices=("kdmgr", "ollama", "server"), help="only of one place")
    parser.add_argument("-q", "--quant", metavar="QUANT", help="only of this quant: Q4_K_M")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print what is installed; problems go to stderr."""
    import asyncio

    from kdmgr.services.app import Services
    from kdmgr.services.listing import choose_models, list_everything, sort_models

    services = Services.create(host=args.host)
    if args.names and args.host is None:
        for model in services.library.list_models()[0]:
            console.print(model.name)
        return 0
    listing = asyncio.run(list_everything(services))
    chosen = choose_models(listing.models, args.patterns, store=args.store, quant=args.quant)
    models = sort_models(chosen, args.sort, reverse=args.reverse)
    if args.names:
        for listed in models:
            console.print(listed.row.name)
    elif args.json:
        _print_json(models, listing, services, console)
    else:
        _print_text(models, listing, services, console)
    for problem in listing.problems:
        console.note(f"warning: {problem}")
    for note in listing.notes:
        console.note(f"note: {note}")
    return 0


def _print_text(models: list[Listed], listing: Listing, services: Services, console: Console) -> None:
    if models:
        columns = ("NAME", "ID", "SIZE", "PARAMETERS", "QUANT", "MODIFIED", "TEACHER", "STORE")
        console.table(columns, map(_row, models), right=(2, 3))
    elif listing.models:
        console.note(f"none of the {len(listing.models)} installed models is meant")
        return
    else:
        console.note("no models are installed; import one: kdmgr import model.gguf NAME")
    for name, size in _disk_use(services).items():
        if size:
            console.note(f"{format_bytes(size)} in {name}, shared blobs counted once")


def _row(listed: Listed) -> tuple[str, ...]:
    row = listed.row
    return (
        row.name,
        listed.digest[:12],
        format_bytes(row.size_bytes),
        format_parameters(row.parameters),
        row.quant or "?",
        describe_age(listed.modified_at),
        row.teacher_words or "",
        f"{row.origin}, served" if listed.on_server and row.origin != "server" else row.origin,
    )


def describe_age(moment: datetime | None) -> str:
    """`3 days ago`, `12:04 ago`; the date of what is older than a month."""
    if moment is None:
        return "?"
    from datetime import UTC, datetime

    seconds = (datetime.now(UTC) - moment).total_seconds()
    if not 0 <= seconds < 30 * 86400:
        return moment.astimezone().strftime("%Y-%m-%d")
    if seconds >= 2 * 86400:
        return f"{int(seconds // 86400)} days ago"
    return "just now" if seconds < 5 else f"{format_duration(float(int(seconds)))} ago"


def _disk_use(services: Services) -> dict[str, int]:
    """Bytes of the stores of this machine."""
    if services.host_is_named:
        return {}
    library = services.library
    stores = {"kdmgr's store": library.own, "Ollama's store": library.ollama}
    if library.own.root.resolve() == library.ollama.root.resolve():
        del stores["Ollama's store"]
    return {name: store.disk_use() for name, store in stores.items()}


def _print_json(models: list[Listed], listing: Listing, services: Services, console: Console) -> None:
    import json

    body = {
        "schema_version": 1,
        "models": [_object(listed) for listed in models],
        "disk_bytes": _disk_use(services),
        "problems": list(listing.problems),
        "notes": list(listing.notes),
    }
    console.print(json.dumps(body, indent=2))


def _object(listed: Listed) -> dict[str, object]:
    row = listed.row
    return {
        "name": row.name,
        "store": row.origin,
        "on_server": listed.on_server,
        "digest": listed.digest or None,
        "modified_at": listed.modified_at.isoformat() if listed.modified_at else None,
        "size_bytes": row.size_bytes,
        "parameters": row.parameters,
        "quant": row.quant,
        "n_ctx_train": row.n_ctx_train,
        "student": row.match.student.id if row.match else None,
        "relation": row.match.relation if row.match else None,
        "teacher": row.teacher,
    }
