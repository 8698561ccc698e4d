"""The parts of a parsed template."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.errors import Unreadable


class TemplateError(Unreadable):
    """A template that Go refuses, when it is read or when it is run. `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"template, line {line}: {reason}")
        self.reason = reason
        self.line = line


class UnsupportedTemplate(TemplateError):
    """A template that Go may take, but that uses what is not known here."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """`.A.B`, `$x.A` or `(pipe).A`: where it starts (a name with $, None for the dot, or a pipe) and the fields."""

    start: str | Pipe | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function or a value, with its arguments."""

    function: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """What Go takes when it reads the template, and refuses when it runs it."""

    reason: str


Operand = Literal | Path | Call | Broken


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each fed the value of the one before; `names` take the value."""

    commands: tuple[Operand, ...]
    names: tuple[str, ...]
    assigns: bool
    """`=` instead of `:=`."""
    line: int


@dataclass(frozen=True, slots=True)
class Text:
    """What is printed as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipe }}`."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    kind: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Include:
    """`{{ template "name" pipe }}`."""

    name: str
    pipe: Pipe | None
    line: int


Node = Text | Action | Branch | Leave | Include


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template, and those it defines by name."""

    nodes: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]]
