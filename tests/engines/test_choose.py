"""Which engine runs a model, in every situation."""

from __future__ import annotations

import itertools

import pytest

from kdmgr.engines.choose import choose
from kdmgr.engines.protocol import EngineStatus
from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable, UsageError

UP = {
    "ollama": EngineStatus("ollama", True, "0.24.0"),
    "llamacpp": EngineStatus("llamacpp", True, "b1"),
}
DOWN = {
    "ollama": EngineStatus("ollama", False, "no server answers", hint="start it: ollama serve"),
    "llamacpp": EngineStatus("llamacpp", False, "xllamacpp is missing", hint="install kdmgr[llamacpp]"),
}


def statuses(*, ollama: bool, llamacpp: bool) -> dict[str, EngineStatus]:
    return {"ollama": (UP if ollama else DOWN)["ollama"], "llamacpp": (UP if llamacpp else DOWN)["llamacpp"]}


@pytest.mark.parametrize("situation", list(itertools.product([False, True], repeat=4)))
def test_auto_prefers_a_server_that_has_the_model(situation: tuple[bool, bool, bool, bool]) -> None:
    ollama, on_server, llamacpp, at_hand = situation
    asked = statuses(ollama=ollama, llamacpp=llamacpp)
    if not (ollama and on_server) and not (llamacpp and at_hand):
        with pytest.raises(KdmgrError) as failed:
            choose("auto", asked, server_has_model=on_server, file_at_hand=at_hand)
        assert failed.value.hint
        assert "; or " in failed.value.hint
        return
    choice = choose("auto", asked, server_has_model=on_server, file_at_hand=at_hand)
    assert choice.engine == ("ollama" if ollama and on_server else "llamacpp")
    assert choice.reason


def test_the_reason_for_the_embedded_engine_is_what_the_server_lacks() -> None:
    down = choose("auto", statuses(ollama=False, llamacpp=True), server_has_model=False, file_at_hand=True)
    without = choose("auto", UP, server_has_model=False, file_at_hand=True)
    assert down.reason == "no server answers"
    assert without.reason == "the Ollama server does not have the model"


@pytest.mark.parametrize("wanted", ["ollama", "llamacpp"])
def test_what_is_asked_for_is_taken(wanted: str) -> None:
    assert choose(wanted, UP, server_has_model=True, file_at_hand=True).engine == wanted


@pytest.mark.parametrize(
    ("wanted", "asked", "on_server", "at_hand", "error"),
    [
        ("ollama", DOWN, True, True, ServerUnreachable),
        ("ollama", UP, False, True, NotFound),
        ("llamacpp", DOWN, True, True, EngineFailed),
        ("llamacpp", UP, True, False, NotFound),
        ("ollama", {}, True, True, ServerUnreachable),
        ("llamacpp", {}, True, True, EngineFailed),
        ("vllm", UP, True, True, UsageError),
    ],
)
def test_what_is_asked_for_fails_clearly_and_is_not_replaced(
    wanted: str, asked: dict[str, EngineStatus], on_server: bool, at_hand: bool, error: type[KdmgrError]
) -> None:
    with pytest.raises(error) as failed:
        choose(wanted, asked, server_has_model=on_server, file_at_hand=at_hand)
    assert failed.value.message


def test_nothing_usable_names_both_remedies() -> None:
    with pytest.raises(ServerUnreachable) as failed:
        choose("auto", DOWN, server_has_model=False, file_at_hand=True)
    assert failed.value.hint == "start it: ollama serve; or install kdmgr[llamacpp]"
    assert "no server answers" in failed.value.message
    assert "xllamacpp is missing" in failed.value.message
