"""`kdmgr mv MODEL NAME`: rename a model. The old name goes only once the new one is there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.commands.cp import configure, copy_or_move

if TYPE_CHECKING:
    from kdmgr.cli.console import Console

__all__ = ["configure", "run"]


def run(args: argparse.Namespace, console: Console) -> int:
    """Rename within the place that has the model."""
    return copy_or_move(args, console, moving=True)
