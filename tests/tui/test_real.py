"""Nothing faked: a real file in a real store, planned on this machine and chatted with by the embedded engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.screens.chat import ChatScreen, Phase
from kdmgr.tui.widgets.turns import Answer
from tests.tui.looking import screen_text, until


@pytest.fixture
def services(tmp_path: Path, smollm_gguf: Path) -> Services:
    """Folders of our own, one imported model, and no server to be found."""
    env = {
        "KDMGR_DATA_DIR": str(tmp_path / "data"),
        "KDMGR_CONFIG_DIR": str(tmp_path / "config"),
        "OLLAMA_MODELS": str(tmp_path / "ollama"),
        "OLLAMA_HOST": "127.0.0.1:9",
    }
    services = Services.create(env)
    services.importing.import_model(smollm_gguf, parse_ollama_name("smol"), lambda progress: None)
    return services


async def test_from_the_table_to_an_answer(services: Services) -> None:
    app = KdmgrApp(services)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "● smol:latest" in screen_text(app))
        await until(pilot, lambda: "93.8 MiB" in screen_text(app) and "KV cache" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.phase is Phase.READY)
        await pilot.press(*"hello", "enter")
        screen = app.screen
        assert isinstance(screen, ChatScreen)
        await until(pilot, lambda: " tok/s decode · " in screen_text(app), seconds=30)
        text = screen_text(app)
        assert screen.query_one(Answer).text.strip()
        assert "TTFT" in text and "/ 4096" in text and "? tok/s decode" not in text
        assert "llamacpp" in text
