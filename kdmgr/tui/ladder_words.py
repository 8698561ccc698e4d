"""A teacher's ladder in lines: the rungs' cells, and what is to be said of one. Pure, and safe to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content

from kdmgr.services.teachers import describe_teacher
from kdmgr.services.wording import MARKS, short_speed
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.words import COLORS, one_line
from kdmgr.units import format_bytes, format_parameters

if TYPE_CHECKING:
    from kdmgr.services.teacher_ladder import Rung, TeacherLadder


class _Cell(NamedTuple):
    key: str
    label: str
    width: int
    right: bool
    need: int


_CELLS = (
    _Cell("size", "size", 6, True, 1),
    _Cell("name", "student", 26, False, 0),
    _Cell("kept", "kept", 5, True, 4),
    _Cell("memory", "memory", 11, True, 2),
    _Cell("fit", "fit", 9, False, 0),
    _Cell("speed", "tok/s", 5, True, 3),
    _Cell("method", "method", 17, False, 6),
    _Cell("base", "made from", 20, False, 7),
    _Cell("licence", "licence", 14, False, 8),
)
_MARK = 2


def describe_title(ladder: TeacherLadder) -> str:
    """Whose ladder it is, and how many stand on it."""
    name = ladder.asked if ladder.by_family or not ladder.teachers else ladder.teachers[0].name
    return one_line(f"ladder of {name} · {len(ladder.rungs)} students")


def draw_head(ladder: TeacherLadder) -> list[Content]:
    """The teachers, the highest rung, and by what retention goes."""
    lines = [Content(one_line(describe_teacher(teacher))) for teacher in ladder.teachers]
    if ladder.highest is None:
        lines.append(Content.styled("none of these is known to run here", "$warning"))
    else:
        lines.append(Content.styled(one_line(f"▶ the highest that runs here: {ladder.highest.student.name}"), "bold"))
    by = f"kept: of the teacher's score in {ladder.benchmark}" if ladder.benchmark else "no score to hold them against"
    return [*lines, Content.styled(one_line(f"{by} · ~ estimated"), MUTED)]


def draw_rung(rung: Rung | None, ladder: TeacherLadder, width: int) -> Content:
    """One line, as far as there is room; None gives the heads of the columns."""
    cells = _choose_cells(width)
    if rung is None:
        heads = [_fit(Content.styled(cell.label, MUTED), cell) for cell in cells]
        return Content.assemble(" " * _MARK, Content(" ").join(heads))
    texts = _texts(rung)
    styles = {"fit": f"${COLORS[rung.size.verdict]}", "method": MUTED, "base": MUTED, "licence": MUTED}
    drawn = [_fit(Content.styled(one_line(texts[cell.key]), styles.get(cell.key, "")), cell) for cell in cells]
    line = Content.assemble(_mark(rung, ladder), Content(" ").join(drawn))
    return line.stylize("bold") if rung is ladder.highest else line


def _choose_cells(width: int) -> list[_Cell]:
    """Those that there is room for; names take what is left, then what they were made from."""
    cells = list(_CELLS)
    while len(cells) > 2 and _MARK + sum(cell.width + 1 for cell in cells) > width:
        cells.remove(max(cells, key=lambda cell: cell.need))
    spare = max(width - _MARK - sum(cell.width + 1 for cell in cells), 0)
    for key, most in (("name", 40), ("base", 34)):
        at = next((at for at, cell in enumerate(cells) if cell.key == key), None)
        if at is not None:
            more = min(spare, most - cells[at].width)
            cells[at], spare = cells[at]._replace(width=cells[at].width + more), spare - more
    return cells


def describe_rung(rung: Rung, ladder: TeacherLadder) -> str:
    """What does not stand in the line: why, on whose word, from what, and what its figures follow from."""
    student, size = rung.student, rung.size
    made_from = " ← ".join(link.base.name for link in rung.chain)
    kept = "" if rung.retention is None else rung.retention.why_no_share or ""
    first = " · ".join(filter(None, (f"{size.verdict.value}: {size.reason}", size.words)))
    second = (
        f"{student.lineage.method} ({student.lineage.standing})",
        f"from {made_from}" if made_from else "",
        student.licence or "licence not known",
        f"kept: {kept}" if kept else "",
    )
    return f"{one_line(first)}\n{one_line(' · '.join(filter(None, second)))}"


def _texts(rung: Rung) -> dict[str, str]:
    student, size = rung.student, rung.size
    share = rung.retention.share if rung.retention else None
    return {
        "size": format_parameters(student.parameters),
        "name": f"{'↳ ' if rung.is_inherited else ''}{student.name}",
        "kept": "–" if share is None else f"{share:.0%}",
        "memory": f"{'~' if not size.planned else ''}{format_bytes(size.memory_bytes)}",
        "fit": f"{MARKS[size.verdict]} {'' if size.planned else '~'}{size.verdict.value}",
        "speed": short_speed(size.speed),
        "method": student.lineage.method,
        "base": rung.chain[0].base.name if rung.chain else "–",
        "licence": student.licence or "?",
    }


def _mark(rung: Rung, ladder: TeacherLadder) -> str:
    if rung is ladder.highest:
        return "▶ "
    return "• " if ladder.asked_student is not None and rung.student.id == ladder.asked_student.id else "  "


def _fit(content: Content, cell: _Cell) -> Content:
    content = content.truncate(cell.width, ellipsis=True)
    gap = cell.width - content.cell_length
    return content.pad_left(gap) if cell.right else content.pad_right(gap)
