"""An import into a blob server, with folders of its own."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time_ns
from typing import TypeVar

from kdmgr.catalog.load import load_catalog
from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.uploading import Uploader
from kdmgr.fit.machine import Host, Machine
from kdmgr.models.digests import DigestMemory
from kdmgr.models.headers import HeaderCache
from kdmgr.models.progress import Progress
from kdmgr.refs import parse_ollama_name
from kdmgr.services.import_plan import ImportRequest
from kdmgr.services.receipts import ImportReceipt, Receipts
from kdmgr.services.server_importing import ImportTools, ServerImporting
from tests.gguf.forge import Forge, small_model

MIB = 1 << 20
T = TypeVar("T")
HOUR_NS = 3_600_000_000_000


def machine() -> Machine:
    return Machine((), Host("Test CPU", 2, 16 << 30, 8 << 30, "made up"))


def write_model(path: Path, size: int = 224, *, forge: Forge | None = None) -> Path:
    """A small GGUF of random weights; larger ones have more than the header asks for."""
    header = (forge or small_model()).header()
    path.write_bytes(header + b"\0" * (-len(header) % 32) + os.urandom(size))
    return path


def write_adapter(path: Path) -> Path:
    forge = Forge()
    forge.add_text("general.architecture", "llama")
    forge.add_text("general.type", "adapter")
    forge.add_tensor("blk.0.attn_q.weight.lora_a", (32, 1), 0, 0)
    path.write_bytes(forge.file(128))
    return path


def write_projector(path: Path) -> Path:
    forge = Forge()
    forge.add_text("general.architecture", "clip")
    forge.add_tensor("v.weight", (32, 1), 0, 0)
    path.write_bytes(forge.file(128))
    return path


class HastyEngine(OllamaEngine):
    """Tries again at once, and counts how often it had to."""

    pauses: list[float]

    @property
    def uploads(self) -> Uploader:
        return Uploader(self._server, pause=self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@dataclass
class Rig:
    """Imports into `host`."""

    folder: Path
    host: str
    seen: list[Progress] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    changes: dict[str, object] = field(default_factory=dict)
    """What of the tools is to be another."""

    @property
    def receipts(self) -> Receipts:
        return Receipts(self.folder / "receipts")

    @property
    def tools(self) -> ImportTools:
        tools = ImportTools(
            headers=HeaderCache(self.folder / "headers"),
            digests=DigestMemory(self.folder / "digests", now_ns=lambda: time_ns() + HOUR_NS),
            receipts=self.receipts,
            catalog=lambda: load_catalog(self.folder / "config"),
            machine=machine,
        )
        return replace(tools, **self.changes)  # type: ignore[arg-type]

    def request(self, *sources: Path, name: str = "m:1b", **more: object) -> ImportRequest:
        return ImportRequest(sources, parse_ollama_name(name), **more)  # type: ignore[arg-type]

    async def run(
        self, *sources: Path, report: Callable[[Progress], None] | None = None, **more: object
    ) -> ImportReceipt:
        async def work(importing: ServerImporting) -> ImportReceipt:
            plan = await importing.prepare(self.request(*sources, **more))
            return await importing.perform(plan, report or self.seen.append)

        return await self.with_engine(work)

    async def with_engine(self, work: Callable[[ServerImporting], Awaitable[T]]) -> T:
        engine = HastyEngine(self.host, {}, platform="linux")
        engine.pauses = self.pauses
        try:
            return await work(ServerImporting(engine, self.tools))
        finally:
            await engine.close()
