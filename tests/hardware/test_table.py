"""Cards by the names that people type."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from kdmgr.errors import UsageError
from kdmgr.fit.machine import Backend
from kdmgr.hardware.declared import declare_machine
from kdmgr.hardware.table import find_by_driver_name, parse_gpus
from tests.support.machines import host

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "name", "gib"),
    [
        ("RTX 3060 12GB", "NVIDIA GeForce RTX 3060", 12),
        ("rtx3060 8gb", "NVIDIA GeForce RTX 3060", 8),
        ("4090", "NVIDIA GeForce RTX 4090", 24),
        ("RTX 4090 Laptop", "NVIDIA GeForce RTX 4090 Laptop GPU", 16),
        ("RTX 4060 Ti 16GB", "NVIDIA GeForce RTX 4060 Ti", 16),
        ("7900 XTX", "AMD Radeon RX 7900 XTX", 24),
        ("MI300X", "AMD Instinct MI300X", 192),
        ("A770", "Intel(R) Arc(TM) A770 Graphics", 16),
        ("M4 Max 64GB", "Apple M4 Max", 64),
    ],
)
def test_a_card_is_found_as_people_write_it(text: str, name: str, gib: int) -> None:
    (card,) = parse_gpus(text)
    assert (card.name, card.memory_bytes) == (name, gib * GIB)
    assert card.source


def test_several_cards_can_be_asked_for() -> None:
    assert [card.name[-4:] for card in parse_gpus("2x RTX 3090, 4090")] == ["3090", "3090", "4090"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("RTX 3060", "8 GiB, 12 GiB"),
        ("RTX 3060 24GB", "12 GiB"),
        ("rtx 9999", "close to"),
        ("zzz", "--vram"),
        ("99x RTX 3090", "up to 16"),
        ("", "name one"),
    ],
)
def test_what_is_no_single_card_is_refused_with_what_would_be(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gpus(text)
    assert hint in (caught.value.hint or "")


def test_a_driver_reports_a_little_less_than_the_nominal_memory() -> None:
    card = find_by_driver_name("NVIDIA GeForce RTX 4090", 24564 << 20)
    assert card is not None
    assert card.bandwidth == 1_010_000_000_000
    assert find_by_driver_name("NVIDIA GeForce RTX 4090", 12 * GIB) is None


def test_every_row_of_the_table_can_be_read_and_names_its_source() -> None:
    for line in files("kdmgr.hardware").joinpath("gpus.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert row["source"]
        assert row["vendor"] in ("nvidia", "amd", "apple", "intel")
        assert row["memory_gib"] or row["unified"]


def test_a_declared_machine_has_all_its_memory_free() -> None:
    machine = declare_machine(["RTX 3060 12GB", "M4 Max 64GB"], 8 * GIB, host())
    first, apple, generic = machine.devices
    assert machine.declared
    assert (first.backend, first.free_bytes, first.bandwidth_basis) == (Backend.CUDA, 12 * GIB, "GPU table")
    assert (apple.backend, apple.unified, apple.free_bytes) == (Backend.METAL, True, 48 * GIB)
    assert (generic.free_bytes, generic.bandwidth, generic.index) == (8 * GIB, None, 2)
