"""Who taught a model, as far as it was written down when it came: by its user, by the catalog, by its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from kdmgr.errors import UsageError
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.catalog.match import Match
    from kdmgr.gguf.header import GgufHeader

USER, CATALOG = "user", "catalog"


class Written(TypedDict):
    """The fields of a receipt that are about lineage."""

    student: str | None
    teacher: str | None
    method: str | None
    teacher_from: str | None
    method_from: str | None


def write_lineage(match: Match | None, teacher: str | None, method: str | None) -> Written:
    """What goes into a receipt: what the user said, else what the catalog has, each with where it is from.

    The catalog's method is about the catalog's teacher: it is no method of another one that the user names.
    """
    student = match.student if match else None
    written: Written = {
        "student": student.id if student else None,
        "teacher": teacher,
        "method": method,
        "teacher_from": USER if teacher else None,
        "method_from": USER if method else None,
    }
    if student is not None and teacher is None:
        written["teacher"], written["teacher_from"] = student.lineage.teacher.name, CATALOG
        if method is None:
            written["method"], written["method_from"] = student.lineage.method, CATALOG
    return written


def require_method(method: str | None) -> None:
    """`UsageError` for a method that no student is taught by."""
    from kdmgr.catalog.students import METHODS

    if method is not None and method not in METHODS:
        raise UsageError(f"no such method: {method!r:.60}", hint=f"one of {', '.join(METHODS)}")


def find_base(header: GgufHeader | None) -> str | None:
    """The model that it was trained from, as the file tells."""
    if header is None:
        return None
    found = header.text("general.base_model.0.repo_url") or header.text("general.base_model.0.name")
    return printable(found)[:200] if found else None
