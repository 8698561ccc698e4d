"""Writing down what kdmgr has loaded and how fast it ran, beside what was planned. Never in the way of an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.protocol import (
    ChatEvent,
    ChatRequest,
    ChatStats,
    Engine,
    EngineListing,
    EngineModel,
    EngineStatus,
    LoadedModel,
    ModelLoading,
)
from kdmgr.errors import KdmgrError
from kdmgr.history.records import LoadRecord, SpeedRecord
from kdmgr.refs import parse_ollama_name
from kdmgr.services.learning import machine_key

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.hardware.runners import Runner
    from kdmgr.history.history import History
    from kdmgr.services.finding import FoundModel
    from kdmgr.services.server_models import ServerModels

WITHIN_S = 3.0
LEAST_TOKENS = 4
"""Fewer tell nothing of the speed."""
_FILE = re.compile(r"^FROM (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Measures and writes down. `find_runner` finds the process that was given a file."""

    history: History
    models: ServerModels
    machine: Callable[[], Machine]
    find_runner: Callable[[str], Runner | None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def record_load(self, engine: OllamaEngine, name: str, load_s: float | None = None) -> LoadRecord | None:
        """Write down the model that the server holds under `name`; None when that cannot be done in time."""
        record = None
        with suppress(KdmgrError, OSError, TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                record = await self._measure(engine, name, load_s)
                if record is not None:
                    await asyncio.to_thread(self.history.add_load, record)
        return record

    async def record_speed(self, engine: Engine, model: str, stats: ChatStats) -> None:
        """Write down the speed of an answer, unless it was too short to tell."""
        speed = stats.decode_tok_s
        if speed is None or (stats.n_output or 0) < LEAST_TOKENS:
            return
        with suppress(KdmgrError, OSError, TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                status = await engine.status()
                record = SpeedRecord(
                    at=self._at(),
                    machine=await self._key(engine),
                    engine=engine.name,
                    engine_version=status.version,
                    model=model,
                    digest=None,
                    n_ctx=stats.n_ctx,
                    n_prompt=stats.n_prompt,
                    n_output=stats.n_output,
                    decode_tok_s=speed,
                )
                await asyncio.to_thread(self.history.add_speed, record)

    async def _measure(self, engine: OllamaEngine, name: str, load_s: float | None) -> LoadRecord | None:
        key = parse_ollama_name(name).key
        models = await engine.loaded_models()
        loaded = next((model for model in models if parse_ollama_name(model.name).key == key), None)
        if loaded is None:
            return None
        status, listing = await engine.status(), await engine.find(name)
        record = LoadRecord(
            at=self._at(),
            machine=await self._key(engine),
            engine=engine.name,
            engine_version=status.version,
            model=loaded.name,
            digest=listing.digest if listing else None,
            n_ctx=loaded.n_ctx,
            predicted_host=None,
            predicted_device=None,
            size=loaded.size,
            size_vram=loaded.size_vram,
            process_host=None,
            process_device=None,
            load_s=load_s,
        )
        if not engine.address.is_loopback:
            return record
        found = None
        with suppress(KdmgrError):  # a server that tells too little to plan from still tells the size
            found = await self.models.find_with(engine, parse_ollama_name(name))
        shown = await engine.show(name)
        machine = await asyncio.to_thread(self.machine)
        file = _FILE.search(shown.modelfile or "")
        runner = await asyncio.to_thread(self.find_runner, file[1].strip()) if file else None
        record = _with_plan(record, found, machine, loaded)
        return _with_process(record, runner, machine, alone=len(models) == 1)

    async def _key(self, engine: Engine) -> str:
        if isinstance(engine, OllamaEngine) and not engine.address.is_loopback:
            return f"at {engine.address.netloc}"
        return machine_key(await asyncio.to_thread(self.machine))

    def _at(self) -> str:
        return self.now().isoformat(timespec="seconds")


class ObservedEngine:
    """An engine whose loads and speeds are written down."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self.name = engine.name
        self._engine = engine
        self._recorder = recorder

    async def status(self) -> EngineStatus:
        """As the engine says."""
        return await self._engine.status()

    async def list_models(self) -> list[EngineListing]:
        """As the engine says."""
        return await self._engine.list_models()

    async def loaded_models(self) -> list[LoadedModel]:
        """As the engine says."""
        return await self._engine.loaded_models()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The engine's answer; what is known of it is written down before its last event is given."""
        loading = False
        async with aclosing(self._engine.chat(request)) as events:
            async for event in events:
                loading = loading or isinstance(event, ModelLoading)
                if isinstance(event, ChatStats):
                    await self._recorder.record_speed(self._engine, request.model.name, event)
                    if loading and isinstance(self._engine, OllamaEngine):
                        await self._recorder.record_load(self._engine, request.model.name, event.load_s)
                yield event

    async def unload(self, model: EngineModel) -> None:
        """Free the model's memory."""
        await self._engine.unload(model)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


def _with_plan(record: LoadRecord, found: FoundModel | None, machine: Machine, loaded: LoadedModel) -> LoadRecord:
    """What `kdmgr fit` would have said for the context that the server chose."""
    if found is None or loaded.n_ctx is None:
        return record
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.options import resolve as resolve_options
    from kdmgr.fit.placement import place
    from kdmgr.gguf.shape import read_shape
    from kdmgr.services.import_fit import engine_build

    # What the model takes already is free again for the plan.
    room = tuple(
        replace(device, free_bytes=min(device.total_bytes, device.free_bytes + (loaded.size_vram or 0)))
        for device in machine.devices
    )
    before = replace(machine, devices=room)
    shape = read_shape(found.header)
    options = RunOptions(
        n_ctx=loaded.n_ctx,
        engine_build=engine_build(record.engine_version),
        projector_bytes=found.projector_bytes,
    )
    plan = place(shape, resolve_options(options, shape, before), before)
    host = replace(plan.host.components, overhead=0).total
    devices = [replace(device.components, overhead=0).total for device in plan.devices]
    known = [size for size in devices if size is not None]
    return replace(record, predicted_host=host, predicted_device=sum(known) if len(known) == len(devices) else None)


def _with_process(record: LoadRecord, runner: Runner | None, machine: Machine, *, alone: bool) -> LoadRecord:
    """What the system and the driver say of the process that holds the model."""
    processes = [process for device in machine.devices for process in device.processes]
    if runner is not None:
        mine = [process for process in processes if process.pid == runner.pid]
    else:
        names = ("ollama", "llama-server")
        mine = [process for process in processes if alone and any(name in (process.name or "") for name in names)]
    used = [process.used_bytes for process in mine if process.used_bytes is not None]
    return replace(
        record,
        process_host=runner.resident if runner else None,
        process_device=sum(used) if used and len(used) == len(mine) else None,
    )
