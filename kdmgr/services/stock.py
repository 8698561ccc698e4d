"""The models that can be changed: those of kdmgr's own store, and those of the Ollama server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, NotFound, UsageError
from kdmgr.refs import OllamaRef, parse_ollama_name
from kdmgr.services.library import OWN
from kdmgr.services.server_disk import ServerDisk, find_server_disk
from kdmgr.units import printable

if TYPE_CHECKING:
    from datetime import datetime

    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.models.stored_model import StoredModel
    from kdmgr.services.app import Services

SERVER = "server"
PLACES = (OWN, SERVER)
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Held:
    """A model in the place that has it. Sizes in bytes."""

    ref: OllamaRef
    place: str
    """"kdmgr" or "server"."""
    digest: str
    """sha256 of its manifest, in hex."""
    size: int
    """Of all its blobs, shared ones included."""
    modified_at: datetime | None
    stored: StoredModel | None = None
    """Its manifest, where the disk of the place can be looked at."""
    listing: EngineListing | None = None
    """What the server lists of it."""

    @property
    def name(self) -> str:
        """The short form with its tag."""
        return str(self.ref)


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is, where, and what could not be asked."""

    models: tuple[Held, ...]
    disk: ServerDisk
    server_problem: KdmgrError | None = None
    """Why the server's models are not among them."""
    problems: tuple[str, ...] = ()
    out_of_reach: tuple[OllamaRef, ...] = ()
    """Models of Ollama's store on this disk, which only its server changes, while none answers."""

    def choose(self, patterns: Sequence[str]) -> list[Held]:
        """The models that names or patterns like `qwen*` mean, each once.

        `NotFound` for what means none, `UsageError` for a name that both places have; of a name that only a
        server could have that does not answer, why it does not.
        """
        chosen: dict[tuple[str, tuple[str, str, str, str]], Held] = {}
        for pattern in patterns:
            for held in self._match(pattern):
                chosen[held.place, held.ref.key] = held
        return list(chosen.values())

    def require(self, name: str) -> Held:
        """The one model of this name."""
        if _is_pattern(name):
            raise UsageError(f"not a name: {name!r}", hint="patterns are for rm and stop")
        return self._match(name)[0]

    def find(self, place: str, ref: OllamaRef) -> Held | None:
        """The model of this name in one place."""
        return next((held for held in self.models if held.place == place and held.ref.key == ref.key), None)

    def _match(self, pattern: str) -> list[Held]:
        found = [held for held in self.models if _means(pattern, held.ref)]
        if not found:
            raise self._missing(pattern)
        if len(found) > 1 and not _is_pattern(pattern):
            raise UsageError(
                f"{found[0].name} is in kdmgr's store and on the Ollama server",
                hint="say which: --store kdmgr or --store server",
            )
        return found

    def _missing(self, pattern: str) -> KdmgrError:
        if self.server_problem is not None:
            problem = self.server_problem
            message = f"kdmgr's store has no {printable(pattern)}, and {problem.message}"
            if any(_means(pattern, ref) for ref in self.out_of_reach):
                message = f"{printable(pattern)} is in Ollama's store, which only its server changes; {problem.message}"
            return type(problem)(message, hint=problem.hint, reason=problem.reason)
        import difflib

        close = difflib.get_close_matches(pattern, [held.name for held in self.models], 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else "`kdmgr ls` shows what there is"
        return NotFound(f"no model is called {printable(pattern)}", hint=hint)


async def take_stock(services: Services, *, place: str | None = None) -> Stock:
    """Look into both places, or into one. A server named for this run is the only place, and has to answer.

    Raises `ServerUnreachable` (or what else kept the server from answering) when only the server is meant.
    """
    place = SERVER if services.host_is_named else place
    own, problems = ([], []) if place == SERVER else _own_models(services)
    if place == OWN:
        return Stock(tuple(own), ServerDisk(None), None, tuple(problems))
    engine = services.ollama_engine()
    try:
        server, disk = await _server_models(services, engine)
    except KdmgrError as error:
        if place == SERVER:
            raise
        there = () if services.host.is_remote else tuple(model.ref for model in services.library.ollama.models()[0])
        return Stock(tuple(own), ServerDisk(None, error.message), error, tuple(problems), there)
    finally:
        await engine.close()
    if disk.store is not None and disk.store.root.resolve() == services.library.own.root.resolve():
        # OLLAMA_MODELS is kdmgr's own folder: one place, which the server knows too.
        own = []
    return Stock((*own, *server), disk, None, tuple(problems))


def matches(name: str, pattern: str) -> bool:
    """Whether a shell pattern means a model, with its tag or without; upper and lower case are the same."""
    name, pattern = name.lower(), pattern.lower()
    return fnmatchcase(name, pattern) or (":" not in pattern and fnmatchcase(name.rpartition(":")[0], pattern))


def _means(pattern: str, ref: OllamaRef) -> bool:
    return matches(str(ref), pattern) if _is_pattern(pattern) else parse_ollama_name(pattern).key == ref.key


def _is_pattern(text: str) -> bool:
    return bool(_GLOB & set(text))


def _own_models(services: Services) -> tuple[list[Held], list[str]]:
    models, problems = services.library.own.models()
    held = [Held(model.ref, OWN, model.digest, model.size, model.modified_at, model) for model in models]
    return held, problems


async def _server_models(services: Services, engine: OllamaEngine) -> tuple[list[Held], ServerDisk]:
    listings = await engine.list_models()
    disk = await find_server_disk(engine, services.host, listings, services.paths.ollama_models)
    held = []
    for listing in listings:
        try:
            ref = parse_ollama_name(listing.name)
        except KdmgrError:
            continue  # a name that no request could carry
        held.append(_on_server(ref, listing, disk))
    return held, disk


def _on_server(ref: OllamaRef, listing: EngineListing, disk: ServerDisk) -> Held:
    try:
        stored = disk.store.find(ref) if disk.store else None
    except KdmgrError:
        stored = None
    if stored is not None and stored.digest != listing.digest:
        stored = None
    return Held(ref, SERVER, listing.digest, listing.size, listing.modified_at, stored, listing)
