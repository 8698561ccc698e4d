"""What is installed, wherever it is: one list of both stores and the server, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kdmgr.errors import KdmgrError, UsageError
from kdmgr.services.hosts import DEFAULT
from kdmgr.services.library import OLLAMA
from kdmgr.services.rows import ModelRow
from kdmgr.services.stock import SERVER, matches
from kdmgr.services.students import installed_row, server_row
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.services.app import Services

ASIDE_S, REQUIRED_S = 0.8, 10.0
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Listed:
    """One installed model."""

    row: ModelRow
    digest: str
    """sha256 of its manifest, in hex: the ID that Ollama lists; "" where a server does not tell."""
    modified_at: datetime | None
    on_server: bool = False
    """Whether the server lists it too."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything found, newest first, and what could not be read or asked."""

    models: tuple[Listed, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


_KEYS: dict[str, Callable[[Listed], Any]] = {
    "modified": lambda listed: listed.modified_at or _LONG_AGO,
    "size": lambda listed: listed.row.size_bytes or 0,
    "parameters": lambda listed: listed.row.parameters or 0,
    "name": lambda listed: listed.row.name.casefold(),
    "quant": lambda listed: listed.row.quant or "",
    "teacher": lambda listed: (listed.row.teacher or "\uffff").casefold(),
}
SORTS = tuple(_KEYS)
_FALLING = ("modified", "size", "parameters")
"""Orders that begin with the largest."""


async def list_everything(services: Services) -> Listing:
    """Both stores and the server. A server that was named for this run is all that is listed, and has to answer.

    With no server running the stores are listed all the same.
    """
    local, problems = ([], []) if services.host_is_named else _local(services)
    listings, notes = await _ask_server(services)
    known = {(listed.row.name.lower(), listed.digest) for listed in local if listed.row.origin == OLLAMA}
    served = {(listing.name.lower(), listing.digest) for listing in listings}
    models = [
        Listed(
            listed.row,
            listed.digest,
            listed.modified_at,
            listed.row.origin == OLLAMA and (listed.row.name.lower(), listed.digest) in served,
        )
        for listed in local
    ]
    models += [
        Listed(server_row(listing, services.catalog), listing.digest, listing.modified_at, on_server=True)
        for listing in listings
        if (listing.name.lower(), listing.digest) not in known
    ]
    return Listing(tuple(sort_models(models, "modified")), tuple(problems), tuple(notes))


def choose_models(
    models: Sequence[Listed], patterns: Sequence[str] = (), *, store: str | None = None, quant: str | None = None
) -> list[Listed]:
    """Those that one of the patterns means (a word is looked for anywhere in a name), of one store, of one quant."""
    return [
        listed
        for listed in models
        if (not patterns or any(_means(pattern, listed.row.name) for pattern in patterns))
        and (store is None or listed.row.origin == store or (store == SERVER and listed.on_server))
        and (quant is None or (listed.row.quant or "").lower() == quant.lower())
    ]


def sort_models(models: Sequence[Listed], by: str, *, reverse: bool = False) -> list[Listed]:
    """In one of the orders `SORTS`: the newest or the largest first, names from a to z."""
    key = _KEYS.get(by)
    if key is None:
        raise UsageError(f"models cannot be sorted by {by}", hint=f"by {', '.join(SORTS)}")
    return sorted(models, key=key, reverse=reverse != (by in _FALLING))


def _means(pattern: str, name: str) -> bool:
    return matches(name, pattern if set(pattern) & set("*?[") else f"*{pattern}*")


def _local(services: Services) -> tuple[list[Listed], list[str]]:
    models, problems = services.library.list_models()
    rows = [installed_row(model, services.library, services.catalog, services.receipts) for model in models]
    listed = [Listed(row, model.digest, model.modified_at) for row, model in zip(rows, models, strict=True)]
    return listed, problems


async def _ask_server(services: Services) -> tuple[list[EngineListing], list[str]]:
    """The server's list. One that only may be there must not hold up the rest, nor be missed."""
    required = services.host_is_named
    engine = services.ollama_engine()
    try:
        return await engine.list_models(within=REQUIRED_S if required else ASIDE_S), []
    except KdmgrError as error:
        if required:
            raise
        chosen = services.host.basis != DEFAULT
        return [], [f"{printable(services.host.words)} is not listed: {error.message}"] if chosen else []
    finally:
        await engine.close()
