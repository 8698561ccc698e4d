"""A Modelfile being written: the text, marks beside the lines that are wrong, and a list of what is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from kdmgr.errors import KdmgrError
from kdmgr.modelfile.lint import Finding
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.tui.widgets.modelfile_area import ModelfileArea
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from kdmgr.tui.ports import AppServices

MARKS = {"error": ("✘", "$error"), "warning": ("▲", "$warning"), "note": ("·", "$primary")}
_RANK = list(MARKS)
_LINT_DELAY = 0.25
"""Seconds that the linter waits for the next key."""


class Margin(Drawn):
    """The worst mark of each line, beside the lines that the area shows."""

    DEFAULT_CSS = "Margin { width: 2; height: 1fr; }"

    def __init__(self, area: ModelfileArea) -> None:
        super().__init__()
        self._area = area
        self._worst: dict[int, str] = {}

    def on_mount(self) -> None:
        """Scroll with the area."""
        self.watch(self._area, "scroll_y", self._scrolled, init=False)

    def _scrolled(self) -> None:
        self.refresh()

    def show(self, findings: Sequence[Finding]) -> None:
        """Mark these lines."""
        self._worst = {}
        for finding in sorted(findings, key=lambda finding: _RANK.index(finding.severity), reverse=True):
            self._worst[finding.line] = finding.severity
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """As many lines as there is room for."""
        first = int(self._area.scroll_y) + 1
        return [self._mark(line) for line in range(first, first + max(self.size.height, 1))]

    def _mark(self, line: int) -> Content:
        severity = self._worst.get(line)
        return Content(" ") if severity is None else Content.styled(*MARKS[severity])


class ModelfileEditor(Vertical):
    """Lints by itself, a moment after each change."""

    area = getters.query_one(ModelfileArea)
    margin = getters.query_one(Margin)
    listing = getters.query_one(OptionList)

    @dataclass
    class Linted(Message):
        """What was found in `text`; `error` says why it could not be looked at."""

        text: str
        findings: tuple[Finding, ...]
        error: KdmgrError | None = None

    def __init__(self, services: AppServices, folder: Path | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._services = services
        self.folder = folder
        """From where the paths in it are looked for; None for the drafts' own."""
        self.findings: tuple[Finding, ...] | None = None
        """None until the text has been looked at."""

    def compose(self) -> ComposeResult:
        """Margin and text, findings below."""
        area = ModelfileArea()
        with Horizontal():
            yield Margin(area)
            yield area
        yield OptionList(markup=False, compact=True)

    def on_mount(self) -> None:
        """Nothing is known yet."""
        self.border_title = "Modelfile"
        self.listing.display = False

    @property
    def text(self) -> str:
        """As it is written now."""
        return self.area.text

    @property
    def has_errors(self) -> bool:
        """Whether Ollama would refuse it, as far as is known."""
        return any(finding.severity == "error" for finding in self.findings or ())

    def load(self, text: str) -> None:
        """Begin with this text; undo does not go behind it."""
        self.area.load_text(text)

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self.findings = None
        self.lint(self.text, _LINT_DELAY)

    @work(thread=True, exclusive=True, group="lint")
    def lint(self, text: str, delay: float) -> None:
        """Look through `text`, unless another change comes within `delay` seconds."""
        time.sleep(delay)
        if get_current_worker().is_cancelled:
            return
        try:
            findings = self._services.modelfile_desk.lint(text, self.folder)
        except KdmgrError as error:
            self.post_message(self.Linted(text, (), error))
        else:
            self.post_message(self.Linted(text, findings))

    @on(Linted)
    def _take(self, message: Linted) -> None:
        if message.text != self.text:
            message.stop()
            return
        self.findings = message.findings
        self.margin.show(message.findings)
        self.border_subtitle = Content(_describe(message))
        self.listing.display = bool(message.findings)
        self.listing.set_options(Option(_draw(finding)) for finding in message.findings)

    @on(OptionList.OptionSelected)
    def _go(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        finding = (self.findings or ())[event.option_index : event.option_index + 1]
        if finding:
            self.area.go_to(finding[0].line, finding[0].column)

    @work(thread=True, exclusive=True, group="mend")
    def mend(self) -> None:
        """Mend what can be mended without losing anything; undo brings it back."""
        before = self.text
        try:
            after = self._services.modelfile_desk.mend(before)
        except KdmgrError as error:
            self.app.call_from_thread(self.notify, error.message, severity="error", markup=False)
            return
        self.app.call_from_thread(self._replace, before, after)

    def _replace(self, before: str, after: str) -> None:
        if self.text == before and after != before:
            end = self.area.document.end
            self.area.replace(after, (0, 0), end)
            self.notify("Mended; Ctrl+Z brings it back.", markup=False)
        elif after == before:
            self.notify("There is nothing that can be mended by itself.", markup=False)


def _describe(linted: ModelfileEditor.Linted) -> str:
    if linted.error is not None:
        return one_line(linted.error.message)
    counts = [(severity, sum(each.severity == severity for each in linted.findings)) for severity in MARKS]
    words = [f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts if count]
    return " · ".join(words) if words else "nothing is known against it"


def _draw(finding: Finding) -> Content:
    mark, style = MARKS[finding.severity]
    reason = f" · {one_line(finding.reason)}" if finding.reason else ""
    mends = " · can be mended" if finding.fix else ""
    place = f"{finding.line}:{finding.column}"
    return Content.assemble((f"{mark} {place:<6} ", style), one_line(finding.message), (reason + mends, MUTED))
