"""Which of the rows are shown, and in what order: the filter, the sort keys and the facets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import getters, on
from textual.widgets import Input

from kdmgr.tui.facet_words import Option, list_options
from kdmgr.tui.messages import StateChanged
from kdmgr.tui.screens.leading import LeadingScreen
from kdmgr.tui.students_state import view_values
from kdmgr.tui.views import SORTS, View
from kdmgr.tui.widgets.facet_bar import FacetBar
from kdmgr.tui.widgets.filter_input import FilterInput
from kdmgr.tui.widgets.student_table import StudentTable

if TYPE_CHECKING:
    from kdmgr.services.facets import Facet


class NarrowingScreen(LeadingScreen):
    """Every change of the view is shown at once, and remembered."""

    filter_input = getters.query_one(FilterInput)
    facet_bar = getters.query_one(FacetBar)

    def action_filter(self) -> None:
        """Type to filter."""
        self.filter_input.open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self.let_rest()
        self.set_view(replace(self.view, query=event.value))

    @on(FilterInput.Left)
    def _leave_filter(self, message: FilterInput.Left) -> None:
        if message.by_enter and self.finds_nothing:
            self.action_search_hub()
        else:
            self.set_focus(self.table if self.table.display else None)

    @property
    def finds_nothing(self) -> bool:
        """Whether the models of this machine are known, and none is what the filter asks for."""
        return bool(self.words_for_hub) and "disk" in self._places and not self.table.row_count

    @property
    def words_for_hub(self) -> str:
        """What the table is filtered by."""
        return self.view.query.strip()

    def action_clear_filter(self) -> None:
        """Select none; when none is, show all again."""
        if not self.table.clear_marks():
            self.filter_input.action_clear()
            self.set_view(self.view.show_all())

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.set_view(self.view.next_sort())

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self.set_view(self.view.sort_by(self.view.sort))

    def action_installed_only(self) -> None:
        """Hide the students that are not installed, or show them again."""
        self.set_view(replace(self.view, installed_only=not self.view.installed_only))

    @on(StudentTable.SortAsked)
    def _sort_by(self, message: StudentTable.SortAsked) -> None:
        if message.column in SORTS:
            self.set_view(self.view.sort_by(message.column))

    def action_facets(self) -> None:
        """Choose what to show."""
        from kdmgr.tui.screens.facets import FacetsScreen

        self.app.push_screen(FacetsScreen(self._list_facets, self._toggle_facet))

    def _list_facets(self) -> list[Option]:
        return list_options(self.arranged.count_facets(self.view), self.view)

    def _toggle_facet(self, facet: Facet | None) -> None:
        if facet is None:
            self.set_view(replace(self.view, facets=frozenset(), installed_only=False))
        else:
            self.set_view(self.view.toggle(facet))

    @on(FacetBar.Toggled)
    def _toggle_chip(self, message: FacetBar.Toggled) -> None:
        if message.facet is None:
            self.action_installed_only()
        else:
            self._toggle_facet(message.facet)

    @on(FacetBar.MoreAsked)
    def _open_facets(self) -> None:
        self.action_facets()

    def set_view(self, view: View) -> None:
        """Show these rows, in this order, and keep that."""
        narrowed = (view.facets, view.installed_only) != (self.view.facets, self.view.installed_only)
        self.view = view
        self.post_message(StateChanged("students", view_values(view)))
        self.show_rows()
        if narrowed:
            self.show_facets()

    def show_facets(self) -> None:
        """What narrows the table, and how many would fit."""
        self.facet_bar.show(self.view, self.arranged.count_fits(self.view))
