"""The context, set by keys or by the mouse: from 2k to what the model was trained for."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message

from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.units import format_count

LABEL_WIDTH = 9
_VALUE_WIDTH = 7
_SMALLEST = 2048
_UNTRAINED = 131072


def context_steps(n_ctx_train: int | None) -> tuple[int, ...]:
    """Powers of two from 2k, and the trained context at the end."""
    last = n_ctx_train or _UNTRAINED
    steps = []
    step = _SMALLEST
    while step < last:
        steps.append(step)
        step *= 2
    return (*steps, last)


def step_from(n_ctx: int, by: int, n_ctx_train: int | None) -> int:
    """The step after (`by` 1) or before (-1) `n_ctx`, which may lie between two."""
    steps = context_steps(n_ctx_train)
    if by > 0:
        return next((step for step in steps if step > n_ctx), steps[-1])
    return next((step for step in reversed(steps) if step < n_ctx), steps[0])


class ContextSlider(Drawn):
    """A track with a knob. The solid part keeps the verdict, the broken one would worsen it."""

    @dataclass
    class Moved(Message):
        """The user asked for another context."""

        n_ctx: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._n_ctx: int | None = None
        self._n_ctx_train: int | None = None
        self._max_n_ctx: int | None = None

    def show(self, n_ctx: int | None, n_ctx_train: int | None, max_n_ctx: int | None) -> None:
        """Draw `n_ctx` on a track to `n_ctx_train`; None for a model without a plan."""
        self._n_ctx, self._n_ctx_train, self._max_n_ctx = n_ctx, n_ctx_train, max_n_ctx
        self.refresh()

    def draw(self, width: int) -> list[Content]:
        """The label, the track, the value."""
        label = Content.styled("context".ljust(LABEL_WIDTH), MUTED)
        if self._n_ctx is None:
            return [Content.assemble(label, ("–", MUTED))]
        value = Content.styled(format_count(self._n_ctx).rjust(_VALUE_WIDTH - 1), "bold")
        return [Content.assemble(label, self._draw_track(self._track_width(width)), value, " ")]

    def get_content_height(self, *_: object) -> int:
        """Always one line."""
        return 1

    def _track_width(self, width: int) -> int:
        return max(width - LABEL_WIDTH - _VALUE_WIDTH, 8)

    def _draw_track(self, width: int) -> Content:
        knob = self._column(self._n_ctx or 0, width)
        kept = -1 if self._max_n_ctx is None else self._column(self._max_n_ctx, width)
        cells = [("●", "bold $accent") if at == knob else _track_cell(at <= kept) for at in range(width)]
        return Content.assemble(*cells)

    def _column(self, n_ctx: int, width: int) -> int:
        """Steps stand equally far apart; what lies between two steps stands between them."""
        steps = context_steps(self._n_ctx_train)
        if len(steps) == 1:
            return width - 1
        n_ctx = min(max(n_ctx, steps[0]), steps[-1])
        at = max(index for index, step in enumerate(steps) if step <= n_ctx)
        part = 0.0
        if at + 1 < len(steps):
            part = (n_ctx - steps[at]) / (steps[at + 1] - steps[at])
        return round((at + part) / (len(steps) - 1) * (width - 1))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take the knob to the pointer."""
        self.capture_mouse()
        self._follow(event.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the knob."""
        if self.app.mouse_captured is self:
            self._follow(event.x)

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()

    def _follow(self, x: int) -> None:
        if self._n_ctx is None:
            return
        steps = context_steps(self._n_ctx_train)
        width = self._track_width(self.size.width)
        nearest = min(steps, key=lambda step: abs(self._column(step, width) - (x - LABEL_WIDTH)))
        if nearest != self._n_ctx:
            self.post_message(self.Moved(nearest))


def _track_cell(kept: bool) -> tuple[str, str]:
    return ("━", "$success") if kept else ("╌", MUTED)
