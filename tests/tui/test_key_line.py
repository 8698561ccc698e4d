"""The keys at the bottom of a screen: which are shown, clicked, and that changing them leaves nothing behind."""

from __future__ import annotations

import gc
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from kdmgr.tui.widgets.key_line import KeyLine, ShownKey, choose
from tests.tui.looking import screen_text, until

KEYS = [
    ShownKey(key, key, word, True, "") for key, word in zip("abcdefgh", ["word"] * 6 + ["help", "quit"], strict=True)
]


class Keyed(App[None]):
    """Three keys, of which one can be switched off."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "press('a')", "add", tooltip="Add one more"),
        Binding("b,x", "press('b')", "take"),
        Binding("c", "press('c')", "secret", show=False),
        Binding("ctrl+q", "quit", "quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.pressed: list[str] = []
        self.can_take = True

    def compose(self) -> ComposeResult:
        yield KeyLine()

    def action_press(self, key: str) -> None:
        self.pressed.append(key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if parameters == ("b",) and not self.can_take else True


def texts(width: int) -> list[str]:
    return [key.key if key is not None else "…" for key in choose(KEYS, width)]


def test_the_last_keys_stay_when_room_is_scarce() -> None:
    assert texts(80) == list("abcdefgh")
    assert texts(55) == list("abcdefgh")
    assert texts(54) == [*"abcde", "…", *"gh"]
    assert texts(22) == ["a", "…", *"gh"]
    assert texts(5) == ["…", *"gh"]
    assert all(
        sum(key.width if key else 1 for key in shown) + len(shown) - 1 <= width
        for width in range(16, 90)
        for shown in [choose(KEYS, width)]
    )


async def test_a_click_does_what_the_key_does() -> None:
    app = Keyed()
    async with app.run_test(size=(60, 5)) as pilot:
        await until(pilot, lambda: "^q quit a add b take" in screen_text(app))
        line = app.query_one(KeyLine)
        assert "secret" not in screen_text(app)
        await pilot.hover(line, offset=(10, 0))
        await pilot.pause()
        assert line.under_pointer is not None
        assert (line.under_pointer.key, line.tooltip) == ("a", "Add one more")
        await pilot.click(line, offset=(10, 0))
        await pilot.click(line, offset=(17, 0))
        await pilot.click(line, offset=(40, 0))
        await until(pilot, lambda: app.pressed == ["a", "b"])
        await pilot.hover(line, offset=(40, 0))
        await pilot.pause()
        assert (line.under_pointer, line.tooltip) == (None, None)


async def test_what_cannot_be_done_now_is_dim_and_dead() -> None:
    app = Keyed()
    async with app.run_test(size=(60, 5)) as pilot:
        await until(pilot, lambda: "b take" in screen_text(app))
        app.can_take = False
        app.refresh_bindings()
        await pilot.pause(0.1)
        line = app.query_one(KeyLine)
        drawn = line.draw(58)[0]
        dim = {drawn.plain[span.start : span.end] for span in drawn.spans if "dim" in str(span.style)}
        assert dim == {"b take"}
        await pilot.click(line, offset=(17, 0))
        await pilot.click(line, offset=(10, 0))
        await until(pilot, lambda: app.pressed == ["a"])


async def test_keys_that_change_leave_nothing_behind() -> None:
    app = Keyed()
    async with app.run_test(size=(60, 5)) as pilot:
        await until(pilot, lambda: "b take" in screen_text(app))
        before = count_widgets()
        for _ in range(20):
            app.can_take = not app.can_take
            app.refresh_bindings()
            await pilot.pause()
        assert count_widgets() <= before


def count_widgets() -> int:
    gc.collect()
    return sum(isinstance(one, Widget) for one in gc.get_objects())
