"""Modelfiles linted in their surroundings: the files beside them, what is installed, the server's version."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, NotFound, ServerUnreachable, Unreadable
from kdmgr.files import write_atomically
from kdmgr.modelfile.lint import Finding, SourceFacts, Surroundings, apply_fixes, lint_modelfile
from kdmgr.modelfile.lint.sources import PLACEHOLDERS
from kdmgr.refs import OllamaRef, parse_ref

if TYPE_CHECKING:
    from kdmgr.services.bringing import Bringing

NOT_TOLD = "?"
"""A template of which only is known that the model has one, or needs none."""
MAX_ROUNDS = 10
"""A fix may bring to light what stood behind the fault; more rounds than this no file has needed."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in one file, and what of it was mended."""

    path: Path
    findings: tuple[Finding, ...]
    """What is left."""
    fixed: tuple[Finding, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether Ollama would refuse it, or the model could not work."""
        return any(finding.severity == "error" for finding in self.findings)


def lint_file(services: Bringing, path: Path, *, fix: bool = False, version: str | None = None) -> Linted:
    """Lint `path`, as an Ollama of `version` (None: any) would take it; with `fix`, mend what is safe, atomically.

    A file that is not all UTF-8 is left alone: writing it back would lose what cannot be read.
    """
    source = read_source(path)
    surroundings = surroundings_of(services, path.parent, version)
    findings = lint_modelfile(source, surroundings)
    unreadable = any(finding.code == "not-utf8" for finding in findings)
    if not fix or unreadable or not any(finding.fix for finding in findings):
        return Linted(path, findings)
    from kdmgr.modelfile.parse import decode

    before = text = decode(source)
    fixed: list[Finding] = []
    for _ in range(MAX_ROUNDS):
        text, mended = apply_fixes(text, findings)
        fixed += mended
        findings = lint_modelfile(text, surroundings)
        if not mended:
            break
    if text != before:
        write_atomically(path.resolve(), text.encode())
    return Linted(path, findings, tuple(fixed))


def read_source(path: Path) -> bytes:
    """The bytes of a Modelfile, no more than one can have."""
    from kdmgr.modelfile.parse import MAX_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"no such Modelfile: {path}", hint="`kdmgr modelfile list` names the ones kdmgr has") from error
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror or error}", hint="name a Modelfile") from error


def surroundings_of(services: Bringing, folder: Path, version: str | None = None) -> Surroundings:
    """Looks for what a Modelfile in `folder` names: files, and models in the stores of this machine."""
    numbers = None
    if version is not None:
        numbers = tuple(int(part) for part in version.lstrip("v").split("-")[0].split(".") if part.isdecimal())
    return Surroundings(look=lambda command, value: _look(services, folder, command, value), version=numbers)


def _look(services: Bringing, folder: Path, command: str, value: str) -> SourceFacts | None:
    try:
        path = folder / Path(value).expanduser()
        if path.is_dir():
            return SourceFacts("folder")
        if path.is_file():
            return _facts_of_file(services, path)
    except (OSError, RuntimeError, ValueError):
        pass  # a name that no file can have
    if value in PLACEHOLDERS:
        return SourceFacts("missing", is_placeholder=True)
    return _facts_of_model(services, value) if command == "from" else SourceFacts("missing")


def _facts_of_file(services: Bringing, path: Path) -> SourceFacts:
    from kdmgr.gguf.shape import read_shape

    try:
        header = services.headers.read(path, None)
        return SourceFacts("file", read_shape(header).n_ctx_train, header)
    except KdmgrError:
        return SourceFacts("file")


def _facts_of_model(services: Bringing, value: str) -> SourceFacts | None:
    """None for names that this machine cannot tell of: those elsewhere, and cloud models."""
    try:
        ref = parse_ref(value)
        if not isinstance(ref, OllamaRef) or ref.is_cloud:
            return SourceFacts("missing") if value.lower().endswith(".gguf") and "/" in value[:2] else None
        model = services.library.find(ref)
        if model is None and (told := _ask_server(services, ref)) is not None:
            return told
        if model is None:
            names = [other.name for other in services.library.list_models()[0]]
            close = difflib.get_close_matches(str(ref), names, 1, 0.5)
            return SourceFacts("missing", suggestion=close[0] if close else None)
        facts = _facts_of_file(services, model.stored.model_path)
        return SourceFacts("model", facts.n_ctx_train, facts.header, template=model.stored.text("template"))
    except ServerUnreachable:
        return None  # the server that was named does not answer: nobody can tell
    except KdmgrError:
        return SourceFacts("missing")


def _ask_server(services: Bringing, ref: OllamaRef) -> SourceFacts | None:
    """What a running server tells of a model; None when it has none, or none runs."""
    from kdmgr.gguf.shape import read_shape

    found = services.server_models.find(ref)
    if found is None:
        return None
    return SourceFacts("model", read_shape(found.header).n_ctx_train, template=NOT_TOLD)
