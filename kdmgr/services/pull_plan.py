"""What a pull would do, before its first byte: where to, how much, whether the disk has room, whether it will fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, ServerUnreachable, UsageError
from kdmgr.fit.plan import Verdict
from kdmgr.refs import FileRef, HubRef, OllamaRef, parse_ref
from kdmgr.services.pull_sources import PullSource, find_source, own_name
from kdmgr.services.transfer_state import PULL
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.models.manifest import Layer
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.rows import Assessment

OLLAMA, EMBEDDED = "ollama", "llamacpp"
# A server is asked for its blobs one by one; of models with a layer for each tensor only the first.
_MAX_ASKED = 64


@dataclass(frozen=True, slots=True)
class PullPlan:
    """One model that is about to be pulled. Sizes in bytes; None is unknown."""

    ref: OllamaRef | HubRef
    engine: str
    """"ollama" (through the server), or "llamacpp" (into kdmgr's own store)."""
    where: str
    """The server's address, or the store's folder."""
    layers: tuple[Layer, ...]
    """All blobs, the configuration last; empty where nobody could say."""
    here: int
    """Bytes that are there already."""
    left_over: int
    """Of these, what an interrupted pull left."""
    free: int | None
    """On the disk it goes to; None where that is another computer's."""
    assessment: Assessment | None
    notes: tuple[str, ...] = ()
    insecure: bool = False
    source: PullSource | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """It is a pull."""
        return PULL

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.ref)

    @property
    def total(self) -> int | None:
        """Bytes of all blobs."""
        return sum(layer.size for layer in self.layers) if self.layers else None

    @property
    def missing(self) -> int | None:
        """Bytes that have to come."""
        return None if self.total is None else max(self.total - self.here, 0)

    @property
    def too_big(self) -> bool:
        """Whether the machine cannot run it at all."""
        return self.assessment is not None and self.assessment.report.verdict is Verdict.TOO_BIG

    @property
    def objections(self) -> tuple[str, ...]:
        """Why somebody should be asked first, a sentence each."""
        found = []
        if self.too_big and self.assessment is not None:
            found.append(f"{self.name} is too big for this machine: {self.assessment.report.reason}")
        if self.free is not None and self.missing is not None and self.missing > self.free:
            found.append(f"{format_bytes(self.missing)} are missing, {format_bytes(self.free)} are free on the disk")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How to plan: the engine ("auto", "ollama" or "llamacpp"), plain http for the server, and what fit plans for.

    Without a `machine`, fit is not judged.
    """

    engine: str = "auto"
    insecure: bool = False
    machine: Machine | None = None
    run: RunOptions | None = None


def plan_pull(services: Bringing, text: str, options: PullOptions) -> PullPlan:
    """Ask the registry, the server and the disk. Blocks on the network; not for a running event loop.

    Raises `ServerUnreachable` for a server that was named and does not answer, `StorageFailed` for a store without
    room, and what the registry or the Hub raises.
    """
    ref = parse_ref(text)
    if isinstance(ref, FileRef):
        raise UsageError(f"{ref} is a file", hint=f"import it: kdmgr import {ref} NAME")
    if isinstance(ref, OllamaRef) and ref.is_cloud:
        raise UsageError(f"{ref} runs on another computer: there is nothing to pull", hint="choose another tag")
    engine, note = _choose(services, options.engine)
    notes = [note] if note else []
    plan = _plan_own(services, ref) if engine is None else _plan_server(services, engine, ref, options, notes)
    assessment = _assess(services, ref, options, plan, notes)
    return replace(plan, assessment=assessment, notes=(*plan.notes, *notes))


def _choose(services: Bringing, engine: str) -> tuple[OllamaEngine | None, str | None]:
    """The server, where one answers or has to; None for kdmgr's own store, and what to say of it."""
    import asyncio

    engine = services.settings.engine if engine == "auto" else engine
    if engine == EMBEDDED:
        return None, None
    server = services.ollama_engine()

    async def ask() -> tuple[bool, str, str | None]:
        try:
            status = await server.status()
        finally:
            await server.close()
        return status.usable, status.detail, status.hint

    usable, detail, hint = asyncio.run(ask())
    if usable:
        return server, None
    if engine == OLLAMA or services.host_is_named:
        raise ServerUnreachable(detail, hint=hint)
    return None, "no Ollama server answers: it goes into kdmgr's own store"


def _plan_own(services: Bringing, ref: OllamaRef | HubRef) -> PullPlan:
    source = find_source(services, ref)
    own_name(ref)
    fetcher = services.model_fetcher
    fetcher.require_space(source.layers)
    total = sum(layer.size for layer in source.layers)
    return PullPlan(
        ref=ref,
        engine=EMBEDDED,
        where=str(services.library.own.root),
        layers=source.layers,
        here=total - fetcher.missing(source.layers),
        left_over=fetcher.left_over(source.layers),
        free=_free(services.library.own.root),
        assessment=None,
        source=source,
    )


def _plan_server(
    services: Bringing, engine: OllamaEngine, ref: OllamaRef | HubRef, options: PullOptions, notes: list[str]
) -> PullPlan:
    layers = _published_layers(services, ref, notes)
    present = _present(engine, layers)
    left_over, free = 0, None
    if engine.address.is_loopback and services.library.ollama.blobs.is_dir():
        left_over = _left_over(services.library.ollama.blobs, {layer.digest for layer in layers} - present)
        free = _free(services.library.ollama.blobs)
    return PullPlan(
        ref=ref,
        engine=OLLAMA,
        where=engine.address.url,
        layers=layers,
        here=sum(layer.size for layer in layers if layer.digest in present) + left_over,
        left_over=left_over,
        free=free,
        assessment=None,
        insecure=options.insecure or _is_on_loopback(ref),
    )


def _is_on_loopback(ref: OllamaRef | HubRef) -> bool:
    """A registry on this machine has no TLS; the server wants to be told so."""
    from kdmgr.hosts import is_loopback

    return isinstance(ref, OllamaRef) and is_loopback(ref.host.partition(":")[0])


def _published_layers(services: Bringing, ref: OllamaRef | HubRef, notes: list[str]) -> tuple[Layer, ...]:
    """The layers as the registry lists them; none where it cannot be asked from here, which is said."""
    from kdmgr.services.finding import installed_name

    name = installed_name(ref)
    try:
        if name is None:
            return ()
        manifest = services.registry.manifest(name).manifest
    except ServerUnreachable as error:
        notes.append(f"the total is not known: {error.message}")
        return ()
    except KdmgrError:
        # The server has keys of its own, and its own words for what it meets.
        return ()
    return tuple({layer.digest: layer for layer in (*manifest.layers, manifest.config)}.values())


def _present(engine: OllamaEngine, layers: Iterable[Layer]) -> set[str]:
    """Digests that the server has; of none where it does not say."""
    import asyncio

    async def ask() -> set[str]:
        found = set()
        try:
            for layer in list(layers)[:_MAX_ASKED]:
                if await engine.has_blob(layer.digest):
                    found.add(layer.digest)
        except KdmgrError:
            return found
        finally:
            await engine.close()
        return found

    return asyncio.run(ask())


def _left_over(blobs: Path, digests: set[str]) -> int:
    from kdmgr.models.ollama_partials import list_partials

    return sum(partial.completed or 0 for partial in list_partials(blobs) if partial.digest in digests)


def _free(folder: Path) -> int | None:
    from kdmgr.models.disk import free_bytes

    there = next((each for each in (folder, *folder.parents) if each.is_dir()), folder)
    try:
        return free_bytes(there)
    except OSError:
        return None


def _assess(
    services: Bringing, ref: OllamaRef | HubRef, options: PullOptions, plan: PullPlan, notes: list[str]
) -> Assessment | None:
    """Whether it will fit, from its header where it is published. Not knowing is no reason not to pull."""
    if options.machine is None:
        return None
    from kdmgr.fit.options import RunOptions

    machine = options.machine
    if plan.engine == OLLAMA and not machine.declared and not _is_here(services):
        machine = services.machine_of("server")
        if not machine.devices_known:
            notes.append("the server is on another computer: name its card with --gpu to see whether it will fit")
            return None
    try:
        found = services.find_published(ref)
        return services.assess_found(found, machine, options.run or RunOptions(n_ctx=services.settings.n_ctx))
    except KdmgrError as error:
        notes.append(f"whether it will fit is not known: {error.message}")
        return None


def _is_here(services: Bringing) -> bool:
    return services.ollama_engine().address.is_loopback
