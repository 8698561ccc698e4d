"""At once or in turn: by the memory that both take, and never so that one makes the other run worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdmgr.fit.assess import assess
from kdmgr.fit.machine import Machine
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import FitReport
from kdmgr.services.duel_schedule import Contender, Order, Schedule, decide, without
from tests.support.machines import gpu, machine
from tests.support.shapes import shape

SMALL, LARGE = "llama-3.2-1b", "llama-3.1-8b"


def contender(recipe: str, *, name: str | None = None, engine: str = "llamacpp", held: bool = False) -> Contender:
    known = shape(recipe)

    def judge(on: Machine) -> FitReport:
        return assess(known, on, RunOptions(n_ctx=4096), ref=recipe, source="file")

    return Contender(name or recipe, judge, engine, held)


def decided(left: Contender, right: Contender, on: Machine, order: Order = Order.AUTO) -> Schedule:
    return decide(left, right, on, order)


def test_both_at_once_where_the_gpu_holds_both() -> None:
    found = decided(contender(SMALL), contender(LARGE), machine(gpu(24)))
    assert found.together and not found.frees_memory
    assert "both fit in memory together" in found.reason and "24.00 GiB free on RTX 3060" in found.reason


def test_in_turn_where_one_would_push_the_other_off_the_gpu() -> None:
    card = machine(gpu(8))
    assert contender(LARGE).judge is not None
    found = decided(contender(LARGE), contender(LARGE, name="other"), card)
    assert not found.together and found.frees_memory
    assert "do not fit in memory together" in found.reason


def test_on_the_processor_they_take_turns_but_both_stay() -> None:
    found = decided(contender(SMALL), contender(SMALL, name="other"), machine())
    assert not found.together and not found.frees_memory
    assert "both fit" in found.reason and "on the processor" in found.reason
    assert decided(contender(SMALL), contender(SMALL, name="other"), machine(), Order.AT_ONCE).together


def test_at_once_is_not_done_against_memory() -> None:
    found = decided(contender(LARGE), contender(LARGE, name="other"), machine(available_gib=8), Order.AT_ONCE)
    assert not found.together and found.frees_memory


def test_what_is_asked_for_in_turn_is_freed_only_where_it_has_to_be() -> None:
    roomy = decided(contender(SMALL), contender(LARGE), machine(gpu(24)), Order.IN_TURN)
    assert (roomy.together, roomy.frees_memory) == (False, False)
    tight = decided(contender(LARGE), contender(LARGE, name="other"), machine(gpu(8)), Order.IN_TURN)
    assert (tight.together, tight.frees_memory) == (False, True)
    assert roomy.reason.startswith("as asked")


def test_one_model_of_a_server_is_loaded_once() -> None:
    same = contender(SMALL, engine="ollama")
    found = decided(same, same, machine(gpu(24)))
    assert not found.together and not found.frees_memory and "one model" in found.reason


def test_a_model_that_is_in_memory_takes_nothing_more() -> None:
    card = machine(gpu(8))
    held = contender(LARGE, name="held", engine="ollama", held=True)
    found = decided(held, contender(SMALL), card)
    assert found.together and "holds held already" in found.reason
    both = decided(held, contender(LARGE, name="too", engine="ollama", held=True), card)
    assert both.together and "both in memory" in both.reason


def test_what_is_not_known_is_not_risked() -> None:
    unknown = Contender("far", None, "ollama", unknown="its header cannot be read")
    found = decided(contender(SMALL), unknown, machine(gpu(24)))
    assert not found.together and found.frees_memory
    assert "far" in found.reason and "its header cannot be read" in found.reason


@pytest.mark.parametrize("at", [0, 1])
def test_memory_is_taken_where_the_plan_puts_it(at: int) -> None:
    cards = tuple(replace(gpu(free), index=number) for number, free in enumerate((6, 12)))
    two = machine(*(cards if at else cards[::-1]))
    judge = contender(SMALL).judge
    assert judge is not None
    plan = judge(two).plan
    left = without(two, plan)
    taken = sum(before.free_bytes - after.free_bytes for before, after in zip(two.devices, left.devices, strict=True))
    assert taken == sum(place.components.known for place in plan.devices) > 0
    before, after = two.host.available_bytes, left.host.available_bytes
    assert before is not None and after is not None and before - after == plan.host.components.known
