"""The question before something is done."""

from __future__ import annotations

import pytest
from textual.app import App

from kdmgr.tui.screens.confirm import ConfirmScreen
from tests.tui.looking import screen_text

QUESTION = "Delete [b]smollm2:135m[/b]? That frees 93.8 MiB, and there is no way back: it has to be pulled again."


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20), (40, 16)])
async def test_all_of_a_question_is_seen(size: tuple[int, int]) -> None:
    app: App[None] = App()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(ConfirmScreen(QUESTION, "Delete"))
        await pilot.pause()
        words = screen_text(app).replace("│", " ").split()
        assert " ".join(QUESTION.split()) in " ".join(words)
