"""PARAMETER lines: unknown, mistyped, out of range, or without effect."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator

from kdmgr.modelfile.commands import Command, ModelfileError
from kdmgr.modelfile.lint.findings import ERROR, NOTE, WARNING, Finding, Fix, Text
from kdmgr.modelfile.parameters import BOOLEANS, DEPRECATED, FLOATS, INTEGERS, KNOWN, read_value

_REMOVED = (
    "numa", "num_gqa", "tfs_z", "rope_frequency_base", "rope_frequency_scale", "embedding_only", "mirostat_mode",
)  # fmt: skip
# The least and the greatest that make sense, and what lies beyond.
_RANGES: dict[str, tuple[float, float, str]] = {
    "temperature": (0, 2, "0 is greedy, 2 is nearly random"),
    "top_p": (0, 1, "it is a share of the probability"),
    "min_p": (0, 1, "it is a share of the best token's probability"),
    "typical_p": (0, 1, "it is a share of the probability"),
    "top_k": (0, 100_000, "0 switches it off"),
    "repeat_penalty": (0.5, 2, "1 switches it off; beyond 1.5 answers fall apart"),
    "presence_penalty": (-2, 2, "0 switches it off"),
    "frequency_penalty": (-2, 2, "0 switches it off"),
    "repeat_last_n": (-1, 1 << 20, "-1 is the whole context, 0 switches it off"),
    "num_ctx": (4, 1 << 24, "it is a number of tokens"),
    "num_batch": (1, 1 << 16, "it is a number of tokens"),
    "num_predict": (-2, 1 << 24, "-1 is without a limit"),
    "num_keep": (-1, 1 << 24, "it is a number of tokens"),
    "num_gpu": (-1, 10_000, "-1 is automatic, 0 is none, more than the model has are all of its layers"),
    "main_gpu": (0, 64, "GPUs are counted from 0"),
    "num_thread": (0, 1024, "0 is automatic"),
    "draft_num_predict": (0, 1024, "it is a number of tokens"),
    "seed": (-1, (1 << 32) - 1, "-1 is another one each time"),
}
_YES, _NO = ("yes", "on", "y", "enabled"), ("no", "off", "n", "disabled")


def find_bad_parameters(text: Text, commands: list[Command]) -> Iterator[Finding]:
    """A finding for each PARAMETER that Ollama refuses, drops, or that makes no sense."""
    for command in commands:
        if command.name == "parameter":
            yield from _judge(text, command)


def _judge(text: Text, command: Command) -> Iterator[Finding]:
    name = command.argument or ""
    drop = text.drop_lines(command.start, command.end)
    if not name:
        yield _two_spaces(text, command)
    elif name in DEPRECATED:
        reason = "Ollama drops it with a warning"
        yield text.finding("deprecated", WARNING, command.start, f"{name} has no effect any more", reason, fix=drop)
    elif name in _REMOVED:
        reason = "Ollama refuses the whole Modelfile for it"
        yield text.finding("removed", ERROR, command.start, f"{name} is gone", reason, fix=drop)
    else:
        yield from _judge_value(text, command, name)


def _judge_value(text: Text, command: Command, name: str) -> Iterator[Finding]:
    try:
        value = read_value(name, command.value)
    except ModelfileError as error:
        fix = _fix_name(text, command, name) if name not in KNOWN else _fix_value(text, command, name)
        yield text.finding(error.code, ERROR, command.start, error.problem, error.hint or "", fix=fix)
        return
    if isinstance(value, float) and not math.isfinite(value):
        reason = "no engine takes such a number, and it cannot be stored"
        yield text.finding("not-finite", ERROR, command.start, f"{name} is {command.value}", reason)
    elif name in _RANGES and isinstance(value, int | float) and not isinstance(value, bool):
        least, most, reason = _RANGES[name]
        if not least <= value <= most:
            message = f"{name} {command.value} is outside of {least:g} to {most:g}"
            yield text.finding("out-of-range", WARNING, command.start, message, reason)
    elif name == "stop" and command.value and not command.value.strip():
        reason = "answers end at the first blank or line end"
        yield text.finding("blank-stop", WARNING, command.start, f"the stop text is {command.value!r}", reason)


def _two_spaces(text: Text, command: Command) -> Finding:
    match = re.compile(r"([A-Za-z]+)([ \t]+)").match(text.text, command.start)
    fix = Fix(match.start(2), match.end(2), " ") if match else None
    reason = "exactly one blank stands before the name: the second one ends an empty name"
    return text.finding("two-spaces", ERROR, command.start, "the parameter's name is empty", reason, fix=fix)


def _fix_name(text: Text, command: Command, name: str) -> Fix | None:
    """A misspelt name, when only one can be meant."""
    lowered = name.lower()
    close = [lowered] if lowered in KNOWN else difflib.get_close_matches(lowered, KNOWN, 2, 0.85)
    at = text.text.find(name, command.start)
    return Fix(at, at + len(name), close[0]) if len(close) == 1 and at >= 0 else None


def _fix_value(text: Text, command: Command, name: str) -> Fix | None:
    """The same value as Ollama reads it: 1e+06 or 4096.0 for a whole number, yes for true."""
    meant = _meant_value(name, command.value.strip().strip("'").replace("_", ""))
    at = text.text.find(command.value, command.value_at)
    return Fix(at, at + len(command.value), meant) if meant is not None and command.value and at >= 0 else None


def _meant_value(name: str, written: str) -> str | None:
    if name in BOOLEANS:
        return "true" if written.lower() in _YES else "false" if written.lower() in _NO else None
    if match := re.fullmatch(r"([0-9]+)[kK]", written):
        return str(int(match[1]) * 1024) if name in ("num_ctx", "num_predict") else None
    try:
        number = float(written.replace(",", ".") if written.count(",") == 1 and name in FLOATS else written)
    except ValueError:
        return None
    if name in INTEGERS:
        return str(int(number)) if number.is_integer() and abs(number) < 1 << 53 else None
    return f"{number:g}" if math.isfinite(number) and abs(number) < 1e6 else None


def find_overridden(text: Text, commands: list[Command]) -> Iterator[Finding]:
    """Commands without effect, since a later one takes their place."""
    last: dict[tuple[str, str | None], Command] = {}
    for command in commands:
        last[command.name, command.argument] = command
    for command in commands:
        winner = last[command.name, command.argument]
        single = command.name in ("template", "system", "adapter", "renderer", "parser", "requires", "draft")
        if command is winner or not (single or (command.name == "parameter" and command.argument != "stop")):
            continue
        what = f"PARAMETER {command.argument}" if command.argument else command.name.upper()
        fix = text.drop_lines(command.start, command.end) if command.name != "adapter" else None
        message = f"this {what} is overridden by the one on line {winner.line}"
        yield text.finding("overridden", WARNING, command.start, message, "only the last one counts", fix=fix)
    yield from _find_repeated_stops(text, commands)


def _find_repeated_stops(text: Text, commands: list[Command]) -> Iterator[Finding]:
    seen: set[str] = set()
    for command in commands:
        if command.name == "parameter" and command.argument == "stop":
            if command.value in seen:
                fix = text.drop_lines(command.start, command.end)
                message = f"the stop text {command.value!r:.60} is there already"
                yield text.finding("repeated-stop", NOTE, command.start, message, "once is enough", fix=fix)
            seen.add(command.value)
