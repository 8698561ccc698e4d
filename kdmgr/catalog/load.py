"""The catalog: the students that come with kdmgr, and the user's own.

Decoding all lines takes a few milliseconds, finding one student in the undecoded bytes a fraction of one;
so lines are decoded when they are asked for, and once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.catalog.codec import decode_student
from kdmgr.catalog.students import Student

if TYPE_CHECKING:
    from kdmgr.catalog.user_file import BrokenLine

SHIPPED = Path(__file__).with_name("students.jsonl")
USER_FILE = "students.jsonl"
MAX_USER_BYTES = 4 << 20


class Catalog:
    """All students, by id. The user's entries replace those of the same id."""

    def __init__(
        self, lines: Iterable[bytes], own: Mapping[str, Student] | None = None, broken: Iterable[BrokenLine] = ()
    ) -> None:
        self._lines = tuple(lines)
        self._lowered = tuple(line.lower() for line in self._lines)
        self._own = dict(own or {})
        self._decoded: dict[int, Student] = {}
        self.broken = tuple(broken)

    def __iter__(self) -> Iterator[Student]:
        """Every student, sorted by id."""
        shipped = (student for student in map(self._decode, range(len(self._lines))) if student.id not in self._own)
        return iter(sorted((*shipped, *self._own.values()), key=lambda student: student.id))

    def __len__(self) -> int:
        return sum(1 for _ in self) if self._own else len(self._lines)

    def get(self, student_id: str) -> Student | None:
        """The student with this id."""
        return next((student for student in self.mentioning(f'"{student_id}"') if student.id == student_id), None)

    def mentioning(self, *texts: str) -> Iterator[Student]:
        """The students whose entries may hold all `texts`, in any field and without case; the user's first.

        A sieve that saves decoding the rest: who looks for something checks the field it should be in.
        The user's entries, being few, pass it always.
        """
        yield from self._own.values()
        needles = [text.lower().encode("utf-8", "replace") for text in texts]
        for index, line in enumerate(self._lowered):
            if all(needle in line for needle in needles):
                student = self._decode(index)
                if student.id not in self._own:
                    yield student

    def _decode(self, index: int) -> Student:
        student = self._decoded.get(index)
        if student is None:
            import json

            student = self._decoded[index] = decode_student(json.loads(self._lines[index]))
        return student


def load_catalog(config: Path | None = None) -> Catalog:
    """The shipped students, and those of `students.jsonl` in the folder `config`.

    A line of the user's that cannot be used is kept in `Catalog.broken`, and hides no other.
    """
    shipped = SHIPPED.read_bytes().splitlines()
    if config is None or _is_absent(config / USER_FILE):
        return Catalog(shipped)
    from kdmgr.catalog.user_file import read_user_file

    own, broken = read_user_file(config / USER_FILE, MAX_USER_BYTES)
    return Catalog(shipped, own, broken)


def _is_absent(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        # It is there, but may not be read: the reader says so.
        return False
    return False
