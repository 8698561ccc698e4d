"""Services without disks and networks: real shapes and real plans on a declared machine, a scripted chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import Certainty, Match
from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatMessage, ChatStats
from kdmgr.errors import KdmgrError
from kdmgr.fit.assess import assess
from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport
from kdmgr.gguf.shape import ModelShape
from kdmgr.refs import FileRef, ModelRef, OllamaRef, parse_ref
from kdmgr.services.rows import ModelRow
from tests.support.machines import gpu, machine
from tests.tui.fakes_students import FakeDesk

RTX_3060 = machine(gpu(10.4, total_gib=12), available_gib=24, bandwidth=40_000_000_000)


def installed(
    name: str, shape: ModelShape | None = None, *, origin: str = "kdmgr", student: str | None = None
) -> ModelRow:
    """An installed model's row."""
    return ModelRow(
        key=f"{origin}:{name}",
        name=name,
        ref=FileRef(Path("/models") / "x.gguf"),
        origin=origin,
        size_bytes=shape.weights.total if shape else 1 << 28,
        parameters=shape.parameters if shape else None,
        quant=shape.quant if shape else None,
        n_ctx_train=shape.n_ctx_train if shape else None,
        match=student_match(student) if student else None,
    )


def student_match(student_id: str) -> Match:
    """A student of the shipped catalog, recognised."""
    student = load_catalog().get(student_id)
    assert student is not None, student_id
    return Match(student, ("its name in Ollama's library",), Certainty.STRONG, "itself")


def catalog_rows(limit: int | None = None) -> list[ModelRow]:
    """The shipped catalog as rows."""
    rows = []
    for student in load_catalog():
        tag = student.ollama[0] if student.ollama else None
        ref: ModelRef | None = parse_ref(tag.tag) if tag else None
        rows.append(
            ModelRow(
                key=f"catalog:{student.id}",
                name=student.name,
                ref=ref if isinstance(ref, OllamaRef) else None,
                origin="catalog",
                size_bytes=tag.size_bytes if tag else None,
                parameters=student.parameters,
                quant=None,
                n_ctx_train=student.context_length,
                match=Match(student, (), Certainty.EXACT, "itself"),
            )
        )
    return rows[:limit]


@dataclass
class Script:
    """What a chat answers: events, an error to raise after them, seconds before each."""

    events: Sequence[ChatEvent] = ()
    error: KdmgrError | None = None
    pause: float = 0.0
    endless: bool = False
    """Go on with the last event until stopped."""


@dataclass
class FakeChat:
    """A `ChatSession` that follows scripts, one for each question."""

    scripts: list[Script] = field(default_factory=list)
    engine_name: str = "llamacpp"
    reason: str = "no server answers, so the embedded engine"
    model_name: str = "smollm2"
    warnings: tuple[str, ...] = ()
    n_ctx: int | None = 4096
    asked: list[str] = field(default_factory=list)
    n_stopped: int = 0
    n_resets: int = 0
    closed: bool = False

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        return tuple(ChatMessage("user", text) for text in self.asked)

    async def send(self, text: str) -> AsyncGenerator[ChatEvent, None]:
        self.asked.append(text)
        script = self.scripts.pop(0) if self.scripts else Script([ChatDelta("ok", n_tokens=1), stats()])
        try:
            for event in script.events:
                await asyncio.sleep(script.pause)
                yield event
            while script.endless:
                await asyncio.sleep(max(script.pause, 0.001))
                yield script.events[-1]
        except GeneratorExit:
            self.n_stopped += 1
            raise
        except asyncio.CancelledError:
            self.n_stopped += 1
            raise
        if script.error is not None:
            raise script.error

    def reset(self) -> None:
        self.n_resets += 1

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeServices:
    """`AppServices` over dictionaries."""

    rows: list[ModelRow] = field(default_factory=list)
    shapes: dict[str, ModelShape] = field(default_factory=dict)
    """By row key; a row without one fails to open."""
    machine: Machine = RTX_3060
    server: list[ModelRow] = field(default_factory=list)
    chat: FakeChat = field(default_factory=FakeChat)
    rows_error: KdmgrError | None = None
    machine_error: KdmgrError | None = None
    chat_error: KdmgrError | None = None
    chat_release: asyncio.Event | None = None
    """Opening a chat waits for it."""
    calls: list[str] = field(default_factory=list)
    opened: list[dict[str, object]] = field(default_factory=list)
    student_desk: FakeDesk = field(default_factory=FakeDesk)

    def detect_machine(self) -> Machine:
        self.calls.append("machine")
        if self.machine_error is not None:
            raise self.machine_error
        return self.machine

    def model_rows(self) -> list[ModelRow]:
        self.calls.append("rows")
        if self.rows_error is not None:
            raise self.rows_error
        return self.rows

    async def server_rows(self) -> list[ModelRow]:
        self.calls.append("server")
        return self.server

    def open_shape(self, row: ModelRow) -> tuple[ModelShape, str]:
        if row.key not in self.shapes:
            raise KdmgrError("the blob is gone", hint="import it again")
        return self.shapes[row.key], "store"

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        return assess(shape, machine, options, ref=ref, source=source)

    async def open_chat(
        self, ref: ModelRef, *, engine: str = "auto", n_ctx: int | None = None, cache_type: str | None = None
    ) -> FakeChat:
        self.opened.append({"ref": ref, "engine": engine, "n_ctx": n_ctx, "cache_type": cache_type})
        if self.chat_release is not None:
            await self.chat_release.wait()
        if self.chat_error is not None:
            raise self.chat_error
        return self.chat


def stats(**changes: object) -> ChatStats:
    """Figures of an answer."""
    figures: dict[str, object] = {
        "n_prompt": 32,
        "n_cached": 12,
        "n_output": 120,
        "prompt_s": 0.1,
        "decode_s": 2.4,
        "load_s": 0.5,
        "ttft_s": 0.12,
        "total_s": 2.6,
        "n_ctx": 4096,
        "stop_reason": "stop",
    }
    return ChatStats(**(figures | changes))  # type: ignore[arg-type]
