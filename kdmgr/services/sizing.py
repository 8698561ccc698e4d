"""What each student would take on a machine: planned where its header is at hand, estimated where it is not.

From the surest to the least: the header of an installed model, the header of a listed tag that was looked at
before, the size that Ollama's library lists, and a size assumed from the parameters. Nobody is asked over the
network. An estimate is marked as one wherever it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kdmgr.catalog.tasks import chats
from kdmgr.fit.options import DEFAULT_CONTEXT, MARGIN
from kdmgr.fit.plan import FitReport, Speed, Verdict
from kdmgr.services.measured import measured_speed
from kdmgr.units import KIB, MIB, format_bytes, format_speed

if TYPE_CHECKING:
    from kdmgr.catalog.students import OllamaTag, Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.app import Services
    from kdmgr.services.finding import FoundModel
    from kdmgr.services.rows import ModelRow

CACHE_AT_1B = 48 * KIB
"""Bytes of an f16 cache per token for 1B parameters; it grows with the square root, within a factor of two for
models with grouped heads (and is three times as much for the few without)."""
SCRATCH = 768 * MIB
"""For compute buffers and the driver's context, about."""
BITS_Q4_K_M = 4.9
"""Per weight, about, in a file of the quant that most pull."""


class Basis(StrEnum):
    """What a figure follows from."""

    INSTALLED = "installed"
    """Planned from the header of an installed model."""
    HEADER = "header"
    """Planned from the header of a published tag, read before."""
    LISTED = "listed"
    """Estimated from the size that the library lists."""
    ASSUMED = "assumed"
    """Estimated from the number of parameters, at 4.9 bits each."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SizedStudent:
    """A student and what it would take. Bytes; None is unknown."""

    student: Student
    basis: Basis
    words: str
    """Of what, and from what: a phrase."""
    size_bytes: int | None
    """Of the file."""
    n_ctx: int | None
    """What it was sized for; None without a machine."""
    memory_bytes: int | None
    """With cache and scratch memory at `n_ctx`."""
    verdict: Verdict
    speed: Speed | None
    installed: tuple[str, ...] = ()
    """Names of installed models that surely are this student itself."""
    pull: str | None = None
    """What `kdmgr pull` takes; None when nothing is listed."""
    report: FitReport | None = None
    """The plan, where there is one."""

    @property
    def planned(self) -> bool:
        """Whether the figures are of a plan, and not estimated."""
        return self.report is not None


class Sizer:
    """Sizes students for one machine and one set of options. Without a machine only files have a size."""

    def __init__(self, services: Services, machine: Machine | None, options: RunOptions) -> None:
        self._services = services
        self._machine = machine
        self._options = options
        self._rows = _installed_by_student(services)
        self._has_copies = services.paths.copies.exists()

    def size(self, student: Student) -> SizedStudent:
        """The surest answer that can be had without asking anybody."""
        rows = self._rows.get(student.id, ())
        names = tuple(row.name for row in rows)
        machine, options = self._machine, self._options
        if machine is None:
            sized = size_file(student, rows)
        else:
            sized = self._plan(student, rows, machine) or estimate(student, machine, options)
        return replace(sized, installed=names, pull=pull_name(student))

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
            sized = replace(sized, basis=Basis.UNKNOWN, words=words, verdict=Verdict.UNKNOWN, report=None)
        return replace(sized, pull=name)

    def _plan(self, student: Student, rows: tuple[ModelRow, ...], machine: Machine) -> SizedStudent | None:
        from kdmgr.errors import KdmgrError

        for row in rows:
            try:
                found = self._services.find(row.ref) if row.ref else None
                if found is not None:
                    words = f"planned for {row.name}, installed"
                    return self._planned(student, found, machine, Basis.INSTALLED, words)
            except KdmgrError:
                # A damaged copy says nothing; `fit` tells what is wrong with it.
                continue
        for tag in student.ollama if self._has_copies else ():
            found = self._look_up(tag)
            if found is not None:
                words = f"planned from the header of {tag.tag}, read before"
                return self._planned(student, found, machine, Basis.HEADER, words)
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
            size_bytes=found.size_bytes,
            n_ctx=report.options.n_ctx,
            memory_bytes=total.total if total.total is not None else total.known,
            verdict=report.verdict,
            speed=measured or report.speed,
            report=report,
        )


def size_file(student: Student, rows: tuple[ModelRow, ...] = ()) -> SizedStudent:
    """The size of the file alone: of the installed one, else as listed."""
    size, basis, words = _guess_size(student)
    if rows and rows[0].size_bytes is not None:
        size, basis, words = rows[0].size_bytes, Basis.INSTALLED, f"of {rows[0].name}, installed"
    return SizedStudent(student, basis, words, size, None, None, Verdict.UNKNOWN, None)


def estimate(student: Student, machine: Machine, options: RunOptions) -> SizedStudent:
    """What can be said without a header: the size, a cache by a rule of thumb, and so a verdict that is a guess."""
    size, basis, words = _guess_size(student)
    n_ctx = min(options.n_ctx or DEFAULT_CONTEXT, student.context_length or 1 << 62)
    need = None if size is None else size + _guess_cache(student, n_ctx) + SCRATCH
    verdict = _guess_verdict(need, machine)
    # What is read from two places, or from none, is bound by neither.
    whole = verdict in (Verdict.FITS, Verdict.TIGHT, Verdict.CPU)
    return SizedStudent(
        student=student,
        basis=basis,
        words=words,
        size_bytes=size,
        n_ctx=n_ctx,
        memory_bytes=need,
        verdict=verdict,
        speed=_bound_speed(student, size, machine) if whole else None,
    )


def pull_name(student: Student) -> str | None:
    """The name to pull it by: its first listed tag, else a repository with GGUF files."""
    if student.ollama:
        return student.ollama[0].tag
    return f"hf.co/{student.gguf_repos[0]}" if student.gguf_repos else None


def _installed_by_student(services: Services) -> dict[str, tuple[ModelRow, ...]]:
    """Those that surely are the student: a weak match may be its base, or what a tag points to by now."""
    from kdmgr.catalog.match import Certainty

    found: dict[str, tuple[ModelRow, ...]] = {}
    for row in services.installed_rows():
        if row.match and row.match.relation == "itself" and row.match.certainty is not Certainty.WEAK:
            key = row.match.student.id
            found[key] = (*found.get(key, ()), row)
    return found


def _guess_size(student: Student) -> tuple[int | None, Basis, str]:
    for tag in student.ollama:
        if tag.size_bytes is not None:
            return tag.size_bytes, Basis.LISTED, f"estimated from the size listed for {tag.tag}"
    if student.parameters is not None:
        size = int(student.parameters * BITS_Q4_K_M / 8)
        return size, Basis.ASSUMED, f"estimated as a Q4_K_M of {student.parameters / 1e9:.3g}B parameters"
    return None, Basis.UNKNOWN, "no size is known"


def _guess_cache(student: Student, n_ctx: int) -> int:
    if student.modality in ("text-embedding", "text-encoder"):
        return 0
    billions = (student.parameters or 8_000_000_000) / 1e9
    return int(CACHE_AT_1B * n_ctx * max(billions, 0.1) ** 0.5)


def _guess_verdict(need: int | None, machine: Machine) -> Verdict:
    host = machine.host.available_bytes
    if need is None or not machine.devices_known:
        return Verdict.UNKNOWN
    if not machine.devices:
        if host is None:
            return Verdict.UNKNOWN
        return Verdict.CPU if need <= host else Verdict.TOO_BIG
    room = sum(device.free_bytes for device in machine.devices)
    if need <= room:
        return Verdict.FITS if need + MARGIN * len(machine.devices) <= room else Verdict.TIGHT
    if host is None:
        return Verdict.UNKNOWN
    return Verdict.PARTIAL if need <= room + host else Verdict.TOO_BIG


def _bound_speed(student: Student, size: int | None, machine: Machine) -> Speed | None:
    """No faster than the weights of one token can be read."""
    known = [device.bandwidth for device in machine.devices] or [machine.host.bandwidth]
    if size is None or not known or None in known or not chats(student):
        return None
    share = (student.active_parameters or 1) / (student.parameters or 1) if student.active_parameters else 1.0
    bandwidth = min(value for value in known if value is not None)
    basis = f"reading {format_bytes(int(size * share))} a token at {format_speed(bandwidth)}"
    return Speed(None, None, bandwidth / (size * share), basis, "bound")
