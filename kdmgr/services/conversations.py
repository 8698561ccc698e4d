"""Opening a chat: which engine it runs on, and what it goes on with."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.engines.choose import choose
from kdmgr.engines.protocol import EngineModel
from kdmgr.errors import KdmgrError, NotFound
from kdmgr.history.chat_records import ChatRecord
from kdmgr.refs import FileRef, ModelRef, parse_ollama_name
from kdmgr.services.chat_keeping import ChatKeeper, now
from kdmgr.services.chatting import ChatSession, ChatSettings
from kdmgr.services.opening import OpenedModel, engine_model, server_name

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.ollama.shown import ShownModel
    from kdmgr.services.app import Services


_COMPLETES = "the server has no chat template for this model: it completes the text you type, it does not chat"
_RENDERER = re.compile(r"^renderer\s", re.IGNORECASE | re.MULTILINE)
_BLIND = "this model sees pictures, but the embedded engine takes none: run it through Ollama for that"


async def open_chat(
    services: Services,
    ref: ModelRef,
    *,
    engine: str,
    n_ctx: int | None,
    cache_type: str | None,
    settings: ChatSettings,
    keep: bool,
    resume: ChatRecord | None,
) -> ChatSession:
    """Choose an engine for `ref` and open a session on it; go on with the saved chat `resume` if there is one.

    Raises what opening the file raised when no engine has the model, so that the reason is the real one.
    """
    opened, problem = _try_open(services, ref)
    statuses = {status.name: status for status in await services.engine_statuses()}
    name = server_name(ref)
    on_server = bool(name) and statuses["ollama"].usable and await _server_has(services, name or "")
    if opened is None and not on_server:
        raise problem or NotFound(f"no model named {ref} is installed")
    choice = choose(engine, statuses, server_has_model=on_server, file_at_hand=opened is not None)
    if choice.engine == "ollama":
        server = services.ollama_engine()
        shown = await _show(server, name or str(ref))
        session = ChatSession(
            services.observed(server),
            EngineModel(name or str(ref)),
            reason=choice.reason,
            n_ctx=n_ctx,
            settings=settings,
            warnings=(_COMPLETES,) if shown and completes_only(shown) else (),
            sees_images="vision" in shown.capabilities if shown and shown.capabilities else None,
        )
    else:
        assert opened is not None
        session = _embedded_session(services, opened, choice.reason, n_ctx, cache_type, settings, shared=keep)
    if keep:
        asked = (n_ctx, cache_type)
        await asyncio.to_thread(_keep, services, session, ref, asked, resume)
    return session


def _embedded_session(
    services: Services,
    opened: OpenedModel,
    reason: str,
    n_ctx: int | None,
    cache_type: str | None,
    settings: ChatSettings,
    *,
    shared: bool,
) -> ChatSession:
    from kdmgr.services.capabilities import find_capabilities

    model, history, warnings = engine_model(opened)
    if "vision" in find_capabilities(opened.header, None, has_projector=model.projector is not None):
        warnings = (*warnings, _BLIND)
    return ChatSession(
        services.observed(services.engine_room.borrow() if shared else services.embedded_engine()),
        model,
        reason=reason,
        n_ctx=n_ctx or _default_context(opened, model),
        cache_type=cache_type,
        history=history,
        warnings=warnings,
        settings=settings,
        sees_images=False,
    )


async def _show(server: OllamaEngine, name: str) -> ShownModel | None:
    """What the server tells of the model; None when it does not."""
    try:
        return await server.show(name)
    except KdmgrError:
        return None


def completes_only(shown: ShownModel) -> bool:
    """Whether it was made without a chat template: Ollama's own default hands on the bare text.

    A model with a RENDERER has the same one, and does not need it.
    """
    bare = "".join((shown.template or "").split()) == "{{.Prompt}}"
    return bare and not _RENDERER.search(shown.modelfile or "")


def _keep(
    services: Services,
    session: ChatSession,
    ref: ModelRef,
    asked: tuple[int | None, str | None],
    resume: ChatRecord | None,
) -> None:
    """Have the session saved, and give it the turns of the chat it goes on with."""
    settings, written = session.settings, str(ref.path.absolute()) if isinstance(ref, FileRef) else str(ref)
    at = now()
    record = resume or ChatRecord("", session.model_name, written, session.engine_name, at, at)
    record = replace(
        record,
        model=session.model_name,
        ref=written,
        engine=session.engine_name,
        n_ctx=asked[0],
        cache_type=asked[1],
        system=settings.system,
        think=settings.think,
        parameters=dict(settings.parameters or {}),
    )
    session.keeper = ChatKeeper(services.saved_chats.store, record)
    session.turns = services.saved_chats.turns(record) if resume is not None else []


def _default_context(opened: OpenedModel, model: EngineModel) -> int:
    """The Modelfile's num_ctx, else 4096 (Ollama's default without a large GPU), within what it was trained for."""
    from kdmgr.fit.options import DEFAULT_CONTEXT
    from kdmgr.gguf.shape import read_shape

    asked = model.parameters.get("num_ctx")
    n_ctx = asked if isinstance(asked, int) and asked > 0 else DEFAULT_CONTEXT
    trained = read_shape(opened.header).n_ctx_train
    return min(n_ctx, trained) if trained else n_ctx


def _try_open(services: Services, ref: ModelRef) -> tuple[OpenedModel | None, KdmgrError | None]:
    try:
        return services.open(ref), None
    except KdmgrError as error:
        return None, error


async def _server_has(services: Services, name: str) -> bool:
    engine = services.ollama_engine()
    try:
        wanted = parse_ollama_name(name).key
        return any(parse_ollama_name(listing.name).key == wanted for listing in await engine.list_models())
    except KdmgrError:
        return False
    finally:
        await engine.close()
