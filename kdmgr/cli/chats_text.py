"""Saved chats as text: the list, and one chat to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdmgr.units import format_rate, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.history.chat_records import ChatRecord, TurnRecord


def print_chats(chats: Sequence[ChatRecord], console: Console, *, as_json: bool, searched: bool = False) -> None:
    """The newest first; what was searched for below each."""
    if as_json:
        _print_json(chats, console)
    elif not chats:
        console.note("no chat has these words" if searched else "no chat is saved yet: kdmgr chat MODEL")
    else:
        excerpts = any(chat.excerpt for chat in chats)
        header = ("ID", "TITLE", "MODEL", "TURNS", "SPEED", "LAST", *(("FOUND",) if excerpts else ()))
        console.table(header, [_row(chat, excerpts) for chat in chats], right=(0, 3, 4))
        console.note(f"go on with one: kdmgr chat {chats[0].model} --resume {chats[0].id}")


def print_turns(chat: ChatRecord, turns: Sequence[TurnRecord], console: Console) -> None:
    """Questions marked, answers as they came."""
    from kdmgr.services.answer_words import describe_stats
    from kdmgr.services.images import describe_image
    from kdmgr.services.saved_chats import read_stats

    console.print(console.style(printable(chat.title), "bold"))
    console.print(console.style(printable(f"{chat.model} on {chat.engine}, {_when(chat.updated_at)}"), "dim"))
    if chat.system:
        console.print(console.style(printable(f"system: {chat.system}"), "dim"))
    for turn in turns:
        console.print(f"\n{console.style('>>> ', 'bold', 'green')}{printable(turn.question)}")
        for image in turn.images:
            console.print(console.style(printable(f"[image: {describe_image(image)}, {image.path}]"), "dim"))
        if turn.answer:
            console.print(printable(turn.answer.strip()))
        stats = read_stats(turn)
        ending = describe_stats(stats, context=True) if stats else _describe_cut(turn)
        console.print(console.style(printable(ending), "dim"))


def _row(chat: ChatRecord, excerpts: bool) -> tuple[str, ...]:
    speed = "" if chat.tok_s is None else format_rate(chat.tok_s)
    row = (str(chat.id), _cut(chat.title, 44), chat.model, str(chat.n_turns), speed, _when(chat.updated_at))
    return (*row, chat.excerpt) if excerpts else row


def _describe_cut(turn: TurnRecord) -> str:
    from kdmgr.history.chat_records import FAILED, STOPPED

    if turn.state == FAILED:
        return f"failed: {turn.error or 'without a reason'}"
    return "stopped" if turn.state == STOPPED else "cut off: kdmgr ended before the answer did"


def _when(at: str) -> str:
    """A moment in the time of this place."""
    from datetime import datetime

    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _print_json(chats: Sequence[ChatRecord], console: Console) -> None:
    import json

    from kdmgr.services.chat_export import to_object

    body = {"schema_version": 1, "chats": [to_object(chat) for chat in chats]}
    console.print(json.dumps(body, indent=2))
