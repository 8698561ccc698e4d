"""kdmgr: the model manager for distilled students."""

__version__ = "0.1.0"
