"""A Modelfile from the parts of a model, such that making it again gives the same model.

Ollama's own `show --modelfile` does not: it writes whole numbers as 1e+06, leaves quotes unquoted and REQUIRES out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kdmgr.modelfile.commands import ROLES, Command, Modelfile, ModelfileError, ParameterValue
from kdmgr.modelfile.parameters import FLOATS, INTEGERS, KNOWN, collect_parameters
from kdmgr.modelfile.render import render_command


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What a model is made of, beside its configuration."""

    sources: tuple[str, ...]
    """Files (weights, projectors) or the name of a model."""
    adapters: tuple[str, ...] = ()
    template: str | None = None
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    licenses: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """A Modelfile, and what of the model it cannot say."""

    modelfile: Modelfile
    lost: tuple[str, ...]
    """Sentences."""

    @property
    def text(self) -> str:
        """The Modelfile as text."""
        return "".join(f"{render_command(command)}\n" for command in self.modelfile.commands)


def compose(parts: ModelParts) -> Composed:
    """The Modelfile of a model. Parameters come in the order of their names, everything else in its own."""
    kept: list[Command] = []
    lost: list[str] = []
    for command in _commands(parts):
        problem = _problem(command)
        if problem:
            lost.append(problem)
        else:
            kept.append(command)
    commands = tuple(kept)
    return Composed(Modelfile(commands, collect_parameters(commands)[0]), tuple(lost))


def _commands(parts: ModelParts) -> list[Command]:
    commands = [Command("from", source) for source in parts.sources]
    commands += [Command("adapter", adapter) for adapter in parts.adapters]
    texts = {"template": parts.template, "system": parts.system}
    texts |= {"renderer": parts.renderer, "parser": parts.parser, "requires": parts.requires}
    commands += [Command(name, text) for name, text in texts.items() if text]
    for name in sorted(parts.parameters):
        value = parts.parameters[name]
        values = value if isinstance(value, tuple) else (value,)
        commands += [Command("parameter", write_value(name, each), name) for each in values]
    commands += [Command("license", text) for text in parts.licenses if text]
    commands += [Command("message", content, role) for role, content in parts.messages]
    return commands


def write_value(name: str, value: bool | int | float | str) -> str:
    """A parameter's value as Ollama reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        if name in INTEGERS and float(value).is_integer():
            return str(int(value))
        return repr(float(value)).removesuffix(".0") if name in FLOATS or isinstance(value, float) else str(value)
    return str(value)


def _problem(command: Command) -> str | None:
    """Why a Modelfile cannot hold the command; None when it can."""
    what = f"PARAMETER {command.argument}" if command.name == "parameter" else command.name.upper()
    if command.name == "parameter" and command.argument not in KNOWN:
        return f"{what} {command.value:.60} is left out: Ollama refuses it in a Modelfile"
    if command.name == "message" and command.argument not in ROLES:
        return f"a MESSAGE of the role {command.argument!r:.40} is left out: a Modelfile knows none such"
    try:
        render_command(command)
        collect_parameters((command,))
    except ModelfileError as error:
        return f"{what} is left out: {error.problem}"
    return None
