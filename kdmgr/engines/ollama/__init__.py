"""The Ollama server as an engine."""

from kdmgr.engines.ollama.engine import OllamaEngine
from kdmgr.engines.ollama.host import ServerAddress, parse_host, server_address
from kdmgr.engines.ollama.shown import ModelDetails, ShownModel

__all__ = ["ModelDetails", "OllamaEngine", "ServerAddress", "ShownModel", "parse_host", "server_address"]
