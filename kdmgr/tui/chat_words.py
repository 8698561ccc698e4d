"""Chats in words: what lists, titles and read-outs say. Pure, and safe to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.history.chat_records import DONE, FAILED, STOPPED
from kdmgr.services.answer_words import describe_break, describe_loading, describe_meter, describe_stats
from kdmgr.services.images import describe_image
from kdmgr.services.live_entries import LiveTurn, Notice, Phase
from kdmgr.services.saved_chats import read_stats
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ImageRecord
    from kdmgr.services.live_chat import LiveChat

_PHASES = {
    Phase.OPENING: "opening the model …",
    Phase.READY: "ready",
    Phase.ANSWERING: "waiting for the first token …",
    Phase.STOPPING: "stopping …",
    Phase.FAILED: "not open: Enter tries again",
}
STATES = {
    Phase.OPENING: ("◌", "opening", ""),
    Phase.READY: ("●", "open", "$success"),
    Phase.ANSWERING: ("▸", "answering", "$accent"),
    Phase.STOPPING: ("▸", "stopping", "$accent"),
    Phase.FAILED: ("✘", "not open", "$error"),
}
"""A sign, a word and a colour for a list."""


def describe_status(chat: LiveChat, others: int = 0) -> str:
    """What a chat does now. `others` answer on an engine that gives one answer at a time."""
    if chat.phase is Phase.ANSWERING and chat.loading is not None and not chat.meter.n_tokens:
        return describe_loading(chat.loading.fraction)
    if chat.phase is Phase.ANSWERING and chat.meter.n_tokens:
        return describe_meter(chat.meter)
    if chat.phase is Phase.ANSWERING and others:
        return "waiting: the embedded engine gives one answer at a time, and another chat has it"
    return _PHASES[chat.phase]


def describe_ending(turn: LiveTurn) -> str:
    """The figures below an answer, or why there are none."""
    record = turn.record
    stats = read_stats(record) if record else None
    if stats is not None:
        return describe_stats(stats)
    failed = record is not None and record.state == FAILED
    if turn.n_tokens:
        return describe_break(turn.n_tokens, counted=turn.counted, failed=failed)
    if record is None or record.state == DONE or failed:
        return ""
    return "stopped" if record.state == STOPPED else "cut off: kdmgr ended before the answer did"


def describe_failure(turn: LiveTurn) -> Notice | None:
    """Why there is no answer, or no whole one: with a hint while it is known."""
    if turn.error is not None:
        return Notice(turn.error.message, "error", turn.error.hint)
    if turn.record is None or turn.record.state != FAILED:
        return None
    return Notice(turn.record.error or "failed without a reason", "error")


def describe_images(images: Sequence[ImageRecord]) -> str:
    """What went along: a line for each."""
    return "\n".join(f"▣ {one_line(describe_image(image))}" for image in images)


def list_images(images: Sequence[ImageRecord], ending: str, width: int) -> str:
    """What goes along, in one line: as many as there is room for, how many more there are, and `ending`."""
    names = [f"▣ {one_line(describe_image(image))}" for image in images]
    for n_named in range(len(names), -1, -1):
        rest = len(names) - n_named
        more = [f"and {rest} more" if n_named else f"▣ {rest} pictures"] if rest else []
        line = "  ".join(filter(None, [*names[:n_named], *more, ending]))
        if Content(line).cell_length <= width:
            break
    return line


def describe_time(at: str, now: datetime) -> str:
    """`14:03` today, `Mon 14:03` within a week, else the date."""
    then = datetime.fromisoformat(at).astimezone(now.tzinfo)
    if then.date() == now.date():
        return then.strftime("%H:%M")
    return then.strftime("%a %H:%M" if (now.date() - then.date()).days < 7 else "%Y-%m-%d")
