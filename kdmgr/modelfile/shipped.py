"""The Modelfiles that come with kdmgr, one per student family."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".Modelfile"


def shipped_names() -> list[str]:
    """The families that have one, sorted."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX))


def read_shipped(name: str) -> str:
    """The text of one; `NotFound` when there is none of this name."""
    names = shipped_names()
    if name not in names:
        raise NotFound(f"no Modelfile named {name!r} comes with kdmgr", hint=f"there are {', '.join(names)}")
    return _folder().joinpath(name + SUFFIX).read_text(encoding="utf-8")


def _folder() -> Traversable:
    """Inside the installed package, or beside it in a checkout."""
    installed = files("kdmgr").joinpath("modelfiles")
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "modelfiles"
