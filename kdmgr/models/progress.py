"""Progress of long work, as Ollama reports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something has come. Sizes in bytes; `total` is None while it is not known."""

    status: str
    digest: str | None = None
    completed: int = 0
    total: int | None = None


Report = Callable[[Progress], None]
"""Called again and again while something long runs; whatever it raises stops the work and undoes it."""
