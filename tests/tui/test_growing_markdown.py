"""Markdown that grows: the same text in parts, and no more work for the last words than for the first."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Markdown

from kdmgr.tui.column_widths import share_out
from kdmgr.tui.markdown_cuts import MOST_LINES, MOST_ROWS, cut
from kdmgr.tui.widgets.drawn_list import ListText
from kdmgr.tui.widgets.drawn_table import TableText
from kdmgr.tui.widgets.growing_markdown import GrowingMarkdown
from tests.tui.looking import screen_text, until

BULLETS = "".join(f"- item {number}\n" for number in range(100))
NUMBERS = "".join(f"{number}. step\n" for number in range(1, 61))
PARAGRAPHS = "one two three\n\n" * 60
CODE = "```python\n" + "x = 1\n\n" * 100
TABLE = "| a | b |\n|---|---|\n" + "".join(f"| {number} | **two** |\n" for number in range(100))


class Page(App[None]):
    def compose(self) -> ComposeResult:
        yield GrowingMarkdown()


@pytest.mark.parametrize("text", [BULLETS, NUMBERS, PARAGRAPHS, "a\x0cb\u2028c\n\n" * 60, ""])
def test_the_parts_are_the_whole(text: str) -> None:
    assert "".join(part.source for part in cut(text)) == text


def test_lists_are_cut_between_their_items_and_go_on() -> None:
    parts = cut(BULLETS)
    assert len(parts) == 5
    assert all(part.goes_on for part in parts[:-1]) and not parts[-1].goes_on
    assert all(part.source.startswith("- item") for part in parts)


def test_what_is_one_block_stays_one() -> None:
    nested = "- outer\n" + "  - inner\n" * 60
    indented = "```\n" + "\n    indented\n" * 60 + "\n```\n"
    for text in (indented, nested, "> quoted\n" * 60):
        assert len(cut(text)) == 1


def test_code_goes_on_in_its_language() -> None:
    parts = cut(f"{CODE}```\n\nafter\n")
    assert len(parts) > 2 and all(part.source.startswith("```python\n") for part in parts[:-1])
    assert sum(part.source.count("x = 1") for part in parts) == 100
    assert parts[-1].source.endswith("after\n")


def test_a_long_table_has_its_header_again() -> None:
    parts = cut(TABLE)
    assert len(parts) == 3 and all(part.source.startswith("| a | b |\n|---|---|\n| ") for part in parts)
    assert sum(part.source.count("**two**") for part in parts) == 100


def test_what_is_shown_is_not_cut_again() -> None:
    first, *_ = cut(BULLETS, n_shown=len(BULLETS) - 100)
    assert len(first.source) >= len(BULLETS) - 100
    assert len(cut("short\n\n" * (MOST_LINES // 2))) == 1


@pytest.mark.parametrize("text", [BULLETS * 4, PARAGRAPHS * 2, CODE * 3, TABLE * 2])
async def test_the_work_grows_with_the_text_not_with_its_square(text: str) -> None:
    app = Page()
    async with app.run_test(size=(80, 24)):
        growing = app.query_one(GrowingMarkdown)
        for at in range(0, len(text), 200):
            await growing.append(text[at : at + 200])
        assert growing.n_laid_out < 5 * len(text)
        for word in ("item", "three", "x = 1", "two"):
            assert sum(part.source.count(word) for part in growing.query(Markdown)) == text.count(word)


async def test_numbers_go_on_and_no_line_is_left_between() -> None:
    app = Page()
    async with app.run_test(size=(40, 70)) as pilot:
        await app.query_one(GrowingMarkdown).append(NUMBERS)
        await until(pilot, lambda: "60. step" in screen_text(app))
        lines = [line.strip() for line in screen_text(app).splitlines() if "step" in line]
        assert lines == [f"{number}. step" for number in range(1, 61)]
        heights = [part.region.height for part in app.query(Markdown)]
        assert heights == [MOST_LINES, MOST_LINES, 60 - 2 * MOST_LINES + 1], "one empty line, after all of it"


async def test_a_table_is_one_widget_and_its_rows_are_drawn_once() -> None:
    app = Page()
    async with app.run_test(size=(40, 24)) as pilot:
        growing = app.query_one(GrowingMarkdown)
        text = "| name | what it is |\n|---|---|\n" + "| row | **some** words |\n" * 100
        for at in range(0, len(text), 100):
            await growing.append(text[at : at + 100])
            await pilot.pause()
        shown = app.query(TableText).first()
        assert MOST_ROWS // 2 < shown.n_drawn < 2 * MOST_ROWS
        assert "row  │ some words" in screen_text(app) and "─────┼─" in screen_text(app)


async def test_cells_wrap_where_a_table_is_wider_than_the_screen() -> None:
    app = Page()
    async with app.run_test(size=(30, 24)) as pilot:
        text = "| a | b |\n|---|---|\n| short | " + "many words " * 10 + "|\n| [link](x) | |\n| only one |\n"
        await app.query_one(GrowingMarkdown).append(text)
        await until(pilot, lambda: screen_text(app).count("many words") >= 5)
        header, rule, *lines = [line.plain for line in app.query_one(TableText).draw(28)]
        assert header.index("│") == rule.index("┼") == lines[0].index("│") == lines[1].index("│")
        assert all(len(line) <= 28 for line in [header, rule, *lines])
        assert lines[-2].startswith("link") and lines[-1].startswith("only one")


@pytest.mark.parametrize(
    ("wanted", "room", "widths"),
    [([3, 5], 40, [3, 5]), ([3, 90, 50], 43, [3, 20, 20]), ([9, 9], 2, [4, 4]), ([0, 8], 20, [0, 8])],
)
def test_columns_share_the_room(wanted: list[int], room: int, widths: list[int]) -> None:
    assert share_out(wanted, room) == widths


LIST = "- one `code`\n  1. inner\n  2. other\n- two\n\n  more of two, and so many words that they wrap here\n"


async def test_a_list_is_one_widget_and_its_words_hang() -> None:
    app = Page()
    async with app.run_test(size=(30, 24)):
        growing = app.query_one(GrowingMarkdown)
        for at in range(0, len(LIST), 7):
            await growing.append(LIST[at : at + 7])
        (shown,) = app.query(ListText)
        lines = [line.plain.rstrip() for line in shown.draw(30)]
        assert lines[:4] == ["• one code", "   1. inner", "   2. other", "• two"]
        assert lines[4:] == ["  more of two, and so many", "  words that they wrap here"]


async def test_code_within_a_list_is_still_code() -> None:
    app = Page()
    async with app.run_test(size=(40, 24)) as pilot:
        text = "- first\n- run this:\n\n  ```sh\n  ls\n  ```\n- last\n"
        growing = app.query_one(GrowingMarkdown)
        for at in range(0, len(text), 5):
            await growing.append(text[at : at + 5])
        await until(pilot, lambda: "last" in screen_text(app))
        assert len(app.query("MarkdownFence")) == 1 and "ls" in screen_text(app)
        assert all(word in screen_text(app) for word in ("• ", "first", "run this:"))
