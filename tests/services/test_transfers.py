"""Imports as transfers of the queue, and the log of what has ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kdmgr.config import Settings
from kdmgr.errors import NotFound, UsageError
from kdmgr.models.progress import Progress
from kdmgr.paths import Paths
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.import_plan import ImportRequest
from kdmgr.services.import_transfer import ImportTransfer
from kdmgr.services.transfer_log import KEPT, PastTransfer, TransferLog
from kdmgr.services.transfer_queue import TransferQueue
from kdmgr.services.transfer_state import Phase, TransferState
from tests.services.importing_rig import MIB, write_model
from tests.services.test_pulls import Fakes, drain, plan_of, settle

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    paths = Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")
    return Services(paths, Settings(), {"OLLAMA_HOST": "127.0.0.1:9"})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.gguf", 3 * MIB)


def request_of(model: Path, **more: object) -> ImportRequest:
    return ImportRequest((model,), parse_ollama_name("tiny:1b"), **more)  # type: ignore[arg-type]


async def test_an_import_goes_through_the_queue(services: Services, model: Path) -> None:
    preview = await asyncio.to_thread(services.import_form.preview, request_of(model, teacher="Big"))
    assert (preview.engine, preview.taken, preview.size > 3 * MIB) == ("llamacpp", False, True)
    assert f"FROM {model}" in preview.text
    text = preview.text + "PARAMETER temperature 0.5\n"
    queue = services.transfers
    queue.add(services.import_form.transfer(preview, text))
    (state,) = await drain(queue)
    assert (state.phase, state.error, state.share) == (Phase.DONE, None, 1.0)
    assert state.layers[0].digest == "copying and hashing"
    assert state.receipt is not None
    assert state.receipt == services.receipts.find(parse_ollama_name("tiny:1b"))
    assert (state.receipt.teacher, state.receipt.modelfile_parameters) == ("Big", {"temperature": 0.5})
    assert services.library.require(parse_ollama_name("tiny:1b")).stored.parameters == {"temperature": 0.5}
    assert not list((services.paths.data / "drafts").glob("*"))
    (past,) = services.transfer_log.newest()
    assert (past.kind, past.name, past.phase) == ("import", "tiny:1b", "done")


async def test_a_cancelled_import_leaves_nothing(services: Services, model: Path) -> None:
    preview = await asyncio.to_thread(services.import_form.preview, request_of(model))
    transfer = services.import_form.transfer(preview, preview.text)
    queue = services.transfers
    queue.add(transfer)
    queue.cancel(transfer.name)
    await queue.close()
    assert [state.phase for state in queue.states()] == [Phase.CANCELLED]
    assert services.library.own.find(parse_ollama_name("tiny:1b")) is None
    blobs = services.library.own.blobs
    assert not blobs.exists() or not [path for path in blobs.iterdir() if path.stat().st_size > MIB]


async def test_a_name_that_is_taken_is_told_and_replaced(services: Services, model: Path) -> None:
    services.importing.import_model(model, parse_ollama_name("tiny:1b"), lambda progress: None)
    preview = await asyncio.to_thread(services.import_form.preview, request_of(model), "llamacpp")
    assert preview.taken
    services.transfers.add(services.import_form.transfer(preview, preview.text))
    (state,) = await drain(services.transfers)
    assert (state.phase, state.error) == (Phase.DONE, None)


async def test_what_cannot_be_imported_is_refused_in_the_form(services: Services, model: Path) -> None:
    missing = replace(request_of(model), sources=(model.parent / "nothing.gguf",))
    with pytest.raises(NotFound):
        await asyncio.to_thread(services.import_form.preview, missing)
    with pytest.raises(UsageError, match="quantises"):
        await asyncio.to_thread(services.import_form.preview, request_of(model, quantize="Q4_K_M"), "llamacpp")


async def test_steps_of_an_import_have_their_own_progress() -> None:
    fakes = Fakes()
    queue = TransferQueue(fakes.run, 1)
    queue.add(ImportTransfer(ImportRequest((), parse_ollama_name("a")), "ollama", "http://x", 100))
    await settle()
    report = fakes.reports["a:latest"]
    report(Progress("hashing file", "hashing file", 40, 100))
    assert queue.states()[0].share == pytest.approx(0.4)
    report(Progress("sending file", "sending file", 10, 100))
    (state,) = queue.states()
    assert state.share == pytest.approx(0.1)
    assert [(layer.digest, layer.completed) for layer in state.layers] == [("hashing file", 100), ("sending file", 10)]
    await queue.close()


async def test_only_what_has_ended_can_be_removed() -> None:
    fakes = Fakes()
    queue = TransferQueue(fakes.run, 2)
    queue.add(plan_of("a"))
    await settle()
    queue.remove("a:latest")
    assert len(queue.states()) == 1
    queue.cancel("a:latest")
    await settle()
    queue.remove("a:latest")
    queue.remove("nobody")
    assert queue.states() == ()
    await queue.close()


async def test_following_has_no_end_and_sleeps_while_nothing_runs() -> None:
    fakes = Fakes()
    queue = TransferQueue(fakes.run, 2)
    seen: list[int] = []

    async def follow() -> None:
        async for states in queue.follow():
            seen.append(len(states))

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.7)
    assert seen == [0]
    queue.add(plan_of("a"))
    await asyncio.sleep(0.3)
    assert seen[-1] == 1
    task.cancel()
    await queue.close()


def ended(name: str, phase: Phase = Phase.DONE) -> TransferState:
    return TransferState("pull", name, "ollama", "x", phase, "", 5, 10, 0, None, None, (), seconds=2.0)


def test_the_log_keeps_the_newest(tmp_path: Path) -> None:
    now = [START]
    log = TransferLog(tmp_path / "deep" / "log.jsonl", lambda: now[0])
    assert log.newest() == []
    for number in range(KEPT + 5):
        now[0] += timedelta(seconds=1)
        log.note(ended(f"m{number}", Phase.FAILED if number % 2 else Phase.DONE))
    found = log.newest()
    assert len(found) == KEPT
    assert found[0].name == f"m{KEPT + 4}"
    assert datetime.fromisoformat(found[0].at) == now[0]
    log.forget(found[0])
    assert log.newest()[0].name == f"m{KEPT + 3}"
    log.clear()
    assert log.newest() == []


def test_a_damaged_log_loses_only_its_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = TransferLog(path, lambda: START)
    log.note(ended("a"))
    with path.open("ab") as file:
        file.write(b'{"at": "x"}\nnot json\n[1]\n\xff\xfe\n{"at": "2026-01-01T00:00:00+00:00"')
        file.write(b"\n")
    log.note(ended("b"))
    assert [past.name for past in log.newest()] == ["b", "a"]
    assert isinstance(log.newest()[0], PastTransfer)
