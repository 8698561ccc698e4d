"""Whether an entry of the catalog is what it should be: the guard before what a user wrote.

`check_entry` returns the entry complete (defaults filled in) and harmless (no control characters).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from kdmgr.catalog.students import CONFIDENCES, METHODS
from kdmgr.errors import UsageError
from kdmgr.refs import parse_ollama_name
from kdmgr.units import printable

Rule = Callable[[object, str], Any]
"""Takes a value and the name of its field; returns the clean value or raises `EntryError`."""

Field = tuple[Rule, object]
"""A rule, and the value of an absent field; `REQUIRED` when it may not be absent."""

REQUIRED = object()


class EntryError(ValueError):
    """An entry breaks the schema; the message names the field."""


def check_entry(entry: object) -> dict[str, Any]:
    """The entry, completed and cleaned; `EntryError` at the first fault."""
    checked = _check_record(entry, "", _entry_fields())
    checked["methods"] = checked["methods"] or [checked["method"]]
    for score in checked["scores"]:
        if score["teacher"] is None and score["same_source"]:
            raise EntryError(f"scores: {score['benchmark']!r} has no teacher's score to share a source with")
    return checked


def _entry_fields() -> dict[str, Field]:
    losses = {"hard": (_flag, None), "soft": (_flag, None), "hidden": (_flag, None)}
    return {
        "id": (_student_id(), REQUIRED),
        "name": (_line, REQUIRED),
        **dict.fromkeys(("publisher", "family", "modality", "architecture", "licence"), (_optional(_line), None)),
        **dict.fromkeys(("parameters", "active_parameters", "context_length"), (_optional(_count), None)),
        **dict.fromkeys(("n_layer", "n_embd", "n_vocab"), (_optional(_count), None)),
        "released": (_optional(_matching(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])", "a month, YYYY-MM")), None),
        "hf_repo": (_optional(_repo), None),
        "gguf_repos": (_list_of(_repo), ()),
        "ollama": (_list_of(_record(_tag_fields())), ()),
        "teacher": (_record(_teacher_fields()), REQUIRED),
        "base": (_optional(_record(_base_fields())), None),
        "method": (_one_of(METHODS), "unknown"),
        "methods": (_list_of(_one_of(METHODS)), ()),
        "losses": (_record(losses), {}),
        "method_note": (_optional(_text), None),
        "evidence": (_record(_evidence_fields()), {}),
        "scores": (_list_of(_record(_score_fields())), ()),
        "unverified": (_list_of(_line), ()),
        "disputed": (_optional(_line), None),
        "notes": (_optional(_text), None),
        "blobs": (_list_of(_matching(r"[0-9a-f]{64}", "64 hex digits")), ()),
    }


def _student_id() -> Rule:
    return _matching(r"[a-z0-9][a-z0-9._-]{0,95}", "lower-case letters, digits, '.', '_' and '-'")


def _base_fields() -> dict[str, Field]:
    return {
        "name": (_line, REQUIRED),
        "hf_repo": (_optional(_repo), None),
        "student": (_optional(_student_id()), None),
        "source_url": (_optional(_url), None),
    }


def _tag_fields() -> dict[str, Field]:
    digest = _matching(r"[0-9a-f]{12,64}", "12 to 64 hex digits")
    return {
        "tag": (_ollama_name, REQUIRED),
        "size_bytes": (_optional(_count), None),
        "context": (_optional(_count), None),
        "digest": (_optional(digest), None),
    }


def _teacher_fields() -> dict[str, Field]:
    return {
        "name": (_line, REQUIRED),
        "parameters": (_optional(_count), None),
        "hf_repo": (_optional(_repo), None),
        "ollama": (_optional(_ollama_name), None),
        "open": (_flag, None),
    }


def _evidence_fields() -> dict[str, Field]:
    return {
        "url": (_optional(_url), None),
        "where": (_optional(_text), None),
        "confidence": (_one_of(CONFIDENCES), "low"),
    }


def _score_fields() -> dict[str, Field]:
    return {
        "benchmark": (_line, REQUIRED),
        "shots": (_optional(_line), None),
        "student": (_number, REQUIRED),
        "teacher": (_optional(_number), None),
        "teacher_name": (_optional(_line), None),
        "lower_is_better": (_certain_flag, False),
        "same_source": (_flag, None),
        "source_url": (_url, REQUIRED),
        "teacher_source_url": (_optional(_url), None),
        "base": (_optional(_record(_base_score_fields())), None),
    }


def _base_score_fields() -> dict[str, Field]:
    return {"name": (_line, REQUIRED), "score": (_number, REQUIRED), "source_url": (_url, REQUIRED)}


def _check_record(value: object, where: str, fields: Mapping[str, Field]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EntryError(f"{where or 'the line'} is not an object")
    prefix = f"{where}." if where else ""
    unknown = next((name for name in value if name not in fields), None)
    if unknown is not None:
        raise EntryError(f"unknown field {_quote(f'{prefix}{unknown}')}")
    checked: dict[str, Any] = {}
    for name, (rule, default) in fields.items():
        entry = value.get(name, default)
        if entry is REQUIRED:
            raise EntryError(f"{prefix}{name} is missing")
        checked[name] = rule(entry, f"{prefix}{name}")
    return checked


def _record(fields: Mapping[str, Field]) -> Rule:
    return lambda value, where: _check_record(value, where, fields)


def _optional(rule: Rule) -> Rule:
    return lambda value, where: None if value is None else rule(value, where)


def _list_of(rule: Rule) -> Rule:
    def check(value: object, where: str) -> list[Any]:
        if not isinstance(value, list | tuple) or len(value) > 1000:
            raise EntryError(f"{where} is not a list, or too long")
        return [rule(entry, where) for entry in value]

    return check


def _one_of(words: tuple[str, ...]) -> Rule:
    def check(value: object, where: str) -> str:
        if value not in words:
            raise EntryError(f"{where} is {_quote(value)}; one of {', '.join(words)} is expected")
        return str(value)

    return check


def _matching(pattern: str, expected: str) -> Rule:
    compiled = re.compile(pattern)

    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise EntryError(f"{where} is {_quote(value)}; expected: {expected}")
        return value

    return check


def _text(value: object, where: str, limit: int = 4000) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise EntryError(f"{where} is not a text of at most {limit} characters")
    # A lone surrogate ("\ud800" in JSON) cannot be printed or stored.
    return printable(value.encode("utf-8", "replace").decode())


def _line(value: object, where: str) -> str:
    line = " ".join(_text(value, where, 300).split())
    if not line:
        raise EntryError(f"{where} is empty")
    return line


def _repo(value: object, where: str) -> str:
    part = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
    repo: str = _matching(f"{part}/{part}", "owner/name")(value, where)
    return repo


def _ollama_name(value: object, where: str) -> str:
    name = _line(value, where)
    try:
        parse_ollama_name(name)
    except UsageError as error:
        raise EntryError(f"{where}: {error.message}") from error
    return name


def _url(value: object, where: str) -> str:
    url: str = _matching(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[!-~]{0,2000})?", "a link, https://…")(value, where)
    return url


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 53:
        raise EntryError(f"{where} is {_quote(value)}; a whole number above zero is expected")
    return value


def _number(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise EntryError(f"{where} is {_quote(value)}; a number is expected")
    return value


def _flag(value: object, where: str) -> bool | None:
    return None if value is None else _certain_flag(value, where)


def _certain_flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise EntryError(f"{where} is {_quote(value)}; true or false is expected")
    return value


def _quote(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
