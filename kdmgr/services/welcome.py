"""What a first look needs to know: whether a server answers, and what runs models otherwise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.services.app import Services


def describe_engines(services: Services) -> str:
    """One sentence. Blocks on the network; not for a running event loop."""
    server, embedded = asyncio.run(services.engine_statuses())
    url = printable(services.host.address.url)
    if server.usable:
        return f"The Ollama server at {url} runs what you pull."
    if embedded.usable:
        return f"No Ollama server answers at {url}: kdmgr's own engine runs what you pull."
    return f"No Ollama server answers at {url}, and kdmgr's own engine is not installed: see `kdmgr doctor`."
