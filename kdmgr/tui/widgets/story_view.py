"""The folds of the panel that tell of a student: its quants, its lineage, what it kept, and its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    def __init__(self) -> None:
        super().__init__()
        self.quants = QuantView()
        self.lineage = Facts(label_width=_LABEL, id="story-lineage")
        self.kept = RetentionView()
        self.teacher = Facts(label_width=0, id="story-teacher")
        self._folds = {
            "quants": Fold("quants", self.quants, id="fold-quants"),
            "lineage": Fold("lineage", self.lineage, id="fold-lineage"),
            "kept": Fold("kept of the teacher's scores", self.kept, id="fold-kept"),
            "teacher": Fold("the teacher instead", self.teacher, id="fold-teacher"),
        }

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
        for name, fold in self._folds.items():
            fold.display = found[name]
        if story is not None and not self.children:
            self.mount(*self._folds.values())  # with the first story: the screen is there before any


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
