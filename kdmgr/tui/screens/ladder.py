"""The ladder of a teacher: all its students by size, what each kept, and the highest that runs here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from kdmgr.errors import KdmgrError
from kdmgr.tui.binding_ids import identify
from kdmgr.tui.ladder_words import describe_rung, describe_title, draw_head, draw_rung
from kdmgr.tui.messages_students import LadderBuilt
from kdmgr.tui.widgets.cache_picker import CachePicker, next_cache_type
from kdmgr.tui.widgets.context_slider import ContextSlider, step_from
from kdmgr.tui.widgets.drawn import MUTED
from kdmgr.tui.widgets.key_line import KeyLine
from kdmgr.tui.widgets.top_line import TopLine
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.teacher_ladder import Rung, TeacherLadder
    from kdmgr.tui.ports import AppServices


class LadderScreen(Screen[str]):
    """Dismissed with the id of the student to go to."""

    CSS_PATH = "ladder.tcss"
    BINDINGS: ClassVar[list[BindingType]] = identify(
        "ladder",
        [
            Binding("enter", "open", "show the student", tooltip="Go to the student in the table"),
            Binding("j", "move(1)", "next", show=False, id="ladder.next"),
            Binding("k", "move(-1)", "previous", show=False, id="ladder.previous"),
            Binding(
                "left,left_square_bracket",
                "context(-1)",
                "less context",
                key_display="←",
                show=False,
                id="ladder.less_context",
            ),
            Binding(
                "right,right_square_bracket",
                "context(1)",
                "context",
                key_display="←→",
                tooltip="More context",
                id="ladder.more_context",
            ),
            Binding("v", "cache_type", "KV", tooltip="The next type of KV cache: f16, q8_0, q4_0"),
            Binding("escape", "leave", "back", tooltip="Back to the table"),
            Binding("question_mark", "app.help", "help", key_display="?", tooltip="All keys"),
        ],
    )

    top_line = getters.query_one(TopLine)
    head = getters.query_one("#ladder-head", Static)
    columns = getters.query_one("#ladder-columns", Static)
    rungs = getters.query_one("#rungs", OptionList)
    about = getters.query_one("#ladder-about", Static)

    def __init__(self, services: AppServices, text: str, options: RunOptions, machine: Machine | None) -> None:
        """`text` names a teacher, or a student of it; `machine` is named at the top."""
        super().__init__()
        self.services = services
        self.options = options
        self.ladder: TeacherLadder | None = None
        self._text = text
        self._machine = machine
        self._version = 0

    def compose(self) -> ComposeResult:
        """The teacher, the question, the rungs, and what is to be said of the one under the cursor."""
        yield TopLine("students")
        with Vertical(id="ladder"):
            yield Static("climbing the ladder …", id="ladder-head", markup=False)
            yield ContextSlider()
            yield CachePicker()
            yield Static(id="ladder-columns", markup=False)
            yield OptionList(id="rungs", markup=False)
            yield Static(id="ladder-about", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Painted at once; computed in a worker."""
        self.query_one("#ladder").border_title = Content(one_line(f"ladder of {self._text}"))
        if self._machine is not None:
            self.top_line.show(self._machine)
        self.rungs.focus()
        self._show_question()
        self.call_after_refresh(self._build_anew)

    def on_resize(self) -> None:
        """The rungs have another width."""
        if self.ladder is not None:
            self.call_after_refresh(self._fill)

    @work(thread=True, exclusive=True, group="ladder")
    def build(self, version: int, options: RunOptions) -> None:
        """Plan every rung."""
        try:
            ladder = self.services.student_desk.build_ladder(self._text, options)
        except KdmgrError as error:
            self.post_message(LadderBuilt(version, None, error))
        else:
            self.post_message(LadderBuilt(version, ladder))

    @on(LadderBuilt)
    def _take_ladder(self, message: LadderBuilt) -> None:
        if message.version != self._version:
            return
        self.ladder = message.ladder
        if message.ladder is None:
            error = message.error
            hint = f"\n{one_line(error.hint)}" if error and error.hint else ""
            self.head.update(Content(f"{one_line(error.message if error else 'nothing is known')}{hint}"))
            return
        self.query_one("#ladder").border_title = Content(describe_title(message.ladder))
        self._fill()

    def _fill(self) -> None:
        """Head and rungs; the cursor stays on its student, and begins on the highest that runs."""
        ladder = self.ladder
        if ladder is None:
            return
        kept = self._selected
        width = self.rungs.scrollable_content_region.width
        self.head.update(Content("\n").join(draw_head(ladder)))
        self.columns.update(draw_rung(None, ladder, width))
        self.rungs.clear_options()
        self.rungs.add_options([Option(draw_rung(rung, ladder, width), id=rung.student.id) for rung in ladder.rungs])
        wanted = kept or (ladder.highest.student.id if ladder.highest else None)
        at = next((at for at, rung in enumerate(ladder.rungs) if rung.student.id == wanted), 0)
        self.rungs.highlighted = at if ladder.rungs else None
        # The list knows its room only after it has been laid out with the other lines.
        self.call_after_refresh(self.rungs.scroll_to_highlight)
        self._show_question()
        self._show_about()

    @property
    def _selected(self) -> str | None:
        at = self.rungs.highlighted
        return self.rungs.get_option_at_index(at).id if at is not None and self.rungs.option_count else None

    @on(OptionList.OptionHighlighted)
    def _show_about(self) -> None:
        rung = self._find(self._selected)
        if rung is not None and self.ladder is not None:
            self.about.update(Content.styled(describe_rung(rung, self.ladder), MUTED))

    @on(OptionList.OptionSelected)
    def _open_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "")

    def action_open(self) -> None:
        """Go to the student in the table."""
        self.rungs.action_select()

    def action_leave(self) -> None:
        """Back, with nothing chosen."""
        self.dismiss("")

    def action_move(self, by: int) -> None:
        """As the arrows do."""
        if by > 0:
            self.rungs.action_cursor_down()
        else:
            self.rungs.action_cursor_up()

    def action_context(self, by: int) -> None:
        """One step more or less context, for all rungs."""
        if self.ladder is not None:
            self._ask(step_from(self.ladder.n_ctx, by, None), self.options.type_k)

    def action_cache_type(self) -> None:
        """The next type of KV cache, for all rungs."""
        self._ask(self.options.n_ctx, next_cache_type(self.options.type_k))

    @on(ContextSlider.Moved)
    def _move_context(self, message: ContextSlider.Moved) -> None:
        self._ask(message.n_ctx, self.options.type_k)

    @on(CachePicker.Picked)
    def _pick_cache_type(self, message: CachePicker.Picked) -> None:
        self._ask(self.options.n_ctx, message.cache_type)

    def _ask(self, n_ctx: int | None, cache_type: str) -> None:
        self.options = replace(self.options, n_ctx=n_ctx, type_k=cache_type, type_v=cache_type)
        if self.ladder is not None and n_ctx is not None:
            self.ladder = replace(self.ladder, n_ctx=n_ctx)
        self._show_question()
        self._build_anew()

    def _build_anew(self) -> None:
        self._version += 1
        self.build(self._version, self.options)

    def _show_question(self) -> None:
        n_ctx = self.ladder.n_ctx if self.ladder is not None else self.options.n_ctx
        self.query_one(ContextSlider).show(n_ctx, None, None)
        self.query_one(CachePicker).show(self.options.type_k)

    def _find(self, student: str | None) -> Rung | None:
        rungs = self.ladder.rungs if self.ladder is not None else ()
        return next((rung for rung in rungs if rung.student.id == student), None)
