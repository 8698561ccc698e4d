"""The command line, with folders of its own and no server to be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.console import Cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("KDMGR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KDMGR_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    # A port of this machine on which nothing listens: the discard service.
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Cli(capsys)
