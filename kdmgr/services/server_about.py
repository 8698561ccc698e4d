"""Everything known of a model that only a server has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, ServerUnreachable
from kdmgr.gguf.shape import read_shape
from kdmgr.services.about import About, Projector, count_types, describe_template

if TYPE_CHECKING:
    from kdmgr.catalog.match import Match
    from kdmgr.engines.ollama import ShownModel
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.refs import OllamaRef
    from kdmgr.services.app import Services

BARE = "{{ .Prompt }}"
ASIDE_S, REQUIRED_S = 2.0, 10.0


def about_on_server(services: Services, ref: OllamaRef) -> About | None:
    """The model as the server describes it; None when it has none, or none answers and none was named.

    Raises `Unreadable` for a model that runs elsewhere, `NotFound` where a named server has none.
    """
    return asyncio.run(_about(services, ref))


async def _about(services: Services, ref: OllamaRef) -> About | None:
    required = services.host_is_named
    engine = services.ollama_engine()
    try:
        listing = await engine.find(str(ref), within=REQUIRED_S if required else ASIDE_S)
        if listing is None:
            raise NotFound(f"{services.host.words} has no model named {ref}", hint="see what it has: kdmgr list")
        shown, header = await engine.describe(listing.name)
    except (NotFound, ServerUnreachable):
        if required:
            raise
        return None
    finally:
        await engine.close()
    return _join(services, ref, listing, shown, header)


def _join(services: Services, ref: OllamaRef, listing: EngineListing, shown: ShownModel, header: GgufHeader) -> About:
    info = {key: value for key, value in shown.projector_info.items() if isinstance(value, bool | int | float | str)}
    # What a server shows where neither the Modelfile nor the file has one.
    template = None if shown.template is not None and shown.template.strip() == BARE else shown.template
    return About(
        name=listing.name,
        store="server",
        size=listing.size,
        digest=listing.digest,
        path=None,
        modified_at=listing.modified_at,
        shape=read_shape(header),
        template=template,
        template_words=describe_template(template, None).replace("in the Modelfile", "as the server uses it"),
        system=shown.system,
        parameters=shown.parameters,
        messages=shown.messages,
        licenses=(shown.license,) if shown.license else (),
        tensor_types=count_types(header),
        match=_match(services, ref, listing, header),
        receipt=services.receipts.find(ref),
        pulled=services.receipts.find_pull(ref, listing.digest),
        said=services.receipts.said_of(ref, listing.digest),
        capabilities=shown.capabilities,
        projector=Projector(None, info) if info else None,
        metadata=header.metadata,
        tensors=header.tensors,
    )


def _match(services: Services, ref: OllamaRef, listing: EngineListing, header: GgufHeader) -> Match | None:
    from kdmgr.catalog.facts import read_facts
    from kdmgr.catalog.match import match_student

    origin = services.receipts.origin(ref, listing.digest)
    facts = read_facts(header, read_shape(header), ref=origin, manifest_digest=listing.digest or None)
    return match_student(facts, services.catalog)
