"""What kdmgr loads through a server is written down beside the plan; an answer never waits long for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.protocol import ChatMessage, ChatRequest, ChatStats, EngineModel
from kdmgr.fit.machine import Backend, Device, GpuProcess, Machine
from kdmgr.gguf.header import LongArray
from kdmgr.hardware.runners import Runner, find_runner
from kdmgr.history.history import History
from kdmgr.models.headers import HeaderCache, read_file_header
from kdmgr.services.recording import ObservedEngine, Recorder
from kdmgr.services.server_models import ServerModels
from tests.services.importing_rig import machine
from tests.support.blob_server import BlobServer

MIB = 1 << 20
FILE = "/models/blobs/sha256-" + "0" * 64
CARD = Device("Test GPU", Backend.CUDA, 8 << 30, 7 << 30, "made up")
REQUEST = ChatRequest(EngineModel("m:1b"), (ChatMessage("user", "hi"),))


@pytest.fixture
def server() -> Iterator[BlobServer]:
    with BlobServer() as server:
        server.created.append({"model": "m:1b"})
        server.models["m:1b"] = {"name": "m:1b", "size": 5, "digest": "d" * 64}
        yield server


class Setting:
    """A recorder with a machine and a runner of the test's own."""

    def __init__(
        self, folder: Path, server: BlobServer, on: Machine | None = None, runner: Runner | None = None
    ) -> None:
        self.history = History(folder / "history.db")
        self.asked: list[str] = []
        self.engine = OllamaEngine(server.host, {})
        models = ServerModels(lambda: self.engine, HeaderCache(folder / "headers"), required=False)
        found = on or machine()

        def find(path: str) -> Runner | None:
            self.asked.append(path)
            return runner

        self.recorder = Recorder(self.history, models, lambda: found, find)

    async def chat(self) -> ChatStats:
        engine = ObservedEngine(self.engine, self.recorder)
        events = [event async for event in engine.chat(REQUEST)]
        await engine.close()
        assert isinstance(events[-1], ChatStats)
        return events[-1]


async def test_the_first_answer_records_a_load_and_each_its_speed(tmp_path: Path, server: BlobServer) -> None:
    setting = Setting(tmp_path, server, runner=Runner(7, 300 * MIB))
    server.loaded = []
    stats = await setting.chat()
    assert setting.history.loads() == []
    assert [speed.decode_tok_s for speed in setting.history.speeds()] == [stats.decode_tok_s] == [20.0]
    server.loaded = [{"name": "m:1b", "size": 200 * MIB, "size_vram": 0, "context_length": 4096}]
    await setting.chat()
    # It was loaded before the question.
    assert setting.history.loads() == []
    assert len(setting.history.speeds()) == 2


async def test_a_load_has_the_servers_figures_and_the_processs(tmp_path: Path, server: BlobServer) -> None:
    setting = Setting(tmp_path, server, runner=Runner(7, 300 * MIB))
    server.loaded = [{"name": "m:1b", "size": 200 * MIB, "size_vram": 0, "context_length": 4096}]
    record = await setting.recorder.record_load(setting.engine, "m:1b", 1.5)
    await setting.engine.close()
    assert record is not None
    assert setting.history.loads() == [record]
    assert setting.asked == [FILE]
    assert (record.size, record.size_vram, record.n_ctx, record.load_s) == (200 * MIB, 0, 4096, 1.5)
    assert (record.process_host, record.host_overhead) == (300 * MIB, None)
    assert (record.engine_version, record.digest) == ("0.24.0", "d" * 64)


async def test_a_load_is_held_against_the_plan_for_its_context(
    tmp_path: Path, server: BlobServer, smollm_gguf: Path
) -> None:
    header = read_file_header(smollm_gguf)
    server.shown = {
        "model_info": {key: value for key, value in header.metadata.items() if not isinstance(value, LongArray)},
        "tensors": [{"name": row.name, "type": row.type.name, "shape": row.shape} for row in header.tensors],
    }
    setting = Setting(tmp_path, server)
    sizes = []
    for n_ctx in (1024, 4096):
        server.loaded = [{"name": "m:1b", "size": 200 * MIB, "size_vram": 0, "context_length": n_ctx}]
        record = await setting.recorder.record_load(setting.engine, "m:1b")
        assert record is not None
        assert record.predicted is not None
        assert record.error == pytest.approx(record.predicted / (200 * MIB) - 1)
        sizes.append(record.predicted)
    await setting.engine.close()
    # 30 layers of 3 heads of 64 elements, K and V in two bytes each.
    assert sizes[1] - sizes[0] >= 3072 * 30 * 3 * 64 * 2 * 2


@pytest.mark.parametrize(("pid", "used"), [(7, 900 * MIB), (8, None)])
async def test_the_drivers_figure_is_that_of_the_process(
    tmp_path: Path, server: BlobServer, pid: int, used: int | None
) -> None:
    card = replace(CARD, processes=(GpuProcess(pid, "ollama", 900 * MIB), GpuProcess(9, "game", 99)))
    setting = Setting(tmp_path, server, replace(machine(), devices=(card,)), Runner(7, None))
    server.loaded = [{"name": "m:1b", "size": 200 * MIB, "size_vram": 200 * MIB, "context_length": 4096}]
    record = await setting.recorder.record_load(setting.engine, "m:1b")
    await setting.engine.close()
    assert record is not None
    assert record.process_device == used


async def test_a_history_that_cannot_be_written_costs_no_answer(tmp_path: Path, server: BlobServer) -> None:
    (tmp_path / "history.db").mkdir()
    setting = Setting(tmp_path, server)
    assert (await setting.chat()).n_output == 8


async def test_a_model_that_is_gone_again_is_not_recorded(tmp_path: Path, server: BlobServer) -> None:
    setting = Setting(tmp_path, server)
    assert await setting.recorder.record_load(setting.engine, "m:1b") is None
    await setting.engine.close()


def write_process(root: Path, pid: int, *arguments: str, resident_kib: int = 1000) -> None:
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"\0".join(map(str.encode, arguments)) + b"\0")
    (folder / "status").write_text(f"Name:\tx\nVmRSS:\t  {resident_kib} kB\n")


def test_the_runner_is_the_process_that_was_given_the_file(tmp_path: Path) -> None:
    write_process(tmp_path, 10, "/usr/bin/ollama", "serve")
    write_process(tmp_path, 11, "/usr/bin/less", FILE)
    write_process(tmp_path, 12, "/usr/bin/ollama", "runner", "--ollama-engine", "--model", FILE, resident_kib=2048)
    write_process(tmp_path, 13, "/usr/bin/ollama", "runner", "--model", "/other")
    assert find_runner(FILE, tmp_path) == Runner(12, 2 * MIB)
    write_process(tmp_path, 14, "/usr/lib/ollama/llama-server", "--model", FILE)
    assert find_runner(FILE, tmp_path) is None
    assert find_runner(FILE, tmp_path / "none") is None
