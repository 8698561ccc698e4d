"""Watching a machine and what is loaded; whose memory it is; changing over to another server."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.config import load_settings
from kdmgr.errors import UsageError
from kdmgr.fit.machine import GpuProcess, Machine, Probe
from kdmgr.hardware.cpu_times import CpuTimes, busy_between, read_cpu_times
from kdmgr.paths import Paths
from kdmgr.services.app import Services
from kdmgr.services.device_use import declared_uses, device_uses, host_held
from kdmgr.services.monitoring import EMBEDDED, MachineWatch
from tests.engines.scripted import Exchange, ScriptedServer, json_reply
from tests.support.machines import GIB, gpu, machine
from tests.tui.fakes_machine import held

CARD = gpu(6, total_gib=12)


def make_services(folder: Path, url: str = "") -> Services:
    paths = Paths(folder / "data", folder / "config", folder / "cache", folder / "ollama")
    return Services(paths, load_settings(paths.config), {**os.environ, "OLLAMA_HOST": url})


def test_processor_time_is_what_lies_between_two_readings(tmp_path: Path) -> None:
    stat = tmp_path / "proc/stat"
    stat.parent.mkdir()
    stat.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
    first = read_cpu_times(tmp_path)
    assert first == CpuTimes(200, 1000)
    stat.write_text("cpu  150 0 125 850 100 0 0 0 0 0\n")
    assert busy_between(first, read_cpu_times(tmp_path)) == pytest.approx(75 / 225)
    assert busy_between(None, first) is None and busy_between(first, first) is None
    assert read_cpu_times(tmp_path / "elsewhere") is None


def test_a_driver_that_hangs_is_asked_once_until_told_to(tmp_path: Path) -> None:
    hung = replace(machine(CARD), probes=(Probe("nvidia", "timed out", "no answer"),))
    looks: list[int] = []

    def look() -> Machine:
        looks.append(1)
        return hung

    watch = MachineWatch(look, lambda: replace(hung.host, available_bytes=GIB), lambda: None)
    assert watch.sample().hung == ("nvidia",)
    later = watch.sample()
    assert len(looks) == 1 and later.machine.host.available_bytes == GIB and later.machine.devices == hung.devices
    watch.ask_again()
    watch.sample()
    assert len(looks) == 2


def test_the_drivers_figures_split_a_device_and_the_engines_do_only_where_there_is_one() -> None:
    model = held("m", 6, vram=4)
    told = replace(CARD, processes=(GpuProcess(1, "/usr/bin/ollama", 5 * GIB), GpuProcess(2, "Xorg", 1)))
    assert device_uses(machine(told), [model])[0].models == 5 * GIB
    assert device_uses(machine(CARD), [model])[0].models == 4 * GIB
    assert [use.models for use in device_uses(machine(CARD, CARD), [model])] == [None, None]
    assert [use.models for use in device_uses(machine(CARD, CARD), [])] == [0, 0]


def test_parts_add_up_to_the_memory() -> None:
    (use,) = device_uses(machine(CARD), [held("m", 6, vram=4)])
    assert {part.label: part.size for part in use.parts} == {"others": 2 * GIB, "models": 4 * GIB, "free": 6 * GIB}
    (use,) = device_uses(machine(CARD), [held("m", 9, vram=8)])  # it says more than is in use: no negative rest
    assert {part.label: part.size for part in use.parts} == {"models": 6 * GIB, "free": 6 * GIB}
    (there,) = declared_uses(machine(CARD), [held("m", 6, vram=4)])
    assert {part.label: part.size for part in there.parts} == {"models": 4 * GIB, "not known": 8 * GIB}


def test_a_worker_of_our_own_counts_by_its_process_id() -> None:
    mine = replace(held("m", 3, vram=3, holder=EMBEDDED), worker_pid=77)
    told = replace(CARD, processes=(GpuProcess(77, "python3", 3 * GIB),))
    assert device_uses(machine(told), [mine])[0].models == 3 * GIB


def test_host_memory_of_models_is_unknown_when_one_does_not_say() -> None:
    known = held("m", 6, vram=4)
    silent = replace(known, residence=replace(known.residence, spill=None))
    assert host_held([known]) == 2 * GIB
    assert host_held([known, silent]) is None


LOADED = {"name": "m:latest", "size": 6 * GIB, "size_vram": 4 * GIB, "context_length": 4096}


async def test_what_a_server_holds_is_told_and_let_go() -> None:
    gone = [json_reply(models=[LOADED]), json_reply(models=[])]
    script = [Exchange("GET", "/api/ps", gone), Exchange("POST", "/api/generate", [json_reply(done=True)])]
    with ScriptedServer(script) as server:
        services = make_services(Path("/nonexistent"), server.host)
        loaded = await services.monitor.loaded()
        (model,) = loaded.holdings
        assert (model.name, model.residence.spill, loaded.error, loaded.here) == ("m:latest", 2 * GIB, None, (model,))
        done = await services.monitor.unload(model)
        assert (done.gone, done.size, done.size_vram) == (True, 6 * GIB, 4 * GIB)


async def test_a_server_that_is_down_is_an_answer() -> None:
    loaded = await make_services(Path("/nonexistent"), "127.0.0.1:9").monitor.loaded()
    assert loaded.holdings == () and loaded.error is not None and loaded.error.hint


def test_switching_is_kept_unless_the_environment_decides_at_the_start(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    before = services.server_models
    book = services.host_book
    book.add("gpu-box", "192.0.2.7", ("RTX 3060 12GB",), "64GiB")
    box = next(host for host in book.choices() if host.named)
    assert book.switch(box)
    assert services.host == box and services.server_models is not before
    assert load_settings(services.paths.config).host == "gpu-box"
    book.remove(box.named)  # type: ignore[arg-type]
    assert [host.named for host in book.choices()].count(None) >= 1

    with_environment = make_services(tmp_path, "192.0.2.9")
    book = with_environment.host_book
    book.add("other", "192.0.2.8")
    assert not book.switch(next(host for host in book.choices() if host.named))
    assert "192.0.2.9" in {host.address.host for host in book.choices()}, "the way back is still there"


def test_a_server_that_cannot_be_is_refused(tmp_path: Path) -> None:
    book = make_services(tmp_path).host_book
    with pytest.raises(UsageError):
        book.add("default", "192.0.2.7")
    with pytest.raises(UsageError, match="size"):
        book.add("box", "192.0.2.7", memory="much")
    assert not load_settings(tmp_path / "config").hosts
