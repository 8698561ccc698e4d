"""What the search of the Hub says: its rows, its states, and what is known of one repository. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.errors import KdmgrError
from kdmgr.fit.plan import Verdict
from kdmgr.services.discovery import DEFAULT_WORDS
from kdmgr.services.discovery_words import find_fields
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.facts import Fact
from kdmgr.tui.widgets.keyed_table import Cell, Heading, Line
from kdmgr.tui.words import COLORS, one_line
from kdmgr.units import format_bytes, format_count, format_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.services.discovery import Find
    from kdmgr.services.hub_desk import HubQuant
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.rows import Assessment
    from kdmgr.services.size_estimates import SizedStudent
    from kdmgr.tui.finds import Finds

FINDS = (
    Heading("repo", "repository", 28, grows=True),
    Heading("student", "student", 16, need=4, grows=True),
    Heading("teacher", "teacher", 12, need=2),
    Heading("parameters", "params", 6, right=True, need=3),
    Heading("quants", "quants", 6, right=True, need=6),
    Heading("downloads", "downloads", 9, right=True, need=5),
    Heading("fit", "fit", 9, need=1),
)
QUANTS = (
    Heading("quant", "quant", 10, grows=True),
    Heading("size", "size", 10, right=True),
    Heading("fit", "fit", 9),
    Heading("memory", "memory", 10, right=True, need=2),
    Heading("speed", "tok/s", 5, right=True, need=1),
)
_TONES = {"success": "success", "warning": "warning", "error": "error", "foreground-muted": "muted"}

INVITATION = (
    "Type words of a repository's name and press Enter: the Hugging Face Hub is asked then, and not before. "
    f"Without words it looks for “{DEFAULT_WORDS}”.\n\n"
    "What comes is shown with the student of the catalog that it is, its teacher, and what suggests that it was "
    "distilled. Enter pulls it."
)
_FIRST = {"note": 0, "student": 1, "suggests": 2, "claimed": 3, "": 3}
"""What is told first; below a claim stands where it was read."""
UNFITTED = "f reads the headers: which quant fits"


def find_line(find: Find, finds: Finds) -> Line:
    """A repository, and as much of it as is known."""
    entry, match = find.entry, find.match
    quants = finds.quants.get(entry.repo)
    downloads = "?" if entry.downloads is None else f"{entry.downloads:,}"
    cells = (
        Cell(entry.repo),
        Cell(match.student_words if match else "–", "" if match else "muted"),
        Cell(match.student.lineage.teacher.name if match else "?", "" if match else "muted"),
        Cell(format_parameters(entry.parameters)),
        Cell(str(len(quants)) if isinstance(quants, tuple) else "", "muted"),
        Cell(downloads),
        _fit_cell(find, finds),
    )
    return Line(entry.repo, cells)


def _fit_cell(find: Find, finds: Finds) -> Cell:
    """The quant to take once all are planned; before, what the student of the catalog would take."""
    ladder = finds.ladder(find)
    if ladder is not None:
        best = ladder.recommended
        if best is None:
            return _verdict_cell(max(ladder.rungs, key=lambda rung: rung.report.verdict is Verdict.TOO_BIG))
        return _verdict_cell(best, _label_of(best))
    sized = finds.estimate(find)
    if sized is None or sized.verdict is Verdict.UNKNOWN:
        return Cell("?", "muted")
    mark = "" if sized.planned else "~"
    return Cell(f"{MARKS[sized.verdict]} {mark}{sized.verdict.value}", _tone(sized.verdict))


def quant_lines(quants: Sequence[HubQuant], rungs: Sequence[Assessment]) -> list[Line]:
    """What can be pulled, the smallest first, each with its plan where there is one."""
    planned = {str(rung.found.ref): rung for rung in rungs if rung.found is not None}
    return [_quant_line(quant, planned.get(str(quant.ref))) for quant in quants]


def _quant_line(quant: HubQuant, rung: Assessment | None) -> Line:
    label, size = Cell(quant.label), Cell(format_bytes(quant.size))
    if rung is None:
        missing = Cell(f"{quant.missing} shards missing", "error") if quant.missing else Cell("?", "muted")
        return Line(str(quant.ref), (label, size, missing, Cell("?", "muted"), Cell("?", "muted")))
    report = rung.report
    memory = Cell(format_bytes(report.plan.components.known))
    return Line(str(quant.ref), (label, size, _verdict_cell(rung), memory, Cell(short_speed(report.speed))))


def _verdict_cell(rung: Assessment, label: str | None = None) -> Cell:
    verdict = rung.report.verdict
    return Cell(f"{MARKS[verdict]} {label or verdict.value}", _tone(verdict))


def _label_of(rung: Assessment) -> str:
    return rung.report.shape.quant or rung.report.verdict.value


def _tone(verdict: Verdict) -> str:
    return _TONES.get(COLORS[verdict], "")


def find_facts(find: Find, sized: SizedStudent | None, *, reading_card: bool = False) -> list[Fact]:
    """What is to be said of one repository, what warns first."""
    waiting = [Fact("claimed", "reading the model card …", MUTED)] if reading_card else []
    fields = sorted(find_fields(find), key=lambda field: _FIRST.get(field[0], len(_FIRST)))
    facts = [Fact(label, text, "$warning" if label == "note" else "") for label, text in fields]
    if sized is not None and sized.n_ctx is not None:
        facts.append(Fact("fit", f"{sized.verdict.value}: {sized.reason}, at context {format_count(sized.n_ctx)}"))
    return [*waiting, *facts]


def describe_title(finds: Finds | None, n_shown: int, sort: str) -> str:
    """`12 suggested, of 58 looked at · by downloads`."""
    if finds is None:
        return f"find on the Hugging Face Hub · by {sort}"
    noun = "repository" if finds.looked_at == 1 else "repositories"
    return f"{n_shown} shown, of {finds.looked_at} {noun} looked at · by {sort}"


def describe_nothing(finds: Finds, words: str) -> str:
    """Why there is no row."""
    if not finds.looked_at:
        return f"The Hub has no repository with GGUF files and “{one_line(words)}” in its name.\n\n/ asks for others."
    noun = "repository has" if finds.looked_at == 1 else "repositories have"
    return (
        f"{finds.looked_at} {noun} “{one_line(words)}” in the name, but nothing suggests a student that runs here.\n\n"
        "a shows all of them."
    )


def describe_asking(words: str, sentence: str = "") -> str:
    """While there is no answer."""
    why = f"\n{one_line(sentence)}" if sentence else ""
    return f"Asking the Hub for “{one_line(words)}” …{why}\n\nEsc stops."


def describe_failure(error: KdmgrError) -> Content:
    """Why there is no answer, and what to do."""
    hint = f"\n{one_line(error.hint)}" if error.hint else ""
    return Content.assemble((one_line(error.message), "$error"), f"{hint}\n\nr asks again.")


STOPPED = "Stopped: the answer is not waited for.\n\nr asks again."


def describe_plans(ladder: Ladder | None) -> str:
    """The title of the quants: what their figures hold for."""
    n_ctx = ladder.rungs[0].report.options.n_ctx if ladder is not None else None
    return f"quants · at context {format_count(n_ctx)}" if n_ctx is not None else "quants"


def describe_quants(quants: tuple[HubQuant, ...] | KdmgrError | None, *, reading: bool, problem: str = "") -> str:
    """The line below the quants, or in their place."""
    if reading:
        return "reading the headers …"
    if isinstance(quants, KdmgrError):
        hint = f": {quants.hint}" if quants.hint else ""
        return one_line(f"{quants.message}{hint}")
    if quants is None:
        return "looking what files it has …"
    if not quants:
        return "it holds no GGUF files"
    return one_line(problem)
