"""What is done with the models of a server; the other half of the contract, with the same two targets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.progress import ServerProgress
from kdmgr.engines.protocol import LoadedModel
from kdmgr.errors import EngineFailed, NotFound
from tests.engines.test_ollama_contract import MODEL, engine, host, real_host, recording, unload, version
from tests.support.push_registry import PushRegistry

__all__ = ["engine", "host", "real_host", "recording", "version"]

COPY = "smollm2:copy"
# Part of a name, and so of the recordings.
REGISTRY_PORT = 35017


async def names(engine: OllamaEngine) -> dict[str, str]:
    return {model.name: model.digest for model in await engine.list_models()}


async def loaded(engine: OllamaEngine) -> LoadedModel:
    (model,) = [model for model in await engine.loaded_models() if model.name == MODEL.name]
    return model


async def test_a_copy_has_the_same_digest_and_goes_alone(engine: OllamaEngine) -> None:
    await engine.copy(MODEL.name, COPY)
    both = await names(engine)
    assert both[COPY] == both[MODEL.name]
    await engine.delete(COPY)
    assert COPY not in await names(engine)
    assert MODEL.name in await names(engine)
    with pytest.raises(NotFound, match=COPY):
        await engine.delete(COPY)


async def test_what_is_not_there_cannot_be_copied(engine: OllamaEngine) -> None:
    with pytest.raises(NotFound, match="nothing:here") as failed:
        await engine.copy("nothing:here", COPY)
    assert "kdmgr pull nothing:here" in (failed.value.hint or "")
    with pytest.raises(EngineFailed, match="is invalid"):
        await engine.copy(MODEL.name, "a//b")


async def test_a_model_is_kept_as_long_as_asked(engine: OllamaEngine) -> None:
    await unload(engine)
    await engine.keep_alive(MODEL.name, 3600, n_ctx=512)
    first = await loaded(engine)
    assert first.n_ctx == 512
    assert first.expires_at is not None
    await engine.keep_alive(MODEL.name, None, n_ctx=512)
    forever = await loaded(engine)
    assert forever.expires_at is not None
    assert forever.expires_at - first.expires_at > timedelta(days=36500)
    # The same context again: the model was not loaded anew.
    assert (forever.n_ctx, forever.size) == (512, first.size)
    await unload(engine)


async def test_a_models_own_context_is_used_where_none_is_given(engine: OllamaEngine) -> None:
    await unload(engine)
    await engine.keep_alive(MODEL.name, 60)
    assert (await loaded(engine)).n_ctx == 1024
    await unload(engine)


async def test_a_missing_model_is_not_kept(engine: OllamaEngine) -> None:
    with pytest.raises(NotFound, match="nothing:here"):
        await engine.keep_alive("nothing:here", 60)


async def test_a_deleted_model_stays_in_memory_until_it_is_unloaded(engine: OllamaEngine) -> None:
    await engine.copy(MODEL.name, COPY)
    await engine.keep_alive(COPY, 60)
    await engine.delete(COPY)
    assert COPY in [model.name for model in await engine.loaded_models()]
    with pytest.raises(NotFound):
        await engine.keep_alive(COPY, 0)


@pytest.fixture
def registry(real_host: str | None) -> Iterator[PushRegistry | None]:
    if real_host is None:
        yield None
        return
    with PushRegistry(REGISTRY_PORT) as registry:
        yield registry


async def test_a_push_tells_how_far_it_is(engine: OllamaEngine, registry: PushRegistry | None) -> None:
    name = f"127.0.0.1:{REGISTRY_PORT}/me/smollm2:test"
    await engine.copy(MODEL.name, name)
    steps = [step async for step in engine.push(name, insecure=True)]
    await engine.delete(name)
    assert (steps[0].status, steps[-1]) == ("retrieving manifest", ServerProgress("success"))
    layers = {step.digest for step in steps if step.digest}
    assert len(layers) >= 2
    assert all(step.completed <= (step.total or 0) for step in steps if step.digest)
    assert max(step.total or 0 for step in steps) > 98_000_000
    if registry is not None:
        assert layers == set(registry.blobs)
        assert list(registry.manifests) == ["/v2/me/smollm2/manifests/test"]


async def test_a_push_without_plain_http_is_told_to_allow_it(
    engine: OllamaEngine, registry: PushRegistry | None
) -> None:
    name = f"127.0.0.1:{REGISTRY_PORT}/me/smollm2:test"
    await engine.copy(MODEL.name, name)
    with pytest.raises(EngineFailed, match="plain http") as failed:
        [step async for step in engine.push(name)]
    assert "--insecure" in (failed.value.hint or "")
    await engine.delete(name)


async def test_a_push_to_nowhere_names_the_registry(engine: OllamaEngine) -> None:
    name = "127.0.0.1:9/me/smollm2:test"
    await engine.copy(MODEL.name, name)
    with pytest.raises(EngineFailed, match="cannot reach the registry"):
        [step async for step in engine.push(name)]
    await engine.delete(name)


async def test_a_push_of_what_is_not_there_tells_no_path(engine: OllamaEngine) -> None:
    with pytest.raises(NotFound, match="no model named nothing:here") as failed:
        [step async for step in engine.push("nothing:here")]
    assert "manifests" not in failed.value.message
