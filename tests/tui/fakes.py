"""Services without disks and networks: real shapes and real plans on a declared machine, a scripted chat."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import Certainty, Match
from kdmgr.errors import KdmgrError
from kdmgr.fit.assess import assess
from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport
from kdmgr.gguf.shape import ModelShape
from kdmgr.refs import FileRef, ModelRef, OllamaRef, parse_ref
from kdmgr.services.rows import ModelRow
from tests.support.machines import gpu, machine
from tests.tui.fakes_chats import FakeChatServices
from tests.tui.fakes_duel import FakeDuels
from tests.tui.fakes_find import FakeHubDesk
from tests.tui.fakes_machine import FakeMachinePlace
from tests.tui.fakes_settings import FakeSettingsPlace
from tests.tui.fakes_students import FakeDesk
from tests.tui.fakes_transfers import FakeTransferServices

RTX_3060 = replace(machine(gpu(10.4, total_gib=12), available_gib=24, bandwidth=40_000_000_000), declared=False)
"""As it would be found here, and not named by the user."""


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
class FakeServices(FakeChatServices, FakeDuels, FakeTransferServices, FakeMachinePlace, FakeSettingsPlace):
    """`AppServices` over dictionaries."""

    rows: list[ModelRow] = field(default_factory=list)
    shapes: dict[str, ModelShape] = field(default_factory=dict)
    """By row key; a row without one fails to open."""
    machine: Machine = RTX_3060
    server: list[ModelRow] = field(default_factory=list)
    elsewhere: Machine | None = None
    """The computer of the server's rows, where it is another."""
    rows_error: KdmgrError | None = None
    machine_error: KdmgrError | None = None
    calls: list[str] = field(default_factory=list)
    student_desk: FakeDesk = field(default_factory=FakeDesk)
    hub_desk: FakeHubDesk = field(default_factory=FakeHubDesk)

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
        return self.shapes[row.key], "server" if row.origin == "server" else "store"

    def machine_elsewhere(self, source: str) -> Machine | None:
        return self.elsewhere if source == "server" else None

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        return assess(shape, machine, options, ref=ref, source=source)
