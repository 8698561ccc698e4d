"""What the main screen says when there is nothing to show, or nothing to open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kdmgr.refs import HubRef, OllamaRef
from kdmgr.services.facets import FIT, FITS, Facet
from kdmgr.tui.words import one_line
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.rows import ModelRow
    from kdmgr.tui.views import View

_FIRST_STEPS = """\
  p   pull a model of a library, or hf.co/USER/REPO
  i   import a GGUF file you have"""


def describe_counts(n_rows: int, n_installed: int, n_shown: int, view: View, n_marked: int = 0, late: str = "") -> str:
    """The title of the table: how many there are, how many are selected, in which order, and what is `late`."""
    counts = f"{n_installed or 'none'} installed"
    if n_rows > n_installed:
        counts += " only" if view.installed_only else f", {n_rows - n_installed} in the catalog"
    found = f" · {n_shown} match" if view.query.strip() or view.facets else ""
    marked = f" · {n_marked} selected" if n_marked else ""
    turned = ", reversed" if view.reverse else ""
    order = "best first" if view.sort == "best" else f"by {view.sort}"
    return " · ".join(filter(None, (f"{counts}{found}{marked}", f"{order}{turned}", late)))


def describe_benchmark(benchmark: str | None) -> str:
    """What the column of retention goes by."""
    return f"kept: of the teacher's score in {one_line(benchmark)}" if benchmark else ""


def describe_empty(
    view: View, places: Mapping[str, Sequence[ModelRow]], error: KdmgrError | None, *, judged: bool = True
) -> str:
    """Why the table is empty, and what to do about it. `judged` is whether it is known of any row if it fits."""
    if error is not None:
        hint = f"\n\n{printable(error.hint)}" if error.hint else ""
        return f"The models could not be listed: {one_line(error.message)}{hint}\n\nPress r to try again."
    if "disk" not in places:
        return "Looking for models …"
    if not judged and Facet(FIT, FITS) in view.facets:
        return "Looking what fits this machine …"
    if view.query.strip() or view.facets:
        if not view.query.strip():
            return "Nothing matches these facets.\n\nEscape shows all again."
        words = f"“{one_line(view.query)}”"
        hub = "Enter (or h, outside the filter) searches the Hub for it."
        return f"Nothing matches {words}.\n\n{hub}\nEscape shows all again."
    catalog = "\n\nPress f to see the students of the catalog." if view.installed_only else ""
    return f"No models are installed yet. Put one in:\n\n{_FIRST_STEPS}{catalog}"


def name_to_pull(row: ModelRow) -> str:
    """What a student of the catalog is pulled by; "" for one that no reference is known for."""
    return str(row.ref) if isinstance(row.ref, OllamaRef | HubRef) else ""


def describe_welcome(engines: str) -> str:
    """The first ten seconds: what this is, what runs models here, and which keys to press."""
    runs = f" {one_line(engines)}" if engines else ""
    return (
        f"Nothing is installed yet: these are the students that are known, and what each would take here.{runs}\n"
        "F what fits · s sort · / find · Enter get it · ? keys"
    )


def describe_missing(row: ModelRow) -> str:
    """How a student that cannot be pulled can be had."""
    return f"No file of {one_line(row.name)} is listed that could be pulled: press i to import a GGUF file of it."
