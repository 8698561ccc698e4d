"""Which licences are open: everybody may use, change and share what is under them, for any purpose.

Only what is named in full counts; a licence "of the base" counts too, since the student is under both. The text of
a licence is its publisher's; this is no legal advice.
"""

from __future__ import annotations

import re

from kdmgr.catalog.students import Student

OPEN = ("Apache-2.0", "MIT", "CC-BY-4.0")

_PART = re.compile(r"[()/:,]|\bbase\b|\bQwen2\.5\b|\bcode repository\b", re.IGNORECASE)


def is_open(licence: str | None) -> bool | None:
    """Whether all of `licence` is open; None for an unknown one."""
    if licence is None:
        return None
    parts = [part.strip() for part in _PART.split(licence) if part and part.strip()]
    return bool(parts) and all(part in OPEN for part in parts)


def why_not_open(student: Student) -> str | None:
    """A sentence for a student that cannot be counted on to be open; None for one that can."""
    verdict = is_open(student.licence)
    if verdict is None:
        return "its licence is not known"
    if not verdict:
        return f"its licence is not open: {student.licence}"
    return f"its licence ({student.licence}) has not been verified" if student.is_unverified("licence") else None
