"""What a server holds in memory: for how long, how much of it on the GPU, and letting go of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import EngineModel
from kdmgr.errors import KdmgrError, NotFound, UsageError
from kdmgr.refs import parse_ollama_name
from kdmgr.services.stock import matches
from kdmgr.units import parse_duration

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.protocol import LoadedModel
    from kdmgr.services.app import Services

FOREVER = ("forever", "ever", "always")
FOREVER_S = 100 * 365 * 24 * 3600.0
"""A server says 292 years where it means for ever."""
UNLOAD_S, _POLL_S = 10.0, 0.1


@dataclass(frozen=True, slots=True)
class Residence:
    """A loaded model, with what follows from the server's figures. Sizes in bytes."""

    model: LoadedModel
    spill: int | None
    """What lies in host memory; None where the server does not say."""
    gpu_share: float | None
    """From 0 to 1."""
    seconds_left: float | None
    """Until it is unloaded, 0 for one that is about to be; None for ever or not told."""
    forever: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """A model that was told to go. `gone` is False for one that still finishes an answer."""

    name: str
    gone: bool


def describe(model: LoadedModel, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Residence:
    """The figures of one loaded model."""
    spill = share = left = None
    if model.size is not None and model.size_vram is not None:
        spill = max(model.size - model.size_vram, 0)
        share = min(model.size_vram / model.size, 1.0) if model.size else None
    if model.expires_at is not None:
        left = max((model.expires_at - now()).total_seconds(), 0.0)
    forever = left is not None and left > FOREVER_S
    return Residence(model, spill, share, None if forever else left, forever)


async def loaded_now(services: Services) -> list[Residence]:
    """What the server holds now; `ServerUnreachable` when none answers."""
    engine = services.ollama_engine()
    try:
        return [describe(model) for model in await engine.loaded_models()]
    finally:
        await engine.close()


async def stop_models(
    services: Services, patterns: Sequence[str], *, wait_s: float = UNLOAD_S
) -> AsyncGenerator[Stopped, None]:
    """Unload models by name or pattern, all of them where none is named; tell each when it is gone.

    `NotFound` for a name that is not loaded.
    """
    engine = services.ollama_engine()
    try:
        for name in _choose([model.name for model in await engine.loaded_models()], patterns):
            yield await _stop(engine, name, wait_s)
    finally:
        await engine.close()


async def stop_model(services: Services, name: str, *, wait_s: float = UNLOAD_S) -> Stopped:
    """Unload the model of exactly this name; one that is gone already counts as stopped."""
    engine = services.ollama_engine()
    try:
        return await _stop(engine, name, wait_s)
    finally:
        await engine.close()


def parse_keep_time(text: str, name: str) -> int | None:
    """Seconds of `30m`, `1h30m` …; None for `forever`. `UsageError` for no time at all, which unloads."""
    if text.strip().lower() in FOREVER:
        return None
    seconds = parse_duration(text)
    if seconds == 0:
        raise UsageError("keeping it for no time means unloading it", hint=f"kdmgr stop {name}")
    return seconds


async def keep_alive(services: Services, name: str, seconds: int | None) -> tuple[bool, Residence | None]:
    """Keep a model in memory from now on: whether it had to be loaded, and how it lies there now.

    One that is loaded stays as it is: the server is given the context it has, or it would load it again.
    """
    engine = services.ollama_engine()
    try:
        before = await _find_loaded(engine, name)
        await engine.keep_alive(name, seconds, n_ctx=before.n_ctx if before else None)
        after = await _find_loaded(engine, name)
        if before is None:
            await services.recorder.record_load(engine, name)
        return before is None, describe(after) if after else None
    finally:
        await engine.close()


async def unload_quietly(engine: OllamaEngine, name: str) -> None:
    """Unload a model that is about to go, if it is loaded; whatever keeps it from that is not in the way."""
    try:
        if await _find_loaded(engine, name):
            await _stop(engine, name, UNLOAD_S)
    except KdmgrError:
        return


def _choose(loaded: list[str], patterns: Sequence[str]) -> list[str]:
    if not patterns:
        return loaded
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [name for name in loaded if _means(pattern, name)]
        if not found:
            names = ", ".join(loaded)
            raise NotFound(f"{pattern} is not loaded", hint=f"loaded: {names}" if loaded else "nothing is loaded")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _means(pattern: str, name: str) -> bool:
    if set(pattern) & set("*?["):
        return matches(name, pattern)
    try:
        return parse_ollama_name(pattern).key == parse_ollama_name(name).key
    except KdmgrError:
        return pattern == name


async def _stop(engine: OllamaEngine, name: str, wait_s: float) -> Stopped:
    """Ask, then look until it is gone: the server answers before it is, and waits for an answer to end."""
    await engine.unload(EngineModel(name))
    until = monotonic() + wait_s
    while await _find_loaded(engine, name):
        if monotonic() >= until:
            return Stopped(name, gone=False)
        await asyncio.sleep(_POLL_S)
    return Stopped(name, gone=True)


async def _find_loaded(engine: OllamaEngine, name: str) -> LoadedModel | None:
    return next((model for model in await engine.loaded_models() if _means(name, model.name)), None)
