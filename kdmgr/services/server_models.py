"""Models of the running Ollama server, for planning without their files: also of one on another computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, NotFound, ServerUnreachable
from kdmgr.refs import OllamaRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.models.headers import HeaderCache
    from kdmgr.services.finding import FoundModel

# A server that only may be there must not hold up an answer from elsewhere.
ASIDE_S = 0.8


class ServerModels:
    """What a server tells of its models. `required` says that the server was named and has to answer."""

    def __init__(self, new_engine: Callable[[], OllamaEngine], headers: HeaderCache, *, required: bool) -> None:
        self._new_engine = new_engine
        self._headers = headers
        self._required = required

    def find(self, ref: OllamaRef) -> FoundModel | None:
        """The model `ref` of the server; None when it has none, or no server answers and none was named.

        Runs an event loop of its own. Raises `ServerUnreachable` for a named server that does not answer.
        """
        import asyncio

        return asyncio.run(self._find(ref))

    def loaded(self) -> list[tuple[str, int]]:
        """Names and device bytes of what a server on this machine holds; nothing of one elsewhere, or of none."""
        import asyncio

        return asyncio.run(self._loaded())

    def version(self) -> str | None:
        """The server's version; None when none answers."""
        import asyncio

        return asyncio.run(self._version())

    async def _version(self) -> str | None:
        from kdmgr.engines.ollama.http import REQUEST_S

        engine = self._new_engine()
        try:
            return (await engine.status(within=REQUEST_S if self._required else ASIDE_S)).version
        finally:
            await engine.close()

    async def _loaded(self) -> list[tuple[str, int]]:
        engine = self._new_engine()
        try:
            if not engine.address.is_loopback:
                return []
            models = await engine.loaded_models(within=ASIDE_S)
        except KdmgrError:
            return []
        finally:
            await engine.close()
        return [(model.name, model.size_vram) for model in models if model.size_vram]

    async def _find(self, ref: OllamaRef) -> FoundModel | None:
        engine = self._new_engine()
        try:
            return await self.find_with(engine, ref)
        except ServerUnreachable:
            if self._required:
                raise
            return None
        except NotFound:
            return None  # removed between the two questions
        finally:
            await engine.close()

    async def find_with(self, engine: OllamaEngine, ref: OllamaRef) -> FoundModel | None:
        """The same over a client that is at hand. Raises what the client raises."""
        from kdmgr.engines.ollama.http import REQUEST_S
        from kdmgr.services.finding import FoundModel

        listing = await engine.find(str(ref), within=REQUEST_S if self._required else ASIDE_S)
        if listing is None or listing.is_remote:
            return None
        origin = engine.address.url
        # The manifest's digest stands for all that the server could tell.
        known = self._headers.find_remote(f"shown {listing.digest}", origin) if listing.digest else None
        header = known or await engine.header(listing.name)
        if listing.digest:
            self._headers.keep_remote(f"shown {listing.digest}", origin, header)
        return FoundModel(
            ref=ref,
            source="server",
            header=header,
            manifest_digest=listing.digest or None,
            from_cache=known is not None,
        )
