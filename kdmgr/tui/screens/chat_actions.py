"""What can be done in a chat beside asking: editing a question, copying, exporting, pictures, settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.content import Content
from textual.screen import Screen

from kdmgr.errors import KdmgrError
from kdmgr.paths import expand_home
from kdmgr.services.chat_export import export_session, suggest_name
from kdmgr.services.code_blocks import find_code
from kdmgr.services.images import find_image_paths, read_picture
from kdmgr.tui.chat_words import list_images
from kdmgr.tui.widgets.chat_input import ChatInput
from kdmgr.tui.widgets.conversation import Conversation
from kdmgr.tui.words import many_lines, one_line

if TYPE_CHECKING:
    from kdmgr.history.chat_records import ImageRecord
    from kdmgr.services.chatting import ChatSettings
    from kdmgr.services.live_chat import LiveChat
    from kdmgr.services.live_entries import Asked


class ChatActions(Screen[None]):
    """Part of the chat's screen."""

    conversation = getters.query_one(Conversation)
    box = getters.query_one(ChatInput)

    def __init__(self, chat: LiveChat) -> None:
        super().__init__()
        self.chat = chat
        self.editing: int | None = None
        """Which question is being edited."""
        self.pictures: list[ImageRecord] = []
        """What goes along with the next question."""
        self._draft = ""
        self._copied = (0, 0)

    # Editing

    def edit(self, at: int) -> None:
        """Put question `at` into the box; past the last one, none."""
        turns = self.chat.turns
        if self.chat.streaming or not turns or at < 0:
            return
        if at >= len(turns):
            self.leave_editing()
            return
        self._draft = self.box.text if self.editing is None else self._draft
        self.editing = at
        self.box.editing = True
        self.box.text = many_lines(turns[at].question)
        self.pictures = list(turns[at].images)
        self.box.move_cursor(self.box.document.end)
        later = len(turns) - 1 - at
        kept = f", the {later} later turn{'s' if later > 1 else ''} stay in a chat of their own" if later else ""
        self.box.border_title = f"question {at + 1} of {len(turns)}: Enter asks it anew{kept}"
        self.show_pictures()
        self.box.add_class("-editing")
        self.conversation.mark(turns[at])
        self.box.focus()

    def leave_editing(self) -> None:
        """Back to what was begun before."""
        self.end_editing()
        self.box.text, self._draft = self._draft, ""
        self.box.move_cursor(self.box.document.end)

    def end_editing(self) -> None:
        """Back to the next question."""
        self.editing = None
        self.box.editing = False
        self.box.border_title = None
        self.detach()
        self.box.remove_class("-editing")
        self.conversation.mark(None)

    # Pictures

    def action_attach(self) -> None:
        """Ask for the path of a picture."""
        from kdmgr.tui.screens.ask_path import AskPathScreen

        if self._can_see():
            question = AskPathScreen("Send a picture along", "", "PNG, JPEG, GIF or WebP")
            self.app.push_screen(question, self._attach_chosen)

    def _attach_chosen(self, path: str | None) -> None:
        if path:
            self.attach(find_image_paths(path) or (str(expand_home(path).absolute()),))

    @on(ChatInput.ImagesPasted)
    def _attach_pasted(self, event: ChatInput.ImagesPasted) -> None:
        """Where no picture is seen, the path is a text like any other."""
        if self._can_see():
            self.attach(event.paths)
        else:
            self.box.insert(many_lines(event.text))

    @work(group="attach", thread=True)
    def attach(self, paths: Sequence[str]) -> None:
        """Read the files, and say what they are."""
        for path in paths:
            try:
                picture = read_picture(path)
            except KdmgrError as error:
                self.app.call_from_thread(self._tell, error)
            else:
                self.app.call_from_thread(self._add_picture, picture.record)

    def detach(self) -> None:
        """Send no picture along."""
        self.pictures.clear()
        self.show_pictures()

    def give_back(self, asked: Asked) -> None:
        """A question that was not answered goes back into the box, unless there is another in it."""
        if not self.box.text and self.editing is None:
            self.box.text = many_lines(asked.text)
            self.box.move_cursor(self.box.document.end)
            self.pictures = list(asked.images)
            self.show_pictures()

    def _add_picture(self, picture: ImageRecord) -> None:
        if picture not in self.pictures:
            self.pictures.append(picture)
        self.show_pictures()

    def show_pictures(self) -> None:
        """Name what goes along at the box."""
        escape = "Esc: without" if self.pictures else ""
        if self.editing is not None:
            escape = "Esc: leave it as it is"
        # As text: a file may be called [red].
        self.box.border_subtitle = Content(list_images(self.pictures, escape, self.box.size.width))

    def _can_see(self) -> bool:
        session = self.chat.session
        if session is None or session.sees_images is not False:
            # Where nobody can tell, the engine will.
            return session is not None
        why = f"{session.model_name} sees no pictures"
        if session.engine_name == "llamacpp":
            why = "the embedded engine takes no pictures: a model that sees them runs through Ollama"
        self.notify(one_line(why), title="no pictures here", severity="warning", markup=False)
        return False

    # Copying and exporting

    def action_copy_answer(self) -> None:
        """Copy the last answer."""
        texts = [text for text in self._answers() if text]
        if not texts:
            self.notify("there is no answer to copy yet", markup=False)
            return
        self.app.copy_to_clipboard(texts[-1])
        self.notify(f"copied {len(texts[-1])} characters", markup=False)

    def action_copy_code(self) -> None:
        """Copy the last block of code; again for the one before."""
        blocks = [block for text in self._answers() for block in find_code(text)]
        if not blocks:
            self.notify("there is no block of code yet", markup=False)
            return
        n_blocks, back = self._copied
        back = (back + 1) % len(blocks) if n_blocks == len(blocks) else 0
        self._copied = (len(blocks), back)
        block = blocks[-1 - back]
        self.app.copy_to_clipboard(block.text)
        language = f" {one_line(block.language)}" if block.language else ""
        n_lines = block.text.count("\n") + 1
        place = f"block {len(blocks) - back} of {len(blocks)}"
        self.notify(f"copied{language} code, {n_lines} line{'s' if n_lines > 1 else ''}: {place}", markup=False)

    def action_export(self) -> None:
        """Ask where to, and write."""
        from kdmgr.tui.screens.ask_path import AskPathScreen

        session = self.chat.session
        if session is None or session.keeper is None or not session.turns:
            self.notify("nothing was said yet", markup=False)
            return
        name = suggest_name(self.chat.title, "md")
        question = AskPathScreen("Write this chat to a file", name, ".md to read, .json for programs", new=True)
        self.app.push_screen(question, self._export_chosen)

    def _export_chosen(self, path: str | None) -> None:
        if path:
            self.export(path)

    @work(group="export", thread=True)
    def export(self, path: str) -> None:
        """Write the file; what was there is replaced, for that was asked."""
        session = self.chat.session
        assert session is not None
        try:
            written = export_session(session, expand_home(path))
        except KdmgrError as error:
            self.app.call_from_thread(self._tell, error)
        else:
            self.app.call_from_thread(self.notify, one_line(str(written)), title="written", markup=False)

    def _answers(self) -> list[str]:
        return [many_lines("".join(turn.pieces)) for turn in self.chat.turns]

    # Settings

    def action_settings(self) -> None:
        """Edit title, system prompt and parameters."""
        from kdmgr.tui.screens.chat_settings import ChatSettingsScreen

        session = self.chat.session
        if session is None:
            self.notify("the model is not open yet", markup=False)
            return
        form = ChatSettingsScreen(self.chat.title, session.settings, session.own_system)
        self.app.push_screen(form, lambda result: self._change(*result) if result else None)

    def _change(self, title: str, settings: ChatSettings) -> None:
        self.chat.change(settings, title)

    def _tell(self, error: KdmgrError) -> None:
        text = one_line(error.message) + (f"\n{one_line(error.hint)}" if error.hint else "")
        self.notify(text, severity="error", markup=False)
