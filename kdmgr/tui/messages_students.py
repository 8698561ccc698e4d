"""What the workers of the table of students report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.fit.plan import Speed
    from kdmgr.services.removal import Removal
    from kdmgr.services.size_estimates import SizedStudent
    from kdmgr.services.student_story import StudentStory
    from kdmgr.services.teacher_ladder import TeacherLadder


@dataclass
class StudentsSized(Message):
    """Students that are not installed have been sized under the question numbered `version`; by their ids."""

    version: int
    sized: Mapping[str, SizedStudent]


@dataclass
class SizingDone(Message):
    """All of them have been."""

    version: int


@dataclass
class SpeedsFound(Message):
    """How fast installed models have answered here, by their names."""

    generation: int
    speeds: Mapping[str, Speed]


@dataclass
class StoryTold(Message):
    """Lineage, retention, quants and teacher of one row, under the question numbered `version`."""

    version: int
    key: str
    story: StudentStory | None
    """None for what is no student."""


@dataclass
class LadderBuilt(Message):
    """The ladder under the question numbered `version`; None and the reason when there is none."""

    version: int
    ladder: TeacherLadder | None
    error: KdmgrError | None = None


@dataclass
class EnginesDescribed(Message):
    """What would run models here."""

    text: str


@dataclass
class RemovalPlanned(Message):
    """It is known what a removal would free."""

    removal: Removal


@dataclass
class Done(Message):
    """An action on models is over, or has failed on the way: what was done, and why it went no further."""

    title: str
    sentences: Sequence[str]
    error: KdmgrError | None = None
    reload: bool = False
    """Whether the models have to be listed again."""
