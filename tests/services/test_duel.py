"""A duel: both are asked alike, at once or in turn; one that fails leaves the other its answer."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from kdmgr.engines.protocol import ChatDelta
from kdmgr.errors import EngineFailed, NotFound, UsageError
from kdmgr.services.agreement import Agreement
from kdmgr.services.app import Services
from kdmgr.services.duel import Duel, DuelEvent, DuelOptions, Side, SideFailed, SideStarted
from kdmgr.services.duel_opening import open_duel
from kdmgr.services.duel_rounds import Round, read_prompts, summarize
from kdmgr.services.duel_schedule import Schedule
from tests.support.duelling import AT_ONCE, IN_TURN, STATS, Canned, duel_of


async def ask(duel: Duel, options: DuelOptions | None = None) -> list[DuelEvent]:
    return [event async for event in duel.ask("?", options or DuelOptions())]


async def test_both_are_asked_alike() -> None:
    duel, _ = duel_of("wide", "wide")
    await ask(duel, DuelOptions(seed=7, temperature=0.5, n_predict=9, think=False))
    for side in (duel.left, duel.right):
        assert isinstance(side, Canned)
        assert side.parameters == {"seed": 7, "temperature": 0.5, "num_predict": 9}
        assert side.think is False and side.n_top > 0
    outcome = duel.outcome()
    assert outcome is not None and outcome.difference.identical
    assert isinstance(outcome.agreement, Agreement) and outcome.agreement.share == 1.0


async def test_at_once_their_pieces_mingle() -> None:
    duel, diary = duel_of("wide sea", "deep sea")
    events = await ask(duel)
    sides = [event.side for event in events if isinstance(event.event, ChatDelta)]
    assert sides != sorted(sides) and set(sides) == set(Side)
    assert diary.index("B asked") < diary.index("A done")


async def test_in_turn_the_first_is_unloaded_before_the_second_is_asked() -> None:
    duel, diary = duel_of("wide", "deep", IN_TURN)
    await ask(duel)
    assert diary[2:] == ["B unloaded", "A asked", "A done", "A unloaded", "B asked", "B done"]


async def test_what_a_server_held_before_is_left_where_it_is() -> None:
    duel, diary = duel_of("wide", "deep", IN_TURN)
    duel.kept = frozenset({Side.LEFT})
    await ask(duel)
    assert "A unloaded" not in diary and "B unloaded" in diary


@pytest.mark.parametrize("schedule", [AT_ONCE, IN_TURN])
async def test_one_that_fails_leaves_the_other_its_answer(schedule: Schedule) -> None:
    duel, _ = duel_of("wi", "deep", schedule, A=EngineFailed("out of memory"))
    events = await ask(duel)
    failures = [event for event in events if isinstance(event.event, SideFailed)]
    assert [failed.side for failed in failures] == [Side.LEFT]
    assert duel.answers[Side.LEFT].error is not None and duel.answers[Side.LEFT].text == "wi"
    assert duel.answers[Side.RIGHT].text == "deep" and duel.answers[Side.RIGHT].stats == STATS
    assert sum(isinstance(event.event, SideStarted) for event in events) == 2


@pytest.mark.parametrize("schedule", [AT_ONCE, IN_TURN])
async def test_stopping_stops_both_and_keeps_what_has_come(schedule: Schedule) -> None:
    duel, diary = duel_of("a" * 500, "b" * 500, schedule)
    async with aclosing(duel.ask("?", DuelOptions())) as events:
        async for event in events:
            if len(duel.answers[event.side].text) >= 3:
                break
    assert not [line for line in diary if line.endswith("done")]
    assert isinstance(duel.left, Canned) and duel.left.stopped
    assert duel.answers[Side.LEFT].text.startswith("a") and duel.answers[Side.LEFT].stats is None


async def test_one_is_made_to_read_the_others_answer() -> None:
    duel, _ = duel_of("wide sea", "wide see")
    await ask(duel)
    steps = [step async for step in duel.force("?")]
    last = steps[-1]
    assert isinstance(last, Agreement) and last.forced
    assert (last.n_places, last.n_same_top) == (8, 7)
    assert len(steps) == 8


async def test_what_cannot_be_forced_is_not() -> None:
    duel, _ = duel_of("wide", "wide")
    assert [step async for step in duel.force("?")] == ["nothing was asked yet"]
    await ask(duel)
    duel.right.engine_name = "ollama"
    (reason,) = [step async for step in duel.force("?")]
    assert isinstance(reason, str) and "--engine llamacpp" in reason


async def test_totals_weigh_every_place_alike() -> None:
    rounds = []
    for left, right in (("wide", "wide"), ("abcdefgh", "abcdefgx")):
        duel, _ = duel_of(left, right)
        await ask(duel)
        rounds.append(Round("?", duel.answers[Side.LEFT], duel.answers[Side.RIGHT], duel.outcome()))
    total = summarize(rounds)
    assert (total.n_rounds, total.n_identical, total.n_failed) == (2, 1, 0)
    assert (total.n_places, total.n_same_top) == (12, 11)
    assert total.kl is not None and total.kl > 0


def test_prompts_from_a_file() -> None:
    text = '# a comment\n\none\n  two words\n{"prompt": "three\\nlines"}\n"four"\n{not json}\n'
    assert read_prompts(text) == ["one", "two words", "three\nlines", "four", "{not json}"]
    with pytest.raises(UsageError):
        read_prompts("# nothing\n\n")
    with pytest.raises(UsageError):
        read_prompts('{"question": "?"}')


@pytest.fixture
def services(tmp_path: Path) -> Services:
    env = {
        "KDMGR_DATA_DIR": str(tmp_path / "data"),
        "KDMGR_CONFIG_DIR": str(tmp_path / "config"),
        "OLLAMA_MODELS": str(tmp_path / "ollama"),
        "OLLAMA_HOST": "127.0.0.1:9",
    }
    return Services.create(env)


async def test_a_real_model_against_itself(services: Services, smollm_gguf: Path) -> None:
    options = DuelOptions(n_predict=8, n_ctx=512)
    duel = await open_duel(services, str(smollm_gguf), str(smollm_gguf), options)
    try:
        async for _ in duel.ask("Tell me of the sea.", options):
            pass
        outcome = duel.outcome()
        forced = [step async for step in duel.force("Tell me of the sea.")][-1]
    finally:
        await duel.close()
    assert "both fit in memory together" in duel.schedule.reason
    assert outcome is not None and outcome.difference.identical
    for agreement in (outcome.agreement, forced):
        assert isinstance(agreement, Agreement)
        assert (agreement.n_places, agreement.n_same_top) == (8, 8)
        assert agreement.kl == pytest.approx(0.0, abs=1e-3)


async def test_what_is_not_there_opens_nothing(services: Services, smollm_gguf: Path) -> None:
    with pytest.raises(NotFound):
        await open_duel(services, str(smollm_gguf), "nothing-of-the-kind", DuelOptions())
