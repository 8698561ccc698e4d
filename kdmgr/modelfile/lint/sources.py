"""FROM, ADAPTER, DRAFT and REQUIRES: what they name, and whether it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.modelfile.commands import Command
from kdmgr.modelfile.lint.findings import ERROR, NOTE, WARNING, Finding, Surroundings, Text

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader

PLACEHOLDERS = ("./model.gguf", "model.gguf")
"""What a Modelfile that is not yet about any file is made from."""
_SINCE = {
    "renderer": (0, 12, 0), "parser": (0, 12, 0), "requires": (0, 14, 0), "draft": (0, 23, 1),
}  # fmt: skip
_SEMVER = re.compile(r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_PATH = re.compile(r"^(\.{0,2}[/\\]|~|[A-Za-z]:[\\/])|\.(gguf|bin|safetensors)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a FROM, ADAPTER or DRAFT names. `kind` is "file", "folder", "model" or "missing"."""

    kind: str
    n_ctx_train: int | None = None
    header: GgufHeader | None = None
    suggestion: str | None = None
    """Something that is there and sounds alike."""
    template: str | None = None
    """The template that an installed model brings along."""
    is_placeholder: bool = False
    """Whether it stands for any file, so that nothing of it can be missing."""


def find_bad_sources(text: Text, commands: list[Command], surroundings: Surroundings) -> Iterator[Finding]:
    """What is not there, contradicts, or is too new for the server."""
    yield from _find_mixed(text, commands)
    for command in commands:
        yield from _find_too_new(text, command, surroundings.version)
        if command.name in ("from", "adapter", "draft") and surroundings.look and command.value:
            facts = surroundings.look(command.name, command.value)
            if facts is not None and facts.kind == "missing" and not facts.is_placeholder:
                yield _missing(text, command, facts)
        if command.name == "requires" and not _SEMVER.fullmatch(command.value):
            message = f"{command.value!r:.40} is no version"
            yield text.finding("bad-version", ERROR, command.start, message, "write one like 0.14.0")


def find_source(commands: list[Command], surroundings: Surroundings) -> SourceFacts | None:
    """What the model's weights come from."""
    sources = [command.value for command in commands if command.name == "from" and command.value]
    if not sources or surroundings.look is None:
        return None
    facts = [surroundings.look("from", source) for source in sources]
    return next((each for each in facts if each is not None and each.header is not None), facts[-1])


def _missing(text: Text, command: Command, facts: SourceFacts) -> Finding:
    looks_like_path = bool(_PATH.search(command.value))
    hint = f"did you mean {facts.suggestion}?" if facts.suggestion else "see what is installed: kdmgr ls"
    if command.name != "from":
        message, severity, reason = f"{command.value!r:.80} does not exist", ERROR, "it must be a file or a folder"
    elif looks_like_path:
        message = f"the file {command.value!r:.80} does not exist"
        severity, reason = ERROR, "Ollama would take the path for a model's name, and try to pull it"
    else:
        message = f"no model named {command.value!r:.80} is installed"
        severity, reason = WARNING, f"Ollama would try to pull it; {hint}"
    return text.finding("missing-source", severity, command.start, message, reason)


def _find_mixed(text: Text, commands: list[Command]) -> Iterator[Finding]:
    """Names and files together: the server takes the name and forgets the files."""
    sources = [command for command in commands if command.name == "from"]
    names = [command for command in sources if not _PATH.search(command.value)]
    if names and len(names) < len(sources):
        reason = "the server uses the name and silently ignores the files; FROM the model's own file instead"
        yield text.finding("name-and-file", WARNING, names[-1].start, "FROM names a model and a file", reason)
    for command in names[:-1]:
        message = f"this FROM is overridden by the one on line {names[-1].line}"
        yield text.finding("overridden", WARNING, command.start, message, "of several names the last one counts")


def _find_too_new(text: Text, command: Command, version: tuple[int, ...] | None) -> Iterator[Finding]:
    since = _SINCE.get(command.name)
    if since is None or (version is not None and version >= since):
        return
    dotted = ".".join(map(str, since))
    if version is None:
        return
    severity = ERROR if version else NOTE
    message = f"{command.name.upper()} is not known before Ollama {dotted}"
    reason = f"the server is {'.'.join(map(str, version))}: older clients refuse the whole Modelfile"
    yield text.finding("too-new", severity, command.start, message, reason)
