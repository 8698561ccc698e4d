"""Modelfiles, findings and differences for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.units import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.cli.console import Console
    from kdmgr.modelfile.difference import Difference
    from kdmgr.modelfile.lint import Finding
    from kdmgr.services.modelfile_lint import Linted

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def print_linted(linted: Linted, console: Console) -> None:
    """`FILE:LINE:COLUMN: severity CODE: message`, the reason below, and how many can be mended."""
    for finding in linted.fixed:
        console.note(f"fixed {linted.path}:{finding.line}: {finding.message}")
    for finding in linted.findings:
        place = printable(f"{linted.path}:{finding.line}:{finding.column}")
        severity = console.style(finding.severity, _COLOURS[finding.severity])
        console.print(f"{place}: {severity} {finding.code}: {printable(finding.message)}")
        if finding.reason:
            console.print(f"    {printable(finding.reason)}")
    mendable = sum(finding.fix is not None for finding in linted.findings)
    if mendable:
        console.note(f"{mendable} of them can be mended: kdmgr modelfile lint --fix {linted.path}")
    if not linted.findings:
        console.print(f"{printable(str(linted.path))}: no findings")


def linted_json(every: Sequence[Linted]) -> dict[str, object]:
    """The document of `lint --json`."""
    return {
        "schema_version": 1,
        "files": [
            {
                "path": str(linted.path),
                "findings": [_finding_json(finding) for finding in linted.findings],
                "fixed": [_finding_json(finding) for finding in linted.fixed],
            }
            for linted in every
        ],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    fix = finding.fix
    return {
        "code": finding.code,
        "severity": finding.severity,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "reason": finding.reason,
        "fix": {"start": fix.start, "end": fix.end, "text": fix.text} if fix else None,
    }


def print_difference(difference: Difference, console: Console) -> None:
    """The unified diff, then what differs in meaning."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in difference.lines:
        console.print(console.style(printable(line), *[colours[line[0]]] if line[:1] in colours else []))
    if difference.lines:
        console.print()
    for change in difference.changes:
        console.print(printable(change.sentence))
    if difference.is_empty:
        console.print("no difference: both make the same model")


def difference_json(difference: Difference) -> dict[str, object]:
    """The document of `diff --json`."""
    changes = [{"what": each.what, "before": each.before, "after": each.after} for each in difference.changes]
    return {"schema_version": 1, "changes": changes, "unified": list(difference.lines)}
