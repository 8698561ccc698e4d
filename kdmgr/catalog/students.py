"""What is known of a distilled student: who taught it, how, how well it learned, and on whose word.

Every claim keeps its source and every doubt stays attached to the field it is about. Unknown is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

METHODS = (
    "sequence-level",
    "synthetic-data",
    "offline-logits",
    "online-logits",
    "on-policy",
    "prune+logits",
    "layer-drop+logits",
    "feature-distillation",
    "hidden-state-alignment",
    "self-distillation",
    "preference",
    "unknown",
)
"""How a student can be taught.

sequence-level: trained on texts the teacher wrote. synthetic-data: texts written by a teacher are part of
the data. offline-logits, online-logits: on the teacher's probabilities, stored beforehand or computed
beside it. on-policy: on the teacher's verdict on the student's own samples. prune+logits,
layer-drop+logits: cut out of the teacher (or of a third model), then healed on its probabilities.
feature-distillation, hidden-state-alignment: on the teacher's inner representations.
self-distillation: taught by itself or by its own specialists. preference: on the teacher's rankings.
unknown: said to be distilled, without saying how.
"""

CONFIDENCES = ("high", "medium", "low")
"""How well the evidence carries the claim: the maker's own word was read, second-hand, or doubtful."""

_LINEAGE = ("is_student", "teacher", "method", "method_note", "losses")


class Grade(StrEnum):
    """How far a lineage can be trusted; `grade_lineage` has the rule.

    None of them is "measured": nobody can measure who taught a model. What kdmgr measures is memory and speed.
    """

    DOCUMENTED = "documented"
    CLAIMED = "claimed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who taught. `name` is the source's wording, and may say that no teacher is named."""

    name: str
    parameters: int | None = None
    """As published, so rounded."""
    hf_repo: str | None = None
    ollama: str | None = None
    """The Ollama name it can be run by."""
    is_open: bool | None = None
    """Whether its weights can be had."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What the student was trained against; None where the source does not say."""

    hard: bool | None = None
    """Texts or labels."""
    soft: bool | None = None
    """The teacher's probabilities."""
    hidden: bool | None = None
    """The teacher's inner representations."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the claim was read: a page and the place on it. `confidence` is one of `CONFIDENCES`."""

    url: str | None
    where: str | None
    confidence: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Who taught the student, and how. `method` is the main one of `methods`, all of them of `METHODS`."""

    teacher: Teacher
    method: str
    methods: tuple[str, ...]
    losses: Losses
    note: str | None
    """The recipe in one sentence."""
    grade: Grade
    doubts: tuple[str, ...]
    """What of the lineage is unverified: field names, such as "teacher.name" or "method.online_or_offline"."""
    disputed: str | None = None
    """What of the claim somebody speaks against, and why; None when nobody does."""

    @property
    def standing(self) -> str:
        """The grade, and whether the claim is disputed: "claimed, disputed"."""
        return f"{self.grade.value}, disputed" if self.disputed else self.grade.value


@dataclass(frozen=True, slots=True)
class Base:
    """What a student was made from: the weights it began with, before it was taught."""

    name: str
    hf_repo: str | None = None
    student: str | None = None
    """The id of the catalog's entry that describes it, where it is a student itself."""
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class BaseScore:
    """What the base model scored, measured as the student was."""

    name: str
    score: float
    source_url: str


@dataclass(frozen=True, slots=True)
class Score:
    """One benchmark result of the student and, where one was found, of the teacher."""

    benchmark: str
    shots: str | None
    """How it was asked: shots, pass@k, thinking mode, harness."""
    student: float
    teacher: float | None
    teacher_name: str | None
    """Whose score `teacher` is: not always the one who taught."""
    lower_is_better: bool
    same_source: bool | None
    """Whether both were printed side by side, so measured alike; None without a teacher's score."""
    source_url: str
    teacher_source_url: str | None
    base: BaseScore | None = None
    """Of the model that the student was made from, where its score is known."""

    @property
    def is_rating(self) -> bool:
        """Whether it is a rating among players (Elo): its zero means nothing, so it has differences and no shares."""
        return "rating" in self.benchmark.casefold()

    @property
    def retention(self) -> float | None:
        """The student's share of the teacher's score, inverted where lower is better.

        Only for two scores of one source: others were not measured alike, and cannot be divided.
        """
        if self.teacher is None or not self.same_source or self.is_rating:
            return None
        part, whole = (self.teacher, self.student) if self.lower_is_better else (self.student, self.teacher)
        return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class OllamaTag:
    """One listed name of the student in Ollama's library."""

    tag: str
    size_bytes: int | None
    """As the library prints it, so rounded: to 0.1 GB below 10 GB, to 1 GB above."""
    context: int | None
    digest: str | None
    """The first 12 (or more) hex digits of the manifest's sha256 when the tag was listed."""


@dataclass(frozen=True, slots=True)
class Student:
    """One model that learned from another; `parameters` are as published, so rounded."""

    id: str
    name: str
    publisher: str | None
    family: str | None
    modality: str | None
    architecture: str | None
    """llama.cpp's name."""
    parameters: int | None
    active_parameters: int | None
    """Of a mixture of experts, those used for each token."""
    context_length: int | None
    released: str | None
    """"YYYY-MM"."""
    licence: str | None
    hf_repo: str | None
    gguf_repos: tuple[str, ...]
    ollama: tuple[OllamaTag, ...]
    lineage: Lineage
    evidence: Evidence
    scores: tuple[Score, ...]
    unverified: tuple[str, ...]
    """Fields that nobody has checked; the value beside them is what is commonly said."""
    notes: str | None
    blobs: tuple[str, ...] = ()
    """sha256 (64 hex digits) of GGUF files known to be this student."""
    n_layer: int | None = None
    n_embd: int | None = None
    n_vocab: int | None = None
    base: Base | None = None
    """None where no source says what it was made from."""
    from_user: bool = False
    """Whether it comes from the user's own file."""

    def is_unverified(self, field: str) -> bool:
        """Whether `field`, or a detail of it (`method.online_or_offline`), is marked as unverified."""
        return any(_is_part(entry, field) for entry in self.unverified)


def is_made_from(student: Student, other: Student) -> bool:
    """Whether the lineage of `student` leads through `other`, as far as it names it: a student of a student."""
    return student.id != other.id and f"via {other.name})" in student.lineage.teacher.name


def find_doubts(unverified: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the unverified fields that are about the lineage."""
    return tuple(entry for entry in unverified if any(_is_part(entry, field) for field in _LINEAGE))


def grade_lineage(confidence: str, doubts: tuple[str, ...], disputed: str | None = None) -> Grade:
    """The grade by this rule, which never rounds up.

    unverified: the confidence is low, or it is open whether this model is a student at all.
    documented: the confidence is high, nothing about the lineage is marked as unverified, nobody disputes it.
    claimed: everything between; `Lineage.doubts` says what is open.
    """
    if confidence == "low" or any(_is_part(entry, "is_student") for entry in doubts):
        return Grade.UNVERIFIED
    return Grade.DOCUMENTED if confidence == "high" and not doubts and not disputed else Grade.CLAIMED


def _is_part(entry: str, field: str) -> bool:
    return entry == field or entry.startswith((f"{field}.", f"{field}("))
