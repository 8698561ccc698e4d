"""The chain behind a student: what it was made from, and what that was made from."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.catalog.load import Catalog
from kdmgr.catalog.students import Base, Student

# Longer than any chain that is known; a user's entries might name each other in a ring.
MAX_LINKS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """One step back: the base, and its entry where it is a student itself."""

    base: Base
    student: Student | None


def walk_chain(student: Student, catalog: Catalog) -> tuple[Link, ...]:
    """From the student's own base back to the first model that no entry describes."""
    links: list[Link] = []
    seen = {student.id}
    current: Student | None = student
    while current is not None and current.base is not None and len(links) < MAX_LINKS:
        behind = find_base_student(current.base, catalog)
        if behind is not None and behind.id in seen:
            behind = None
        links.append(Link(current.base, behind))
        if behind is not None:
            seen.add(behind.id)
        current = behind
    return tuple(links)


def find_base_student(base: Base, catalog: Catalog) -> Student | None:
    """The entry of `base`, by the id it names or by its repository."""
    if base.student is not None:
        return catalog.get(base.student)
    if base.hf_repo is None:
        return None
    found = catalog.mentioning(f'"{base.hf_repo}"')
    return next((student for student in found if student.hf_repo == base.hf_repo), None)
