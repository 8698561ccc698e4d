"""Templates, parsed as Go parses them: what it refuses is refused here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kdmgr.modelfile.go_template.lex import Word, split_template
from kdmgr.modelfile.go_template.nodes import (
    Action,
    Branch,
    Broken,
    Call,
    Include,
    Leave,
    Literal,
    Node,
    Operand,
    Path,
    Pipe,
    Template,
    TemplateError,
    Text,
    UnsupportedTemplate,
)

OLLAMA_FUNCTIONS = ("json", "currentDate", "yesterdayDate", "toTypeScriptType")
FUNCTIONS = (
    "and", "or", "not", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge", "print", "printf", "println",
    "html", "js", "urlquery", "call", *OLLAMA_FUNCTIONS,
)  # fmt: skip
"""Go's own, and those that Ollama adds (template/template.go)."""
_BRANCHES = ("if", "with", "range")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_MAX_DEPTH = 100


def parse_template(source: str) -> Template:
    """The parsed template; `TemplateError` for what Go refuses, with the line."""
    return _Parser(source).parse()


class _Parser:
    """Reads the parts in order. Variables are known by the stack of names that are in scope."""

    def __init__(self, source: str) -> None:
        self._parts = split_template(source)
        self._at = 0
        self._names = ["$"]
        self._loops = 0
        self._depth = 0
        self._defined: dict[str, tuple[Node, ...]] = {}

    def parse(self) -> Template:
        nodes, end = self._read_nodes()
        if end is not None:
            raise TemplateError(f"an {{{{ {end[0].text} }}}} without a beginning", end[0].line)
        return Template(nodes, self._defined)

    def _read_nodes(self) -> tuple[tuple[Node, ...], list[Word] | None]:
        """Nodes up to an `end` or `else`, and that action; None at the end of the text."""
        nodes: list[Node] = []
        while self._at < len(self._parts):
            part = self._parts[self._at]
            self._at += 1
            if isinstance(part, Word):
                if part.text:
                    nodes.append(Text(part.text))
            elif part and part[0].kind == "name" and part[0].text in ("end", "else"):
                return tuple(nodes), part
            elif (node := self._read_action(part)) is not None:
                nodes.append(node)
        return tuple(nodes), None

    def _read_action(self, words: list[Word]) -> Node | None:
        keyword = words[0].text if words and words[0].kind == "name" else ""
        if keyword in _BRANCHES:
            return self._read_branch(keyword, words)
        if keyword in ("break", "continue"):
            if not self._loops:
                raise TemplateError(f"{{{{ {keyword} }}}} outside of a range", words[0].line)
            return Leave(keyword)
        if keyword in ("define", "block"):
            return self._read_definition(keyword, words)
        if keyword == "template":
            return self._read_include(words)
        return Action(self._read_pipe(words, self._line()))

    def _read_branch(self, kind: str, words: list[Word]) -> Branch:
        line = words[0].line
        depth = len(self._names)
        self._deepen(line)
        pipe = self._read_pipe(words[1:], line, kind)
        self._loops += kind == "range"
        body, end = self._read_nodes()
        self._loops -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end is not None and end[0].text == "else":
            otherwise, end = self._read_else(kind, end)
        if end is None:
            raise TemplateError(f"{{{{ {kind} }}}} has no {{{{ end }}}}", line)
        if len(end) > 1:
            raise TemplateError(f"unexpected {end[1].text!r} after end", end[1].line)
        del self._names[depth:]
        self._depth -= 1
        return Branch(kind, pipe, body, otherwise)

    def _read_else(self, kind: str, words: list[Word]) -> tuple[tuple[Node, ...], list[Word] | None]:
        """The other branch. `else if` and `else with` share the end of the first."""
        if len(words) == 1:
            nodes, end = self._read_nodes()
            if end is not None and end[0].text == "else":
                raise TemplateError("a second {{ else }}", end[0].line)
            return nodes, end
        if words[1].text not in ("if", "with") or words[1].text != kind:
            raise TemplateError(f"unexpected {words[1].text!r} after else", words[1].line)
        branch = self._read_branch(words[1].text, words[1:])
        return (branch,), [Word("name", "end", self._line())]

    def _read_definition(self, keyword: str, words: list[Word]) -> Node | None:
        if len(words) < 2 or words[1].kind != "string":
            raise TemplateError(f"{keyword} needs a name in quotes", words[0].line)
        names, self._names = self._names, ["$"]
        loops, self._loops = self._loops, 0
        name = str(_unquote(words[1]))
        self._defined[name], end = self._read_nodes()
        self._names, self._loops = names, loops
        if end is None or end[0].text != "end":
            raise TemplateError(f"{{{{ {keyword} }}}} has no {{{{ end }}}}", words[0].line)
        if keyword == "define":
            return None
        return Include(name, self._read_pipe(words[2:], words[0].line), words[0].line)

    def _read_include(self, words: list[Word]) -> Include:
        if len(words) < 2 or words[1].kind != "string":
            raise TemplateError("template needs a name in quotes", words[0].line)
        pipe = self._read_pipe(words[2:], words[0].line) if len(words) > 2 else None
        return Include(str(_unquote(words[1])), pipe, words[0].line)

    def _read_pipe(self, words: Sequence[Word], line: int, kind: str = "") -> Pipe:
        names, assigns, rest = self._read_names(words, kind)
        # Go knows the names already here, also those that are only assigned to.
        self._names += names
        commands: list[Operand] = []
        position = 0
        while True:
            command, position = self._read_command(rest, position, line)
            commands.append(command)
            if position < len(rest) and rest[position].text == ")":
                raise TemplateError("unexpected )", line)
            position += 1  # the bar
            if position >= len(rest):
                break
        for at, command in enumerate(commands):
            if at and not isinstance(command, Call):
                commands[at] = Broken("only a function can stand after |")
            elif command == Literal(None):
                commands[at] = Broken("nil is not a command")
        return Pipe(tuple(commands), names, assigns, line)

    def _read_names(self, words: Sequence[Word], kind: str) -> tuple[tuple[str, ...], bool, Sequence[Word]]:
        """`$x :=`, `$x =` or, for range, `$i, $x :=` in front of a pipe."""
        if not words or not words[0].text.startswith("$"):
            return (), False, words
        texts = [word.text for word in words[:4]]
        if len(texts) > 3 and kind == "range" and texts[1] == "," and texts[3] in (":=", "="):
            return (texts[0], texts[2]), texts[3] == "=", words[4:]
        if len(texts) > 1 and texts[1] in (":=", "="):
            return (texts[0],), texts[1] == "=", words[2:]
        return (), False, words

    def _read_command(self, words: Sequence[Word], at: int, line: int) -> tuple[Operand, int]:
        operands: list[Operand | Word] = []
        while at < len(words) and (words[at].kind != "mark" or words[at].text not in ("|", ")")):
            word = words[at]
            if operands and not word.spaced:
                raise TemplateError(f"unexpected {word.text!r}: a space is missing", word.line)
            if word.kind == "name" and word.text in FUNCTIONS:
                operands.append(word)
                at += 1
            else:
                operand, at = self._read_operand(words, at)
                operands.append(operand)
        if not operands:
            raise TemplateError("an action without a value", line)
        first, *rest = operands
        arguments = tuple(Call(each.text, ()) if isinstance(each, Word) else each for each in rest)
        if isinstance(first, Word):
            return Call(first.text, arguments), at
        if arguments:
            return Broken("a value cannot take arguments; is a function's name missing?"), at
        return first, at

    def _read_operand(self, words: Sequence[Word], at: int) -> tuple[Operand, int]:
        word = words[at]
        if word.text == "(" and word.kind == "mark":
            closed = _matching(words, at)
            self._deepen(word.line)
            inner = self._read_pipe(words[at + 1 : closed], word.line)
            self._depth -= 1
            after = words[closed + 1] if closed + 1 < len(words) else None
            if after and after.kind == "path" and not after.spaced and after.text.startswith("."):
                return Path(inner, tuple(after.text.split(".")[1:])), closed + 2
            return Path(inner, ()), closed + 1
        if word.kind == "path":
            return self._read_path(word), at + 1
        if word.kind == "name":
            if word.text in ("true", "false", "nil"):
                return Literal({"true": True, "false": False, "nil": None}[word.text]), at + 1
            raise TemplateError(f"function {word.text!r} is not defined", word.line)
        if word.kind in ("string", "char", "number"):
            return Literal(_unquote(word)), at + 1
        raise TemplateError(f"unexpected {word.text!r}", word.line)

    def _read_path(self, word: Word) -> Path:
        start, *fields = word.text.split(".")
        if start.startswith("$"):
            self._require_known(start, word.line)
            return Path(start, tuple(fields))
        if start:
            raise TemplateError(f"function {start!r} is not defined", word.line)
        return Path(None, tuple(field for field in fields if field))

    def _require_known(self, name: str, line: int) -> None:
        if name not in self._names:
            raise TemplateError(f"undefined variable {name!r}", line)

    def _deepen(self, line: int) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnsupportedTemplate("it is nested too deeply", line)

    def _line(self) -> int:
        for at in range(self._at - 1, -1, -1):
            part = self._parts[at]
            if isinstance(part, list) and part:
                return part[0].line
        return 1


def _matching(words: Sequence[Word], at: int) -> int:
    depth = 0
    for position in range(at, len(words)):
        if words[position].kind == "mark":
            depth += {"(": 1, ")": -1}.get(words[position].text, 0)
        if depth == 0:
            return position
    raise TemplateError("a ( is not closed", words[at].line)


def _unquote(word: Word) -> str | int | float:
    text = word.text
    if text.startswith("`"):
        return text[1:-1].replace("\r", "")
    if word.kind == "number":
        try:
            return int(text.replace("_", ""), 0)
        except ValueError:
            return float(text.replace("_", ""))
    unescaped = re.sub(r"\\(x..|u.{4}|U.{8}|[0-7]{3}|.)", lambda match: _unescape(match[1], word), text[1:-1])
    if word.kind == "char" and len(unescaped) != 1:
        raise TemplateError(f"{text} is no single character", word.line)
    return ord(unescaped) if word.kind == "char" else unescaped


def _unescape(escape: str, word: Word) -> str:
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    try:
        return chr(int(escape, 8) if escape.isdigit() else int(escape[1:], 16))
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"invalid escape \\{escape}", word.line) from error
