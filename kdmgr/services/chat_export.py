"""A chat as a file: Markdown to read, JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmgr.errors import StorageFailed, UsageError
from kdmgr.files import write_atomically
from kdmgr.history.chat_records import DONE, FAILED, STOPPED, ChatRecord, TurnRecord
from kdmgr.paths import expand_home
from kdmgr.services.images import describe_image
from kdmgr.units import format_rate, printable

if TYPE_CHECKING:
    from kdmgr.services.chatting import ChatSession
    from kdmgr.services.saved_chats import SavedChats

SCHEMA_VERSION = 1
FORMATS = ("md", "json")
_ENDS = {STOPPED: "stopped", FAILED: "failed", DONE: ""}


def export(chat: ChatRecord, turns: Sequence[TurnRecord], format: str) -> str:
    """The whole file; `UsageError` for a format that is none of `FORMATS`."""
    if format == "md":
        return to_markdown(chat, turns)
    if format == "json":
        return json.dumps({"schema_version": SCHEMA_VERSION, **to_object(chat, turns)}, indent=2, ensure_ascii=False)
    raise UsageError(f"no such format: {format!r}", hint=f"one of: {', '.join(FORMATS)}")


def suggest_name(title: str, format: str) -> str:
    """A name for the file: `why-is-the-sky-blue.md`."""
    words = re.sub(r"[^\w]+", "-", title.lower()).strip("-_")[:48].rstrip("-")
    return f"{words or 'chat'}.{format}"


def write_export(path: Path, text: str, *, force: bool = False) -> None:
    """Write the file; `StorageFailed` where that cannot be, and for one that is there already unless `force`."""
    try:
        if not force and path.exists():
            raise StorageFailed(f"{path} is there already", hint="give another name, or --force to replace it")
        write_atomically(path, text.encode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageFailed(f"cannot write {path}: {reason}") from error


def to_markdown(chat: ChatRecord, turns: Sequence[TurnRecord]) -> str:
    """Questions as quotes, so that no heading of an answer is taken for one of ours."""
    facts = f"{chat.model} on {chat.engine} · {chat.created_at[:16].replace('T', ' ')} UTC"
    parts = [f"# {chat.title}", facts]
    if chat.system:
        parts += ["**System prompt**", _quote(chat.system)]
    if chat.parameters:
        parts.append("`" + " ".join(f"{name}={value}" for name, value in chat.parameters.items()) + "`")
    for turn in turns:
        parts += _turn_parts(turn)
    return "\n\n".join(parts) + "\n"


def to_object(chat: ChatRecord, turns: Sequence[TurnRecord] | None = None) -> dict[str, Any]:
    """Plain values, units in the keys; without turns where none are given."""
    names = ("id", "title", "model", "ref", "engine", "created_at", "updated_at", "n_ctx", "cache_type", "system")
    body: dict[str, Any] = {name: getattr(chat, name) for name in names}
    body |= {"parameters": dict(chat.parameters), "think": chat.think, "branched_from": chat.parent_id}
    if turns is None:
        return {**body, "turns": chat.n_turns, "last_decode_tok_s": chat.tok_s, "excerpt": chat.excerpt or None}
    return {**body, "turns": [_turn_object(turn) for turn in turns]}


def _turn_parts(turn: TurnRecord) -> list[str]:
    parts = ["---", _quote(turn.question)]
    parts += [f"*with {_plain(describe_image(image))}: `{_plain(image.path)}`*" for image in turn.images]
    if turn.thinking:
        parts.append(f"<details><summary>thinking</summary>\n\n{turn.thinking.strip()}\n\n</details>")
    if turn.answer:
        parts.append(turn.answer.strip())
    ending = " · ".join(part for part in (_describe_end(turn), _describe_speed(turn)) if part)
    return [*parts, f"*{ending}*"] if ending else parts


def _describe_end(turn: TurnRecord) -> str:
    if turn.error:
        return f"failed: {turn.error}"
    if turn.figures and turn.figures.stop_reason == "length":
        return "cut at the length limit"
    return _ENDS.get(turn.state, "cut off: kdmgr ended before the answer did")


def _describe_speed(turn: TurnRecord) -> str:
    figures = turn.figures
    if figures is None or not figures.n_output or not figures.decode_s:
        return ""
    return f"{format_rate(figures.n_output / figures.decode_s)}, {figures.n_output} tokens"


def _turn_object(turn: TurnRecord) -> dict[str, Any]:
    figures = asdict(turn.figures) if turn.figures else None
    images = [asdict(image) for image in turn.images]
    names = ("at", "question", "answer", "thinking", "state", "error", "model", "engine", "system", "replaced")
    body: dict[str, Any] = {name: getattr(turn, name) for name in names}
    return {
        **body,
        "images": images,
        "parameters": dict(turn.parameters),
        "figures": figures,
    }


def _plain(text: str) -> str:
    """A file's name in one line that ends no code."""
    return " ".join(printable(text).split()).replace("`", "'")


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def export_session(session: ChatSession, path: Path) -> Path:
    """Write an open chat in the format that the file's name says; one that is there is replaced."""
    assert session.keeper is not None
    record = replace(session.keeper.record, id=session.keeper.number)
    path = path.absolute()
    write_export(path, export(record, session.turns, format_of(path)), force=True)
    return path


def export_saved(chats: SavedChats, number: int, path: str) -> Path:
    """Write a saved chat in the format that the file's name says; one that is there is replaced."""
    file = expand_home(path).absolute()
    chat = chats.require(str(number))
    write_export(file, export(chat, chats.turns(chat), format_of(file)), force=True)
    return file


def format_of(path: Path) -> str:
    """By the file's name: Markdown, unless it ends in .json."""
    return "json" if path.suffix.lower() == ".json" else "md"
