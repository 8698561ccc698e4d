"""Records as rows of the tables, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from sqlite3 import Row
from typing import Any

from kdmgr.history.chat_records import ChatRecord, Figures, ImageRecord, Parameters, TurnRecord

CHAT_COLUMNS = (
    "key", "title", "model", "ref", "engine", "created_at", "updated_at", "n_ctx", "cache_type", "system",
    "parameters", "think", "parent",
)  # fmt: skip
TURN_COLUMNS = (
    "key", "at", "question", "images", "answer", "thinking", "state", "error", "model", "engine", "system",
    "parameters", "figures", "tok_s", "replaced",
)  # fmt: skip


def chat_values(chat: ChatRecord) -> list[Any]:
    """The values of `CHAT_COLUMNS`."""
    values = {name: getattr(chat, name) for name in CHAT_COLUMNS}
    return list({**values, "parameters": _write_parameters(chat.parameters)}.values())


def turn_values(turn: TurnRecord) -> list[Any]:
    """The values of `TURN_COLUMNS`."""
    figures = turn.figures
    values = {name: getattr(turn, name, None) for name in TURN_COLUMNS}
    changed = {
        "images": json.dumps([asdict(image) for image in turn.images]),
        "parameters": _write_parameters(turn.parameters),
        "figures": json.dumps(asdict(figures)) if figures else None,
        "tok_s": _speed(figures),
        "replaced": int(turn.replaced),
    }
    return list({**values, **changed}.values())


def read_chat(row: Row) -> ChatRecord:
    """A row of chats with the columns that a listing adds."""
    values = {name: row[name] for name in CHAT_COLUMNS}
    values["parameters"] = _read_parameters(row["parameters"])
    values["think"] = None if row["think"] is None else bool(row["think"])
    added = {name: row[name] for name in ("id", "parent_id", "n_turns", "tok_s")}
    return ChatRecord(**values, **added)


def read_turn(row: Row) -> TurnRecord:
    """A row of turns."""
    values = {name: row[name] for name in TURN_COLUMNS if name != "tok_s"}
    values["images"] = tuple(map(_read_image, json.loads(row["images"])))
    values["parameters"] = _read_parameters(row["parameters"])
    values["figures"] = Figures(**json.loads(row["figures"])) if row["figures"] else None
    values["replaced"] = bool(row["replaced"])
    return TurnRecord(**values)


def _read_image(written: str | dict[str, Any]) -> ImageRecord:
    """The first files held paths alone."""
    return ImageRecord(written) if isinstance(written, str) else ImageRecord(**written)


def _speed(figures: Figures | None) -> float | None:
    if figures is None or not figures.n_output or not figures.decode_s:
        return None
    return figures.n_output / figures.decode_s


def _write_parameters(parameters: Parameters) -> str:
    return json.dumps(dict(parameters))


def _read_parameters(text: str) -> Parameters:
    # JSON has no tuples; only `stop` holds several texts.
    return {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
