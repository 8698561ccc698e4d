"""The main screen: rows, filter, order, plans that follow the keys, states in which there is little to show."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual import events
from textual.pilot import Pilot

from kdmgr.errors import KdmgrError
from kdmgr.fit.machine import Machine
from kdmgr.fit.plan import FitReport, Speed
from kdmgr.services.facets import FIT, FITS, Facet
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.students import StudentsScreen
from kdmgr.tui.themes import THEMES
from kdmgr.tui.words import one_line
from tests.support.machines import machine
from tests.support.shapes import shape
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices, catalog_rows, installed
from tests.tui.looking import screen_text, until


class Opened:
    """A running app with its main screen."""

    def __init__(self, app: KdmgrApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> StudentsScreen:
        return next(screen for screen in self.app.open_screens() if isinstance(screen, StudentsScreen))

    @property
    def names(self) -> list[str]:
        return [one_line(row.name) for row in self.screen.table.rows]

    @property
    def report(self) -> FitReport:
        row = self.screen.table.selected
        assert row is not None
        judged = self.screen.plans.look_up(row)
        assert isinstance(judged, FitReport)
        return judged

    def said(self) -> str:
        """What the notes at the corner say."""
        return " ".join(note.message for note in self.app._notifications)

    def text(self) -> str:
        return screen_text(self.app)

    async def settle(self) -> None:
        """All headers have been read and planned."""
        rows = [row for row in self.screen.rows if row.installed]
        await until(self.pilot, lambda: all(self.screen.plans.look_up(row) for row in rows))
        await self.pilot.pause()


@asynccontextmanager
async def opened(services: FakeServices, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Opened]:
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        found = Opened(app, pilot)
        await until(pilot, lambda: found.screen.rows or services.rows_error or not services.rows)
        await found.settle()
        yield found


async def test_rows_plans_and_the_machine_appear(services: FakeServices) -> None:
    async with opened(services) as on:
        assert on.names[:2] == ["large", "small"]
        assert len(on.names) == 14
        text = on.text()
        assert "2 installed, 12 in the catalog" in text
        assert "RTX 3060" in text and "10.40 GiB free" in text
        assert "✔ fits" in text
        for part in ("weights", "KV cache", "compute", "overhead", "in use", "free"):
            assert part in text


async def test_real_files_are_planned(real_services: FakeServices) -> None:
    async with opened(real_services, (140, 60)) as on:
        assert on.names[:2] == ["gemma3:270m", "smollm2:135m"]
        assert on.report.shape.architecture == "gemma3"
        await until(on.pilot, lambda: "evidence" in on.text())
        text = on.text()
        assert "Q4_K_M" in text and "teacher" in text


async def test_the_first_paint_waits_for_nothing() -> None:
    services, release = make_services(), threading.Event()

    def wait() -> Machine:
        assert release.wait(5)
        return services.machine

    services.detect_machine = wait  # type: ignore[method-assign]
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        on = Opened(app, pilot)
        await until(pilot, lambda: "large" in on.text())
        assert "looking at this machine" in on.text()
        assert on.screen.plans.machine is None
        release.set()
        await until(pilot, lambda: "10.40 GiB free" in on.text())


async def test_nothing_is_asked_before_the_first_paint() -> None:
    services = make_services()
    painted: list[bool] = []
    real = services.model_rows
    app = KdmgrApp(services)

    def rows() -> list[object]:
        painted.append("Looking for models" in screen_text(app))
        return real()  # type: ignore[return-value]

    services.model_rows = rows  # type: ignore[assignment]
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: painted)
    assert painted == [True]


async def test_what_is_typed_in_one_burst_goes_to_the_filter(services: FakeServices) -> None:
    async with opened(services) as on:
        for key in ("slash", *"istudents"):
            on.app.post_message(events.Key(key, "/" if key == "slash" else key))
        await until(on.pilot, lambda: on.screen.filter_input.value == "istudents")
        assert on.app.screen is on.screen, "i imports only where it is no letter"


async def test_the_filter_acts_while_it_is_typed(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("slash", *"larg")
        assert on.names == ["large"]
        assert "1 match" in on.text()
        await on.pilot.press("enter")
        assert on.app.focused is on.screen.table
        await on.pilot.press("escape")
        assert len(on.names) == 14


async def test_letters_are_text_inside_the_filter(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("slash", "s", "v", "f", "t")
        assert on.screen.filter_input.value == "svft"
        assert (on.screen.view.sort, on.screen.plans.options.type_k) == ("best", "f16")
        assert "Nothing matches" in on.text()


async def test_the_order_cycles(services: FakeServices) -> None:
    async with opened(services) as on:
        assert "best first" in on.text()
        await on.pilot.press("s", "s", "s")
        assert on.screen.view.sort == "size"
        assert on.names[:2] == ["small", "large"]
        assert "by size" in on.text()


async def test_installed_only(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("f")
        assert on.names == ["large", "small"]
        await on.pilot.press("f")
        assert len(on.names) == 14


async def test_a_cursor_that_nobody_moved_stays_at_the_top(services: FakeServices) -> None:
    async with opened(services) as on:
        assert on.screen.table.selected == on.screen.table.rows[0]
        await on.pilot.press("s")
        top = on.screen.table.selected
        services.rows.insert(0, installed("aaa-first"))
        await on.pilot.press("r")
        await until(on.pilot, lambda: "aaa-first" in on.names)
        assert on.screen.table.selected == on.screen.table.rows[0] != top
        assert services.ui_state.part("students").get("selected") is None, "nobody chose it"
        await on.pilot.press("down")
        chosen = on.screen.table.selected
        services.rows.insert(0, installed("aaa-before"))
        await on.pilot.press("r")
        await until(on.pilot, lambda: "aaa-before" in on.names)
        assert on.screen.table.selected == chosen


async def test_keys_move_the_selection(services: FakeServices) -> None:
    async with opened(services) as on:
        moves = [
            ("j", "small"),
            ("k", "large"),
            ("down", "small"),
            ("up", "large"),
            ("G", on.names[-1]),
            ("g", "large"),
        ]
        for key, name in moves:
            await on.pilot.press(key)
            assert on.screen.table.selected is not None
            assert on.screen.table.selected.name == name


async def test_more_context_takes_more_memory_at_once(services: FakeServices) -> None:
    async with opened(services) as on:
        before, text = on.report, on.text()
        await on.pilot.press("right", "right_square_bracket")
        after = on.report
        assert (before.options.n_ctx, after.options.n_ctx) == (4096, 16384)
        assert after.plan.components.kv_cache == 4 * (before.plan.components.kv_cache or 0)
        assert "512.0 MiB" in text and "2.00 GiB" in on.text()
        await on.pilot.press("left")
        assert on.report.options.n_ctx == 8192
        await on.pilot.press("0")
        assert on.report.options == before.options


async def test_the_other_rows_follow(services: FakeServices) -> None:
    async with opened(services) as on:
        for _ in range(5):
            await on.pilot.press("right")
        small = next(row for row in on.screen.rows if row.name == "small")
        await until(on.pilot, lambda: on.screen.plans.look_up(small) is not None)
        judged = on.screen.plans.look_up(small)
        assert isinstance(judged, FitReport)
        assert judged.options.n_ctx == 131072


async def test_the_kv_type_cycles(services: FakeServices) -> None:
    async with opened(services) as on:
        full = on.report.plan.components.kv_cache or 0
        await on.pilot.press("v")
        assert on.report.options.type_k == on.report.options.type_v == "q8_0"
        assert on.report.plan.components.kv_cache == full * 34 // 64
        assert "● q8_0" in on.text()
        await on.pilot.press("v", "v")
        assert on.report.options.type_k == "f16"


async def test_the_mouse_moves_the_slider_and_picks_the_type(services: FakeServices) -> None:
    async with opened(services) as on:
        slider, picker = on.screen.panel.slider, on.screen.panel.picker
        await on.pilot.click(slider, offset=(slider.size.width - 8, 0))
        await on.pilot.pause()
        assert on.report.options.n_ctx == 131072
        await on.pilot.click(picker, offset=(10 + 8, 0))
        await on.pilot.pause()
        assert on.report.options.type_k == "q8_0"


async def test_a_click_selects_and_a_second_one_opens(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.click(on.screen.table, offset=(4, 2))
        assert on.screen.table.selected is not None and on.screen.table.selected.name == "small"
        assert on.app.screen is on.screen
        await on.pilot.click(on.screen.table, offset=(4, 2), times=2)
        await until(on.pilot, lambda: on.app.screen is not on.screen)


async def test_a_student_that_is_not_installed_is_offered(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("f", "f", *"G")
        for _ in range(len(on.names)):
            selected = on.screen.table.selected
            if selected is not None and selected.ref is not None:
                break
            await on.pilot.press("k")
        assert selected is not None and not selected.installed
        await on.pilot.press("p")
        await until(on.pilot, lambda: "Enter pulls it." in on.text())
        assert services.planned == [str(selected.ref)]
        await on.pilot.press("enter")
        await until(on.pilot, lambda: "Transfers ↓1" in on.text())
        assert [state.name for state in services.transfers.states()] == [str(selected.ref)]
        assert services.opened == []


async def test_a_student_that_nobody_publishes_can_only_be_imported() -> None:
    unpublished = replace(catalog_rows(1)[0], key="catalog:zz", name="aaa-nobody", ref=None)
    async with opened(make_services(unpublished, catalog=0)) as on:
        await on.pilot.press("G", "enter")
        await until(on.pilot, lambda: "press i to import" in on.text())
        assert on.app.screen is on.screen


async def test_students_that_are_not_installed_are_sized_by_an_estimate(services: FakeServices) -> None:
    async with opened(services, (180, 36)) as on:
        rows = [row for row in on.screen.rows if not row.installed]
        await until(on.pilot, lambda: all(on.screen.plans.look_up(row) for row in rows))
        await on.pilot.press("j", "j")
        await until(on.pilot, lambda: "by an estimate" in on.text())
        text = on.text()
        assert "✔ ~fits" in text
        assert "estimated as" in text


async def test_the_panel_tells_of_the_student(services: FakeServices) -> None:
    async with opened(services, (120, 100)) as on:
        row = next(row for row in on.screen.rows if row.name == "AceReason-Nemotron-14B")
        on.screen.table.select(row.key)
        await until(on.pilot, lambda: "the teacher instead" in on.text())
        text = on.text()
        for part in ("planned from the published shape", "Q8_0", "made from", "evidence", "of the teacher's scores"):
            assert part in text
        await on.pilot.click("#fold-lineage CollapsibleTitle")
        await until(on.pilot, lambda: "made from" not in on.text())
        on.screen.table.select("kdmgr:large")
        await until(on.pilot, lambda: "the teacher instead" not in on.text())


async def test_with_nothing_installed_the_panel_says_what_to_do() -> None:
    async with opened(FakeServices(rows=catalog_rows(5))) as on:
        await until(on.pilot, lambda: "does not answer" in on.text())
        assert "Nothing is installed yet" in on.text()
        on.app.services.rows = make_services(catalog=5).rows  # type: ignore[attr-defined]
        await on.pilot.press("r")
        await until(on.pilot, lambda: "Nothing is installed yet" not in on.text())


async def test_another_question_sizes_the_students_anew(services: FakeServices) -> None:
    async with opened(services) as on:
        await until(on.pilot, lambda: services.student_desk.sized)
        await on.pilot.press("right", "right")
        await until(on.pilot, lambda: services.student_desk.sized[-1].n_ctx == 16384)


async def test_a_measured_speed_stands_in_the_place_of_a_predicted_one(services: FakeServices) -> None:
    services.student_desk.speeds = {"small": Speed(41.0, 40.0, 42.0, "median of 3 answers here", "measured")}
    async with opened(services) as on:
        await until(on.pilot, lambda: "=41" in on.text())


async def test_space_selects_and_escape_selects_none(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("space", "space")
        assert [row.name for row in on.screen.targets()] == ["large", "small"]
        assert "2 selected" in on.text()
        await on.pilot.press("escape")
        assert len(on.screen.targets()) == 1
        await on.pilot.press("ctrl+a")
        assert len(on.screen.targets()) == 14


async def test_deleting_asks_and_says_what_is_freed(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("space", "space", "d")
        await until(on.pilot, lambda: "Remove these 2 models and free 5." in on.text())
        await on.pilot.press("n")
        await on.pilot.pause()
        assert services.student_desk.removed == []
        n_listed = services.calls.count("rows")
        await on.pilot.press("d")
        await until(on.pilot, lambda: "Remove these 2 models" in on.text())
        await on.pilot.press("y")
        await until(on.pilot, lambda: "large:latest is removed." in on.said())
        assert services.student_desk.removed == ["large:latest", "small:latest"]
        await until(on.pilot, lambda: services.calls.count("rows") == n_listed + 1)


async def test_a_failed_removal_says_why(services: FakeServices) -> None:
    services.student_desk.error = KdmgrError("the store is locked", hint="close the other kdmgr")
    async with opened(services) as on:
        await on.pilot.press("d")
        await until(on.pilot, lambda: "Remove large:latest and free" in on.text())
        await on.pilot.press("y")
        await until(on.pilot, lambda: "the store is locked – close the other kdmgr" in on.said())


async def test_only_models_of_a_server_are_unloaded(services: FakeServices) -> None:
    services.server = [installed("served:latest", origin="server")]
    async with opened(services) as on:
        await until(on.pilot, lambda: "served:latest" in on.names)
        on.screen.table.select("kdmgr:large")
        await on.pilot.press("u")
        await until(on.pilot, lambda: "Only models of an" in on.said())
        on.screen.table.select("server:served:latest")
        await on.pilot.press("u")
        await until(on.pilot, lambda: services.student_desk.unloaded == ["served:latest"])


async def test_facets_narrow_while_they_are_chosen(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.press("F")
        await until(on.pilot, lambda: "show only" in on.text())
        assert "on this machine" in on.text() and "licence" in on.text()
        await until(on.pilot, lambda: on.screen.arranged.count_fits(on.screen.view))
        await on.pilot.press("enter")
        assert on.screen.view.facets == {Facet(FIT, FITS)}
        fitting = list(on.names)
        assert 2 <= len(fitting) < 14
        await on.pilot.press("escape")
        assert "■ fits" in on.text()
        await on.pilot.click(on.screen.facet_bar, offset=(2, 0))
        await on.pilot.pause()
        assert on.screen.view.facets == frozenset()


async def test_a_click_on_a_head_sorts(services: FakeServices) -> None:
    async with opened(services) as on:
        await on.pilot.click(on.screen.table, offset=(30, 0))
        await on.pilot.pause()
        assert on.screen.view.sort == "fit"


async def test_ten_thousand_rows_are_shown_and_filtered_at_once() -> None:
    rows = [replace(row, key=f"{row.key}/{at}", name=f"{row.name} {at}") for at in range(80) for row in catalog_rows()]
    services = FakeServices(rows=rows)
    async with opened(services) as on:
        await until(on.pilot, lambda: on.screen.table.row_count == len(rows) > 10_000)
        await on.pilot.press("G")
        assert on.screen.table.cursor_row == len(rows) - 1
        assert on.screen.table.selected is not None and one_line(on.screen.table.selected.name) in on.text()
        await on.pilot.press("slash", *"qwen 79")
        assert on.names and all("79" in name for name in on.names)


async def test_a_broken_model_says_why() -> None:
    async with opened(make_services(installed("broken"))) as on:
        assert on.screen.table.selected is not None and on.screen.table.selected.name == "broken"
        text = on.text()
        assert "? unknown" in text and "the blob is gone" in text and "import it again" in text


@pytest.mark.parametrize("name", ["[red]x[/]", "\x1b[31mred\x1b[0m", "a\nb", "[", "x\u202ey", "[@click=app.quit]q[/]"])
async def test_hostile_names_are_only_text(name: str) -> None:
    services = make_services(installed(name, shape("llama-3.2-1b")), catalog=3)
    services.shapes[f"kdmgr:{name}"] = shape("llama-3.2-1b")
    async with opened(services, (160, 36)) as on:
        await until(on.pilot, lambda: len(on.names) == 6)
        shown = "".join(char if char.isprintable() else "\ufffd" for char in name.replace("\n", " "))
        assert shown in on.names
        for at in range(3):
            on.screen.table.move_cursor(row=at)
            await on.pilot.pause()
            text = on.text()
            assert "\x1b" not in text and "\u202e" not in text
        assert shown in text


async def test_no_models_at_all_is_an_invitation() -> None:
    async with opened(FakeServices()) as on:
        await until(on.pilot, lambda: "i   import a GGUF file you have" in on.text())
        assert "p   pull a model of a library" in on.text()


async def test_a_store_that_cannot_be_read() -> None:
    services = FakeServices(rows_error=KdmgrError("the store is locked", hint="close the other kdmgr"))
    async with opened(services) as on:
        await until(on.pilot, lambda: "the store is locked" in on.text())
        assert "close the other kdmgr" in on.text()
        services.rows_error, services.rows = None, make_services().rows
        await on.pilot.press("r")
        await until(on.pilot, lambda: "large" in on.text())


async def test_a_machine_that_cannot_be_looked_at(services: FakeServices) -> None:
    services.machine_error = KdmgrError("no /proc here")
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "no /proc here" in screen_text(app))
        await until(pilot, lambda: "large" in screen_text(app))


async def test_without_a_gpu(services: FakeServices) -> None:
    services.machine = machine(available_gib=24, bandwidth=40_000_000_000)
    async with opened(services) as on:
        text = on.text()
        assert "no GPU" in text and "○ cpu" in text and "host memory" in text
        assert "✔ fits" not in text


async def test_what_an_earlier_refresh_brings_is_dropped(services: FakeServices) -> None:
    async with opened(services) as on:
        generation = on.screen.generation
        await on.pilot.press("r")
        await on.settle()
        from kdmgr.tui.messages import RowsFound

        on.screen.post_message(RowsFound(generation, "disk", []))
        await on.pilot.pause()
        assert len(on.names) == 14


async def test_the_panel_beside_alone_and_hidden(services: FakeServices) -> None:
    async with opened(services) as on:
        assert on.screen.panel.display and on.screen.listing.display
        seen = []
        for _ in range(3):
            await on.pilot.press("m")
            await on.pilot.pause()
            seen.append((on.screen.listing.display, on.screen.panel.display))
        assert seen == [(False, True), (True, False), (True, True)]


async def test_wide_and_narrow_layouts(services: FakeServices) -> None:
    async with opened(services, (120, 36)) as on:
        table, panel = on.screen.table.region, on.screen.panel.region
        assert panel.x > table.right - 3 and panel.y < table.bottom
        await on.pilot.resize_terminal(80, 24)
        await on.pilot.pause(0.1)
        table, panel = on.screen.table.region, on.screen.panel.region
        assert panel.y >= table.bottom and panel.width == 80


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 6)])
async def test_every_size_works(services: FakeServices, size: tuple[int, int]) -> None:
    async with opened(services, size) as on:
        await on.pilot.press("j", "right", "v", "m", "m", "m", "slash", "x", "escape", "question_mark")
        await on.pilot.pause()
        await on.pilot.press("escape")
        assert on.report.options.type_k == "q8_0"


async def test_at_80_columns_no_figure_is_cut(services: FakeServices) -> None:
    async with opened(services, (80, 24)) as on:
        text = on.text()
        for part in ("large", "✔ fits", "4096", "● f16", "RTX 3060", "weights", "KV cache", "512.0 MiB", "? help"):
            assert part in text


async def test_themes_cycle_and_change_the_colours(services: FakeServices) -> None:
    async with opened(services) as on:
        seen = [on.app.theme]
        for _ in THEMES:
            await on.pilot.press("t")
            await on.pilot.pause()
            seen.append(on.app.theme)
            assert "✔ fits" in on.text()
        assert seen == [*THEMES, THEMES[0]]


async def test_any_theme_of_the_palette_works(services: FakeServices) -> None:
    async with opened(services) as on:
        for theme in ("nord", "textual-light", "ansi-dark"):
            on.app.theme = theme
            await on.pilot.pause()
            assert "✔ fits" in on.text()


async def test_without_colours(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(services) as on:
        assert on.app.no_color
        assert "✔ fits" in on.text()


async def test_the_bar_beside_the_table_follows_the_filter() -> None:
    rows = [replace(row, key=f"{row.key}/{at}", name=f"{row.name} {at}") for at in range(9) for row in catalog_rows(12)]
    services = make_services()
    services.rows = [*services.rows, *rows]
    async with opened(services) as on:
        table = on.screen.table
        await until(on.pilot, lambda: table.show_vertical_scrollbar)
        await on.pilot.press("G", "slash", *"large")
        await until(on.pilot, lambda: on.names == ["large"])
        assert not table.show_vertical_scrollbar and not table.vertical_scrollbar.display
        assert "large" in on.text() and rows[0].name not in on.text(), "lines of other rows are gone"
        await on.pilot.press("escape")
        await until(on.pilot, lambda: table.row_count == len(services.rows))
        await on.pilot.pause()
        assert table.vertical_scrollbar.display
        assert table.vertical_scrollbar.window_virtual_size == len(services.rows) + 1
        await on.pilot.press("G")
        await on.pilot.pause()
        assert table.scroll_offset.y == table.max_scroll_y == table.vertical_scrollbar.position > 0
        assert one_line(table.rows[-1].name) in on.text()
