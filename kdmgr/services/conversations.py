"""Which engine a chat runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.engines.choose import choose
from kdmgr.engines.protocol import EngineModel
from kdmgr.errors import KdmgrError, NotFound
from kdmgr.refs import ModelRef, parse_ollama_name
from kdmgr.services.chatting import ChatSession
from kdmgr.services.opening import OpenedModel, engine_model, server_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdmgr.engines.protocol import Engine, ParameterValue
    from kdmgr.services.app import Services


async def open_chat(
    services: Services,
    ref: ModelRef,
    *,
    engine: str,
    n_ctx: int | None,
    cache_type: str | None,
    system: str | None,
    parameters: Mapping[str, ParameterValue],
) -> ChatSession:
    """Choose an engine for `ref` and open a session on it.

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
        model = EngineModel(name or str(ref), system=system)
        return ChatSession(
            services.observed(services.ollama_engine()),
            model,
            reason=choice.reason,
            n_ctx=n_ctx,
            parameters=parameters,
        )
    assert opened is not None
    return _embedded_session(
        services.observed(services.embedded_engine()), opened, choice.reason, n_ctx, cache_type, system, parameters
    )


def _embedded_session(
    engine: Engine,
    opened: OpenedModel,
    reason: str,
    n_ctx: int | None,
    cache_type: str | None,
    system: str | None,
    parameters: Mapping[str, ParameterValue],
) -> ChatSession:
    from dataclasses import replace

    model, history, warnings = engine_model(opened)
    if system is not None:
        model = replace(model, system=system)
    return ChatSession(
        engine,
        model,
        reason=reason,
        n_ctx=n_ctx or _default_context(opened, model),
        cache_type=cache_type,
        history=history,
        warnings=warnings,
        parameters=parameters,
    )


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
