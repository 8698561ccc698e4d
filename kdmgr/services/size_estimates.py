"""What a student takes where neither a header nor a published shape is at hand: rules of thumb, marked as such."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kdmgr.catalog.tasks import chats
from kdmgr.fit.options import DEFAULT_CONTEXT, MARGIN
from kdmgr.fit.plan import FitReport, Speed, Verdict
from kdmgr.gguf.quantising import bits_per_weight
from kdmgr.refs import find_quant
from kdmgr.units import KIB, MIB, format_bytes, format_parameters, format_speed

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.rows import ModelRow

QUANT = "Q4_K_M"
"""The quant that most pull, where none is asked for or listed."""
CACHE_AT_1B = 48 * KIB
"""Bytes of an f16 cache per token for 1B parameters; it grows with the square root, within a factor of two for
models with grouped heads (and is three times as much for the few without)."""
SCRATCH = 768 * MIB
"""For compute buffers and the driver's context, about."""


class Basis(StrEnum):
    """What a figure follows from, the surest first."""

    INSTALLED = "installed"
    """Planned from the header of an installed model."""
    HEADER = "header"
    """Planned from the header of a published file."""
    SHAPE = "shape"
    """Planned from the hyper-parameters that its makers published, at the usual mix of a quant."""
    LISTED = "listed"
    """Estimated from the size that the library lists."""
    ASSUMED = "assumed"
    """Estimated from the number of parameters."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SizedStudent:
    """A student and what it would take. Bytes; None is unknown."""

    student: Student
    basis: Basis
    words: str
    """Of what, and from what: a phrase."""
    quant: str | None
    size_bytes: int | None
    """Of the file."""
    n_ctx: int | None
    """What it was sized for; None without a machine."""
    memory_bytes: int | None
    """With cache and scratch memory at `n_ctx`."""
    verdict: Verdict
    reason: str
    """Of the verdict, in words."""
    speed: Speed | None
    installed: tuple[str, ...] = ()
    """Names of installed models that surely are this student itself."""
    pull: str | None = None
    """What `kdmgr pull` takes; None when nothing is listed."""
    report: FitReport | None = None
    """The whole plan, where there is one."""
    shape: ModelShape | None = None
    """As published, where it was planned briefly from that."""

    @property
    def read(self) -> bool:
        """Whether a file's own header was read."""
        return self.basis in (Basis.INSTALLED, Basis.HEADER)

    @property
    def planned(self) -> bool:
        """Whether the figures are of a plan, and not estimated."""
        return self.read or self.basis is Basis.SHAPE


def size_file(student: Student, rows: tuple[ModelRow, ...] = ()) -> SizedStudent:
    """The size of the file alone: of the installed one, else as listed."""
    size, quant, basis, words = guess_size(student)
    if rows and rows[0].size_bytes is not None:
        row = rows[0]
        size, quant, basis, words = row.size_bytes, row.quant, Basis.INSTALLED, f"of {row.name}, installed"
    return SizedStudent(student, basis, words, quant, size, None, None, Verdict.UNKNOWN, "no machine is named", None)


def estimate(student: Student, machine: Machine, options: RunOptions, quant: str | None = None) -> SizedStudent:
    """What can be said without a header: the size, a cache by a rule of thumb, and so a verdict that is a guess."""
    size, quant, basis, words = guess_size(student, quant)
    n_ctx = min(options.n_ctx or DEFAULT_CONTEXT, student.context_length or 1 << 62)
    need = None if size is None else size + _guess_cache(student, n_ctx) + SCRATCH
    verdict = _guess_verdict(need, machine)
    # What is read from two places, or from none, is bound by neither.
    whole = verdict in (Verdict.FITS, Verdict.TIGHT, Verdict.CPU)
    return SizedStudent(
        student=student,
        basis=basis,
        words=words,
        quant=quant,
        size_bytes=size,
        n_ctx=n_ctx,
        memory_bytes=need,
        verdict=verdict,
        reason=words if need is None else f"about {format_bytes(need)}, {words}",
        speed=_bound_speed(student, size, machine) if whole else None,
    )


def guess_size(student: Student, quant: str | None = None) -> tuple[int | None, str | None, Basis, str]:
    """Size of a file, its quant, and how that is known: of the first listed tag unless a quant is asked for."""
    for tag in student.ollama if quant is None else ():
        if tag.size_bytes is not None:
            words = f"estimated from the size listed for {tag.tag}"
            return tag.size_bytes, find_quant(tag.tag), Basis.LISTED, words
    if student.parameters is None:
        return None, quant, Basis.UNKNOWN, "neither shape nor size is known"
    quant = quant or QUANT
    bits = bits_per_weight(quant)
    words = f"estimated as {format_parameters(student.parameters)} parameters of {bits:.1f} bits ({quant})"
    return int(student.parameters * bits / 8), quant, Basis.ASSUMED, words


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
    active, all_of_them = student.active_parameters, student.parameters
    share = active / all_of_them if active and all_of_them else 1.0
    bandwidth = min(value for value in known if value is not None)
    basis = f"reading {format_bytes(int(size * share))} a token at {format_speed(bandwidth)}"
    return Speed(None, None, bandwidth / (size * share), basis, "bound")
