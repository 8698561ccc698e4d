"""The teacher beside its student: what it would take to run the one who taught, and why that may not be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.catalog.teachers import MODEL, SELF, UNNAMED, TeacherFacts, find_teachers
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport, Speed, Verdict
from kdmgr.units import format_bytes, format_count, format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.shapes import SourcedShape
    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.plan import MemoryPlan

QUANT = "Q4_K_M"
"""What Ollama's library gives by default, and so what a teacher is compared at."""
SMALL_QUANT = "F16"
"""Of models below a billion parameters, which are not quantised as a rule."""
WELL_KNOWN = ("H100 80GB HBM3", "H100 80GB")
"""A card of the table that many can rent, and its name for people."""
_SMALL = 10**9
_CARDS_OF_ONE = 3
"""What needs more of the well-known card than this fits no single card of the table."""


@dataclass(frozen=True, slots=True)
class TeacherFit:
    """What running the teacher would take. Sizes in bytes."""

    name: str
    facts: TeacherFacts | None
    """None for a teacher that no line of the catalog describes."""
    verdict: Verdict
    """On the machine that was planned for."""
    basis: str
    """What the figures follow from, or why there are none."""
    quant: str | None = None
    n_ctx: int | None = None
    memory: int | None = None
    is_estimate: bool = False
    """Whether `memory` is no more than an estimate of the weights."""
    speed: Speed | None = None
    """On that machine, where it would run there."""
    cards: int | None = None
    """How many of the well-known card hold it."""
    smallest_card: str | None = None
    """The smallest single card of the table that holds it."""

    @property
    def machines(self) -> str | None:
        """`6 × H100 80GB`; None where no number can be told."""
        return None if self.cards is None else f"{self.cards} × {WELL_KNOWN[1]}"


def fit_teacher(student: Student, machine: Machine, options: RunOptions) -> TeacherFit:
    """The first teacher of `student` on `machine`, with the context and cache of `options`."""
    found = find_teachers(student)
    if found:
        return fit_facts(found[0], machine, options)
    teacher = student.lineage.teacher
    return TeacherFit(teacher.name, None, Verdict.UNKNOWN, "nothing more is known of this teacher")


def fit_facts(facts: TeacherFacts, machine: Machine, options: RunOptions) -> TeacherFit:
    """One teacher on `machine`: by its published shape, else by its parameters, else why not."""
    if facts.kind in (SELF, UNNAMED) or not facts.is_open:
        return TeacherFit(facts.name, facts, Verdict.UNKNOWN, _why_not(facts))
    from kdmgr.catalog.shapes import find_shape

    quant = SMALL_QUANT if facts.parameters is not None and facts.parameters < _SMALL else QUANT
    found = find_shape(facts.hf_repo)
    if found is not None:
        return _plan(facts, found, quant, machine, options)
    if facts.parameters is not None:
        return _estimate(facts, facts.parameters, quant, machine, options)
    return TeacherFit(facts.name, facts, Verdict.UNKNOWN, "neither its shape nor its size is known")


def options_of(report: FitReport) -> RunOptions:
    """Options that ask of the teacher what was asked of the student: the same context, cache and slots."""
    asked = report.options
    build = None if asked.engine_build.estimates else asked.engine_build
    return RunOptions(
        n_ctx=asked.n_ctx,
        n_parallel=asked.n_parallel,
        type_k=asked.type_k,
        type_v=asked.type_v,
        engine_build=build,
        margin_bytes=asked.margin_bytes,
    )


def describe_teacher(fit: TeacherFit, student: FitReport | None = None) -> str:
    """What the teacher takes, and `student` beside it: `379.87 GiB at Q4_K_M with 32k, too big here, 6 × H100 80GB`."""
    if fit.memory is None:
        return fit.basis if fit.facts and fit.facts.kind != MODEL else f"{fit.name}: {fit.basis}"
    parameters = format_parameters(fit.facts.parameters if fit.facts else None)
    size = f"{format_bytes(fit.memory)} at {fit.quant} with {format_count(fit.n_ctx)}"
    if fit.is_estimate:
        size = f"about {format_bytes(fit.memory)} at {fit.quant} for the weights alone ({fit.basis})"
    beside = f"; this student: {_size_of(student)}, {student.verdict.value}" if student else ""
    return f"{fit.name} ({parameters}): {size}, {_here(fit)}{_needs(fit)}{beside}"


def _size_of(report: FitReport) -> str:
    parts = report.plan.components
    return format_bytes(parts.total) if parts.total is not None else f"at least {format_bytes(parts.known)}"


def _needs(fit: TeacherFit) -> str:
    if fit.smallest_card:
        return f", one {fit.smallest_card} holds it"
    return f", {fit.machines}" if fit.cards and (fit.cards > 1 or not fit.is_estimate) else ""


def _here(fit: TeacherFit) -> str:
    from kdmgr.services.wording import short_speed

    if fit.verdict is Verdict.UNKNOWN:
        return "whether it runs here is unknown"
    speed = f" at {short_speed(fit.speed)} tok/s" if fit.speed and fit.speed.words is None else ""
    return f"{fit.verdict.value} here{speed}"


def _why_not(facts: TeacherFacts) -> str:
    if facts.kind == SELF:
        return "no larger model to compare with"
    if facts.kind == UNNAMED:
        return "its makers name no teacher"
    if facts.is_open is None:
        return "whether its weights can be had is not known"
    return "closed: its weights cannot be had"


def _plan(facts: TeacherFacts, found: SourcedShape, quant: str, machine: Machine, options: RunOptions) -> TeacherFit:
    from kdmgr.fit.brief import Brief, assess_briefly, exceeds
    from kdmgr.fit.solve import fewest_devices, whole_on
    from kdmgr.gguf.published import read_published
    from kdmgr.hardware.declared import declare_device
    from kdmgr.hardware.table import find_card

    shape = read_published(found.shape, quant)
    limit = found.shape.n_ctx_train
    asked = replace(options, n_ctx=min(options.n_ctx or limit, limit))
    card = declare_device(find_card(WELL_KNOWN[0]))
    whole = whole_on(shape, machine, asked, card)
    # What exceeds all of the memory is not laid out first.
    too_big = exceeds(shape.weights.total, machine)
    here = Brief(Verdict.TOO_BIG, "", asked.n_ctx) if too_big else assess_briefly(shape, machine, asked)
    cards = fewest_devices(shape, asked, card, whole)
    return TeacherFit(
        name=facts.name,
        facts=facts,
        verdict=here.verdict,
        basis="by its published shape",
        quant=quant,
        n_ctx=asked.n_ctx,
        memory=whole.components.total,
        speed=here.speed,
        cards=cards,
        smallest_card=_smallest_card(whole, asked) if cards and cards <= _CARDS_OF_ONE else None,
    )


def _smallest_card(whole: MemoryPlan, options: RunOptions) -> str | None:
    from kdmgr.fit.solve import smallest_holding
    from kdmgr.hardware.declared import declare_device
    from kdmgr.hardware.table import desktop_cards

    card = smallest_holding(whole, options, [declare_device(card) for card in desktop_cards()])
    return None if card is None else f"{card.name.removeprefix('NVIDIA ')} with {format_bytes(card.total_bytes)}"


def _estimate(facts: TeacherFacts, parameters: int, quant: str, machine: Machine, options: RunOptions) -> TeacherFit:
    """The weights alone, by parameters and bits: what else it takes, nobody can tell without its shape."""
    from kdmgr.fit.brief import exceeds
    from kdmgr.gguf.quantising import bits_per_weight
    from kdmgr.hardware.table import find_card

    bits = bits_per_weight(quant)
    weights = int(parameters * bits / 8)
    room = find_card(WELL_KNOWN[0]).memory_bytes - options.margin_bytes
    return TeacherFit(
        name=facts.name,
        facts=facts,
        verdict=Verdict.TOO_BIG if exceeds(weights, machine) else Verdict.UNKNOWN,
        basis=f"estimated: {format_parameters(parameters)} parameters × {bits:.1f} bits",
        quant=quant,
        memory=weights,
        is_estimate=True,
        cards=-(-weights // room),
    )
