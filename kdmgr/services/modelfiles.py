"""Modelfiles: those that come with kdmgr, and whether a user's own is sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kdmgr.modelfile.shipped import read_shipped, shipped_names
from kdmgr.modelfile.templates import detect_family
from kdmgr.services.importing import read_modelfile

__all__ = ["CheckedModelfile", "check_modelfile", "read_shipped", "shipped_names"]


@dataclass(frozen=True, slots=True)
class CheckedModelfile:
    """A Modelfile that Ollama would take. `family` is that of its template, None when it is in none."""

    n_commands: int
    has_template: bool
    family: str | None
    warnings: tuple[str, ...]


def check_modelfile(path: Path) -> CheckedModelfile:
    """Parse `path`; `ModelfileError` with line and hint when Ollama would refuse it."""
    modelfile = read_modelfile(path)
    family = detect_family(modelfile.template) if modelfile.template else None
    return CheckedModelfile(
        n_commands=len(modelfile.commands),
        has_template=bool(modelfile.template),
        family=family.name if family else None,
        warnings=modelfile.warnings,
    )
