"""What each student would take on a machine, from the surest source at hand to the least.

The header of an installed model, the header of a listed tag that was looked at before, the shape that was
published, the size that Ollama's library lists, and a size assumed from the parameters. Nobody is asked over the
network. An estimate is marked as one wherever it is shown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from kdmgr.fit.plan import Verdict
from kdmgr.services.measured import measured_speed
from kdmgr.services.size_estimates import QUANT, Basis, SizedStudent, estimate, size_file

if TYPE_CHECKING:
    from kdmgr.catalog.students import OllamaTag, Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.gguf.published_tensors import PublishedShape
    from kdmgr.services.app import Services
    from kdmgr.services.finding import FoundModel
    from kdmgr.services.rows import ModelRow


NEAR = 0.15
"""How far a file may be from its listed size, which is rounded, and from the usual mix of its quant."""


class Sizer:
    """Sizes students for one machine and one set of options. Without a machine only files have a size.

    With a `quant` every student is sized at that, and without one at what is installed or listed.
    """

    def __init__(
        self, services: Services, machine: Machine | None, options: RunOptions, quant: str | None = None
    ) -> None:
        self._services = services
        self._machine = machine
        self._options = options
        self._quant = quant
        self._has_copies = services.paths.copies.exists()

    def size(self, student: Student) -> SizedStudent:
        """The surest answer that can be had without asking anybody."""
        rows = self._rows.get(student.id, ())
        machine = self._machine
        if machine is None:
            sized = size_file(student, rows)
        else:
            sized = (
                self._plan_file(student, rows, machine)
                or self._plan_shape(student, machine)
                or estimate(student, machine, self._options, self._quant)
            )
        return replace(sized, installed=tuple(row.name for row in rows), pull=pull_name(student))

    def size_published(self, student: Student) -> SizedStudent | None:
        """Planned from the header of what would be pulled; None where that cannot be read. Asks over the network."""
        from kdmgr.errors import KdmgrError
        from kdmgr.refs import FileRef, parse_ref

        name = pull_name(student)
        ref = parse_ref(name) if name else None
        if ref is None or isinstance(ref, FileRef) or self._machine is None:
            return None
        try:
            found = self._services.find_published(ref)
            match = self._services.assess_found(found, self._machine, self._options).match
            sized = self._planned(student, found, self._machine, Basis.HEADER, f"planned from the header of {name}")
        except KdmgrError:
            return None
        if match is None or match.student.id != student.id:
            words = f"{name} is not this student any more, by its header and manifest"
            sized = replace(sized, basis=Basis.UNKNOWN, words=words, verdict=Verdict.UNKNOWN, reason=words)
        return replace(sized, pull=name)

    @cached_property
    def _rows(self) -> dict[str, tuple[ModelRow, ...]]:
        """Installed models that surely are a student itself: a weak match may be its base, or a tag that moved."""
        from kdmgr.catalog.match import Certainty

        found: dict[str, tuple[ModelRow, ...]] = {}
        for row in self._services.installed_rows():
            if row.match and row.match.relation == "itself" and row.match.certainty is not Certainty.WEAK:
                key = row.match.student.id
                found[key] = (*found.get(key, ()), row)
        return found

    def _plan_file(self, student: Student, rows: tuple[ModelRow, ...], machine: Machine) -> SizedStudent | None:
        from kdmgr.errors import KdmgrError

        for row in rows:
            if row.ref is None or self._quant not in (None, row.quant):
                continue
            try:
                found = self._services.find(row.ref)
                words = f"planned for {row.name}, installed"
                return self._planned(student, found, machine, Basis.INSTALLED, words)
            except KdmgrError:
                # A damaged copy says nothing; `fit` tells what is wrong with it.
                continue
        for tag in student.ollama if self._has_copies and self._quant is None else ():
            if (known := self._look_up(tag)) is not None:
                words = f"planned from the header of {tag.tag}, read before"
                return self._planned(student, known, machine, Basis.HEADER, words)
        return None

    def _look_up(self, tag: OllamaTag) -> FoundModel | None:
        from kdmgr.refs import parse_ollama_name
        from kdmgr.services.registry_models import find_known_tag

        found = find_known_tag(self._services, parse_ollama_name(tag.tag))
        # A tag that points elsewhere by now is another model.
        moved = found and tag.digest and not (found.manifest_digest or "").startswith(tag.digest)
        return None if moved else found

    def _planned(self, student: Student, found: FoundModel, machine: Machine, basis: Basis, words: str) -> SizedStudent:
        report = self._services.assess_found(found, machine, self._options).report
        total = report.plan.components
        measured = measured_speed(self._services, str(found.ref), machine) if basis is Basis.INSTALLED else None
        return SizedStudent(
            student=student,
            basis=basis,
            words=words,
            quant=report.shape.quant,
            size_bytes=found.size_bytes,
            n_ctx=report.options.n_ctx,
            memory_bytes=total.total if total.total is not None else total.known,
            verdict=report.verdict,
            reason=report.reason,
            speed=measured or report.speed,
            report=report,
        )

    def _plan_shape(self, student: Student, machine: Machine) -> SizedStudent | None:
        """From published hyper-parameters, at the quant that is asked for or listed where its mix is known."""
        from kdmgr.catalog.chain import walk_chain
        from kdmgr.catalog.shapes import find_student_shape
        from kdmgr.fit.brief import assess_briefly
        from kdmgr.gguf.published import read_published

        published = find_student_shape(student, walk_chain(student, self._services.catalog))
        if published is None:
            return None
        quant = self._quant or _listed_quant(student, published.shape)
        shape = read_published(published.shape, quant)
        brief = assess_briefly(shape, machine, self._options)
        whose = "its published shape" if published.of == student.hf_repo else f"the published shape of {published.of}"
        return SizedStudent(
            student=student,
            basis=Basis.SHAPE,
            words=f"planned from {whose} at {quant}",
            quant=quant,
            size_bytes=shape.weights.total,
            n_ctx=brief.n_ctx,
            memory_bytes=brief.memory,
            verdict=brief.verdict,
            reason=brief.reason,
            speed=brief.speed,
            shape=shape,
        )


def pull_name(student: Student) -> str | None:
    """The name to pull it by: its first listed tag, else a repository with GGUF files."""
    if student.ollama:
        return student.ollama[0].tag
    return f"hf.co/{student.gguf_repos[0]}" if student.gguf_repos else None


def _listed_quant(student: Student, published: PublishedShape) -> str:
    """The quant of its first tag: as named, else the one whose file would come nearest to the listed size."""
    from kdmgr.gguf.published import read_published
    from kdmgr.gguf.quantising import QUANTS
    from kdmgr.refs import find_quant

    tag = next(iter(student.ollama), None)
    named = find_quant(tag.tag) if tag else None
    if named in QUANTS:
        return named
    listed = tag.size_bytes if tag else None

    def distance(quant: str) -> float:
        return abs(read_published(published, quant).weights.total - (listed or 0))

    if listed is None or distance(QUANT) < listed * NEAR:
        return QUANT
    return min(QUANTS, key=distance)
