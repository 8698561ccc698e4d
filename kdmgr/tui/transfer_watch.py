"""What the whole app does about transfers, wherever the user is: badge, news, fresh lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from kdmgr.services.transfer_state import IMPORT, Phase, TransferState
from kdmgr.tui.transfer_messages import TransfersChanged
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.tui.app import KdmgrApp

PLACE = "transfers"


class TransferWatch:
    """Follows the queue of `app` from its start to its end."""

    def __init__(self, app: KdmgrApp) -> None:
        self._app = app
        self._phases: dict[str, Phase] = {}

    async def follow(self) -> None:
        """Take in every change; returns never."""
        async with aclosing(self._app.services.transfers.follow()) as changes:
            async for states in changes:
                self._take(states)

    def _take(self, states: tuple[TransferState, ...]) -> None:
        self._app.show_badge(PLACE, describe_badge(states))
        before, self._phases = self._phases, {state.name: state.phase for state in states}
        news = [state for state in states if state.phase.ended and before.get(state.name) is not state.phase]
        for state in news:
            self._tell(state)
        for screen in self._app.open_screens():
            screen.post_message(TransfersChanged(states))
        if any(state.phase is Phase.DONE for state in news):
            self._app.tell_models_changed()

    def _tell(self, state: TransferState) -> None:
        """Only elsewhere: the place itself shows it."""
        if self._app.current_mode == PLACE or state.phase is Phase.CANCELLED:
            return
        name = one_line(state.name)
        if state.error is not None:
            hint = f"\n{one_line(state.error.hint)}" if state.error.hint else ""
            text = f"{one_line(state.error.message)}{hint}"
            self._app.notify(text, title=f"{name} failed", severity="error", markup=False)
        elif state.phase is Phase.DONE:
            verb = "imported" if state.kind == IMPORT else "pulled"
            self._app.notify(f"{name} has been {verb}.", markup=False)


def describe_badge(states: Sequence[TransferState]) -> str:
    """`↓2` for two that run or wait, `‖1` where one is only paused."""
    going = sum(state.phase in (Phase.RUNNING, Phase.QUEUED) for state in states)
    paused = sum(state.phase is Phase.PAUSED for state in states)
    return f"↓{going}" if going else f"‖{paused}" if paused else ""


def describe_running(states: Sequence[TransferState]) -> str:
    """What would be stopped by leaving; "" for nothing."""
    going = [one_line(state.name) for state in states if not state.phase.ended]
    if not going:
        return ""
    what = f"the transfer of {going[0]}" if len(going) == 1 else f"{len(going)} transfers"
    return f"Leaving stops {what}; what pulls have brought is kept."
