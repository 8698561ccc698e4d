"""A second name for a model, or another one: in kdmgr's own store or on a server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.errors import EngineFailed, NotFound, UsageError
from kdmgr.refs import HUB_HOSTS, OllamaRef, parse_ollama_name
from kdmgr.services.library import OWN
from kdmgr.services.memory import unload_quietly

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.services.app import Services
    from kdmgr.services.stock import Held, Stock


def check_destination(stock: Stock, source: Held, name: str, *, replacing: bool) -> OllamaRef:
    """The name a copy gets. `UsageError` for one that is the source's own, taken, or of a model elsewhere."""
    ref = parse_ollama_name(name)
    if ref.key == source.ref.key:
        raise UsageError(f"{source.name} has that name already", hint="give another name, or another tag")
    if ref.is_cloud:
        raise UsageError(
            f"{ref} would name a model that runs on another computer", hint="choose a tag that does not end in cloud"
        )
    if ref.host.lower() in HUB_HOSTS and source.ref.host.lower() not in HUB_HOSTS:
        raise UsageError(f"{ref} would name a repository of the Hub", hint="choose a name without hf.co/")
    if stock.find(source.place, ref) is not None and not replacing:
        raise UsageError(f"{ref} exists already", hint="--replace takes its place")
    return ref


async def copy_model(services: Services, source: Held, ref: OllamaRef) -> None:
    """Give `source` the name `ref` too; a model that has that name loses it."""
    if source.place == OWN:
        _copy_own(services, source, ref)
        return
    engine = services.ollama_engine()
    try:
        await _copy_on_server(engine, source, ref)
        _carry_receipt(services, source, ref)
    finally:
        await engine.close()


async def move_model(services: Services, source: Held, ref: OllamaRef) -> None:
    """Give `source` the name `ref` instead. The old name goes only once the new one is seen to be there."""
    if source.place == OWN:
        _copy_own(services, source, ref, then_remove=True)
        return
    engine = services.ollama_engine()
    try:
        await _copy_on_server(engine, source, ref)
        _carry_receipt(services, source, ref, then_remove=True)
        # Under its old name it could not be unloaded any more.
        await unload_quietly(engine, source.name)
        try:
            await engine.delete(source.name)
        except NotFound:
            return  # somebody else removed it meanwhile
    finally:
        await engine.close()


def _copy_own(services: Services, source: Held, ref: OllamaRef, *, then_remove: bool = False) -> None:
    own = services.library.own
    assert source.stored is not None
    with own.locked(f"{'renaming' if then_remove else 'copying'} {source.name}"):
        copied = own.copy(source.stored, ref)
        if then_remove:
            own.remove(source.stored)
    _carry_receipt(services, source, copied.ref, then_remove=then_remove)


def _carry_receipt(services: Services, source: Held, ref: OllamaRef, *, then_remove: bool = False) -> None:
    """Where a model came from, and who taught it, is known under its new name as well."""
    receipt = services.receipts.find_any(source.ref)
    if receipt is not None and receipt.store == ("kdmgr" if source.place == OWN else "ollama"):
        services.receipts.save(ref, replace(receipt, name=str(ref)))
        if then_remove:
            services.receipts.forget(source.ref)
    else:
        services.receipts.forget(ref)


async def _copy_on_server(engine: OllamaEngine, source: Held, ref: OllamaRef) -> None:
    await engine.copy(source.name, str(ref))
    found = await engine.find(str(ref))
    if found is None or (source.digest and found.digest != source.digest):
        raise EngineFailed(
            f"the server says it has copied {source.name}, but lists no such {ref}", hint="see kdmgr list"
        )
