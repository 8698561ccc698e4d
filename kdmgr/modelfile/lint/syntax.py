"""What Ollama's parser refuses: all of it, not only the first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from kdmgr.modelfile.commands import COMMANDS, ROLES, Command, ModelfileError
from kdmgr.modelfile.lint.findings import ERROR, Finding, Fix, Text
from kdmgr.modelfile.parse import Reader

MAX_FINDINGS = 100
_COMMAND_LINE = re.compile(rf"^[ \t]*(?:{'|'.join(COMMANDS)})(?=[ \t])", re.IGNORECASE | re.MULTILINE)
_REMOVED = {"embed": "EMBED was removed from Ollama in 2023"}
_REASONS = {
    "no-from": "a Modelfile is made from something",
    "unclosed-quote": "it swallows the rest of the file",
    "code-fence": "copied out of a web page, it seems",
    "no-space": "one space or tab stands between a command and its value",
    "bad-role": "roles are compared with case, and there is no other",
    "no-value": "a name without a value means nothing",
    "bad-name": "a name is read up to the first character that no name has",
    "unknown-command": "an unquoted value ends with its line; longer ones stand between three quotes",
}


def read_all(text: Text) -> tuple[list[Command], list[Finding]]:
    """The commands that can be read, and a finding for each that cannot."""
    commands: list[Command] = []
    findings: list[Finding] = []
    reader = Reader(text.text)
    while len(findings) < MAX_FINDINGS:
        try:
            command = reader.read_next()
        except ModelfileError as error:
            at = error.at if error.at is not None else len(text.text)
            findings.append(_describe(text, error, at, commands))
            reader = Reader(text.text, _resume(text, error.code, at))
            continue
        if command is None:
            break
        commands.append(command)
    if not any(command.name == "from" for command in commands) and not _names_from(findings):
        findings.insert(0, text.finding("no-from", ERROR, 0, "there is no FROM", _REASONS["no-from"]))
    return commands, findings


def _names_from(findings: list[Finding]) -> bool:
    """Whether one of the lines that cannot be read was probably meant to be FROM."""
    return any(finding.code in ("no-space", "unclosed-quote") and "FROM" in finding.message for finding in findings)


def _describe(text: Text, error: ModelfileError, at: int, before: list[Command]) -> Finding:
    find_fix = _FIXES.get(error.code)
    fix = find_fix(text, at) if find_fix else None
    name = re.match(r"\s*([A-Za-z]+)", text.text[at:])
    word = name[1].lower() if name else ""
    reason = _REMOVED.get(word) or f"{_REASONS.get(error.code, '')}; {error.hint}".strip("; ")
    message = error.problem
    if error.code in ("no-space", "unclosed-quote") and word:
        message = f"{word.upper()}: {error.problem}"
    if error.code == "unknown-command" and before and _is_continuation(text, before[-1]) and fix is None:
        message = f"{message}: is this line part of the {before[-1].name.upper()} above?"
    return text.finding(error.code, ERROR, at, message, reason, fix=fix)


def _is_continuation(text: Text, command: Command) -> bool:
    quoted = text.text[command.value_at :].lstrip(" \t").startswith('"')
    return command.name in ("system", "template", "license", "message") and not quoted


def _resume(text: Text, code: str, at: int) -> int:
    """Where reading goes on: on the next line, or behind an open quote at the next line that is a command."""
    if code != "unclosed-quote":
        return text.next_line(at)
    following = _COMMAND_LINE.search(text.text, text.next_line(at))
    return following.start() if following else len(text.text)


def _fix_fence(text: Text, at: int) -> Fix:
    return text.drop_lines(at, text.line_end(at))


def _fix_space(text: Text, at: int) -> Fix | None:
    """`SYSTEM"x"` lacks the space; `SYSTEM`, line end, quote has the quote on the wrong line."""
    match = re.compile(r"[ \t]*[A-Za-z]+").match(text.text, at)
    if match is None:
        return None
    rest = re.compile(r"[:=]?[ \t]*(?:\r\n|\r|\n)?[ \t]*(?=\")").match(text.text, match.end())
    colon = re.compile(r"[:=][ \t]*(?=[^ \t\r\n])").match(text.text, match.end())
    gap = rest or colon
    return Fix(gap.start(), gap.end(), " ") if gap else None


def _fix_command(text: Text, at: int) -> Fix | None:
    """A misspelt command, when only one is meant."""
    match = re.compile(r"[ \t]*([A-Za-z]+)(?=[ \t])").match(text.text, at)
    if match is None or len(match[1]) < 4:
        return None
    close = difflib.get_close_matches(match[1].lower(), COMMANDS, 2, 0.84)
    return Fix(match.start(1), match.end(1), close[0].upper()) if len(close) == 1 else None


def _fix_role(text: Text, at: int) -> Fix | None:
    match = re.compile(r"[ \t]*[A-Za-z]+[ \t]([A-Za-z]*)").match(text.text, at)
    return Fix(match.start(1), match.end(1), match[1].lower()) if match and match[1].lower() in ROLES else None


def _fix_name(text: Text, at: int) -> Fix | None:
    """`top-k` is `top_k`; a colon or an equals sign behind a name is none."""
    line = text.text[text.line_start(at) : text.line_end(at)]
    start = text.line_start(at)
    if match := re.match(r"[ \t]*PARAMETER[ \t]([a-z]+(?:-[a-z]+)+)(?=[ \t])", line, re.IGNORECASE):
        return Fix(start + match.start(1), start + match.end(1), match[1].replace("-", "_"))
    if match := re.match(r"[ \t]*(?:PARAMETER|MESSAGE)[ \t]\w+([ \t]*[:=][ \t]*)(?=\S)", line, re.IGNORECASE):
        return Fix(start + match.start(1), start + match.end(1), " ")
    return None


_FIXES: dict[str, Callable[[Text, int], Fix | None]] = {
    "code-fence": _fix_fence,
    "no-space": _fix_space,
    "unknown-command": _fix_command,
    "bad-role": _fix_role,
    "bad-name": _fix_name,
}
