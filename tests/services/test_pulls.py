"""The queue of pulls, and pulls from plan to model: through a server, and into kdmgr's own store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest

from kdmgr.config import Settings
from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.pulling import PullBroke
from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable, StorageFailed, UsageError
from kdmgr.models.backoff import Backoff
from kdmgr.models.manifest import Layer
from kdmgr.models.ollama_partials import remove_partial
from kdmgr.models.progress import Progress, Report
from kdmgr.models.web import Waits, Web
from kdmgr.paths import Paths
from kdmgr.refs import OllamaRef, parse_ref
from kdmgr.services.app import Services
from kdmgr.services.pull_plan import PullOptions, PullPlan
from kdmgr.services.pulling import pull, pull_through
from kdmgr.services.transfer_queue import TransferQueue
from kdmgr.services.transfer_state import Phase, TransferState
from tests.engines.scripted import Reply, ScriptedServer, json_reply, line
from tests.gguf.forge import small_model
from tests.support.blob_registry import BlobRegistry
from tests.support.machines import gpu, machine
from tests.support.publisher import HubSite, Registry, Site
from tests.support.sparse import RECIPES, write_sparse

NOBODY = "127.0.0.1:9"
WEIGHTS = small_model().file(96 + 128) + bytes(500_000)
LAYER = Layer("application/vnd.ollama.image.model", f"sha256:{'ab' * 32}", 1000)
QUICK = Backoff(first_s=0.01, tries=3)


def plan_of(name: str, engine: str = "llamacpp", here: int = 0) -> PullPlan:
    ref = parse_ref(name)
    assert isinstance(ref, OllamaRef)
    return PullPlan(ref, engine, "somewhere", (LAYER,), here, 0, None, None)


class Fakes:
    """Pulls that do nothing until they are told to."""

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.ends: dict[str, asyncio.Future[None]] = {}
        self.most = self.running = 0

    async def run(self, plan: PullPlan, report: Report) -> None:
        self.reports[plan.name] = report
        self.ends[plan.name] = asyncio.get_running_loop().create_future()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.ends[plan.name]
        finally:
            self.running -= 1


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def phases(queue: TransferQueue) -> list[str]:
    return [state.phase.value for state in queue.states()]


async def test_no_more_run_at_once_than_may(fakes: Fakes) -> None:
    queue = TransferQueue(fakes.run, 2)
    for name in ("a", "b", "c", "d"):
        queue.add(plan_of(name))
    await settle()
    assert phases(queue) == ["running", "running", "queued", "queued"]
    fakes.ends["a:latest"].set_result(None)
    await settle()
    assert phases(queue) == ["done", "running", "running", "queued"]
    fakes.ends["b:latest"].set_exception(NotFound("gone"))
    await settle()
    assert phases(queue) == ["done", "failed", "running", "running"]
    assert fakes.most == 2
    failed = queue.states()[1]
    assert isinstance(failed.error, NotFound)
    await queue.close()
    assert phases(queue) == ["done", "failed", "cancelled", "cancelled"]
    assert fakes.running == 0


async def test_a_paused_pull_makes_room_and_goes_on_later(fakes: Fakes) -> None:
    queue = TransferQueue(fakes.run, 1)
    queue.add(plan_of("a"))
    queue.add(plan_of("b"))
    await settle()
    queue.pause("a:latest")
    await settle()
    assert phases(queue) == ["paused", "running"]
    queue.resume("a:latest")
    await settle()
    assert phases(queue) == ["queued", "running"]
    fakes.ends["b:latest"].set_result(None)
    await settle()
    assert phases(queue) == ["running", "done"]
    queue.cancel("a:latest")
    queue.pause("a:latest")
    await settle()
    assert phases(queue) == ["cancelled", "done"]
    queue.resume("a:latest")
    await settle()
    assert phases(queue) == ["running", "done"]
    await queue.close()


async def test_the_same_model_is_queued_once(fakes: Fakes) -> None:
    queue = TransferQueue(fakes.run, 2)
    queue.add(plan_of("a"))
    queue.add(plan_of("a"))
    await settle()
    assert len(queue.states()) == 1
    await queue.close()
    queue.add(plan_of("a"))
    await settle()
    assert phases(queue) == ["running"]
    await queue.close()


async def test_progress_speed_and_time_left(fakes: Fakes) -> None:
    now = [0.0]
    queue = TransferQueue(fakes.run, 1, clock=lambda: now[0])
    queue.add(plan_of("a", here=200))
    await settle()
    (state,) = queue.states()
    assert (state.completed, state.total, state.bytes_s, state.eta_s) == (200, 1000, None, None)
    report = fakes.reports["a:latest"]
    # What was there before is no speed.
    report(Progress("downloading", LAYER.digest, 200, 1000))
    for completed in (300, 400, 500):
        now[0] += 1.0
        report(Progress("downloading", LAYER.digest, completed, 1000))
    (state,) = queue.states()
    assert state.completed == 500
    assert state.bytes_s == pytest.approx(150, rel=0.4)
    assert state.eta_s == pytest.approx(500 / (state.bytes_s or 1))
    (layer,) = state.layers
    assert (layer.kind, layer.completed, layer.size) == ("model", 500, 1000)
    now[0] += 30.0
    (state,) = queue.states()
    assert (state.bytes_s or 0) < 15
    fakes.ends["a:latest"].set_result(None)
    await settle()
    (state,) = queue.states()
    assert (state.completed, state.bytes_s, state.phase) == (1000, None, Phase.DONE)


async def test_watching_ends_with_the_last_pull_and_raises_bugs(fakes: Fakes) -> None:
    queue = TransferQueue(fakes.run, 2)
    queue.add(plan_of("a"))

    async def end() -> None:
        await asyncio.sleep(0.05)
        fakes.ends["a:latest"].set_result(None)

    ending = asyncio.create_task(end())
    async with aclosing(queue.watch()) as changes:
        seen = [states async for states in changes]
    await ending
    assert seen[-1][0].phase is Phase.DONE
    queue.add(plan_of("b"))
    await settle()
    fakes.ends["b:latest"].set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        async for _ in queue.watch():
            pass


def test_so_many_at_once_are_too_many(fakes: Fakes) -> None:
    for parallel in (0, 17):
        with pytest.raises(UsageError, match="out of range"):
            TransferQueue(fakes.run, parallel)


# Through a server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server.on("GET", "/api/version", json_reply(version="0.24.0"))


@pytest.fixture
async def engine(server: ScriptedServer) -> AsyncIterator[OllamaEngine]:
    engine = OllamaEngine(server.host, {}, platform="linux")
    yield engine
    await engine.close()


def stream(*pieces: bytes | float, hangs_up: bool = False) -> Reply:
    return Reply(pieces, content_type="application/x-ndjson", hangs_up=hangs_up)


def some(completed: int) -> bytes:
    return line(status="pulling abababababab", digest=LAYER.digest, total=1000, completed=completed)


SUCCESS = stream(some(1000), line(status="success"))


@pytest.mark.parametrize(
    "replies",
    [
        [stream(some(100)), SUCCESS],
        [stream(some(100), hangs_up=True), stream(some(300), hangs_up=True), SUCCESS],
        [stream(some(100), line(error="max retries exceeded: EOF")), SUCCESS],
        [stream(some(1000), line(error="digest mismatch, file must be downloaded again: x")), SUCCESS],
        # As long as something comes each time, it is tried again and again.
        [*(stream(some(at), hangs_up=True) for at in range(100, 900, 100)), SUCCESS],
    ],
)
async def test_a_pull_that_breaks_off_goes_on(
    server: ScriptedServer, engine: OllamaEngine, replies: list[Reply]
) -> None:
    server.on("POST", "/api/pull", *replies)
    told: list[Progress] = []
    await pull_through(engine, plan_of("a", "ollama"), told.append, backoff=QUICK)
    assert told[-1].status == "success"
    assert any("trying again after" in progress.status for progress in told)
    assert len([asked for asked in server.asked if asked.path == "/api/pull"]) == len(replies)


@pytest.mark.parametrize(
    ("reply", "kind", "tries"),
    [
        (stream(some(100), hangs_up=True), EngineFailed, 4),
        (stream(line(error="max retries exceeded: EOF")), PullBroke, 4),
        (stream(some(1000), line(error="digest mismatch, file must be downloaded again: x")), PullBroke, 2),
        (stream(line(error="pull model manifest: file does not exist")), NotFound, 1),
        (stream(line(error="write x: no space left on device")), StorageFailed, 1),
    ],
)
async def test_what_does_not_get_better_is_given_up(
    server: ScriptedServer, engine: OllamaEngine, reply: Reply, kind: type[KdmgrError], tries: int
) -> None:
    server.on("POST", "/api/pull", reply)
    with pytest.raises(kind):
        await pull_through(engine, plan_of("a", "ollama"), lambda progress: None, backoff=QUICK)
    assert len(server.asked) == tries


# From plan to model


class NewServices:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Services] = []

    def __call__(self, *, server: str = NOBODY, host: str | None = None, **env: str) -> Services:
        folder = self._folder
        paths = Paths(folder / "data", folder / "config", folder / "cache", folder / "ollama")
        services = Services(paths, Settings(), {"OLLAMA_HOST": server, "HF_HOME": str(folder), **env}, host)
        services.web = Web(waits=Waits(connect_s=1, read_s=1), sleep=lambda _seconds: None)  # type: ignore[misc]
        self._made.append(services)
        return services

    def close(self) -> None:
        for services in self._made:
            services.close()


@pytest.fixture
def new_services(tmp_path: Path) -> Iterator[NewServices]:
    factory = NewServices(tmp_path)
    yield factory
    factory.close()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[BlobRegistry]:
    (tmp_path / "published").mkdir()
    with BlobRegistry(tmp_path / "published") as registry:
        registry.publish("library/tiny:1b", model=WEIGHTS, template=b"{{ .Prompt }}")
        yield registry


async def drain(queue: TransferQueue) -> tuple[TransferState, ...]:
    async for _ in queue.watch():
        pass
    return queue.states()


def run_queue(services: Services, *plans: PullPlan) -> tuple[TransferState, ...]:
    async def run() -> tuple[TransferState, ...]:
        queue = services.transfer_queue()
        for plan in plans:
            queue.add(plan)
        return await drain(queue)

    return asyncio.run(run())


def test_without_a_server_it_goes_into_the_own_store(new_services: NewServices, registry: BlobRegistry) -> None:
    services = new_services()
    plan = services.plan_pull(f"{registry.host}/library/tiny:1b", PullOptions())
    assert plan.engine == "llamacpp"
    assert plan.here == 0
    assert plan.total is not None
    assert plan.total > len(WEIGHTS)
    assert any("no Ollama server answers" in note for note in plan.notes)
    (state,) = run_queue(services, plan)
    assert (state.phase, state.error) == (Phase.DONE, None)
    (model,) = services.library.list_models()[0]
    assert model.stored.model_path.read_bytes() == WEIGHTS
    again = services.plan_pull(f"{registry.host}/library/tiny:1b", PullOptions())
    assert again.missing == 0


def test_a_server_that_was_named_has_to_answer(new_services: NewServices, registry: BlobRegistry) -> None:
    name = f"{registry.host}/library/tiny:1b"
    with pytest.raises(ServerUnreachable):
        new_services(host=NOBODY).plan_pull(name, PullOptions())
    with pytest.raises(ServerUnreachable):
        new_services().plan_pull(name, PullOptions(engine="ollama"))


def test_fit_is_told_before_the_first_byte(new_services: NewServices, tmp_path: Path) -> None:
    with Site() as cdn, Registry(cdn) as registry:
        registry.publish("library/phi3:mini", write_sparse(RECIPES["phi-3-mini-4k"], tmp_path))
        name = f"{registry.host}/library/phi3:mini"
        small = new_services().plan_pull(name, PullOptions(machine=machine(available_gib=1)))
        assert small.too_big
        assert any("too big" in sentence for sentence in small.objections)
        large = new_services().plan_pull(name, PullOptions(machine=machine(gpu(12))))
        assert large.objections == ()
        assert large.assessment is not None
        assert cdn.sent < 20 << 20


def test_through_a_server_the_totals_are_the_registrys(
    new_services: NewServices, registry: BlobRegistry, server: ScriptedServer
) -> None:
    services = new_services(server=server.host)
    digests = registry.publish("library/tiny:2b", model=WEIGHTS, template=b"t")
    server.on("HEAD", f"/api/blobs/{digests['template']}", Reply())
    server.on("POST", "/api/pull", stream(line(status="pulling manifest"), line(status="success")))
    plan = services.plan_pull(f"{registry.host}/library/tiny:2b", PullOptions())
    assert (plan.engine, plan.here, plan.insecure) == ("ollama", 1, True)
    assert plan.total is not None
    assert plan.total > len(WEIGHTS)
    assert services.pull_notes.list() == []
    (state,) = run_queue(services, plan)
    assert state.phase is Phase.DONE
    assert services.pull_notes.list() == []
    (asked,) = [asked for asked in server.asked if asked.path == "/api/pull"]
    assert asked.body == {"model": plan.name, "insecure": True}


def test_what_a_stopped_pull_left_is_listed_resumed_and_removed(
    new_services: NewServices, registry: BlobRegistry
) -> None:
    services = new_services()
    name = f"{registry.host}/library/tiny:1b"
    plan = services.plan_pull(name, PullOptions())
    registry.rate = 100_000

    async def stop_in_the_middle() -> float:
        queue = services.transfer_queue()
        queue.add(plan)
        async for (state,) in queue.watch():
            if state.completed > 150_000:
                break
        started = time.monotonic()
        await queue.close()
        assert queue.states()[0].phase is Phase.CANCELLED
        return time.monotonic() - started

    assert asyncio.run(stop_in_the_middle()) < 2
    left = {entry.key: entry for entry in services.leftovers()}
    assert list(left) == [name]
    assert (left[name].completed or 0) > 150_000
    resumed = services.plan_pull(name, PullOptions())
    assert resumed.left_over == left[name].completed
    services.remove_leftovers(list(left.values()))
    assert services.leftovers() == []
    registry.rate = 0
    (state,) = run_queue(services, services.plan_pull(name, PullOptions()))
    assert state.phase is Phase.DONE


def write_ollama_partial(blobs: Path, digest: str) -> list[Path]:
    blobs.mkdir(parents=True)
    stem = digest.replace(":", "-")
    files = [blobs / f"{stem}-partial", blobs / f"{stem}-partial-0", blobs / f"{stem}-partial-1"]
    files[0].write_bytes(bytes(100))
    files[1].write_text('{"N":0,"Offset":0,"Size":600,"Completed":250}')
    files[2].write_text('{"N":1,"Offset":600,"Size":400,"Completed":50}')
    for path in files:
        os.utime(path, (time.time() - 300, time.time() - 300))
    return files


def test_what_a_pull_through_a_server_left_has_its_name_and_size(
    new_services: NewServices, server: ScriptedServer, registry: BlobRegistry
) -> None:
    services = new_services(server=server.host)
    digests = registry.publish("library/tiny:2b", model=WEIGHTS, template=b"t")
    server.on("POST", "/api/pull", stream(line(error="write x: no space left on device")))
    name = f"{registry.host}/library/tiny:2b"
    (state,) = run_queue(services, services.plan_pull(name, PullOptions()))
    assert isinstance(state.error, StorageFailed)
    files = write_ollama_partial(services.library.ollama.blobs, digests["model"])
    (left,) = services.leftovers()
    assert (left.name, left.completed, left.engine) == (name, 300, "ollama")
    resumed = services.plan_pull(name, PullOptions())
    assert resumed.left_over == 300
    services.remove_leftovers([left])
    assert not any(path.exists() for path in files)
    assert services.leftovers() == []


def test_what_is_being_written_is_not_removed(new_services: NewServices) -> None:
    services = new_services()
    files = write_ollama_partial(services.library.ollama.blobs, LAYER.digest)
    os.utime(files[1])
    (left,) = services.leftovers()
    assert (left.name, left.key, left.total) == (None, "ab" * 6, 1000)
    stopped = threading.Event()

    def write() -> None:
        while not stopped.wait(0.02):
            os.utime(files[0])

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(StorageFailed, match="being written to"):
        remove_partial(left.ollama[0], watch_s=0.2)
    stopped.set()
    writer.join()
    assert all(path.exists() for path in files)
    remove_partial(left.ollama[0], watch_s=0.1)
    assert not any(path.exists() for path in files)


@contextmanager
def hub_of(path: Path) -> Iterator[tuple[HubSite, Site, str]]:
    """A Hub with one file, its name and its digest as they are."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with Site() as cdn, HubSite(cdn) as hub:
        hub.publish("me/Smol-GGUF", {"Smol.Q4_1.gguf": path})
        # The publisher of the tests makes digests up; to be pulled it has to be the true one.
        page = hub.pages["/api/models/me/Smol-GGUF/tree/main?recursive=true"]
        made_up = next(entry for entry in page.body.split(b'"') if len(entry) == 64)
        page.body = page.body.replace(made_up, digest.encode())
        yield hub, cdn, digest


@pytest.mark.parametrize("damaged", [False, True])
def test_what_the_cache_of_hugging_face_has_is_copied_and_checked(
    new_services: NewServices, tmp_path: Path, damaged: bool
) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(WEIGHTS)
    with hub_of(path) as (hub, cdn, digest):
        cache = tmp_path / "hf-cache"
        cached = cache / "models--me--Smol-GGUF" / "blobs" / digest
        cached.parent.mkdir(parents=True)
        cached.write_bytes(WEIGHTS[:-1] + (b"x" if damaged else WEIGHTS[-1:]))
        services = new_services(HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(cache))
        (state,) = run_queue(services, services.plan_pull("hf.co/me/Smol-GGUF:Q4_1", PullOptions()))
        assert state.error is None
        assert bool(cdn.file_requests()) is damaged
        assert cached.exists()
    (model,) = services.library.list_models()[0]
    assert model.stored.model_path.read_bytes() == WEIGHTS


def test_a_file_of_the_hub_becomes_a_model(new_services: NewServices, smollm_gguf: Path) -> None:
    with hub_of(smollm_gguf) as (hub, cdn, digest):
        services = new_services(HF_ENDPOINT=hub.url, HF_TOKEN="hf_secret")
        plan = services.plan_pull("hf.co/me/Smol-GGUF:Q4_1", PullOptions())
        (state,) = run_queue(services, plan)
        assert state.error is None
        assert all("authorization" not in asked.headers for asked in cdn.asked)
        assert all(asked.headers["authorization"] == "Bearer hf_secret" for asked in hub.asked)
    (model,) = services.library.list_models()[0]
    assert model.name == "hf.co/me/Smol-GGUF:Q4_1"
    assert model.stored.model_digest == f"sha256:{digest}"
    assert model.stored.config["model_family"] == "llama"
    opened = services.open(OllamaRef("Smol-GGUF", "Q4_1", "me", "hf.co"))
    assert opened.header.text("general.architecture") == "llama"
    by_its_reference = services.open(parse_ref("hf.co/me/Smol-GGUF:q4_1"))
    assert by_its_reference.path == opened.path
    with pytest.raises(NotFound, match="not on this machine") as missing:
        services.open(parse_ref("hf.co/me/Smol-GGUF:Q8_0"))
    assert "kdmgr pull hf.co/me/Smol-GGUF:Q8_0" in (missing.value.hint or "")


@pytest.mark.parametrize("text", ["./x.gguf", "phi3:cloud"])
def test_what_cannot_be_pulled_is_refused(new_services: NewServices, text: str) -> None:
    with pytest.raises(UsageError):
        new_services().plan_pull(text, PullOptions())


def test_a_task_that_is_cancelled_ends_its_thread(new_services: NewServices, registry: BlobRegistry) -> None:
    services = new_services()
    plan = services.plan_pull(f"{registry.host}/library/tiny:1b", PullOptions())
    registry.rate = 50_000

    async def run() -> None:
        task = asyncio.ensure_future(pull(services, plan, lambda progress: None))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    sent = registry.sent
    time.sleep(0.3)
    assert registry.sent - sent < 100_000
