"""Facets of students: what a list of them can be narrowed by. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kdmgr.catalog.licences import why_not_open
from kdmgr.catalog.tasks import tasks_of

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student

FIT, METHOD, TEACHER, LICENCE, TASK = "fit", "method", "teacher", "licence", "task"
GROUPS = (FIT, TASK, METHOD, LICENCE, TEACHER)
"""Options of one group widen each other; those of several narrow each other."""
OPEN = "open"
"""Licences that let everybody do everything, in one word."""
FITS = "fits"
NOT_KNOWN = "not known"


class Facet(NamedTuple):
    """One option: a group, and a value in it."""

    group: str
    value: str


def facets_of(student: Student) -> frozenset[Facet]:
    """What the entry says; whether it fits is a question about a machine, and no part of this."""
    licence = student.licence or NOT_KNOWN
    found = {Facet(LICENCE, licence), Facet(TEACHER, student.lineage.teacher.name)}
    found |= {Facet(METHOD, method) for method in student.lineage.methods}
    found |= {Facet(TASK, task) for task in tasks_of(student)}
    if why_not_open(student) is None:
        found.add(Facet(LICENCE, OPEN))
    return frozenset(found)
