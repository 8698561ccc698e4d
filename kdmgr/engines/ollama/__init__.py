"""The Ollama server as an engine.

Names are imported when they are first used: many commands ask where a server is, and never talk to it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.engines.ollama.engine import OllamaEngine
    from kdmgr.engines.ollama.host import ServerAddress, parse_host, server_address
    from kdmgr.engines.ollama.shown import ModelDetails, ShownModel

__all__ = ["ModelDetails", "OllamaEngine", "ServerAddress", "ShownModel", "parse_host", "server_address"]

_HOMES = {"OllamaEngine": "engine", "ModelDetails": "shown", "ShownModel": "shown"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'host')}"), name)
