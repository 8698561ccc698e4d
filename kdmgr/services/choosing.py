"""Filters over the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.catalog.students import METHODS, Student
from kdmgr.errors import UsageError

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.fit.machine import Machine


def choose_students(
    catalog: Catalog, *, search: str | None = None, method: str | None = None, machine: Machine | None = None
) -> list[Student]:
    """The students that pass every filter given, by name.

    `machine` keeps those whose listed weights alone fit its memory: an upper bound of what runs, since
    cache and buffers come on top. A student without a listed size cannot be judged, and is left out.
    """
    if method is not None and method not in METHODS:
        raise UsageError(f"no such method: {method!r}", hint=f"one of {', '.join(METHODS)}")
    room = None if machine is None else memory_for_weights(machine)
    chosen = [
        student
        for student in catalog
        if (search is None or mentions(student, search))
        and (method is None or method in student.lineage.methods)
        and (room is None or _fits(student, room))
    ]
    return sorted(chosen, key=lambda student: student.name.casefold())


def memory_for_weights(machine: Machine) -> int:
    """Free memory of the roomiest device, or of the host on a machine without one."""
    devices = [device.free_bytes for device in machine.devices]
    return max(devices) if devices else machine.host.available_bytes or 0


def mentions(student: Student, text: str) -> bool:
    """Whether `text` stands in the student's names, tags, family or teacher."""
    tags = " ".join(tag.tag for tag in student.ollama)
    held = f"{student.id} {student.name} {student.family} {tags} {student.lineage.teacher.name}"
    return text.casefold() in held.casefold()


def _fits(student: Student, room: int) -> bool:
    sizes = [tag.size_bytes for tag in student.ollama if tag.size_bytes is not None]
    return bool(sizes) and min(sizes) <= room
