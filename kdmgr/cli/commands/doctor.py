"""`kdmgr doctor`: what works here, and what to do about what does not."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console

_MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "missing": ("✘", "red")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    add_json(parser)
    add_host(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Look at everything; 1 when nothing can chat or kdmgr cannot write."""
    from kdmgr.services.app import Services

    findings = Services.create(host=args.host).diagnose()
    if args.json:
        import json
        from dataclasses import asdict

        body = {"schema_version": 1, "findings": [asdict(finding) for finding in findings]}
        console.print(json.dumps(body, indent=2))
    else:
        width = max(len(finding.topic) for finding in findings)
        for finding in findings:
            mark, color = _MARKS[finding.state]
            topic = f"{finding.topic:<{width}}"
            console.print(f"{console.style(mark, color)} {console.style(topic, 'bold')}  {printable(finding.detail)}")
            if finding.hint and finding.state != "ok":
                console.print(f"  {'':<{width}}  → {printable(finding.hint)}")
    blocking = ("chat", "folder data")
    return int(any(finding.state == "missing" and finding.topic in blocking for finding in findings))
