"""One line under the conversation: speed with its recent course, and how full the context is."""

from __future__ import annotations

from collections import deque

from textual.content import Content

from kdmgr.services.live_chat import NEARLY_FULL
from kdmgr.tui.bars import share_bar, sparkline
from kdmgr.tui.widgets.drawn import MUTED, Drawn
from kdmgr.units import format_count

_SAMPLES = 24
_SHORTEST = 4
_METER_WIDTH = 12


class ReadOut(Drawn):
    """Left what happens, right the context. Drawn when told to, so still when nothing streams."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._status = ""
        self._style = MUTED
        self._rates: deque[float] = deque(maxlen=_SAMPLES)
        self._used: int | None = None
        self.n_ctx: int | None = None

    def show_status(self, text: str, style: str = MUTED) -> None:
        """Say what happens."""
        self._status, self._style = text, style
        self.refresh()

    def add_rate(self, tok_s: float | None) -> None:
        """One more point of the course."""
        if tok_s is not None:
            self._rates.append(tok_s)
            self.refresh()

    def clear_rates(self) -> None:
        """Another answer begins."""
        self._rates.clear()
        self.refresh()

    def show_context(self, used: int | None, n_ctx: int | None) -> None:
        """Tokens in the context, and how many it holds; None is unknown."""
        self._used, self.n_ctx = used, n_ctx
        self.refresh()

    @property
    def share(self) -> float | None:
        """How full the context is."""
        return None if self._used is None or not self.n_ctx else self._used / self.n_ctx

    def get_content_height(self, *_: object) -> int:
        """Always one line."""
        return 1

    def draw(self, width: int) -> list[Content]:
        """The meter keeps its place; the course goes first, then the status is cut."""
        meter = self._draw_meter(narrow=width < 70)
        room = width - meter.cell_length - 2
        status = Content.styled(self._status, self._style)
        spark = sparkline(self._rates, min(_SAMPLES, room - status.cell_length - 2))
        if len(spark) >= _SHORTEST:
            status = Content.assemble((spark, "$success"), "  ", status)
        status = status.truncate(max(room, 0), ellipsis=True)
        return [Content.assemble(status, " " * max(width - status.cell_length - meter.cell_length, 0), meter)]

    def _draw_meter(self, *, narrow: bool) -> Content:
        if self.n_ctx is None:
            return Content("")
        used = "?" if self._used is None else str(self._used)
        figures = f"{used} / {format_count(self.n_ctx)}"
        share = self.share or 0.0
        style = "$success" if share < NEARLY_FULL else "bold $warning" if share < 1 else "bold $error"
        warning = "" if share < NEARLY_FULL else "⚠ nearly full " if share < 1 else "⚠ full "
        if narrow:
            return Content.assemble((warning, style), figures)
        full, rest = share_bar(share, _METER_WIDTH)
        return Content.assemble((warning, style), ("context ", MUTED), (full, style), (rest, MUTED), f" {figures}")
