"""The embedded engine: llama.cpp through xllamacpp, one worker process for the one loaded model."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

from kdmgr.engines.llamacpp.answer import AnswerReader
from kdmgr.engines.llamacpp.environment import worker_environment
from kdmgr.engines.llamacpp.log import LoadedBuffers, LoadReport
from kdmgr.engines.llamacpp.process import WorkerProcess, worker_command
from kdmgr.engines.llamacpp.requests import build_chat, build_completion
from kdmgr.engines.llamacpp.settings import LoadSettings, plan_load, read_trained_context
from kdmgr.engines.llamacpp.status import read_status
from kdmgr.engines.llamacpp.threads import allowed_cpus, count_cores
from kdmgr.engines.protocol import (
    ChatEvent,
    ChatRequest,
    EngineListing,
    EngineModel,
    EngineStatus,
    LoadedModel,
    ModelLoading,
)
from kdmgr.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    settings: LoadSettings
    worker: WorkerProcess
    report: LoadReport

    @property
    def n_ctx(self) -> int:
        return self.report.n_ctx or self.settings.n_ctx

    def serves(self, settings: LoadSettings) -> bool:
        """Whether it was loaded like this, or asked for the context that it ended up with."""
        return self.worker.alive and settings in (self.settings, replace(self.settings, n_ctx=self.n_ctx))


class LlamaCppEngine:
    """Runs GGUF files. One answer at a time; another model, context or cache type restarts the worker."""

    name = "llamacpp"

    def __init__(
        self,
        env: Mapping[str, str] = os.environ,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = monotonic,
        settle_limit_s: float = 10.0,
    ) -> None:
        """`settle_limit_s` is how long a cancelled answer may take to end (a batch of the prompt may have to be
        finished) before the worker is given up.
        """
        self._env = env
        self._command = command
        self._clock = clock
        self._settle_limit_s = settle_limit_s
        self._worker: WorkerProcess | None = None
        """The one that runs: loading, or loaded."""
        self._loaded: _Loaded | None = None
        self._turn = asyncio.Lock()

    async def status(self) -> EngineStatus:
        """Whether xllamacpp is installed; it is not imported."""
        return read_status()

    async def list_models(self) -> list[EngineListing]:
        """Nothing: it runs files, wherever they are."""
        return []

    async def loaded_models(self) -> list[LoadedModel]:
        """The one in the worker, with the sizes that llama.cpp logged."""
        loaded = self._loaded
        if loaded is None or not loaded.worker.alive:
            return []
        buffers = loaded.report.buffers
        known = buffers.total > 0
        return [
            LoadedModel(
                name=loaded.name,
                size=buffers.total if known else None,
                size_vram=buffers.on_devices if known else None,
                n_ctx=loaded.n_ctx,
                expires_at=None,
            )
        ]

    @property
    def buffers(self) -> LoadedBuffers | None:
        """What the loaded model's memory was allocated for; None while none is loaded."""
        return self._loaded.report.buffers if self._loaded and self._loaded.worker.alive else None

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, to see what it takes; None while none runs."""
        return self._worker.pid if self._worker else None

    @property
    def busy(self) -> bool:
        """Whether it is loading or answering."""
        return self._turn.locked()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream one answer; loads the model first where needed.

        Raises `NotFound` without a file, `UsageError` for a bad parameter, `EngineFailed` for the rest.
        """
        started = self._clock()
        async with self._turn:
            settings = plan_load(request, count_cores(allowed_cpus()))
            await self._settle()
            load_s = 0.0
            if self._loaded is None or not self._loaded.serves(settings):
                yield ModelLoading()
                loading = self._clock()
                await self._load(request.model.name, settings)
                load_s = self._clock() - loading
            assert self._loaded is not None
            async with aclosing(self._answer(self._loaded, request, started, load_s)) as events:
                async for event in events:
                    yield event

    async def unload(self, model: EngineModel) -> None:
        """End the worker if it holds this model."""
        if self._loaded is not None and self._loaded.name == model.name:
            await self.close()

    async def close(self) -> None:
        """End the worker, whatever it does; the engine can be used again."""
        worker, self._worker, self._loaded = self._worker, None, None
        if worker is not None:
            await worker.stop()

    async def _answer(
        self, loaded: _Loaded, request: ChatRequest, started: float, load_s: float
    ) -> AsyncGenerator[ChatEvent, None]:
        raw = request.model.chat_template == "" or (
            request.model.chat_template is None and not loaded.report.has_chat_template
        )
        op, body = ("complete", build_completion) if raw else ("chat", build_chat)
        reader = AnswerReader()
        sent = self._clock()
        ttft_s: float | None = None
        async with aclosing(loaded.worker.ask(op, body(request, loaded.n_ctx))) as chunks:
            async for chunk in chunks:
                delta = reader.read(chunk)
                if delta is not None:
                    ttft_s = self._clock() - sent if ttft_s is None else ttft_s
                    yield delta
        yield reader.stats(load_s=load_s, ttft_s=ttft_s, total_s=self._clock() - started, n_ctx=loaded.n_ctx)

    async def _settle(self) -> None:
        """Let a cancelled answer end; a worker that is stuck or dead is put away."""
        if self._loaded is None:
            return
        try:
            async with asyncio.timeout(self._settle_limit_s):
                await self._loaded.worker.settle()
        except (TimeoutError, EngineFailed):
            await self.close()

    async def _load(self, name: str, settings: LoadSettings) -> None:
        await self.close()
        status = read_status()
        if not status.usable and self._command is None:
            raise EngineFailed(f"the embedded engine cannot be used: {status.detail}", hint=status.hint)
        command = self._command or worker_command()
        worker = self._worker = await WorkerProcess.start(command, worker_environment(self._env))
        try:
            # Meanwhile the worker starts.
            limit = await asyncio.to_thread(read_trained_context, settings.path)
            n_ctx = settings.n_ctx if limit is None else min(settings.n_ctx, limit)
            with _private_socket() as socket:
                report = await worker.load({**asdict(settings), "n_ctx": n_ctx, "socket": socket})
        except BaseException:
            # Cancelled or failed: a half-loaded worker is of no use, and it may hold much memory.
            await self.close()
            raise
        self._loaded = _Loaded(name, settings, worker, report)


@contextmanager
def _private_socket() -> Iterator[str | None]:
    """A place for the socket that llama.cpp insists on, gone once the model is loaded; None without such sockets."""
    if sys.platform == "win32":
        yield None
        return
    folder = tempfile.mkdtemp(prefix="kdmgr-")
    try:
        path = f"{folder}/llama.sock"
        # The system's limit on such paths is 104 bytes or more.
        yield path if len(os.fsencode(path)) < 100 else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
