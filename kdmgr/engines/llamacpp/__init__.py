"""llama.cpp inside kdmgr: a worker process holds the model, so that nothing it does can end the app."""

from kdmgr.engines.llamacpp.engine import LlamaCppEngine
from kdmgr.engines.llamacpp.log import LoadedBuffers

__all__ = ["LlamaCppEngine", "LoadedBuffers"]
