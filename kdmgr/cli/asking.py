"""Asking a person before something is done that cannot be undone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kdmgr.errors import UsageError
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def confirm(question: str, console: Console, *, yes: bool) -> bool:
    """Whether to go on: without asking for `yes`, else by what is typed. `UsageError` where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", hint="add --yes to go on without asking")
    console.stderr.write(f"{printable(question)} [y/N] ")
    console.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
