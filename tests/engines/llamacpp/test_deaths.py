"""Whatever happens to the worker happens to the worker alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

import pytest

from kdmgr.engines.llamacpp.engine import LlamaCppEngine
from kdmgr.engines.llamacpp.process import worker_command
from kdmgr.engines.protocol import ChatDelta, ModelLoading
from kdmgr.errors import EngineFailed
from tests.engines.llamacpp.test_engine import answer, ask, engine, is_running, stats_of, take, wait_until_gone

__all__ = ["engine"]

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


async def test_a_killed_worker_fails_the_answer_and_the_next_one_starts_afresh(
    engine: LlamaCppEngine, smollm_gguf: Path
) -> None:
    with pytest.raises(EngineFailed, match="worker died"):
        async for event in engine.chat(ask(smollm_gguf, n_predict=900)):
            if isinstance(event, ChatDelta) and engine.worker_pid is not None:
                os.kill(engine.worker_pid, KILL)
    assert await engine.loaded_models() == []
    assert engine.buffers is None
    again = await answer(engine, ask(smollm_gguf, n_predict=4))
    assert again[0] == ModelLoading()
    assert stats_of(again).n_output == 4


async def test_a_worker_killed_between_answers_is_replaced(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    await answer(engine, ask(smollm_gguf, n_predict=1))
    pid = engine.worker_pid
    assert pid is not None
    os.kill(pid, KILL)
    await wait_until_gone(pid)
    assert stats_of(await answer(engine, ask(smollm_gguf, n_predict=2))).n_output == 2
    assert engine.worker_pid != pid


async def test_closing_during_an_answer_says_what_happened(engine: LlamaCppEngine, smollm_gguf: Path) -> None:
    async with aclosing(engine.chat(ask(smollm_gguf, n_predict=900))) as events:
        async for event in events:
            if isinstance(event, ChatDelta):
                break
        await engine.close()
        with pytest.raises(EngineFailed, match="unloaded"):
            async for _event in events:
                pass


async def test_closing_during_a_load_ends_it(engine: LlamaCppEngine, gemma_gguf: Path) -> None:
    async with aclosing(engine.chat(ask(gemma_gguf))) as events:
        assert await anext(events) == ModelLoading()
        loading = asyncio.ensure_future(anext(events))
        # Loading takes half a second and more.
        await asyncio.sleep(0.2)
        pid = engine.worker_pid
        assert pid is not None
        await engine.close()
        with pytest.raises(EngineFailed, match="unloaded"):
            await loading
    await wait_until_gone(pid)


def scripted_worker(folder: Path, script: str) -> LlamaCppEngine:
    """An engine whose worker is a script of the test's own."""
    path = folder / "worker.py"
    path.write_text(f"import json, os, sys, time\nread = sys.stdin.readline\n{script}")
    return LlamaCppEngine(command=[sys.executable, str(path)], settle_limit_s=0.3)


LOADED = 'read(); print(\'{"event": "loaded"}\', flush=True)\n'


async def test_an_abort_is_told_in_the_engines_words(tmp_path: Path, smollm_gguf: Path) -> None:
    script = f"{LOADED}read(); print('ggml.c:1: GGML_ASSERT(n > 0) failed', file=sys.stderr, flush=True); os.abort()"
    engine = scripted_worker(tmp_path, script)
    with pytest.raises(EngineFailed, match=r"GGML_ASSERT\(n > 0\) failed"):
        await answer(engine, ask(smollm_gguf))
    await engine.close()


async def test_a_worker_that_dies_while_it_loads(tmp_path: Path, smollm_gguf: Path) -> None:
    engine = scripted_worker(tmp_path, "read(); sys.exit(3)")
    with pytest.raises(EngineFailed, match="exit code 3"):
        await answer(engine, ask(smollm_gguf))
    await engine.close()


async def test_a_worker_that_does_not_start(tmp_path: Path, smollm_gguf: Path) -> None:
    engine = LlamaCppEngine(command=[str(tmp_path / "nothing")])
    with pytest.raises(EngineFailed, match="cannot start"):
        await answer(engine, ask(smollm_gguf))


async def test_a_worker_that_talks_nonsense(tmp_path: Path, smollm_gguf: Path) -> None:
    engine = scripted_worker(tmp_path, "read(); print('nonsense', flush=True); sys.exit(0)")
    with pytest.raises(EngineFailed, match="worker died"):
        await answer(engine, ask(smollm_gguf))
    await engine.close()


async def test_a_worker_that_does_not_stop_is_replaced(tmp_path: Path, smollm_gguf: Path) -> None:
    chunk = '{"id": 1, "chunk": {"choices": [{"text": "x"}]}}'
    engine = scripted_worker(tmp_path, f"{LOADED}read(); print('{chunk}', flush=True); time.sleep(60)")
    assert await take(engine, ask(smollm_gguf), 1) == "x"
    pid = engine.worker_pid
    assert pid is not None
    assert await take(engine, ask(smollm_gguf), 1) == "x"
    assert engine.worker_pid != pid
    await wait_until_gone(pid)
    await engine.close()


PARENT = """
import asyncio, sys
from pathlib import Path
from kdmgr.engines.llamacpp.engine import LlamaCppEngine
from kdmgr.engines.protocol import ChatDelta
from tests.engines.llamacpp.test_engine import ask

async def main():
    engine = LlamaCppEngine()
    async for event in engine.chat(ask(Path(sys.argv[1]), n_predict=900)):
        if isinstance(event, ChatDelta):
            print(engine.worker_pid, flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_worker_ends_with_its_parent(smollm_gguf: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(smollm_gguf), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        pid = int(await parent.stdout.readline())
        assert is_running(pid)
    finally:
        parent.kill()
        await parent.communicate()
    await wait_until_gone(pid)


async def test_the_worker_gets_no_secrets_and_leaves_no_socket(smollm_gguf: Path) -> None:
    engine = LlamaCppEngine({**os.environ, "HF_TOKEN": "secret-token"})
    before = sockets()
    await answer(engine, ask(smollm_gguf, n_predict=1))
    assert sockets() == before
    assert b"secret-token" not in environment_of(engine.worker_pid)
    await engine.close()


def sockets() -> set[str]:
    return {str(folder) for folder in Path(tempfile.gettempdir()).glob("kdmgr-*")}


def environment_of(pid: int | None) -> bytes:
    """Empty where the system does not show it."""
    path = Path(f"/proc/{pid}/environ")
    return path.read_bytes() if path.exists() else b""


def test_the_worker_knows_nothing_of_the_package() -> None:
    """It starts as a lone script: it must not need kdmgr, and nothing beside it may shadow a module."""
    script = Path(worker_command()[-1]).read_text(encoding="utf-8")
    assert "import kdmgr" not in script
    assert "from kdmgr" not in script
    ran = subprocess.run(worker_command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
