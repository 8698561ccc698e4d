"""Where the selected model leads: to a chat, a pull, its Modelfile, or a duel with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.tui.hints import describe_missing, name_to_pull
from kdmgr.tui.messages import ChatAsked
from kdmgr.tui.messages_duel import DuelAsked
from kdmgr.tui.places import HOME
from kdmgr.tui.screens.acting import ActingScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdmgr.services.rows import ModelRow


class LeadingScreen(ActingScreen):
    """Other screens are opened from here; none is imported before."""

    def look_again(self) -> None:
        """Something has made a model."""
        self.load()

    def reveal_name(self, name: str) -> None:
        """Select the installed model of this name, if it is listed."""
        found = next((row for row in self.rows if row.installed and row.name == name), None)
        if found is not None:
            self.reveal(found)

    def chat(self, row: ModelRow) -> None:
        """Open a chat with an installed model; offer to pull another."""
        if not row.installed and name_to_pull(row):
            self._offer_pull(name_to_pull(row))
        elif not row.installed or row.ref is None:
            self.notify(describe_missing(row), title="not installed", severity="warning", markup=False)
        else:
            self.app.post_message(ChatAsked(row, self.plans.options.n_ctx, self._cache_type))

    def action_pull(self) -> None:
        """Offer to pull the selected model; ask for a name where it has none, or is here."""
        row = self.table.selected
        self._offer_pull(name_to_pull(row) if row is not None and not row.installed else "")

    def action_edit_modelfile(self) -> None:
        """Open the Modelfile of an installed model."""
        from kdmgr.tui.screens.modelfile import ModelfileScreen

        row = self.table.selected
        if row is not None and row.installed:
            self.app.push_screen(ModelfileScreen(self.services, row.name))
        elif row is not None:
            self.notify("Only an installed model has a Modelfile: p pulls it.", severity="warning", markup=False)

    def action_duel(self) -> None:
        """Compare two marked models; with one, choose whom it is compared with."""
        rows = self.targets()
        if any(not row.installed or row.ref is None for row in rows):
            self.notify("Only installed models can be compared: p pulls one.", severity="warning", markup=False)
        elif len(rows) == 2:
            self.duel(*rows)
        elif len(rows) == 1:
            self._choose_opponent(rows[0])
        elif rows:
            self.notify("Two are compared: select two, or one.", severity="warning", markup=False)

    def duel(self, left: ModelRow, right: ModelRow) -> None:
        """Ask two installed models the same."""
        self.app.post_message(DuelAsked(left, right, self.plans.options.n_ctx, self._cache_type))

    @property
    def _cache_type(self) -> str | None:
        options = self.plans.options
        return None if options.type_k == "f16" else options.type_k

    def _choose_opponent(self, row: ModelRow) -> None:
        from kdmgr.tui.screens.opponents import OpponentScreen

        self.app.push_screen(OpponentScreen(row, self.rows), lambda other: self.duel(row, other) if other else None)

    def _offer_pull(self, name: str) -> None:
        from kdmgr.tui.screens.pull import offer_pull

        offer_pull(self, self.services, name)

    def action_search_hub(self) -> None:
        """Look for students on the Hub, by the words that the table is filtered by."""
        from kdmgr.tui.screens.find import FindScreen

        if not any(isinstance(screen, FindScreen) for screen in self.app.screen_stack):
            plans = self.plans
            self.app.push_screen(FindScreen(self.services, plans.options, plans.machine, self.words_for_hub))

    @property
    def words_for_hub(self) -> str:
        """What a search of the Hub begins with."""
        return ""

    def palette_offers(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """For the palette, in the other places."""
        if self.app.current_mode != HOME:
            yield "Find students on the Hugging Face Hub", "key h in Students", self._search_hub_from_elsewhere

    async def _search_hub_from_elsewhere(self) -> None:
        await self.app.switch_mode(HOME)
        self.action_search_hub()
