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
    # The same for everything outside: no test asks a real registry or the real Hub.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    # However wide the terminal is that the tests run in.
    monkeypatch.setenv("COLUMNS", "100")
    return Cli(capsys)
