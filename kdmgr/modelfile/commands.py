"""What a Modelfile consists of."""

from __future__ import annotations

from dataclasses import dataclass, field

from kdmgr.errors import Unreadable

COMMANDS = (
    "from", "parameter", "template", "system", "adapter", "license",
    "message", "renderer", "parser", "requires", "draft",
)  # fmt: skip
ROLES = ("system", "user", "assistant")

ParameterValue = bool | int | float | str | tuple[str, ...]


class ModelfileError(Unreadable):
    """A Modelfile that Ollama would refuse. `line` counts as editors do: CRLF is one line end.

    `code` names the kind of fault; `at` is where it is in the text, None for faults of the whole.
    """

    def __init__(
        self,
        problem: str,
        *,
        line: int | None = None,
        hint: str | None = None,
        code: str = "invalid",
        at: int | None = None,
    ) -> None:
        super().__init__(f"Modelfile, line {line}: {problem}" if line else f"Modelfile: {problem}", hint=hint)
        self.line = line
        self.problem = problem
        self.code = code
        self.at = at


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `argument` is a PARAMETER's name or a MESSAGE's role, None for the others."""

    name: str
    """In lower case, one of `COMMANDS`."""
    value: str
    argument: str | None = None
    line: int = 0
    """Where it stands, from 1; 0 when it was not read from a text."""
    start: int = field(default=0, compare=False, repr=False)
    """Where in the text it begins, where its value begins, and where it ends: in characters."""
    value_at: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Modelfile:
    """The commands in order, and what was strange but harmless about them."""

    commands: tuple[Command, ...]
    parameters: dict[str, ParameterValue]
    """Under Ollama's names, typed; `stop` collects."""
    warnings: tuple[str, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """The values of every command of this name."""
        return tuple(command.value for command in self.commands if command.name == name)

    def last(self, name: str) -> str | None:
        """The value that counts where later commands override earlier ones."""
        values = self.values(name)
        return values[-1] if values else None

    @property
    def sources(self) -> tuple[str, ...]:
        """What FROM names: files or models."""
        return self.values("from")

    @property
    def template(self) -> str | None:
        """The chat template, in Go's template language."""
        return self.last("template")

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self.last("system")

    @property
    def licenses(self) -> tuple[str, ...]:
        """Every LICENSE."""
        return self.values("license")

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """The opening of every conversation: (role, content)."""
        return tuple((c.argument or "", c.value) for c in self.commands if c.name == "message")
