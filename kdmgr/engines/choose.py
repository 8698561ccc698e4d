"""Which engine runs a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kdmgr.engines.protocol import EngineStatus
from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable, UsageError

OLLAMA, LLAMACPP = "ollama", "llamacpp"


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine chosen, and why in a few words."""

    engine: str
    reason: str


def choose(wanted: str, statuses: Mapping[str, EngineStatus], *, server_has_model: bool, file_at_hand: bool) -> Choice:
    """An Ollama server that has the model, else the embedded engine when the file is here; `wanted` wins.

    `wanted` is "auto", "ollama" or "llamacpp"; `statuses` are by engine name. Raises `ServerUnreachable`,
    `EngineFailed` or `NotFound` when what is wanted cannot be had, `UsageError` for an engine that does not exist.
    """
    problems = {
        OLLAMA: _problem_with_ollama(statuses.get(OLLAMA), server_has_model),
        LLAMACPP: _problem_with_embedded(statuses.get(LLAMACPP), file_at_hand),
    }
    if wanted in problems:
        if problem := problems[wanted]:
            raise problem
        return Choice(wanted, "as asked")
    if wanted != "auto":
        raise UsageError(f"no engine is called {wanted!r}", hint="choose auto, ollama or llamacpp")
    return _choose_best(problems)


def _choose_best(problems: Mapping[str, KdmgrError | None]) -> Choice:
    server, embedded = problems[OLLAMA], problems[LLAMACPP]
    if server is None:
        return Choice(OLLAMA, "the Ollama server has the model")
    if embedded is None:
        return Choice(LLAMACPP, server.message)
    hints = [problem.hint for problem in (server, embedded) if problem.hint]
    # The server's problem decides the exit code: it is the one that starting or pulling mends.
    raise type(server)(
        f"nothing here can run the model: {server.message}; {embedded.message}", hint="; or ".join(hints) or None
    )


def _problem_with_ollama(status: EngineStatus | None, has_model: bool) -> KdmgrError | None:
    if status is None:
        return ServerUnreachable("no Ollama server was asked")
    if not status.usable:
        return ServerUnreachable(status.detail, hint=status.hint)
    if not has_model:
        return NotFound("the Ollama server does not have the model", hint="give it the model: kdmgr pull")
    return None


def _problem_with_embedded(status: EngineStatus | None, file_at_hand: bool) -> KdmgrError | None:
    if status is None:
        return EngineFailed("the embedded engine was not asked")
    if not status.usable:
        return EngineFailed(f"the embedded engine cannot be used: {status.detail}", hint=status.hint)
    if not file_at_hand:
        return NotFound("the embedded engine needs the model's file", hint="import it: kdmgr import")
    return None
