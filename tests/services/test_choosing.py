"""Filters and orders: what is unknown meets no wish and stands last, and an order says by what it sorts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.catalog.retention import same_benchmark, shared_benchmark
from kdmgr.errors import UsageError
from kdmgr.services.choosing import Chosen, Wish, choose, kept, pace
from kdmgr.units import GIB
from tests.services.choosing_rig import keep_students, machine, services_in


def ids(chosen: Chosen) -> list[str]:
    return [one.student.id for one in chosen.students]


def pick(folder: Path, wish: Wish) -> list[str]:
    return ids(choose(services_in(folder), wish, None))


@pytest.mark.parametrize(
    ("wish", "n_met", "some"),
    [
        (Wish(), 136, "phi3-mini"),
        (Wish(search="DEEPSEEK-R1:7b"), 1, "deepseek-r1-distill-qwen-7b"),
        (Wish(task="embedding"), 12, "bge-m3"),
        (Wish(method="layer-drop+logits"), 7, "distilbert-base-uncased"),
        (Wish(teacher="gpt-4"), 9, "phi3-mini"),
        (Wish(licence="llama 3.2"), 5, "llama3.2-1b"),
        (Wish(modality="audio"), 5, "gemma3n-e2b"),
        (Wish(least_context=1 << 20), 2, "llama4-scout"),
        (Wish(least_parameters=100_000_000_000), 2, "llama4-scout"),
        (Wish(installed=True), 0, None),
    ],
)
def test_a_wish_keeps_those_that_meet_it(tmp_path: Path, wish: Wish, n_met: int, some: str | None) -> None:
    found = pick(tmp_path, wish)
    assert some is None or some in found
    assert len(found) == n_met
    assert found == sorted(found)


def test_open_means_every_part_of_a_licence_and_verified(tmp_path: Path) -> None:
    found = pick(tmp_path, Wish(licence="open"))
    assert "qwen3-8b" in found
    assert not {"llama3.2-3b", "openthinker-7b", "gemma3-4b"} & set(found)


def test_bounds_leave_out_what_is_unknown(tmp_path: Path) -> None:
    keep_students(tmp_path, {"id": "blank", "name": "Blank", "teacher": {"name": "?"}})
    assert "blank" in pick(tmp_path, Wish())
    for wish in (Wish(most_parameters=1 << 50), Wish(most_size=1 << 50), Wish(least_context=1), Wish(licence="open")):
        assert "blank" not in pick(tmp_path, wish)
    for order in ("size", "context", "released", "retention"):
        found = pick(tmp_path, Wish(sort=order))
        assert found.index("blank") > found.index("deepseek-r1-distill-qwen-7b"), order


def test_sizes_are_bounded_by_the_file(tmp_path: Path) -> None:
    chosen = choose(services_in(tmp_path), Wish(least_size=4 * GIB, most_size=5 * GIB), None)
    assert chosen.students
    assert all(4 * GIB <= (one.size_bytes or 0) <= 5 * GIB for one in chosen.students)


def test_what_fits_is_what_the_devices_hold_with_cache_and_scratch_memory(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    small = choose(services, Wish(fits=True, search="deepseek-r1-distill"), machine(8))
    assert ids(small)
    assert all((one.memory_bytes or 0) <= 8 * GIB for one in small.students)
    assert all((one.size_bytes or 0) < (one.memory_bytes or 0) for one in small.students)
    longer = choose(services, Wish(fits=True, search="deepseek-r1-distill"), machine(8), 131072)
    assert set(ids(longer)) < set(ids(small)), "a cache of 128k leaves less room"
    without = choose(services, Wish(fits=True, search="deepseek-r1-distill"), machine(host_gib=16))
    assert "deepseek-r1-distill-qwen-14b" in ids(without)
    assert "deepseek-r1-distill-llama-70b" not in ids(without)
    nowhere = choose(services, Wish(fits=True), machine(host_gib=None))
    assert ids(nowhere) == [], "a host whose memory is not known fits nothing"


@pytest.mark.parametrize(
    ("order", "first"),
    [("size", "distilbert-base-uncased"), ("context", "llama4-scout"), ("released", "vibethinker-3b")],
)
def test_orders(tmp_path: Path, order: str, first: str) -> None:
    chosen = choose(services_in(tmp_path), Wish(sort=order, task=None), None)
    values = {
        "size": [one.size_bytes for one in chosen.students if one.size_bytes is not None],
        "context": [-(one.student.context_length or 0) for one in chosen.students],
        "released": [one.student.released for one in chosen.students if one.student.released][::-1],
    }[order]
    assert values == sorted(values)  # type: ignore[type-var]
    assert first in ids(chosen)[:8]


def test_speed_is_sorted_with_the_fastest_first(tmp_path: Path) -> None:
    chosen = choose(services_in(tmp_path), Wish(sort="speed", task="chat"), machine(24))
    paces = [pace(one.speed) or 0 for one in chosen.students if one.speed]
    assert len(paces) > 50
    assert paces == sorted(paces, reverse=True)


def test_retention_is_sorted_on_one_benchmark_which_is_named(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    chosen = choose(services, Wish(sort="retention"), None)
    assert chosen.benchmark == shared_benchmark(services.catalog)
    shares = [kept(one.student, chosen.benchmark) for one in chosen.students]
    known = [share for share in shares if share is not None]
    assert len(known) > 10
    assert shares[: len(known)] == sorted(known, reverse=True), "the unmeasured come last"
    assert f"on {chosen.benchmark} (the one that most of these share): known of {len(known)}" in chosen.notes[0]
    code = choose(services, Wish(sort="retention", task="code"), None)
    assert (code.benchmark or "").startswith("LiveCodeBench")


def test_a_benchmark_can_be_named_as_people_write_it(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    chosen = choose(services, Wish(sort="retention", benchmark="gpqa-diamond", search="deepseek-r1-distill"), None)
    assert chosen.benchmark == "GPQA Diamond"
    assert chosen.students[0].student.id == "deepseek-r1-distill-llama-70b"
    assert same_benchmark("GPQA-Diamond", "gpqa diamond")
    assert not same_benchmark("GPQA", "GPQA Diamond")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(method="magic"), "no such method"),
        (Wish(task="juggling"), "no such task"),
        (Wish(benchmark="AIME 2024"), "--benchmark says which retention"),
        (Wish(sort="retention", benchmark="Chess"), "none of these students was measured on Chess"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, wish: Wish, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        pick(tmp_path, wish)
    assert caught.value.hint
