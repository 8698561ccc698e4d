"""A name, what pulling it would mean, and whether to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, Input, Static

from kdmgr.errors import KdmgrError
from kdmgr.services.pull_plan import PullOptions, PullPlan
from kdmgr.services.pull_words import describe_amount, describe_fit
from kdmgr.tui.transfer_words import describe_target
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.tui.ports import AppServices

_HELP = "An Ollama name (phi3:mini), or hf.co/USER/REPO:QUANT. Enter looks at what pulling it would mean."


class PullScreen(ModalScreen[PullPlan | None]):
    """Dismissed with the plan to carry out; None for none."""

    CSS_PATH = "pull.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", tooltip="Leave without pulling"),
    ]

    field = getters.query_one(Input)
    status = getters.query_one("#pull-status", Static)
    facts = getters.query_one(Facts)
    go = getters.query_one("#go", Button)

    @dataclass
    class Planned(Message):
        """What the pull of `name` would do, or why that is not known."""

        name: str
        plan: PullPlan | None
        error: KdmgrError | None = None

    def __init__(self, services: AppServices, name: str = "") -> None:
        super().__init__()
        self._services = services
        self._asked = name
        self._plan: PullPlan | None = None

    def compose(self) -> ComposeResult:
        """The name, what is known of it, two buttons."""
        with VerticalScroll(id="pull", can_focus=False) as box:
            box.border_title = "pull"
            yield Input(one_line(self._asked), placeholder="model:tag or hf.co/user/repo:quant", compact=True)
            yield Static(_HELP, id="pull-status", markup=False)
            yield Facts()
            with Horizontal():
                yield Button("Pull", id="go", variant="primary", compact=True, disabled=True)
                yield Button("Leave (Esc)", id="leave", compact=True)

    def on_mount(self) -> None:
        """A name that was brought along is looked at right away."""
        self.field.cursor_blink = False
        self.facts.show([])
        self.field.focus()
        if self._asked:
            self._look()

    @on(Input.Changed)
    def _forget(self) -> None:
        """Another name has another plan."""
        if self._plan is not None and self.field.value.strip() != self._asked:
            self._plan, self.go.disabled = None, True
            self.status.update(_HELP)
            self.facts.show([])

    @on(Input.Submitted)
    def _enter(self) -> None:
        if self._plan is None:
            self._look()
        elif self._plan.objections:
            self.go.focus()
        else:
            self.dismiss(self._plan)

    def _look(self) -> None:
        self._asked = self.field.value.strip()
        if self._asked:
            self.status.update(Content.styled("asking where it is published …", MUTED))
            self.facts.show([])
            self.plan(self._asked)

    @work(thread=True, exclusive=True, group="plan")
    def plan(self, name: str) -> None:
        """Ask the registry, the server, the disk and the machine."""
        try:
            options = PullOptions(machine=self._services.detect_machine())
            self.post_message(self.Planned(name, self._services.plan_pull(name, options)))
        except KdmgrError as error:
            self.post_message(self.Planned(name, None, error))

    @on(Planned)
    def _take(self, message: Planned) -> None:
        if message.name != self.field.value.strip():
            return
        self._plan, self.go.disabled = message.plan, message.plan is None
        if message.error is not None:
            self.status.update(Content.styled(one_line(message.error.message), "$error"))
            self.facts.show([Fact("hint", message.error.hint)] if message.error.hint else [])
        elif message.plan is not None:
            self._show(message.plan)

    def _show(self, plan: PullPlan) -> None:
        self.go.label = "Pull anyway" if plan.objections else "Pull"
        self.go.variant = "error" if plan.objections else "primary"
        doubt = "Something speaks against it:" if plan.objections else "Enter pulls it."
        self.status.update(Content.styled(doubt, "$warning" if plan.objections else ""))
        self.facts.show(plan_facts(plan))

    @on(Button.Pressed, "#go")
    def _pull(self) -> None:
        self.dismiss(self._plan)

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        """Nothing is pulled."""
        self.dismiss(None)


def offer_pull(screen: Screen[Any], services: AppServices, name: str) -> None:
    """Ask whether to pull `name`, over `screen`; it goes into the queue."""

    def queue(plan: PullPlan | None) -> None:
        if plan is not None:
            services.transfers.add(plan)
            screen.notify(f"{plan.name} is in the queue: see Transfers.", markup=False)

    screen.app.push_screen(PullScreen(services, name), queue)


def plan_facts(plan: PullPlan) -> list[Fact]:
    """Objections first, then size, disk, fit and lineage."""
    match = plan.assessment.match if plan.assessment else None
    lineage = match.student.lineage if match else None
    facts = [
        Fact("model", plan.name),
        Fact("size", describe_amount(plan)),
        Fact("to", describe_target(plan.engine, plan.where)),
        Fact("disk", "not known from here" if plan.free is None else f"{format_bytes(plan.free)} free"),
        Fact("fit", describe_fit(plan) or "not judged"),
    ]
    if lineage is not None:
        facts.append(Fact("teacher", f"{lineage.teacher.name} ({lineage.method})"))
    objections = [Fact("warning", sentence, "$warning", "$warning") for sentence in plan.objections]
    return [*objections, *facts, *(Fact("note", note) for note in plan.notes)]
