"""What the app needs of the services: the whole seam between the screens and the rest of kdmgr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kdmgr.tui.ports_students import StudentServices

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kdmgr.engines.protocol import ChatEvent, ChatMessage
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.refs import ModelRef
    from kdmgr.services.rows import ModelRow


class Chat(Protocol):
    """One conversation with one model."""

    engine_name: str
    reason: str
    """Why this engine was chosen."""
    model_name: str
    warnings: tuple[str, ...]
    n_ctx: int | None

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far."""

    def send(self, text: str) -> AsyncGenerator[ChatEvent, None]:
        """Ask, and stream the answer; closing the stream stops it."""

    def reset(self) -> None:
        """Forget the conversation, keep the model loaded."""

    async def close(self) -> None:
        """Stop what was started for this chat."""


class AppServices(StudentServices, Protocol):
    """The use cases that the screens call. All raise `KdmgrError` for what a user can meet."""

    def detect_machine(self) -> Machine:
        """Devices and host; may take seconds."""

    def model_rows(self) -> list[ModelRow]:
        """Installed models, and the students of the catalog."""

    async def server_rows(self) -> list[ModelRow]:
        """Models of a server, if one answers."""

    def open_shape(self, row: ModelRow, /) -> tuple[ModelShape, str]:
        """The shape of a model and where it was read from."""

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        """Plan and judge; takes milliseconds and touches nothing."""

    async def open_chat(
        self, ref: ModelRef, *, engine: str = "auto", n_ctx: int | None = None, cache_type: str | None = None
    ) -> Chat:
        """A conversation with an installed model."""
