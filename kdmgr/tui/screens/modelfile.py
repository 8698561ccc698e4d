"""The Modelfile of an installed model: written, linted while it is, compared before anything is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from kdmgr.errors import KdmgrError
from kdmgr.models.progress import Progress
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.screens.confirm import ConfirmScreen
from kdmgr.tui.screens.review import ReviewScreen
from kdmgr.tui.transfer_messages import ModelsChanged
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.modelfile_editor import ModelfileEditor
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.model_parts import ShownModelfile
    from kdmgr.services.modelfile_desk import Reviewed
    from kdmgr.tui.ports import AppServices


class ModelfileScreen(Screen[bool]):
    """Dismissed with whether a model was made."""

    CSS_PATH = ["modelfile_editor.tcss", "modelfile.tcss"]  # noqa: RUF012  (Textual types it as a class's already)
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "modelfile",
        [
            Binding("ctrl+s", "apply", "apply", tooltip="Look at what changes, and apply it", priority=True),
            Binding("ctrl+f", "mend", "mend", tooltip="Mend what can be mended without losing anything", priority=True),
            Binding(
                "ctrl+n", "next_finding", "next finding", tooltip="Go to the next line that is wrong", priority=True
            ),
            Binding("escape", "leave", "leave", tooltip="Stop applying, or leave the text", priority=True),
        ],
    )

    editor = getters.query_one(ModelfileEditor)
    status = getters.query_one("#status", Static)

    def __init__(self, services: AppServices, name: str) -> None:
        super().__init__()
        self._services = services
        self._model = name
        self._shown: ShownModelfile | None = None
        self._saved = ""
        self._applying: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """The text, and one line about it."""
        yield TopLine("students")
        yield ModelfileEditor(self._services)
        yield Static("reading …", id="status", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Ask for the text."""
        self.editor.border_title = Content(f"Modelfile of {one_line(self._model)}")
        self.editor.area.read_only = True
        self.read()

    @work(exclusive=True, group="read")
    async def read(self) -> None:
        """From a store, or as the server tells it."""
        try:
            shown = await self._services.modelfile_desk.show(self._model)
        except KdmgrError as error:
            self._say(f"{error.message} {error.hint or ''}", "$error")
            return
        self._shown, self._saved = shown, shown.composed.text
        self.editor.load(self._saved)
        self.editor.area.read_only = False
        self.editor.area.focus()
        lost = shown.composed.lost
        self._say(
            " ".join(["Ctrl+S shows what changes before anything is applied.", *lost]), "$warning" if lost else ""
        )

    @property
    def changed(self) -> bool:
        """Whether something would be lost by leaving."""
        return self.editor.text != self._saved

    def action_mend(self) -> None:
        """Mend what can be."""
        self.editor.mend()

    def action_next_finding(self) -> None:
        """The finding below the cursor, else the first."""
        row = self.editor.area.cursor_location[0] + 1
        findings = self.editor.findings or ()
        found = next((each for each in findings if each.line > row), findings[0] if findings else None)
        if found is not None:
            self.editor.area.go_to(found.line, found.column)

    def action_apply(self) -> None:
        """Refuse what Ollama would; show the difference of the rest."""
        if self._shown is None or self._applying is not None:
            return
        if self.editor.has_errors:
            self.notify("It has errors: see the list below the text.", severity="error", markup=False)
            return
        text = self.editor.text
        self.app.push_screen(ReviewScreen(self._services, self._shown, text), lambda found: self._begin(found, text))

    def _begin(self, reviewed: Reviewed | None, text: str) -> None:
        if reviewed is not None:
            self._applying = self.make(reviewed, text)

    @work(exclusive=True, group="apply")
    async def make(self, reviewed: Reviewed, text: str) -> None:
        """Make the model; cancelling makes none."""
        try:
            await self._services.modelfile_desk.apply(reviewed, text, self._report)
        except KdmgrError as error:
            self._say(f"{error.message} {error.hint or ''}", "$error")
            return
        self._saved = text
        name = one_line(reviewed.name)
        self._say(f"{name} has been {'replaced' if reviewed.taken else 'made'}.", "$success")
        self.app.post_message(ModelsChanged())

    @on(Worker.StateChanged)
    def _settle(self, event: Worker.StateChanged) -> None:
        if event.worker is not self._applying or event.worker.is_running:
            return
        if event.state is WorkerState.CANCELLED:
            self._say("Stopped: no model was made. The draft is kept.", "$warning")
        self._applying = None

    def _report(self, progress: Progress) -> None:
        share = f" {progress.completed / progress.total:.0%}" if progress.total else ""
        self._say(f"{progress.status}{share} … Esc stops.", "$primary")

    def action_leave(self) -> None:
        """Stop what is being applied; else leave, and ask where the text has changed."""
        if self._applying is not None:
            self._applying.cancel()
        elif self._shown is not None and self.changed:
            question = ConfirmScreen("The text has changed and is not applied. Leave? A draft of it is kept.", "Leave")
            self.app.push_screen(question, lambda yes: self._leave_draft() if yes else None)
        else:
            self.dismiss(False)

    def _leave_draft(self) -> None:
        try:
            draft = self._services.modelfile_desk.keep(self._model, self.editor.text)
        except KdmgrError as error:
            self.notify(error.message, severity="error", markup=False)
            return
        self.dismiss(False)
        self.app.notify(f"The draft is kept: {one_line(str(draft))}", markup=False)

    def _say(self, text: str, style: str = "") -> None:
        self.status.update(Content.styled(one_line(text), style))
