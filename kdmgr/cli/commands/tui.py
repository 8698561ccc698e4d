"""`kdmgr` and `kdmgr tui`: open the terminal app."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_machine
from kdmgr.errors import UsageError

if TYPE_CHECKING:
    from kdmgr.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `tui`."""
    add_host(parser)
    add_machine(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Run the app until the user leaves it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the terminal app needs a terminal", hint="`kdmgr --help` lists the commands")
    if os.environ.get("TERM", "") in ("dumb", "unknown"):
        term = os.environ["TERM"]
        raise UsageError(f"the terminal app cannot draw where TERM is {term}", hint="`kdmgr --help` lists the commands")
    from kdmgr.services.app import Services
    from kdmgr.tui.app import KdmgrApp

    if args.no_color:
        # The one way that Textual knows; it reads it when the app is made.
        os.environ["NO_COLOR"] = "1"
    services = Services.create(host=args.host)
    services.plan_for(args.gpu or (), args.vram)
    app = KdmgrApp(services, theme=services.settings.theme)
    app.run()
    return app.return_code or 0
