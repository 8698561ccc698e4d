"""Modelfiles as Ollama reads them, character by character; its surprises included.

Behaviour: ollama/ollama, parser/parser.go, checked case by case against the real parser (the outcomes are
kept in tests/modelfile). Only the errors differ: they give the line an editor shows, and a hint.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import replace

from kdmgr.modelfile.commands import COMMANDS, ROLES, Command, Modelfile, ModelfileError
from kdmgr.modelfile.parameters import collect_parameters

SPACES, NEWLINES = " \t", "\r\n"
MAX_BYTES = 4 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LETTERS = re.compile(r"[A-Za-z]*")
_PARAMETER = re.compile(r"[A-Za-z0-9_]*")


def parse(source: str | bytes) -> Modelfile:
    """The Modelfile that `source` is; `ModelfileError` for one that Ollama would refuse."""
    text = source.removeprefix("\ufeff") if isinstance(source, str) else _decode(source)
    commands = tuple(_Reader(text).read())
    if not any(command.name == "from" for command in commands):
        raise ModelfileError("no FROM line", hint="begin with FROM ./model.gguf or FROM model:tag")
    parameters, warnings = collect_parameters(commands)
    return Modelfile(commands, parameters, (*_strange(commands), *warnings))


def unquote(text: str) -> str | None:
    """The value that `text` stands for; None while a quote in front of it is not closed."""
    for quote in ('"""', '"'):
        if text.startswith(quote):
            closed = len(text) >= 2 * len(quote) and text.endswith(quote)
            return text[len(quote) : -len(quote)] if closed else None
    return text


def _decode(source: bytes) -> str:
    if len(source) > MAX_BYTES:
        raise ModelfileError("too large to be a Modelfile", hint="is it the model itself? use FROM for that")
    for bom, encoding in _BOMS:
        if source.startswith(bom):
            return source[len(bom) :].decode(encoding, "replace")
    return source.decode("utf-8", "replace")


class _Reader:
    """Walks the text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> list[Command]:
        commands = []
        while self._skip_to_command():
            commands.append(self._read_command())
        return commands

    def _skip_to_command(self) -> bool:
        """Pass blanks and comments; a `#` is a comment only where a command could start."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                while self._at < len(self._text) and self._text[self._at] not in NEWLINES:
                    self._at += 1
            elif char in SPACES + NEWLINES:
                self._at += 1
            else:
                return True
        return False

    def _read_command(self) -> Command:
        line = self._line(self._at)
        if not self._text[self._at].isprintable():
            # Dropped like everywhere, but only one of them: the next character must be a letter.
            self._at += 1
        name = self._take(_LETTERS)
        if not name or self._peek() not in SPACES or name.lower() not in COMMANDS:
            raise self._bad_command(name, line)
        self._at += 1
        command = Command(name.lower(), "", line=line)
        if command.name == "parameter":
            command = replace(command, argument=self._read_argument(_PARAMETER, line))
        elif command.name == "message":
            role = self._read_argument(_LETTERS, line)
            if role not in ROLES:
                raise ModelfileError(f"{role!r} is no message role", line=line, hint=f"one of {', '.join(ROLES)}")
            command = replace(command, argument=role)
        return replace(command, value=self._read_value(line))

    def _read_argument(self, pattern: re.Pattern[str], line: int) -> str:
        argument = self._take(pattern)
        follows = self._peek()
        if follows in "\0" + NEWLINES:
            raise ModelfileError(f"{argument or 'the command'} has no value", line=line, hint="give one after a space")
        if follows not in SPACES:
            raise ModelfileError(
                f"{follows!r} cannot stand after {argument!r}", line=line, hint=_argument_hint(follows)
            )
        self._at += 1
        return argument

    def _read_value(self, line: int) -> str:
        """Up to the first line end at which every quote is closed."""
        kept: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char in NEWLINES:
                value = unquote("".join(kept).strip())
                if value is not None:
                    return value
                kept.append(char)
            elif char == "\t" or char.isprintable():
                # Ollama drops what Go calls unprintable: no-break and zero-width spaces, controls.
                kept.append(char)
        value = unquote("".join(kept).strip())
        if value is None:
            hint = 'a value that begins with a quote ends with the same quote at the end of a line: """…"""'
            raise ModelfileError("the quote opened here is never closed", line=line, hint=hint)
        return value

    def _bad_command(self, name: str, line: int) -> ModelfileError:
        rest = self._text[self._at : self._at + 20].split("\n")[0]
        if not name and rest.startswith("```"):
            return ModelfileError("a code fence is no command", line=line, hint="remove the ``` lines")
        if name.lower() in COMMANDS:
            hint = f'write {name.upper()}, a space and the value; an opening """ stands on the same line'
            return ModelfileError(f"{name} is not followed by a space", line=line, hint=hint)
        import difflib

        close = difflib.get_close_matches(name.lower(), COMMANDS, 1, 0.5)
        known = ", ".join(command.upper() for command in COMMANDS)
        hint = f"did you mean {close[0].upper()}?" if close else f"the commands are {known}"
        return ModelfileError(f"no such command: {(name or rest.strip())[:30]!r}", line=line, hint=hint)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return match[0]

    def _peek(self) -> str:
        """The next character; NUL, which no class contains, at the end."""
        return self._text[self._at] if self._at < len(self._text) else "\0"

    def _line(self, at: int) -> int:
        return len(re.findall(r"\r\n|\r|\n", self._text[:at])) + 1


def _argument_hint(follows: str) -> str:
    if follows == "-":
        return "names are written with underscores: top_k, repeat_penalty"
    if follows == ":":
        return "no colon: MESSAGE user Hello"
    return "a name has letters, digits and underscores only"


def _strange(commands: tuple[Command, ...]) -> list[str]:
    """What Ollama accepts, but hardly anybody means."""
    found = []
    for command in commands:
        if command.name == "from" and " #" in command.value:
            found.append(f"line {command.line}: a comment after a value is part of it: {command.value!r}")
        if command.name == "from" and not command.value:
            found.append(f"line {command.line}: FROM without a value means the Modelfile's own folder")
        if command.name in ("system", "template") and any(f"\n{name.upper()} " in command.value for name in COMMANDS):
            found.append(f"line {command.line}: the value contains what looks like another command; is a quote open?")
    return found
