"""The whole way in a real terminal, nothing faked: start, filter, fit, import, chat, stop, quit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdmgr.history.chats import ChatStore
from tests.tui.terminal import Terminal, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Folders of our own, and no server to be found."""
    return {
        "HOME": str(tmp_path),
        "KDMGR_DATA_DIR": str(tmp_path / "data"),
        "KDMGR_CONFIG_DIR": str(tmp_path / "config"),
        "OLLAMA_MODELS": str(tmp_path / "ollama"),
        "OLLAMA_HOST": "127.0.0.1:9",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
    }


def test_from_start_to_quit(env: dict[str, str], smollm_gguf: Path) -> None:
    with terminal(env) as on:
        on.see("1 Students", "5 Settings", "host ", "none installed")
        _filter(on)
        _import(on, smollm_gguf)
        _see_fit(on)
        _chat_and_stop(on)
        on.press("ctrl+q")
        assert on.end() == 0
    (chat,) = ChatStore(Path(env["KDMGR_DATA_DIR"]) / "chats.db").chats()
    assert chat.title == "Write a very long story about a lighthouse", "what was said is kept"


def _filter(on: Terminal) -> None:
    """One student of the catalog, and who taught it."""
    on.press("/")
    on.type("minitron-4b-base")
    on.see("1 match", "Minitron-4B-Base", "Nemotron")
    on.press("enter")
    on.press("escape")
    on.until(lambda: "1 match" not in on.text, "the filter is cleared")


def _import(on: Terminal, model: Path) -> None:
    """By the path that is typed; into kdmgr's own store, since no server answers."""
    on.press("i")
    on.see("Pick a GGUF file")
    on.type(str(model))
    on.press("enter")
    on.see("It can be imported.", "kdmgr's own store")
    on.press("ctrl+s")
    on.see("✔ done")


def _see_fit(on: Terminal) -> None:
    """What it takes here, at which context."""
    on.press("f2")
    on.see("1 installed")
    on.press("/")
    on.type("smollm2-135m-instruct:")
    on.see("1 match", "● smol", "weights", "KV cache", "context")
    on.press("enter")


def _chat_and_stop(on: Terminal) -> None:
    """An answer of the embedded engine, stopped while it streams."""
    on.press("enter")
    on.see("llamacpp", "/ 4096")
    on.type("Write a very long story about a lighthouse")
    on.press("enter")
    on.see("tok/s", "tokens")
    on.press("escape")
    on.see("stopped")
