"""The Modelfiles that come with kdmgr: one per student family, each naming the catalog's entries it is for."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".Modelfile"
NEEDS_NONE = {"distil-whisper-large-v3": "Ollama runs no models that listen"}
"""Students without one, and why."""
_ENTRIES, _MORE = "# Entries: ", "#   "


def shipped_names() -> list[str]:
    """The families that have one, sorted."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX))


def read_shipped(name: str) -> str:
    """The text of one; `NotFound` when there is none of this name."""
    names = shipped_names()
    if name not in names:
        raise NotFound(f"no Modelfile named {name!r} comes with kdmgr", hint=f"there are {', '.join(names)}")
    return _folder().joinpath(name + SUFFIX).read_text(encoding="utf-8")


def read_entries(text: str) -> tuple[str, ...]:
    """The ids of the students that a shipped Modelfile is for: its comment "Entries: …", over several lines maybe."""
    found = ""
    for line in text.splitlines():
        if line.startswith(_ENTRIES):
            found = line.removeprefix(_ENTRIES)
        elif found and line.startswith(_MORE):
            found += f" {line.removeprefix(_MORE)}"
        elif found:
            break
    return tuple(student_id.strip() for student_id in found.split(",") if student_id.strip())


def index_students() -> dict[str, str]:
    """The name of the Modelfile by the id of each student that has one."""
    return {student_id: name for name in shipped_names() for student_id in read_entries(read_shipped(name))}


def _folder() -> Traversable:
    """Inside the installed package, or beside it in a checkout."""
    installed = files("kdmgr").joinpath("modelfiles")
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "modelfiles"
