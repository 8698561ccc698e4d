"""The Ollama server as an engine."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.chat import chat_body, read_delta, read_stats
from kdmgr.engines.ollama.checks import text
from kdmgr.engines.ollama.failures import error_text, not_ollama, reported
from kdmgr.engines.ollama.host import server_address
from kdmgr.engines.ollama.http import REQUEST_S, Connection
from kdmgr.engines.ollama.progress import ServerProgress, read_progress
from kdmgr.engines.ollama.pulling import broke_off, pull_failed
from kdmgr.engines.ollama.pushing import push_failed
from kdmgr.engines.ollama.replies import read_listing, read_loaded, read_models
from kdmgr.engines.ollama.shown import ShownModel, read_shown
from kdmgr.engines.ollama.versions import describe, era
from kdmgr.engines.protocol import (
    ChatEvent,
    ChatRequest,
    EngineListing,
    EngineModel,
    EngineStatus,
    LoadedModel,
    ModelLoading,
)
from kdmgr.errors import EngineFailed, KdmgrError
from kdmgr.refs import parse_ollama_name
from kdmgr.units import printable

if TYPE_CHECKING:
    import httpx

    from kdmgr.engines.ollama.creating import CreateRequest
    from kdmgr.engines.ollama.uploading import Uploader
    from kdmgr.gguf.header import GgufHeader

VERBOSE_S = 30.0
"""For a description with all tokens: some 10 MB."""
DELETE_S = 60.0
"""For removing the files of a model: many on a slow disk."""
LOAD_S = 600.0
"""For reading a model into memory: some 100 GB from a slow disk."""
PUSH_IDLE_S = 300.0
"""The server tells of an upload every 60 ms; before it, it asks the registry."""
ASIDE_S = 2.0
"""For questions beside a chat, which go without an answer when there is none in time."""


class OllamaEngine:
    """A client of one Ollama server. Connects when first asked; use one per event loop.

    `host` wins over OLLAMA_HOST in `env`.
    """

    name = "ollama"

    def __init__(
        self,
        host: str | None,
        env: Mapping[str, str],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        platform: str = sys.platform,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.address = server_address(host, env)
        self._server = Connection(self.address, platform, transport)
        self._clock = clock

    async def status(self, *, within: float = REQUEST_S) -> EngineStatus:
        """The server's version and address, or why it cannot be used; never raises."""
        try:
            reply = await self._server.get("/api/version", within=within)
            version = text(reply.get("version"))
            if version is None:
                raise not_ollama(self.address, "it has no version")
        except KdmgrError as error:
            return EngineStatus(self.name, False, error.message, error.hint, reason=error.reason or "failed")
        detail = f"{printable(describe(version))}, at {self._where}"
        return EngineStatus(self.name, True, detail, version=version, era=era(version))

    async def list_models(self, *, within: float = REQUEST_S) -> list[EngineListing]:
        """What the server has installed; newest first. Remote models are marked."""
        return [read_listing(item) for item in read_models(await self._server.get("/api/tags", within=within))]

    async def loaded_models(self, *, within: float = REQUEST_S) -> list[LoadedModel]:
        """What the server holds in memory."""
        return await self._loaded(within)

    async def show(self, name: str) -> ShownModel:
        """What the server knows about the model called `name`; `NotFound` when it has none."""
        return read_shown(await self._server.post("/api/show", {"model": name}))

    async def find(self, name: str, *, within: float = REQUEST_S) -> EngineListing | None:
        """The installed model called `name`, compared without case; None when there is none."""
        listings = await self.list_models(within=within)
        return next((listing for listing in listings if _is_same(listing.name, name)), None)

    async def header(self, name: str) -> GgufHeader:
        """The GGUF header of the model called `name`; the megabytes of its tokens only where it needs them."""
        from kdmgr.engines.ollama.shown_header import build_header, is_complete

        reply = await self._server.post("/api/show", {"model": name})
        if not is_complete(reply):
            reply = await self._server.post("/api/show", {"model": name, "verbose": True}, within=VERBOSE_S)
        return build_header(name, reply)

    async def describe(self, name: str) -> tuple[ShownModel, GgufHeader]:
        """All that the server tells of a model, arrays too, and the header that follows from it: some 10 MB."""
        from kdmgr.engines.ollama.shown_header import build_header

        reply = await self._server.post("/api/show", {"model": name, "verbose": True}, within=VERBOSE_S)
        return read_shown(reply), build_header(name, reply)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream one answer; it ends with `ChatStats`. Closing it closes the connection, which stops the server.

        Raises `ServerUnreachable`, `NotFound`, or `EngineFailed`: also for a stream that ends too early,
        after what had come of it.
        """
        name = request.model.name
        if await self._loaded_as(name) == []:
            yield ModelLoading()
        ttft_s: float | None = None
        started = self._clock()
        async with aclosing(self._server.stream("/api/chat", chat_body(request))) as replies:
            async for reply in replies:
                if (problem := error_text(reply)) is not None:
                    raise reported(problem, name)
                if delta := read_delta(reply):
                    ttft_s = self._clock() - started if ttft_s is None else ttft_s
                    yield delta
                if reply.get("done") is True:
                    break
            else:
                raise EngineFailed(
                    "the answer broke off: the server closed the connection before it was done",
                    hint="ask again; if it happens every time, look at the server's log",
                )
        loaded = await self._loaded_as(name)
        yield read_stats(reply, ttft_s=ttft_s, n_ctx=loaded[0].n_ctx if loaded else None)

    async def pull(self, name: str, *, insecure: bool = False) -> AsyncGenerator[ServerProgress, None]:
        """Have the server pull `name`; `insecure` has it use plain http. Closing the generator stops the server.

        Raises `NotFound`, `Forbidden`, `StorageFailed` or `EngineFailed` for what the server reports, and
        `PullBroke` or `ServerUnreachable` for what may pass: then what has come is kept.
        """
        body = {"model": name, "insecure": insecure}
        async with aclosing(self._server.stream("/api/pull", body)) as replies:
            async for reply in replies:
                if (problem := error_text(reply)) is not None:
                    raise pull_failed(problem, name)
                yield (progress := read_progress(reply))
                if progress.status == "success":
                    return
        raise broke_off(name)

    async def has_blob(self, digest: str) -> bool:
        """Whether the server has the blob of `digest` (`sha256:<hex>`)."""
        return await self._server.head(f"/api/blobs/{digest}") == 200

    async def unload(self, model: EngineModel) -> None:
        """Free the model's memory; a model that is not loaded is left alone."""
        await self._server.post("/api/generate", {"model": model.name, "keep_alive": 0, "stream": False})

    async def keep_alive(self, name: str, seconds: int | None, *, n_ctx: int | None = None) -> None:
        """Keep the model in memory for so long from now, None for ever; one that is not there is loaded.

        A model that is loaded with another context than `n_ctx` (or its default) is loaded again.
        """
        body = {"model": name, "keep_alive": -1 if seconds is None else seconds, "stream": False}
        if n_ctx is not None:
            body["options"] = {"num_ctx": n_ctx}
        await self._server.post("/api/generate", body, within=LOAD_S)

    async def copy(self, source: str, destination: str) -> None:
        """Give a model a second name; one that has that name loses it. Blobs are shared, so it costs no room."""
        await self._server.order("POST", "/api/copy", {"source": source, "destination": destination})

    async def delete(self, name: str) -> None:
        """Remove a model and the blobs that no other shares; a copy of it in memory stays there."""
        await self._server.order("DELETE", "/api/delete", {"model": name}, within=DELETE_S)

    async def push(self, name: str, *, insecure: bool = False) -> AsyncGenerator[ServerProgress, None]:
        """Have the server send a model to the registry in its name. Closing the generator stops it.

        Raises `Forbidden` for a name that is not the user's, `NotFound`, `ServerUnreachable` or `EngineFailed`.
        """
        body = {"model": name, "insecure": insecure, "stream": True}
        async with aclosing(self._server.stream("/api/push", body, idle_s=PUSH_IDLE_S)) as replies:
            async for reply in replies:
                if (problem := error_text(reply)) is not None:
                    raise push_failed(problem, name)
                progress = read_progress(reply)
                yield progress
                if progress.status == "success":
                    return
        raise EngineFailed(
            "the push broke off: the server closed the connection before it was done",
            hint="push again: what has arrived is not sent twice",
        )

    @property
    def uploads(self) -> Uploader:
        """Files to the server."""
        from kdmgr.engines.ollama.uploading import Uploader

        return Uploader(self._server)

    async def create(self, request: CreateRequest) -> AsyncGenerator[ServerProgress, None]:
        """Make a model of files that were sent, or of another model; it is there when the generator ends.

        Closing it early makes no model. Raises `StorageFailed`, `Unreadable`, `NotFound`, `ServerUnreachable` or
        `EngineFailed`: also for a stream that ends too early.
        """
        from kdmgr.engines.ollama.creating import create_body, create_failed, ended_early, explain

        done = False
        try:
            async with aclosing(self._server.stream("/api/create", create_body(request))) as replies:
                async for reply in replies:
                    if (problem := error_text(reply)) is not None:
                        raise create_failed(problem, request.model)
                    progress = read_progress(reply)
                    done = progress.is_done
                    yield progress
        except EngineFailed as error:
            raise explain(error, request.model) from error
        if not done:
            raise ended_early(request.model)

    async def close(self) -> None:
        """Close the connections; idempotent."""
        await self._server.close()

    @property
    def _where(self) -> str:
        return printable(self.address.url)

    async def _loaded(self, within: float = REQUEST_S) -> list[LoadedModel]:
        return [read_loaded(item) for item in read_models(await self._server.get("/api/ps", within=within))]

    async def _loaded_as(self, name: str) -> list[LoadedModel] | None:
        """What is loaded under `name`; None when the server does not say so in time."""
        try:
            loaded = await self._loaded(ASIDE_S)
        except KdmgrError:
            return None
        return [model for model in loaded if _is_same(model.name, name)]


def _is_same(name: str, other: str) -> bool:
    try:
        return parse_ollama_name(name).key == parse_ollama_name(other).key
    except KdmgrError:
        return name == other
