"""The user's own students: read with care, line by line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kdmgr.catalog.check import EntryError, check_entry
from kdmgr.catalog.codec import decode_student
from kdmgr.catalog.students import Student


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """What of the user's file could not be used. `number` counts from 1; None is the whole file."""

    path: Path
    number: int | None
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.number}" if self.number else f"{self.path}"
        return f"{place}: {self.reason}"


def read_user_file(path: Path, max_bytes: int) -> tuple[dict[str, Student], list[BrokenLine]]:
    """The usable entries by id, and what is wrong with the others. Nothing is raised for bad content."""
    try:
        lines = _read_lines(path, max_bytes)
    except (OSError, EntryError) as error:
        reason = str(error) if isinstance(error, EntryError) else f"cannot be read: {error.strerror or error}"
        return {}, [BrokenLine(path, None, reason)]
    own: dict[str, Student] = {}
    broken: list[BrokenLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            student = read_line(line)
            if student.id in own:
                raise EntryError(f"the id {student.id!r} is used by an earlier line")
            own[student.id] = student
        except EntryError as error:
            broken.append(BrokenLine(path, number, str(error)))
    return own, broken


def _read_lines(path: Path, max_bytes: int) -> list[bytes]:
    # Opening a pipe would wait for its writer.
    if not path.is_file():
        raise EntryError("is not a regular file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise EntryError(f"is larger than {max_bytes >> 20} MiB")
    return content.removeprefix(b"\xef\xbb\xbf").split(b"\n")


def read_line(line: bytes) -> Student:
    """The student that one line describes; `EntryError` for a line that cannot be used."""
    try:
        entry = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise EntryError("is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise EntryError(f"is not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise EntryError("is not JSON that can be read: a number or a nesting beyond all bounds") from error
    return decode_student(check_entry(entry), from_user=True)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
