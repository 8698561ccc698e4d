"""Pulls as lines of a terminal: redrawn in place for people, one line for each event elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdmgr.cli.console import display_width, pad
from kdmgr.services.pull_words import describe_amount, describe_fit, describe_way
from kdmgr.units import format_bytes, format_duration, format_speed, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.pull_plan import PullPlan
    from kdmgr.services.transfer_state import TransferState

_BAR = 24


def describe_plan(plan: PullPlan) -> str:
    """`phi3:mini: 2.03 GiB, 1.10 GiB there already · through http://… · ✔ fits …`."""
    what = f"{plan.name}: {describe_amount(plan)}"
    return " · ".join(part for part in (what, describe_way(plan), describe_fit(plan)) if part)


class PullPrinter:
    """Shows the states of a queue on stderr."""

    def __init__(self, console: Console, *, silent: bool) -> None:
        self._console = console
        self._silent = silent
        self._lines = 0
        self._told: dict[str, str] = {}

    def show(self, states: Sequence[TransferState]) -> None:
        """Draw the states in place of those before; without a terminal, say what is new."""
        if self._silent:
            return
        if not self._console.terminal:
            self._tell(states)
            return
        # A terminal's own line breaks would count as lines that are not redrawn.
        lines = [_cut(line, self._console.width - 1) for line in self._draw(states)]
        up = f"\x1b[{self._lines}A" if self._lines else ""
        self._console.stderr.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines) + "\x1b[0J")
        self._console.stderr.flush()
        self._lines = len(lines)

    def _draw(self, states: Sequence[TransferState]) -> list[str]:
        width = max(display_width(state.name) for state in states)
        lines = []
        for state in states:
            lines.append(f"{pad(printable(state.name), width)}  {_progress(state)}")
            if (layer := _current_layer(state)) is not None:
                lines.append(f"{' ' * width}  {layer}")
        if len(states) > 1:
            lines.append(_overall(states, width))
        return lines

    def _tell(self, states: Sequence[TransferState]) -> None:
        """Beginnings, ends, and what goes wrong meanwhile; not every byte."""
        for state in states:
            news = state.phase.value if "trying again" not in state.status else state.status
            news = state.status if state.status.startswith("waiting") else news
            if self._told.get(state.name) != news and state.phase.value not in ("queued", "failed"):
                self._told[state.name] = news
                amount = format_bytes(state.completed) if state.total is None else _amount(state)
                self._console.note(f"{state.name}: {news} ({amount})")


def _progress(state: TransferState) -> str:
    phase = state.phase.value
    if phase != "running":
        why = f": {state.error.message}" if state.error else ""
        return printable(f"{phase}{why}") if phase in ("failed", "queued") else f"{phase}, {_amount(state)}"
    if not state.total:
        return f"{format_bytes(state.completed)} {format_speed(state.bytes_s)}"
    share = min(state.completed / state.total, 1.0)
    bar = "█" * int(share * _BAR) + "·" * (_BAR - int(share * _BAR))
    left = f" {format_duration(state.eta_s)} left" if state.eta_s is not None else ""
    speed = f" {format_speed(state.bytes_s)}" if state.bytes_s is not None else ""
    return f"{bar} {int(share * 100):3d}% {_amount(state)}{speed}{left}"


def _current_layer(state: TransferState) -> str | None:
    """What is being done, and to which blob."""
    if state.phase.value != "running":
        return None
    status = printable(state.status)
    layer = next((layer for layer in state.layers if layer.size and 0 < layer.completed < layer.size), None)
    if layer is None or layer.size is None:
        return status
    kind = printable(layer.kind) or "blob"
    share = int(layer.completed / layer.size * 100)
    return f"{kind} {layer.digest[7:19]} {share}% of {format_bytes(layer.size)} · {status}"


def _overall(states: Sequence[TransferState], width: int) -> str:
    done = sum(state.phase.value == "done" for state in states)
    total = sum(state.total or 0 for state in states)
    completed = sum(min(state.completed, state.total or 0) for state in states)
    speed = sum(state.bytes_s or 0.0 for state in states)
    left = f" {format_duration((total - completed) / speed)} left" if speed else ""
    share = f"{int(completed / total * 100)}% " if total else ""
    text = f"{share}{format_bytes(completed)} of {format_bytes(total)}, {done} of {len(states)} done{left}"
    return f"{pad('all', width)}  {text}"


def _amount(state: TransferState) -> str:
    return f"{format_bytes(state.completed)} of {format_bytes(state.total)}"


def _cut(line: str, width: int) -> str:
    while display_width(line) > width:
        line = line[:-1]
    return line
