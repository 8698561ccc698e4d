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
_LINE_END = re.compile(r"\r\n|\r|\n")
_LETTERS = re.compile(r"[A-Za-z]*")
_PARAMETER = re.compile(r"[A-Za-z0-9_]*")


def parse(source: str | bytes) -> Modelfile:
    """The Modelfile that `source` is; `ModelfileError` for one that Ollama would refuse."""
    text = decode(source)
    commands = tuple(Reader(text).read())
    if not any(command.name == "from" for command in commands):
        raise ModelfileError("no FROM line", hint="begin with FROM ./model.gguf or FROM model:tag", code="no-from")
    parameters, warnings = collect_parameters(commands)
    return Modelfile(commands, parameters, (*_strange(commands), *warnings))


def unquote(text: str) -> str | None:
    """The value that `text` stands for; None while a quote in front of it is not closed."""
    for quote in ('"""', '"'):
        if text.startswith(quote):
            closed = len(text) >= 2 * len(quote) and text.endswith(quote)
            return text[len(quote) : -len(quote)] if closed else None
    return text


def decode(source: str | bytes) -> str:
    """The text of a Modelfile; UTF-8 unless a byte order mark says otherwise."""
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    if len(source) > MAX_BYTES:
        hint = "is it the model itself? use FROM for that"
        raise ModelfileError("too large to be a Modelfile", hint=hint, code="too-large")
    for bom, encoding in _BOMS:
        if source.startswith(bom):
            return source[len(bom) :].decode(encoding, "replace")
    return source.decode("utf-8", "replace")


class Reader:
    """Walks the text once, from `at` on."""

    def __init__(self, text: str, at: int = 0) -> None:
        self._text = text
        self._at = at
        self._counted = (0, 1)
        """A position, and its line: lines are counted on from there."""

    def read(self) -> list[Command]:
        """All commands; `ModelfileError` for the first that Ollama would refuse."""
        commands = []
        while (command := self.read_next()) is not None:
            commands.append(command)
        return commands

    def read_next(self) -> Command | None:
        """The next command; None at the end."""
        return self._read_command() if self._skip_to_command() else None

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
        line, start = self._line(self._at), self._at
        if not self._text[self._at].isprintable():
            # Dropped like everywhere, but only one of them: the next character must be a letter.
            self._at += 1
        name = self._take(_LETTERS)
        if not name or self._peek() not in SPACES or name.lower() not in COMMANDS:
            raise self._bad_command(name, line, start)
        self._at += 1
        command = Command(name.lower(), "", line=line, start=start)
        if command.name == "parameter":
            command = replace(command, argument=self._read_argument(_PARAMETER, line))
        elif command.name == "message":
            role = self._read_argument(_LETTERS, line)
            if role not in ROLES:
                hint = f"one of {', '.join(ROLES)}"
                raise ModelfileError(f"{role!r} is no message role", line=line, hint=hint, code="bad-role", at=start)
            command = replace(command, argument=role)
        value_at = self._at
        return replace(command, value=self._read_value(line, start), value_at=value_at, end=self._at)

    def _read_argument(self, pattern: re.Pattern[str], line: int) -> str:
        argument = self._take(pattern)
        follows = self._peek()
        if follows in "\0" + NEWLINES:
            reason = f"{argument or 'the command'} has no value"
            raise ModelfileError(reason, line=line, hint="give one after a space", code="no-value", at=self._at)
        if follows not in SPACES:
            reason, hint = f"{follows!r} cannot stand after {argument!r}", _argument_hint(follows)
            raise ModelfileError(reason, line=line, hint=hint, code="bad-name", at=self._at)
        self._at += 1
        return argument

    def _read_value(self, line: int, start: int) -> str:
        """Up to the first line end at which every quote is closed."""
        kept: list[str] = []
        solid = 0
        """How much of it there is without the blanks at its end."""
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char in NEWLINES:
                if _may_be_closed(kept, solid) and (value := unquote("".join(kept).strip())) is not None:
                    return value
                kept.append(char)
            elif char == "\t" or char.isprintable():
                # Ollama drops what Go calls unprintable: no-break and zero-width spaces, controls.
                kept.append(char)
                solid = solid if char in SPACES else len(kept)
        value = unquote("".join(kept).strip())
        if value is None:
            hint = 'a value that begins with a quote ends with the same quote at the end of a line: """…"""'
            reason = "the quote opened here is never closed"
            raise ModelfileError(reason, line=line, hint=hint, code="unclosed-quote", at=start)
        return value

    def _bad_command(self, name: str, line: int, at: int) -> ModelfileError:
        rest = self._text[self._at : self._at + 20].split("\n")[0]
        if not name and rest.startswith("```"):
            hint = "remove the ``` lines"
            return ModelfileError("a code fence is no command", line=line, hint=hint, code="code-fence", at=at)
        if name.lower() in COMMANDS:
            hint = f'write {name.upper()}, a space and the value; an opening """ stands on the same line'
            return ModelfileError(f"{name} is not followed by a space", line=line, hint=hint, code="no-space", at=at)
        import difflib

        close = difflib.get_close_matches(name.lower(), COMMANDS, 1, 0.5)
        known = ", ".join(command.upper() for command in COMMANDS)
        hint = f"did you mean {close[0].upper()}?" if close else f"the commands are {known}"
        reason = f"no such command: {(name or rest.strip())[:30]!r}"
        return ModelfileError(reason, line=line, hint=hint, code="unknown-command", at=at)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return match[0]

    def _peek(self) -> str:
        """The next character; NUL, which no class contains, at the end."""
        return self._text[self._at] if self._at < len(self._text) else "\0"

    def _line(self, at: int) -> int:
        since, line = self._counted if self._counted[0] <= at else (0, 1)
        self._counted = (at, line + len(_LINE_END.findall(self._text, since, at)))
        return self._counted[1]


def _may_be_closed(kept: list[str], solid: int) -> bool:
    """False only for what surely is not: so that a long text is not looked through at each of its lines."""
    start = next((at for at, char in enumerate(kept) if char not in SPACES + NEWLINES), solid)
    is_long = kept[start : start + 3] == ['"'] * 3
    return not is_long or (solid - start >= 6 and kept[solid - 3 : solid] == ['"'] * 3)


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
