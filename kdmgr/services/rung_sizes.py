"""What a student of the catalog would take on a machine, from the surest source at hand to the least."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kdmgr.fit.brief import assess_briefly, exceeds
from kdmgr.fit.plan import Verdict
from kdmgr.units import format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.chain import Link
    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import Speed
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.app import Services
    from kdmgr.services.rows import ModelRow

QUANT = "Q4_K_M"


@dataclass(frozen=True, slots=True)
class RungSize:
    """Sizes in bytes. `memory` is all that it takes, or the weights alone where `is_bound` says so."""

    quant: str | None
    weights: int | None
    memory: int | None
    is_bound: bool
    verdict: Verdict
    reason: str
    speed: Speed | None
    basis: str
    """"installed as …", "published shape", "listed size" or an estimate's arithmetic."""
    installed: str | None = None
    """The name it is installed under."""

    @property
    def is_exact(self) -> bool:
        """Whether a file's own header was read."""
        return self.installed is not None


class RungSizes:
    """Sizes of students on one machine: of an installed file, a published shape, a listed size, a parameter count."""

    def __init__(self, services: Services, machine: Machine, options: RunOptions, quant: str | None) -> None:
        self._services = services
        self._machine = machine
        self._options = options
        self._quant = quant

    def size(self, student: Student, chain: tuple[Link, ...]) -> RungSize:
        """What `student`, made as `chain` tells, would take; asks nobody over the network."""
        from kdmgr.catalog.shapes import find_student_shape
        from kdmgr.gguf.published import read_published

        row = self._installed.get(student.id)
        if row is not None and self._quant in (None, row.quant):
            return self._of_file(row)
        found = find_student_shape(student, chain)
        if found is not None:
            quant = self._quant or QUANT
            whose = "published shape" if found.of == student.hf_repo else f"published shape of {found.of}"
            return self._planned(read_published(found.shape, quant), quant, whose)
        return self._bound(student)

    @cached_property
    def _installed(self) -> dict[str, ModelRow]:
        """Installed models that are students themselves, by the student's id; the newest of several."""
        found: dict[str, ModelRow] = {}
        for row in self._services.installed_rows():
            if row.match is not None and row.match.relation == "itself":
                found.setdefault(row.match.student.id, row)
        return found

    def _of_file(self, row: ModelRow) -> RungSize:
        shape, _ = self._services.open_shape(row)
        return self._planned(shape, shape.quant, f"installed as {row.name}", installed=row.name)

    def _planned(self, shape: ModelShape, quant: str | None, basis: str, installed: str | None = None) -> RungSize:
        brief = assess_briefly(shape, self._machine, self._options)
        return RungSize(
            quant=quant,
            weights=shape.weights.total,
            memory=brief.memory if brief.memory is not None else shape.weights.total,
            is_bound=brief.memory is None,
            verdict=brief.verdict,
            reason=brief.reason,
            speed=brief.speed,
            basis=basis,
            installed=installed,
        )

    def _bound(self, student: Student) -> RungSize:
        """The weights alone: without a shape nobody can tell the cache."""
        weights, quant, basis = self._weigh(student)
        too_big = weights is not None and bool(exceeds(weights, self._machine))
        return RungSize(
            quant=quant,
            weights=weights,
            memory=weights,
            is_bound=True,
            verdict=Verdict.TOO_BIG if too_big else Verdict.UNKNOWN,
            reason="the weights alone exceed all memory" if too_big else "its shape is not known, so neither its cache",
            speed=None,
            basis=basis,
        )

    def _weigh(self, student: Student) -> tuple[int | None, str | None, str]:
        from kdmgr.gguf.quantising import bits_per_weight
        from kdmgr.refs import find_quant

        listed = next((tag for tag in student.ollama if tag.size_bytes), None)
        if listed is not None and self._quant is None:
            return listed.size_bytes, find_quant(listed.tag), f"listed size of {listed.tag}"
        if student.parameters is None:
            return None, self._quant, "neither shape nor size is known"
        quant = self._quant or QUANT
        bits = bits_per_weight(quant)
        basis = f"{format_parameters(student.parameters)} parameters × {bits:.1f} bits"
        return int(student.parameters * bits / 8), quant, basis
