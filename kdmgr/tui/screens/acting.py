"""What can be done with the selected models: remove them, free their memory, see their teacher's ladder."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from textual import on, work

from kdmgr.errors import KdmgrError
from kdmgr.tui.messages_students import Done, RemovalPlanned
from kdmgr.tui.screens.judging import JudgingScreen
from kdmgr.tui.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.services.removal import Removal
    from kdmgr.services.rows import ModelRow


class ActingScreen(JudgingScreen):
    """Actions ask first where they destroy, run in workers, and say what came of them."""

    def targets(self) -> list[ModelRow]:
        """The models that an action is about."""
        raise NotImplementedError

    def load(self) -> None:
        """List the models anew."""
        raise NotImplementedError

    def reveal(self, row: ModelRow) -> None:
        """Select a row."""
        raise NotImplementedError

    def action_delete(self) -> None:
        """Look what removing would free, then ask."""
        rows = [row for row in self.targets() if row.installed]
        if rows:
            self.plan_removal(rows)
        else:
            self.notify("Nothing of this is installed: there is nothing to delete.", markup=False)

    def action_ladder(self) -> None:
        """The ladder that the student under the cursor stands on."""
        row = next(iter(self.targets()), None)
        if row is None or row.match is None:
            self.notify("This model is no known student: it stands on no ladder.", markup=False)
        else:
            self.show_ladder(row.match.student.id)

    def show_ladder(self, text: str) -> None:
        """The ladder of the teacher that `text` names, or of a student's."""
        from kdmgr.tui.screens.ladder import LadderScreen

        screen = LadderScreen(self.services, text, self.plans.options, self.plans.machine)
        self.app.push_screen(screen, self._go_to_student)

    def _go_to_student(self, student: str | None) -> None:
        row = next((row for row in self.rows if row.match and row.match.student.id == student), None)
        if row is not None:
            self.reveal(row)

    def action_unload(self) -> None:
        """Free the memory of what a server holds."""
        names = [row.name for row in self.targets() if row.installed and row.origin != "kdmgr"]
        if names:
            self.unload_models(names)
        else:
            self.notify("Only models of an Ollama server are kept in memory.", markup=False)

    @work(thread=True, exclusive=True, group="removal")
    def plan_removal(self, rows: Sequence[ModelRow]) -> None:
        """Where the models are held, and what removing them frees."""
        try:
            removal = self.services.student_desk.plan_removal(rows)
        except KdmgrError as error:
            self.post_message(Done("delete", (), error))
        else:
            self.post_message(RemovalPlanned(removal))

    @on(RemovalPlanned)
    def _ask_removal(self, message: RemovalPlanned) -> None:
        from kdmgr.tui.screens.confirm import ConfirmScreen

        removal = message.removal
        for problem in removal.problems:
            self.notify(one_line(problem), title="delete", severity="warning", markup=False)
        if removal.chosen:
            question = ConfirmScreen(one_line(removal.question), "Delete")

            def answer(yes: bool | None) -> None:
                if yes:
                    self.remove_models(removal)

            self.app.push_screen(question, answer)

    @work(thread=True, group="remove")
    def remove_models(self, removal: Removal) -> None:
        """Remove one after another; what is gone before a failure stays gone."""
        sentences: list[str] = []
        try:
            asyncio.run(self._remove(removal, sentences))
        except KdmgrError as error:
            self.post_message(Done("delete", sentences, error, reload=True))
        else:
            self.post_message(Done("delete", sentences, reload=True))

    async def _remove(self, removal: Removal, sentences: list[str]) -> None:
        async with aclosing(self.services.student_desk.remove(removal)) as removing:
            async for removed in removing:
                sentences.append(f"{removed.held.name} {'was gone already' if removed.was_gone else 'is removed'}.")

    @work(thread=True, exclusive=True, group="unload")
    def unload_models(self, names: Sequence[str]) -> None:
        """Free the memory of these."""
        sentences: list[str] = []
        try:
            asyncio.run(self._unload(names, sentences))
        except KdmgrError as error:
            self.post_message(Done("unload", sentences, error))
        else:
            self.post_message(Done("unload", sentences))

    async def _unload(self, names: Sequence[str], sentences: list[str]) -> None:
        async with aclosing(self.services.student_desk.unload(names)) as stopping:
            async for stopped in stopping:
                busy = "will be unloaded when it has finished its answer"
                sentences.append(f"{stopped.name} {'is unloaded' if stopped.gone else busy}.")

    @on(Done)
    def _tell_done(self, message: Done) -> None:
        if message.sentences:
            self.notify(one_line(" ".join(message.sentences)), title=message.title, markup=False)
        if message.error is not None:
            text = " – ".join(filter(None, (message.error.message, message.error.hint)))
            self.notify(one_line(text), title=message.title, severity="error", markup=False)
        if message.reload:
            self.load()
