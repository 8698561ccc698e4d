"""How the table of students was left: read without trust, and as it is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kdmgr.tui.listing import SORTS, View
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.ui_state import Value


def read_view(left: Mapping[str, Value]) -> View:
    """Filter and order as they were left; the defaults for whatever makes no sense."""
    return View(
        query=one_line(read_text(left, "query")),
        sort=read_choice(left, "sort", SORTS),
        installed_only=left.get("installed_only") is True,
    )


def view_values(view: View) -> dict[str, Value]:
    """What is kept of a view."""
    return {"query": view.query, "sort": view.sort, "installed_only": view.installed_only}


def read_text(left: Mapping[str, Value], key: str) -> str:
    """A text; "" where there is none."""
    value = left.get(key)
    return value if isinstance(value, str) else ""


def read_choice(left: Mapping[str, Value], key: str, choices: Sequence[str]) -> str:
    """One of `choices`; the first where there is none of them."""
    value = read_text(left, key)
    return value if value in choices else choices[0]
