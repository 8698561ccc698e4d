"""What loads teach, and what they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.fit.machine import Backend, Device, Host, Machine
from kdmgr.fit.overhead import HOST_RUNTIME, device_overhead, host_overhead
from kdmgr.services.learning import LARGEST, learn, machine_key, with_learned
from tests.history.test_history import LOAD, MIB

CARD = Device("Test GPU", Backend.CUDA, 8 << 30, 8 << 30, "made up", architecture="Ampere")
HOST = Host("Test CPU", 4, 16 << 30, 8 << 30, "made up")


def test_two_loads_teach_nothing_and_three_their_median() -> None:
    assert learn([10, 20]) is None
    learned = learn([30 * MIB, 10 * MIB, None, 20 * MIB])
    assert learned is not None
    assert (learned.size, learned.basis) == (20 * MIB, "median of 3 loads on this machine")


@pytest.mark.parametrize("wild", [-1, LARGEST + 1, 1 << 60])
def test_what_cannot_be_an_overhead_is_left_out(wild: int) -> None:
    assert learn([10, 20, wild]) is None
    learned = learn([10, 20, 30, wild, wild, wild])
    assert learned is not None
    assert learned.size == 20


def test_only_the_newest_count() -> None:
    learned = learn([100] * 20 + [5000] * 500)
    assert learned is not None
    assert (learned.size, learned.basis) == (100, "median of 20 loads on this machine")


def test_a_machine_shows_what_was_learned_and_from_what() -> None:
    machine = Machine((), HOST)
    assert host_overhead(machine.host).size == HOST_RUNTIME
    taught = with_learned(machine, [LOAD] * 5)
    shown = host_overhead(taught.host)
    assert (shown.size, shown.basis) == (40 * MIB, "median of 5 loads on this machine")
    assert with_learned(machine, [LOAD] * 2) == machine


def test_devices_share_what_all_of_them_took() -> None:
    load = replace(LOAD, predicted_device=200 * MIB, size_vram=190 * MIB, process_device=1000 * MIB)
    one, two = Machine((CARD,), HOST), Machine((CARD, replace(CARD, index=1)), HOST)
    taught = with_learned(one, [load] * 3).devices[0]
    assert device_overhead(taught).size == 800 * MIB
    assert "3 loads" in device_overhead(taught).basis
    assert device_overhead(CARD).size == 300 * MIB
    assert [device_overhead(device).size for device in with_learned(two, [load] * 3).devices] == [400 * MIB] * 2


def test_another_card_or_driver_is_another_machine() -> None:
    machine = Machine((CARD,), HOST)
    assert machine_key(machine) == machine_key(replace(machine, host=replace(HOST, available_bytes=1)))
    assert machine_key(machine) != machine_key(Machine((), HOST))
    assert machine_key(machine) != machine_key(Machine((replace(CARD, driver="9"),), HOST))


def test_plans_use_it() -> None:
    from kdmgr.fit.assess import assess
    from kdmgr.fit.explain import explain
    from tests.support.shapes import shape

    load = replace(LOAD, predicted_device=200 * MIB, size_vram=190 * MIB, process_device=900 * MIB)
    taught = with_learned(Machine((CARD,), HOST), [load] * 4)
    report = assess(shape("llama-3.2-1b"), taught, ref="m", source="file")
    assert report.plan.devices[0].components.overhead == 700 * MIB
    assert any("median of 4 loads on this machine" in step.inputs for step in explain(report))
