"""A guided import: pick a file, see what it is and what would be made of it, then let it go into the queue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Button, Input, Label, Static
from textual.worker import get_current_worker

from kdmgr.errors import KdmgrError
from kdmgr.fit.plan import Verdict
from kdmgr.refs import parse_ollama_name
from kdmgr.services.import_form import ImportPreview
from kdmgr.services.import_plan import ImportRequest
from kdmgr.services.import_transfer import ImportTransfer
from kdmgr.services.pull_plan import EMBEDDED, OLLAMA
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.import_words import preview_facts
from kdmgr.tui.screens.confirm import ConfirmScreen
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.widgets.file_picker import FilePicker
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.modelfile_editor import ModelfileEditor
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.tui.ports import AppServices

_FIRST = "Pick a GGUF file. Nothing is copied before you say so."
_FIELDS = {
    "name": ("name", "the file's own, if empty"),
    "quantize": ("quantise", "Q4_K_M …, if the server is to quantise it"),
    "base": ("base", "the server's model that an adapter sits on"),
    "teacher": ("teacher", "for the receipt: who taught it"),
    "method": ("method", "for the receipt: how"),
}
_DELAY = 0.4
"""Seconds that the check waits for the next key."""


class ImportScreen(Screen[ImportTransfer | None]):
    """Dismissed with the import to queue; None for none."""

    CSS_PATH = ["modelfile_editor.tcss", "import_.tcss"]  # noqa: RUF012  (Textual types it as a class's already)
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "import",
        [
            Binding("ctrl+s", "import", "import", tooltip="Import what is shown", priority=True),
            Binding("ctrl+t", "target", "target", tooltip="The other target: the Ollama server, or kdmgr's own store"),
            Binding(
                "ctrl+f",
                "mend",
                "mend",
                tooltip="Mend what is wrong with the Modelfile and can be mended",
                priority=True,
            ),
            Binding("escape", "leave", "leave", tooltip="Leave without importing"),
            Binding("f1", "app.help", "help", tooltip="All keys"),
        ],
    )

    picker = getters.query_one(FilePicker)
    state = getters.query_one("#state", Static)
    facts = getters.query_one(Facts)
    editor = getters.query_one(ModelfileEditor)
    go = getters.query_one("#go", Button)
    target = getters.query_one("#target", Button)

    @dataclass
    class Previewed(Message):
        """What the import numbered `version` would be, or why it cannot be."""

        version: int
        preview: ImportPreview | None
        error: KdmgrError | None = None

    def __init__(self, services: AppServices, folder: Path | None = None) -> None:
        super().__init__()
        self._services = services
        self._folder = folder or Path.cwd()
        self._path: Path | None = None
        self._engine = "auto"
        self._version = 0
        self._preview: ImportPreview | None = None
        self._loaded: tuple[Path, str] | None = None
        """The file and the target that the Modelfile was proposed for."""

    def compose(self) -> ComposeResult:
        """File on the left, everything about it on the right."""
        yield TopLine("transfers")
        with Container(id="body"):
            yield FilePicker(self._folder)
            with VerticalScroll(id="form", can_focus=False) as form:
                form.border_title = "import"
                yield _field("name")
                with Horizontal(classes="field"):
                    yield Label("to")
                    yield Button("where a server answers, else kdmgr's own store", id="target", compact=True)
                for key in _FIELDS:
                    if key != "name":
                        yield _field(key)
                yield Static(_FIRST, id="state", markup=False)
                yield Facts(label_width=12)
                yield ModelfileEditor(self._services)
                with Horizontal(id="go-line"):
                    yield Button("Import (Ctrl+S)", id="go", variant="primary", compact=True, disabled=True)
                    yield Button("Leave (Esc)", id="leave", compact=True)
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin with the file."""
        for field in self.query(Input):
            field.cursor_blink = False
        self.facts.show([])
        self.editor.display = False
        self.picker.field.focus()

    @on(FilePicker.Picked)
    def _pick(self, message: FilePicker.Picked) -> None:
        if message.path != self._path:
            self._path, self._engine = message.path, "auto"
            self._field("name").value = ""
        self._check(0.0)

    @on(Input.Changed, ".field Input")
    def _edit(self) -> None:
        if self._path is not None:
            self._check(_DELAY)

    @on(Input.Submitted, ".field Input")
    def _next(self) -> None:
        self.focus_next()

    @on(Button.Pressed, "#target")
    def action_target(self) -> None:
        """From the server to the own store, and back."""
        if self._path is not None and self._preview is not None:
            self._engine = EMBEDDED if self._preview.engine == OLLAMA else OLLAMA
            self._check(0.0)

    def _field(self, key: str) -> Input:
        return self.query_one(f"#field-{key}", Input)

    def _check(self, delay: float) -> None:
        """Look at everything again; what an earlier look brings is dropped."""
        self._version += 1
        self.go.disabled = True
        if self._path is not None:
            self.state.update(Content.styled("looking at it …", MUTED))
            values = {key: self._field(key).value.strip() for key in _FIELDS}
            self.preview(self._version, self._path, values, self._engine, delay)

    @work(thread=True, exclusive=True, group="preview")
    def preview(self, version: int, path: Path, values: dict[str, str], engine: str, delay: float) -> None:
        """Read the header, ask the server, plan the memory."""
        time.sleep(delay)
        if get_current_worker().is_cancelled:
            return
        form = self._services.import_form
        try:
            name = values["name"]
            request = ImportRequest(
                sources=(path,),
                ref=parse_ollama_name(name) if name else form.suggest_name((path,)),
                base=values["base"] or None,
                quantize=values["quantize"] or None,
                teacher=values["teacher"] or None,
                method=values["method"] or None,
            )
            self.post_message(self.Previewed(version, form.preview(request, engine)))
        except KdmgrError as error:
            self.post_message(self.Previewed(version, None, error))

    @on(Previewed)
    def _take(self, message: Previewed) -> None:
        if message.version != self._version:
            return
        if message.preview is not None:
            self._show(message.preview)
        elif message.error is not None:
            self.state.update(Content.styled(one_line(message.error.message), "$error"))
            self.facts.show([Fact("hint", message.error.hint)] if message.error.hint else [])
            self.editor.display = False

    def _show(self, preview: ImportPreview) -> None:
        self._preview = preview
        self._field("name").placeholder = str(preview.request.ref)
        self.target.label = "the Ollama server" if preview.engine == OLLAMA else "kdmgr's own store"
        for key in ("quantize", "base"):
            self.query_one(f"#line-{key}").display = preview.engine == OLLAMA
        verdict = "A model of this name is there: it would be replaced." if preview.taken else "It can be imported."
        self.state.update(Content.styled(verdict, "$warning" if preview.taken else "$success"))
        self.facts.show(preview_facts(preview))
        self.editor.display = bool(preview.text)
        source = (preview.request.sources[0], preview.engine)
        if self._loaded != source:
            self._loaded = source
            self.editor.folder = preview.request.sources[0].parent
            self.editor.load(preview.text)
        self.go.disabled = False

    def action_mend(self) -> None:
        """Mend the Modelfile."""
        if self.editor.display:
            self.editor.mend()

    @on(Button.Pressed, "#go")
    def action_import(self) -> None:
        """Ask where there is something to ask, then hand it over."""
        preview = self._preview
        if preview is None or self.go.disabled:
            self.notify("Nothing to import yet: pick a file.", severity="warning", markup=False)
        elif self.editor.display and self.editor.has_errors:
            self.notify("The Modelfile has errors: see the list below it.", severity="error", markup=False)
        elif question := _question(preview):
            self.app.push_screen(ConfirmScreen(*question), lambda yes: self._hand_over(preview) if yes else None)
        else:
            self._hand_over(preview)

    def _hand_over(self, preview: ImportPreview) -> None:
        try:
            self.dismiss(self._services.import_form.transfer(preview, self.editor.text))
        except KdmgrError as error:
            self.notify(error.message, severity="error", markup=False)

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        """Nothing is imported."""
        self.dismiss(None)


def _field(key: str) -> Horizontal:
    label, placeholder = _FIELDS[key]
    field = Input(placeholder=placeholder, id=f"field-{key}", compact=True)
    return Horizontal(Label(label), field, classes="field", id=f"line-{key}")


def _question(preview: ImportPreview) -> tuple[str, str] | None:
    """What is asked before, and the word for yes."""
    name = one_line(str(preview.request.ref))
    if preview.fit is Verdict.TOO_BIG:
        return f"{name} is too big for this machine. Import it anyway?", "Import"
    return (f"{name} exists already. Replace it?", "Replace") if preview.taken else None
