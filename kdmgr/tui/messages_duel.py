"""What is reported of duels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow


@dataclass
class DuelAsked(Message):
    """The user wants to ask two installed models the same, in this context."""

    left: ModelRow
    right: ModelRow
    n_ctx: int | None
    cache_type: str | None
