"""A Modelfile for a GGUF, each part with its reason."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from kdmgr.modelfile.check import TemplateCheck, check_template, is_encoder
from kdmgr.modelfile.commands import Command, Modelfile, ParameterValue
from kdmgr.modelfile.parameters import FLOATS, INTEGERS, collect_parameters
from kdmgr.modelfile.render import render_command
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader

_WIDTH = 100
# What a file may recommend (gguf, general.sampling.*), under Ollama's names.
_SAMPLING = {
    "temp": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p", "penalty_repeat": "repeat_penalty",
    "penalty_last_n": "repeat_last_n",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProposedPart:
    """Some commands that belong together, and why they are proposed."""

    reason: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A Modelfile as it is proposed."""

    parts: tuple[ProposedPart, ...]
    check: TemplateCheck

    @property
    def modelfile(self) -> Modelfile:
        """Its commands."""
        commands = tuple(command for part in self.parts for command in part.commands)
        parameters: dict[str, ParameterValue] = collect_parameters(commands)[0]
        return Modelfile(commands, parameters)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in the order of the parts."""
        return tuple(part.reason for part in self.parts)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong without this Modelfile, in sentences; `check.problems` has more of them."""
        return tuple(problem.sentence for problem in self.check.problems if problem.severity != "note")

    @property
    def text(self) -> str:
        """The Modelfile, with the reasons as comments."""
        return "\n".join(_render_part(part) for part in self.parts)


def propose_modelfile(
    header: GgufHeader, source: str | PurePath, era: str | None, *, existing: Modelfile | None = None
) -> Proposal:
    """A Modelfile FROM `source`, whose header is given, for an Ollama of `era` (None: unknown).

    `existing` is what an installed model brings along already.
    """
    check = check_template(header, existing, era)
    parts = [ProposedPart(_describe(header), (Command("from", str(source)),)), *_template_parts(check)]
    parts += _sampling_parts(header)
    return Proposal(tuple(parts), check)


def _describe(header: GgufHeader) -> str:
    facts = [header.text("general.name"), header.text("general.architecture"), header.text("general.size_label")]
    known = " · ".join(printable(fact)[:60] for fact in facts if fact) or "a model that does not name itself"
    licence = header.text("general.license")
    kind = "It embeds texts and does not chat." if is_encoder(header) else ""
    return " ".join(filter(None, (f"{known}.", f"Licence: {printable(licence)[:60]}." if licence else "", kind)))


def _template_parts(check: TemplateCheck) -> Iterator[ProposedPart]:
    family = check.family
    if check.template is not None and family is not None:
        why = [problem.sentence for problem in check.problems if problem.severity != "note"]
        reason = _sentences((*why, *check.reasons, *((family.note.rstrip("."),) if family.note else ())))
        yield ProposedPart(reason, (Command("template", check.template),))
    elif check.problems or check.source != "none":
        words = _sentences(problem.sentence for problem in check.problems)
        used = f"For the chat template Ollama uses {check.used}." if check.source != "none" else ""
        yield ProposedPart(f"{used} {words}".strip(), ())
    proposes_stops = check.template is not None or any(problem.code == "foreign-stops" for problem in check.problems)
    if proposes_stops and family is not None:
        reason = f"Where an answer of {family.title} ends; the others stop a model that goes on with the user's part."
        yield ProposedPart(reason, tuple(Command("parameter", stop, "stop") for stop in check.stops))


def _sampling_parts(header: GgufHeader) -> Iterator[ProposedPart]:
    commands = []
    for key, name in _SAMPLING.items():
        value = header.metadata.get(f"general.sampling.{key}")
        if isinstance(value, int | float) and not isinstance(value, bool) and name in (*INTEGERS, *FLOATS):
            commands.append(Command("parameter", _number(value, whole=name in INTEGERS), name))
    if commands:
        yield ProposedPart("What the file itself recommends.", tuple(commands))


def _number(value: float, *, whole: bool) -> str:
    """The shortest that means the same as a 32-bit float, which is what a header holds."""
    return str(int(value)) if whole or float(value).is_integer() else f"{value:.6g}"


def _sentences(parts: Iterator[str] | tuple[str, ...]) -> str:
    return " ".join(f"{part[0].upper()}{part[1:].rstrip('.')}." for part in parts if part)


def _render_part(part: ProposedPart) -> str:
    reason = " ".join(re.split(r"\s+", printable(part.reason)))
    comment = [f"# {line}" for line in textwrap.wrap(reason, _WIDTH)]
    return "\n".join([*comment, *(render_command(command) for command in part.commands), ""])
