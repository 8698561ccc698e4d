"""The command line in this process: what it prints and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kdmgr.cli.main import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Cli:
    """Runs `kdmgr ARGUMENTS` and captures it."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> Ran:
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = self._capture.readouterr()
        return Ran(code, captured.out, captured.err)
