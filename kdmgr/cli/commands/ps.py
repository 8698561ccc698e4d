"""`kdmgr ps`: models that the Ollama server holds in memory."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.engines.protocol import LoadedModel


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ps`."""
    add_json(parser)
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask the server; 3 when none answers."""
    import asyncio

    from kdmgr.services.app import Services

    loaded = asyncio.run(_loaded(Services.create(host=args.host)))
    if args.json:
        import json

        models = [
            {
                "name": model.name,
                "size_bytes": model.size,
                "size_vram_bytes": model.size_vram,
                "n_ctx": model.n_ctx,
                "expires_at": model.expires_at.isoformat() if model.expires_at else None,
            }
            for model in loaded
        ]
        console.print(json.dumps({"schema_version": 1, "models": models}, indent=2))
    elif loaded:
        rows = [_row(model) for model in loaded]
        console.table(("NAME", "SIZE", "ON GPU", "CONTEXT", "UNTIL"), rows, right=(1, 2, 3))
    else:
        console.note("no model is loaded")
    return 0


async def _loaded(services: object) -> list[LoadedModel]:
    from kdmgr.services.app import Services

    assert isinstance(services, Services)
    engine = services.ollama_engine()
    try:
        return await engine.loaded_models()
    finally:
        await engine.close()


def _row(model: LoadedModel) -> tuple[str, ...]:
    share = "?"
    if model.size and model.size_vram is not None:
        share = f"{model.size_vram / model.size:.0%}"
    until = model.expires_at.astimezone().strftime("%H:%M:%S") if model.expires_at else "?"
    return model.name, format_bytes(model.size), share, format_count(model.n_ctx), until
