"""Markdown that grows: the same text in parts, and no more work for the last words than for the first."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Markdown

from kdmgr.tui.markdown_cuts import MOST_LINES, cut
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


@pytest.mark.parametrize("text", [BULLETS, NUMBERS, PARAGRAPHS, CODE, TABLE, "a\x0cb\u2028c\n\n" * 60, ""])
def test_the_parts_are_the_whole(text: str) -> None:
    assert "".join(part.source for part in cut(text)) == text


def test_lists_are_cut_between_their_items_and_go_on() -> None:
    parts = cut(BULLETS)
    assert len(parts) == 5
    assert all(part.goes_on for part in parts[:-1]) and not parts[-1].goes_on
    assert all(part.source.startswith("- item") for part in parts)


def test_what_is_one_block_stays_one() -> None:
    nested = "- outer\n" + "  - inner\n" * 60
    for text in (CODE, TABLE, nested, "> quoted\n" * 60):
        assert len(cut(text)) == 1


def test_what_is_shown_is_not_cut_again() -> None:
    first, *_ = cut(BULLETS, n_shown=len(BULLETS) - 100)
    assert len(first.source) >= len(BULLETS) - 100
    assert len(cut("short\n\n" * (MOST_LINES // 2))) == 1


@pytest.mark.parametrize("text", [BULLETS * 4, PARAGRAPHS * 2])
async def test_the_work_grows_with_the_text_not_with_its_square(text: str) -> None:
    app = Page()
    async with app.run_test(size=(80, 24)):
        growing = app.query_one(GrowingMarkdown)
        for at in range(0, len(text), 200):
            await growing.append(text[at : at + 200])
        assert growing.n_laid_out < 4 * len(text)
        assert "".join(part.source for part in growing.query(Markdown)) == text


async def test_numbers_go_on_and_no_line_is_left_between() -> None:
    app = Page()
    async with app.run_test(size=(40, 70)) as pilot:
        await app.query_one(GrowingMarkdown).append(NUMBERS)
        await until(pilot, lambda: "60. step" in screen_text(app))
        lines = [line.strip() for line in screen_text(app).splitlines() if "step" in line]
        assert lines == [f"{number}. step" for number in range(1, 61)]
        heights = [part.region.height for part in app.query(Markdown)]
        assert heights == [MOST_LINES, MOST_LINES, 60 - 2 * MOST_LINES + 1], "one empty line, after all of it"
