"""Opening a duel: two chats, and whether memory lets both answer at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.refs import FileRef, ModelRef, parse_ollama_name, parse_ref
from kdmgr.services.duel import Duel, DuelOptions, Side
from kdmgr.services.duel_schedule import Contender, Schedule, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.engines.protocol import LoadedModel
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.plan import FitReport
    from kdmgr.services.app import Services
    from kdmgr.services.chatting import ChatSession
    from kdmgr.services.finding import FoundModel

OLLAMA = "ollama"


async def open_duel(services: Services, left: ModelRef | str, right: ModelRef | str, options: DuelOptions) -> Duel:
    """Open a chat with each and decide how they take turns.

    Raises what opening a chat raises; then nothing stays open.
    """
    refs = [parse_ref(ref) if isinstance(ref, str) else ref for ref in (left, right)]
    sessions: list[ChatSession] = []
    try:
        for ref in refs:
            sessions.append(await _open_side(services, ref, options))
        schedule, kept = await _schedule(services, refs, sessions, options)
    except BaseException:
        for session in sessions:
            await session.close()
        raise
    return Duel(sessions[0], sessions[1], schedule, _names(*refs), kept)


async def _open_side(services: Services, ref: ModelRef, options: DuelOptions) -> ChatSession:
    from kdmgr.services.chatting import ChatSettings

    return await services.open_chat(
        ref,
        engine=options.engine,
        n_ctx=options.n_ctx,
        cache_type=options.cache_type,
        settings=ChatSettings(options.system, options.think, options.parameters),
    )


async def _schedule(
    services: Services, refs: Sequence[ModelRef], sessions: Sequence[ChatSession], options: DuelOptions
) -> tuple[Schedule, frozenset[Side]]:
    """How it is run, and which sides are in a server's memory already."""
    loaded = await _loaded(services) if any(session.engine_name == OLLAMA for session in sessions) else []
    left, right = [
        await asyncio.to_thread(_contender, services, ref, session, options, loaded)
        for ref, session in zip(refs, sessions, strict=True)
    ]
    kept = frozenset(side for side, one in zip(Side, (left, right), strict=True) if one.in_memory)
    if services.host.is_remote and left.engine != right.engine:
        return Schedule(True, False, "they run on different computers"), kept
    machine = await asyncio.to_thread(_machine, services, left.engine)
    return decide(left, right, machine, options.order), kept


async def _loaded(services: Services) -> list[LoadedModel]:
    """What the server holds; nothing where it does not say."""
    engine = services.ollama_engine()
    try:
        return await engine.loaded_models()
    except KdmgrError:
        return []
    finally:
        await engine.close()


def _contender(
    services: Services, ref: ModelRef, session: ChatSession, options: DuelOptions, loaded: Sequence[LoadedModel]
) -> Contender:
    """What can be said of one side. Reads its header, from the server where it is there only."""
    engine = session.engine_name
    held = engine == OLLAMA and any(_is_held(model, session, options) for model in loaded)
    try:
        found = services.find(ref)
    except KdmgrError as error:
        return Contender(_short(ref), None, engine, held, error.message)

    def judge(machine: Machine) -> FitReport:
        return _judge(services, found, session, options, machine)

    return Contender(_short(ref), judge, engine, held)


def _judge(
    services: Services, found: FoundModel, session: ChatSession, options: DuelOptions, machine: Machine
) -> FitReport:
    from kdmgr.fit.options import EngineBuild, RunOptions

    build = None if session.engine_name == OLLAMA else EngineBuild.LLAMA_CPP
    asked = RunOptions(
        n_ctx=session.n_ctx,
        type_k=options.cache_type or "f16",
        type_v=options.cache_type or "f16",
        engine_build=build,
    )
    return services.assess_found(found, machine, asked).report


def _machine(services: Services, engine: str) -> Machine:
    """Where they run: a server's computer as far as it is known, else this one as it is now."""
    return services.machine_of("server") if engine == OLLAMA and services.host.is_remote else services.detect_machine()


def _is_held(model: LoadedModel, session: ChatSession, options: DuelOptions) -> bool:
    """Whether the server would answer from what it holds: the same model, in the context that is asked for."""
    if options.n_ctx is not None and model.n_ctx != options.n_ctx:
        return False
    with suppress(KdmgrError):
        return parse_ollama_name(model.name).key == parse_ollama_name(session.model_name).key
    return False


def _names(left: ModelRef, right: ModelRef) -> tuple[str, str]:
    """Short ones, unless they would be the same for different models."""
    short = (_short(left), _short(right))
    return short if short[0] != short[1] or left == right else (str(left), str(right))


def _short(ref: ModelRef) -> str:
    """A name for a sentence: of a file without its folder."""
    return ref.path.name if isinstance(ref, FileRef) else str(ref)
