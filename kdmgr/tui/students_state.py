"""How the table of students was left: read without trust, and as it is kept. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from kdmgr.catalog.tasks import TASKS
from kdmgr.services.facets import FIT, FITS, GROUPS, TASK, Facet
from kdmgr.tui.views import SORTS, View
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.services.ui_state import Value

_MOST_FACETS = 64


def read_view(left: Mapping[str, Value]) -> View:
    """What was shown, and in what order; the defaults for whatever makes no sense."""
    return View(
        query=one_line(read_text(left, "query")),
        sort=read_choice(left, "sort", SORTS),
        reverse=left.get("reverse") is True,
        installed_only=left.get("installed_only") is True,
        facets=_read_facets(read_text(left, "facets")),
    )


def view_values(view: View) -> dict[str, Value]:
    """What is kept of a view."""
    return {
        "query": view.query,
        "sort": view.sort,
        "reverse": view.reverse,
        "installed_only": view.installed_only,
        "facets": _write_facets(view.facets),
    }


def read_text(left: Mapping[str, Value], key: str) -> str:
    """A text; "" where there is none."""
    value = left.get(key)
    return value if isinstance(value, str) else ""


def read_choice(left: Mapping[str, Value], key: str, choices: Sequence[str]) -> str:
    """One of `choices`; the first where there is none of them."""
    value = read_text(left, key)
    return value if value in choices else choices[0]


def _write_facets(facets: Iterable[Facet]) -> str:
    """A list of pairs, as text: a part of the state holds simple values."""
    return json.dumps(sorted(facets), ensure_ascii=False) if facets else ""


def _read_facets(text: str) -> frozenset[Facet]:
    """Those of the pairs that can be facets; a teacher or a licence may be gone from the catalog, and shows nothing."""
    try:
        pairs = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return frozenset()
    pairs = pairs[:_MOST_FACETS] if isinstance(pairs, list) else []
    return frozenset(Facet(*pair) for pair in pairs if _is_facet(pair))


def _is_facet(pair: object) -> bool:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
        return False
    group, value = pair
    known = {FIT: (FITS,), TASK: tuple(TASKS)}.get(group, (value,))
    return group in GROUPS and value in known
