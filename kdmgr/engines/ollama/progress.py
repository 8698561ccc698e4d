"""What a server tells line by line while it pulls, makes or pushes a model (api/types.go, ProgressResponse)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdmgr.engines.ollama.checks import count, text
from kdmgr.engines.ollama.reaching import one_line


@dataclass(frozen=True, slots=True)
class ServerProgress:
    """One line. Sizes in bytes, None is not told; a layer that ends may never reach its total."""

    status: str
    digest: str | None = None
    completed: int = 0
    total: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether a step that ends with "success" has: while a model is made, only the last line's is the model's."""
        return self.status == "success"


def read_progress(reply: Mapping[str, Any]) -> ServerProgress:
    """One line that is no error. The server leaves numbers away while they are 0."""
    return ServerProgress(
        status=one_line(text(reply.get("status")) or "")[:200],
        digest=text(reply.get("digest")),
        completed=count(reply.get("completed")) or 0,
        total=count(reply.get("total")) or None,
    )
