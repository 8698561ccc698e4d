"""The Modelfile that kdmgr would write for a file, with reasons; and what is wrong with the template it brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.modelfile.templates import TemplateFamily

# The Modelfiles that come with kdmgr whose template is that of a family.
_SHIPPED = {
    "gemma": "gemma3", "llama3": "llama3", "phi3": "phi3", "phi4": "phi4", "deepseek-r1": "deepseek-r1-distill",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """A Modelfile to begin with. `reasons` say why each line stands there, `problems` what it cannot mend."""

    modelfile: Modelfile
    reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


ProposeModelfile = Callable[["GgufHeader", Path, "str | None"], Proposal]
"""From a header, the file it was read from, and the server's era ("A", "B1", "B2", "C"; None is unknown)."""


def propose_modelfile(header: GgufHeader, source_path: Path, era: str | None) -> Proposal:
    """Keep what the file brings where the server uses it; else the family's own template and stops."""
    from kdmgr.modelfile.commands import Command, Modelfile
    from kdmgr.modelfile.templates import detect_family

    commands = [Command("from", str(source_path))]
    reasons: list[str] = []
    problems: list[str] = []
    in_file = header.text("tokenizer.chat_template")
    family = detect_family(in_file) if in_file else None
    if in_file is None:
        problems.append("the file brings no chat template: the model completes texts, it does not chat")
    elif family is None:
        problems.append("the file's chat template is of no known family")
        if era != "C":
            problems.append("before Ollama 0.30 such a template may be lost, and answers be gibberish: give a TEMPLATE")
    else:
        template = None if era == "C" else _template_of(family)
        if template is not None:
            commands.append(Command("template", template))
            reasons.append(f"TEMPLATE of {family.name}: the file's own is Jinja, which this server does not run")
        elif era == "C":
            reasons.append(f"no TEMPLATE: the server runs the file's own ({family.name})")
        else:
            reasons.append(f"no TEMPLATE: the server knows {family.name} by the file's own")
        commands += [Command("parameter", stop, "stop") for stop in family.stops]
        reasons.append(f"stops of {family.name}: {' '.join(family.stops)}")
    parameters = {"stop": family.stops} if family else {}
    return Proposal(Modelfile(tuple(commands), dict(parameters)), tuple(reasons), tuple(problems))


def _template_of(family: TemplateFamily) -> str | None:
    from kdmgr.modelfile.parse import parse
    from kdmgr.modelfile.shipped import read_shipped

    name = _SHIPPED.get(family.name)
    return parse(read_shipped(name)).template if name else None
