"""The machine place: what is drawn of devices and loaded models, what the keys do, and that it rests when hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from kdmgr.errors import EngineFailed, KdmgrError, ServerUnreachable
from kdmgr.fit.machine import GpuProcess, Probe
from kdmgr.history.records import LoadRecord
from kdmgr.services.load_history import LoadHistory
from kdmgr.services.monitoring import EMBEDDED, MachineSample
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.confirm import ConfirmScreen
from kdmgr.tui.screens.form import FormScreen
from kdmgr.tui.screens.machine import MachineScreen
from kdmgr.tui.themes import THEMES
from tests.support.machines import GIB, gpu, machine
from tests.tui.conftest import make_services
from tests.tui.fakes import FakeServices
from tests.tui.fakes_machine import BOX, held
from tests.tui.looking import screen_text, until

QWEN = held("qwen3:8b", 6, vram=5)


class Opened:
    """The app with its machine place shown."""

    def __init__(self, app: KdmgrApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def screen(self) -> MachineScreen:
        return next(screen for screen in self.app.screen_stack if isinstance(screen, MachineScreen))

    def text(self) -> str:
        return screen_text(self.app)

    async def shows(self, *texts: str) -> None:
        await until(self.pilot, lambda: all(text in self.text() for text in texts))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@asynccontextmanager
async def opened(services: FakeServices, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Opened]:
    app = KdmgrApp(services)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        app.action_go("machine")
        await until(pilot, lambda: isinstance(app.screen, MachineScreen))
        on = Opened(app, pilot)
        await until(pilot, lambda: services.monitor.n_samples)
        await pilot.pause()
        yield on


async def test_memory_load_and_models_are_shown() -> None:
    services = make_services()
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("qwen3:8b", "6.00 GiB free of 12.00 GiB", "models 5.00 GiB", "others 1.00 GiB", "83%", "8k")
        await on.shows("50%", "25%")
        text = on.text()
        assert "⚠ 1.00 GiB" in text and "qwen3:8b does not fit the GPU" in text
        assert "models: as the engine says" in text


async def test_what_the_driver_tells_of_processes_is_preferred() -> None:
    services = make_services()
    running = (GpuProcess(7, "/usr/bin/ollama", 4 * GIB), GpuProcess(8, "Xorg", 1))
    card = replace(gpu(6, total_gib=12), processes=running)
    services.monitor.sample_now = MachineSample(machine(card), None)
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("models 4.00 GiB", "others 2.00 GiB", "as the driver says", "not told")


async def test_several_devices_are_not_split_by_guess() -> None:
    services = make_services()
    services.monitor.sample_now = MachineSample(machine(gpu(6, total_gib=12), gpu(11, total_gib=12)), None)
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("in use 6.00 GiB", "not told for each device")
        assert "others" not in on.text()


async def test_without_a_gpu_it_says_how_that_was_seen() -> None:
    services = make_services()
    found = replace(machine(), probes=(Probe("nvidia", "absent", "no NVIDIA driver is loaded"),))
    services.monitor.sample_now = MachineSample(found, 0.5)
    async with opened(services) as on:
        await on.shows("no GPU found: models run on the CPU", "nvidia: absent", "Nothing is loaded")


async def test_unloading_asks_nothing_and_tells_what_it_freed() -> None:
    services = make_services()
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("qwen3:8b")
        on.screen.loaded_panel.table.focus()
        await on.press("u")
        await on.shows("qwen3:8b is unloaded: 6.00 GiB are free again", "Nothing is loaded")
        assert not services.monitor.holdings


async def test_a_refused_unload_is_told() -> None:
    services = make_services()
    services.monitor.holdings = [QWEN]
    services.monitor.unload_error = EngineFailed("qwen3:8b is answering", hint="stop the answer first")
    async with opened(services) as on:
        await on.shows("qwen3:8b")
        on.screen.loaded_panel.table.focus()
        await on.press("u")
        await on.shows("qwen3:8b is answering", "stop the answer first")


async def test_keeping_a_model_checks_the_time_before_it_closes() -> None:
    services = make_services()
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("qwen3:8b")
        on.screen.loaded_panel.table.focus()
        await on.press("l")
        await until(on.pilot, lambda: isinstance(on.app.screen, FormScreen))
        await on.press("ctrl+u", *"12", "enter")
        await on.shows("not a time: '12'")
        await on.press("h", "enter")
        await until(on.pilot, lambda: services.monitor.kept)
        assert services.monitor.kept == [("qwen3:8b", "12h")]
        assert isinstance(on.app.screen, MachineScreen)


async def test_an_embedded_model_is_listed_beside_a_server_that_is_down() -> None:
    services = make_services()
    services.monitor.holdings = [held("smollm2", 0.2, vram=0, holder=EMBEDDED)]
    services.monitor.error = ServerUnreachable("no server answers at 127.0.0.1:11434", hint="start it: ollama serve")
    async with opened(services) as on:
        await on.shows("smollm2", "in chat", "no server answers at 127.0.0.1:11434", "start it: ollama serve")
        services.monitor.error = None
        services.monitor.holdings = [QWEN]
        await on.press("r")
        await on.shows("qwen3:8b")
        assert "no server answers" not in on.text()


async def test_switching_the_server_asks_for_its_models() -> None:
    services = make_services()
    async with opened(services) as on:
        await on.shows("gpu-box", "✔ 0.30.1", "✘ refused", "RTX 3060 12GB")
        before = services.calls.count("server")
        await on.press("down", "enter")
        await on.shows("The server is gpu-box now.")
        assert services.host_book.current == BOX
        await until(on.pilot, lambda: services.calls.count("server") > before)


async def test_a_remote_host_shows_its_declared_card_and_not_a_free_byte() -> None:
    services = make_services()
    services.monitor.host = services.host_book.current = BOX
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        await on.shows("gpu-box · NVIDIA", "12.00 GiB declared", "models 5.00 GiB", "not known")
        await on.shows("others 6.00 GiB")  # the card that is here holds nothing of it


async def test_adding_a_server_shows_what_is_wrong_inline() -> None:
    services = make_services()
    async with opened(services) as on:
        await on.press("a", "enter")
        await on.shows("a host cannot be called ''")
        await on.press(*"cellar", "tab", *"10.0.0.9", "tab", *"RTX 3060", "enter")
        await on.shows("cellar")
        assert services.host_book.added == [("cellar", "10.0.0.9", ("RTX 3060",), None)]


async def test_forgetting_a_server_asks_first() -> None:
    services = make_services()
    async with opened(services) as on:
        await on.press("down", "d")
        await until(on.pilot, lambda: isinstance(on.app.screen, ConfirmScreen))
        await on.press("n")
        assert BOX in services.host_book.hosts
        await on.press("d", "y")
        await until(on.pilot, lambda: BOX not in services.host_book.hosts)
        await on.press("d")
        await on.shows("Only servers that were given a name")


@asynccontextmanager
async def hurried(services: FakeServices) -> AsyncIterator[Opened]:
    """The place looking twenty times a second."""
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await app.push_screen(MachineScreen(services, look_s=0.05))
        yield Opened(app, pilot)


async def test_it_looks_only_while_it_is_shown() -> None:
    services = make_services()
    async with hurried(services) as on:
        await until(on.pilot, lambda: services.monitor.n_samples > 3)
        await on.press("f1")
        await on.pilot.pause(0.1)
        before = services.monitor.n_samples, services.monitor.n_loaded
        await on.pilot.pause(0.3)
        assert (services.monitor.n_samples, services.monitor.n_loaded) == before
        await on.press("escape")
        await until(on.pilot, lambda: services.monitor.n_samples > before[0] + 1)


async def test_a_slow_server_is_asked_once_and_holds_up_nothing() -> None:
    services = make_services()
    services.monitor.release = asyncio.Event()
    async with hurried(services) as on:
        await until(on.pilot, lambda: services.monitor.n_samples > 4)
        assert services.monitor.n_loaded == 1
        await on.shows("6.00 GiB free of 12.00 GiB", "asking the server")
        services.monitor.release.set()
        await until(on.pilot, lambda: services.monitor.n_loaded > 1)


async def test_plans_stand_beside_what_loads_took() -> None:
    sizes = 0, 5 * GIB, 4 * GIB, 4 * GIB, None, None
    load = LoadRecord("2026-11-24T10:00:00+00:00", "m", "ollama", "0.30", "qwen3:8b", None, 8192, *sizes)
    services = make_services()
    services.monitor.history_now = LoadHistory((load,), (), 0.25, None, None, ())
    async with opened(services, (150, 40)) as on:
        await on.shows("median error 25.0% over 1 load", "5.00 GiB", "+25.0%", "2026-11-24 10:00")


async def test_a_history_that_cannot_be_read_is_said() -> None:
    services = make_services()
    services.monitor.history_error = KdmgrError("the history is locked")
    async with opened(services) as on:
        await on.shows("the history is locked")


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20), (200, 60)])
async def test_every_size_shows_the_place(size: tuple[int, int]) -> None:
    services = make_services()
    services.monitor.holdings = [QWEN, held("[b]odd[/b]\x1b[31m", 1, vram=1)]
    async with opened(services, size) as on:
        await on.shows("memory and load", "6.00 GiB free")
        for _ in range(4):
            await on.press("tab")
        on.screen.loaded_panel.table.focus()
        await on.pilot.pause()
        await on.shows("qwen3:8b", "[b]odd[/b]")
        assert "\x1b" not in on.text()


@pytest.mark.parametrize("theme", THEMES)
async def test_every_theme_draws_it(theme: str) -> None:
    services = make_services()
    services.monitor.holdings = [QWEN]
    async with opened(services) as on:
        on.app.theme = theme
        await on.shows("qwen3:8b", "models 5.00 GiB")
