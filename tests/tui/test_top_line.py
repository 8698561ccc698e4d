"""The machine at the right end of the top line, wherever one is, as far as there is room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import DataTable

from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.places import PLACES
from kdmgr.tui.words import machine_lines
from tests.support.machines import gpu, machine
from tests.tui.conftest import make_services
from tests.tui.looking import screen_text, until


@pytest.mark.parametrize(("width", "shown"), [(160, "RTX 3060 10.40 GiB free of 12.00 GiB"), (80, "10.4 GiB free")])
async def test_every_place_shows_the_machine(width: int, shown: str) -> None:
    services = make_services(catalog=2)
    app = KdmgrApp(services)
    async with app.run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: shown in screen_text(app))
        for place in PLACES[1:3]:
            app.action_go(place.mode)
            await until(pilot, lambda: shown in screen_text(app))
        assert services.calls.count("machine") == 1


async def test_an_app_that_begins_elsewhere_looks_for_itself() -> None:
    services = make_services(catalog=2)
    services.ui_state.remember("app", {"place": "chats"})
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: "RTX 3060 10.40 GiB free" in screen_text(app))


async def test_tables_look_the_same_wherever_one_was_before() -> None:
    app = KdmgrApp(make_services(catalog=2))
    async with app.run_test(size=(120, 36)) as pilot:
        app.action_go("settings")
        await until(pilot, lambda: "ctx_size" in screen_text(app))
        for table in app.screen.query(DataTable):
            assert not table.get_component_rich_style("datatable--header").bold
            assert table.get_component_rich_style("keyed-table--muted", partial=True).color


def test_shorter_lines_tell_of_the_memory_that_is_judged_first() -> None:
    assert machine_lines(machine(available_gib=24))[-2:] == ["24.0 GiB free", "24.00 GiB"]
    assert machine_lines(machine(gpu(6), available_gib=24))[-1] == "6.00 GiB"
    long = replace(gpu(12), name="NVIDIA GeForce RTX 3060")
    lines = machine_lines(replace(machine(long, available_gib=24), declared=False))
    assert "RTX 3060 12.00 GiB free  ·  host 24.00 GiB free" in lines
    assert lines[-3:] == ["RTX 3060 12.00 GiB free", "12.0 GiB free", "12.00 GiB"]
    assert sorted(lines, key=len, reverse=True) == lines
    planned = machine_lines(machine(long))
    assert planned[-3] == "planned for RTX 3060 12.00 GiB free"
    both = machine_lines(replace(machine(gpu(6), gpu(11), available_gib=24), declared=False))
    assert both[-3:] == ["2 GPUs 17.00 GiB free  ·  host 24.00 GiB free", "17.0 GiB free", "17.00 GiB"]
