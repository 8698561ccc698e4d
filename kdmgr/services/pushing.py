"""Sending a model to a registry; the server does it, kdmgr tells how far it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, UsageError
from kdmgr.refs import DEFAULT_HOST, DEFAULT_NAMESPACE, parse_ollama_name

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.refs import OllamaRef
    from kdmgr.services.app import Services


@dataclass(frozen=True, slots=True)
class PushStep:
    """How far the whole push is. Bytes."""

    status: str
    completed: int
    total: int | None
    """Of all layers; what the server lists as the model's size."""


async def push_model(services: Services, name: str, *, insecure: bool = False) -> AsyncGenerator[PushStep, None]:
    """Push the model called `name`, with progress over all of its layers.

    `UsageError` for a name that belongs to nobody, `NotFound` for a model that only kdmgr's own store has or
    that nobody has, `Forbidden` where the registry does not take it.
    """
    ref = parse_ollama_name(name)
    if ref.host == DEFAULT_HOST and ref.namespace == DEFAULT_NAMESPACE:
        raise UsageError(
            f"{ref} belongs to nobody: its name has no user", hint=f"name it first: kdmgr cp {ref} you/{ref}"
        )
    engine = services.ollama_engine()
    try:
        total = await _require(services, engine, ref)
        done: dict[str, int] = {}
        async with aclosing(engine.push(str(ref), insecure=insecure)) as replies:
            async for reply in replies:
                if reply.digest:
                    done[reply.digest] = reply.completed
                yield PushStep(reply.status, min(sum(done.values()), total), total)
    finally:
        await engine.close()


async def _require(services: Services, engine: OllamaEngine, ref: OllamaRef) -> int:
    """The model's size on the server."""
    listing = await engine.find(str(ref))
    if listing is not None:
        return listing.size
    if services.library.own.find(ref) is not None:
        raise NotFound(f"{ref} is in kdmgr's own store, and only a server can push", hint="give it to the server first")
    raise NotFound(f"the server has no model named {ref}", hint="see what it has: kdmgr list")
