"""Values that Ollama takes, and reads differently from what was meant."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

from kdmgr.modelfile.commands import COMMANDS, Command
from kdmgr.modelfile.lint.findings import ERROR, NOTE, WARNING, Finding, Fix, Text

_BLANKS = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u200b\u2060\ufeff\u00ad"
_SWALLOWED = re.compile(rf"[\r\n][ \t]*({'|'.join(COMMANDS)})[ \t]", re.IGNORECASE)
_TEXTS = ("template", "system", "license", "message")


def find_surprises(text: Text, commands: list[Command]) -> Iterator[Finding]:
    """What each command says beside what it seems to say."""
    yield from _find_dropped(text)
    yield from _find_line_ends(text, commands)
    for command in commands:
        raw = text.text[command.value_at : command.end].strip(" \t\r\n")
        yield from _find_comment(text, command, raw)
        yield from _find_quotes(text, command, raw)
        if command.name in _TEXTS and (match := _SWALLOWED.search(raw)):
            at = command.value_at + text.text[command.value_at : command.end].find(match[0]) + 1
            reason = "a quote that is closed in the middle of a line stays open: end the line with it"
            message = f"{command.name.upper()} goes on past what looks like {match[1].upper()}"
            yield text.finding("swallowed-command", WARNING, at, message, reason)


def _find_dropped(text: Text) -> Iterator[Finding]:
    """Characters that Ollama leaves out without a word."""
    seen = 0
    for match in re.finditer(r"[^\t\n\r -~]", text.text):
        char = match[0]
        if char.isprintable():
            continue
        fix = Fix(match.start(), match.end(), " ") if char in _BLANKS else None
        if char in _INVISIBLE:
            fix = Fix(match.start(), match.end(), "")
        reason = "Ollama drops it" + (", and with it the space between two words" if char in _BLANKS else "")
        yield text.finding("dropped-character", WARNING, match.start(), f"{name_of(char)} is left out", reason, fix=fix)
        seen += 1
        if seen == 50:
            return


def name_of(char: str) -> str:
    """What a character is called."""
    return unicodedata.name(char, f"the control character U+{ord(char):04X}").lower()


def find_undecodable(text: Text, source: str | bytes) -> Iterator[Finding]:
    """The first bytes that are no UTF-8."""
    if isinstance(source, bytes) and not source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            source.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            at = len(error.object[: error.start].decode())
            reason = "the file is not UTF-8 here: what stood there is lost"
            yield text.finding("not-utf8", ERROR, at, "a character that cannot be read", reason)


def _find_line_ends(text: Text, commands: list[Command]) -> Iterator[Finding]:
    """Carriage returns inside of values become part of the prompt."""
    for command in commands:
        if "\r" in command.value:
            at = text.text.index("\r", command.value_at)
            message = f"the line ends of this {command.name.upper()} are Windows' or an old Mac's"
            reason = "the model reads a carriage return with every line end"
            raw = text.text[command.value_at : command.end].rstrip("\r\n")
            plain = raw.replace("\r\n", "\n").replace("\r", "\n")
            fix = Fix(command.value_at, command.value_at + len(raw), plain)
            yield text.finding("carriage-return", WARNING, at, message, reason, fix=fix)


def _find_comment(text: Text, command: Command, raw: str) -> Iterator[Finding]:
    """A `#` behind a value is part of it."""
    match = re.search(r"[ \t]+#.*", raw)
    if match is None or raw.startswith('"') or command.name in ("template", "system", "license", "message"):
        return
    start = text.text.index(raw, command.value_at) + match.start()
    reason = "# begins a comment only where a command could stand"
    message = f"the comment is part of the value: {command.value!r:.80}"
    severity = ERROR if command.argument != "stop" else WARNING
    fix = Fix(start, start + len(match[0]), "") if command.argument != "stop" else None
    yield text.finding("comment-in-value", severity, start, message, reason, fix=fix)


def _find_quotes(text: Text, command: Command, raw: str) -> Iterator[Finding]:
    start = text.text.index(raw, command.value_at) if raw else command.value_at
    if not command.value and command.name != "from":
        yield from _find_empty(text, command, start)
    if command.name == "from" and not command.value:
        reason = "FROM without a value means the Modelfile's own folder; write FROM . if that is meant"
        yield text.finding("empty-from", WARNING, command.start, "FROM names nothing", reason)
    if len(raw) > 1 and raw[0] == raw[-1] == "'":
        reason = "only double quotes are quotes; these are part of the value"
        fix = Fix(start, start + len(raw), f'"{raw[1:-1]}"') if '"' not in raw else None
        yield text.finding("single-quotes", WARNING, start, f"the value is {command.value!r:.80}", reason, fix=fix)
    if command.name != "template" and command.argument and re.search(r"\\[nrt\"]", raw) and raw.startswith('"'):
        reason = "there are no escapes: write the line end itself, between three quotes"
        message = f"the backslash is part of the value: {command.value!r:.80}"
        yield text.finding("escape", WARNING, start, message, reason)
    if raw.endswith("\\") and not raw.startswith('"'):
        reason = "lines are not continued: the value ends here, and the backslash is part of it"
        yield text.finding("continuation", WARNING, start + len(raw) - 1, "a backslash at the end of a line", reason)
    if command.name in ("from", "adapter", "draft") and re.search(r"\$\w|\$\{|[*?]|%\w+%", raw):
        reason = "neither variables nor wildcards are expanded"
        yield text.finding("no-expansion", WARNING, start, f"{command.value!r:.80} is taken as it is", reason)


def _find_empty(text: Text, command: Command, at: int) -> Iterator[Finding]:
    if command.name == "parameter" and command.argument != "stop":
        return  # every number and flag refuses an empty value, with a better reason
    if command.name == "parameter":
        message, severity, reason = "an empty stop text", ERROR, "every answer would end before it began"
    else:
        message, severity = f"{command.name.upper()} is empty", NOTE
        reason = "it takes away the model's own" if command.name == "template" else "an empty one changes nothing"
    fix = text.drop_lines(command.start, command.end) if severity == ERROR else None
    yield text.finding("empty-value", severity, at, message, reason, fix=fix)
