"""The folds of the panel that tell of a student: its quants, its lineage, what it kept, and its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import VerticalGroup

from kdmgr.tui.widgets.facts import Fact, Facts
from kdmgr.tui.widgets.fold import Fold
from kdmgr.tui.widgets.quant_view import QuantView
from kdmgr.tui.widgets.retention_view import RetentionView

if TYPE_CHECKING:
    from kdmgr.fit.plan import FitReport
    from kdmgr.services.student_story import StudentStory

_LABEL = 10


class StoryView(VerticalGroup):
    """Hidden while nothing is told, or where there is nothing to tell."""

    quants = getters.query_one(QuantView)
    lineage = getters.query_one("#story-lineage", Facts)
    kept = getters.query_one(RetentionView)
    teacher = getters.query_one("#story-teacher", Facts)

    def compose(self) -> ComposeResult:
        """Four folds."""
        yield Fold("quants", QuantView(), id="fold-quants")
        yield Fold("lineage", Facts(label_width=_LABEL, id="story-lineage"), id="fold-lineage")
        yield Fold("kept of the teacher's scores", RetentionView(), id="fold-kept")
        yield Fold("the teacher instead", Facts(label_width=0, id="story-teacher"), id="fold-teacher")

    def show(self, story: StudentStory | None, quant: str | None, report: FitReport | None) -> None:
        """Tell it; `quant` is that of the file at hand, `report` its plan."""
        self.visible = True
        found = {"quants": False, "lineage": False, "kept": False, "teacher": False}
        if story is not None:
            # Not before there is one to tell: the screen is drawn without.
            from kdmgr.services.lineage_words import read_retention
            from kdmgr.services.teachers import describe_teacher

            lineage = story.lineage
            self.quants.show(story.quants, story.quants_basis)
            self.lineage.show(_lineage_facts(story))
            has_gap = any(each.gap_closed is not None for each in lineage.retention)
            notes = read_retention(lineage, has_gap=has_gap, quant=quant) if lineage.retention else []
            self.kept.show(lineage.retention, notes)
            self.teacher.show([Fact("", describe_teacher(story.teacher, report))])
            found = {"quants": bool(story.quants), "lineage": True, "kept": bool(lineage.retention), "teacher": True}
        for name, is_known in found.items():
            self.query_one(f"#fold-{name}", Fold).display = is_known


def _lineage_facts(story: StudentStory) -> list[Fact]:
    from kdmgr.services.lineage_words import lineage_fields

    student = story.lineage.student
    facts = [Fact("student", f"{student.name}{', from which this model is derived' if story.is_parent else ''}")]
    published = (student.publisher or "", f"released {student.released}" if student.released else "")
    facts.append(Fact("publisher", " · ".join(filter(None, published))))
    facts.append(Fact("licence", student.licence or "not known"))
    facts += [
        Fact(label, text, "$warning" if label in _WARNED else "") for label, text in lineage_fields(story.lineage)
    ]
    facts += [Fact("sources" if not at else "", link) for at, link in enumerate(story.lineage.sources)]
    return [fact for fact in facts if fact.text]


_WARNED = ("doubts", "disputed")
