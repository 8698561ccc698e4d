"""One list of what stands on this disk and what a server has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.services.rows import ModelRow


def merge(disk: Sequence[ModelRow], server: Sequence[ModelRow], *, same_disk: bool = True) -> list[ModelRow]:
    """One row for each model: a server's list holds what stands in Ollama's store, and what the catalog knows.

    A server on another computer has models of its own, whatever they are called.
    """
    stored = {row.name for row in disk if row.origin == "ollama" and same_disk}
    served = [row for row in server if row.name not in stored]
    present = {row.match.student.id for row in served if row.match and row.match.relation == "itself"}
    known = [row for row in disk if row.installed or row.match is None or row.match.student.id not in present]
    return list({row.key: row for row in (*served, *known)}.values())
