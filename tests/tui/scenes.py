"""What the looks are taken of: each scene leads a running app to a screen and a state."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from kdmgr.engines.protocol import ChatDelta, ModelLoading
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound, ServerUnreachable
from kdmgr.fit.machine import Machine
from kdmgr.history.chat_records import DONE, Figures, ImageRecord, TurnRecord
from kdmgr.history.records import LoadRecord
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.leftovers import Leftover
from kdmgr.services.live_entries import LiveTurn, Phase
from kdmgr.services.load_history import LoadHistory
from kdmgr.services.monitoring import MachineSample
from kdmgr.services.pull_plan import PullOptions, PullPlan
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.rows import ModelRow
from kdmgr.services.transfer_log import PastTransfer
from kdmgr.tui.app import KdmgrApp
from kdmgr.tui.duel_words import Phase as DuelPhase
from kdmgr.tui.screens.chat import ChatScreen
from kdmgr.tui.screens.duel import DuelScreen
from kdmgr.tui.screens.facets import FacetsScreen
from kdmgr.tui.screens.find import FindScreen
from kdmgr.tui.screens.import_ import ImportScreen
from kdmgr.tui.screens.ladder import LadderScreen
from kdmgr.tui.screens.machine import MachineScreen
from kdmgr.tui.screens.modelfile import ModelfileScreen
from kdmgr.tui.screens.pull import PullScreen
from kdmgr.tui.screens.receipt import ReceiptScreen
from kdmgr.tui.screens.review import ReviewScreen
from kdmgr.tui.screens.students import StudentsScreen
from tests.services.importing_rig import write_model
from tests.services.test_receipts import receipt as import_receipt
from tests.support.chat_engine import Script, stats
from tests.support.machines import GIB, gpu, machine
from tests.tui.conftest import make_services
from tests.tui.fakes import RTX_3060, FakeServices, catalog_rows
from tests.tui.fakes_chats import FakeChat
from tests.tui.fakes_ladder import LadderDesk
from tests.tui.fakes_machine import NOTHING, held
from tests.tui.fakes_transfers import MIB, plan_of
from tests.tui.looking import screen_text, until

ANSWER = """\
A **student** is a small model that was taught by a larger one:

1. the teacher answers many questions,
2. the student learns to answer like it.

```python
loss = kl_div(student.log_softmax(-1), teacher.softmax(-1))
```

Its size is what counts: see `kdmgr fit`."""


_SEEN = TurnRecord(
    "2026-11-24T14:00:00+00:00",
    "what is on it?",
    "smollm2",
    "ollama",
    (ImageRecord("/pictures/cat.png", "PNG", 482_113, 640, 480),),
    "A cat on a chair.",
    state=DONE,
    figures=Figures(n_prompt=612, n_output=8, prompt_s=0.9, decode_s=0.2, ttft_s=1.1, total_s=1.2, n_cached=0),
)


@dataclass
class Stage:
    """A running app, and what its services are."""

    app: KdmgrApp
    pilot: Pilot[Any]
    services: FakeServices

    async def sees(self, *texts: str) -> None:
        """Wait until all of these are on the screen."""
        await until(self.pilot, lambda: all(text in screen_text(self.app) for text in texts))

    async def press(self, *keys: str) -> None:
        """Press, and let it settle."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def reach(self, kind: type[Any]) -> Any:
        """Wait for a screen."""
        await until(self.pilot, lambda: isinstance(self.app.screen, kind) and self.app.screen.is_mounted)
        await self.pilot.pause()
        return self.app.screen

    async def resize(self, width: int, height: int) -> None:
        """Another size of the terminal."""
        if self.app.size != (width, height):
            await self.pilot.resize_terminal(width, height)
            await self.pilot.pause()

    async def wear(self, theme: str) -> None:
        """Another theme."""
        if self.app.theme != theme:
            self.app.theme = theme
            await self.pilot.pause()

    async def chat(self) -> ChatScreen:
        """A chat with the first model."""
        await self.sees("● small")
        await self.press("enter")
        screen: ChatScreen = await self.reach(ChatScreen)
        return screen

    async def ask(self, text: str, phase: Phase = Phase.READY) -> None:
        """A question, until its answer has come so far."""
        screen = self.app.screen
        assert isinstance(screen, ChatScreen)
        await until(self.pilot, lambda: screen.phase in (Phase.READY, Phase.FAILED))
        n_turns = len(screen.chat.turns)
        screen.box.text = text
        await self.press("enter")
        done = phase is not Phase.READY
        await until(self.pilot, lambda: screen.phase is phase and (done or len(screen.chat.turns) > n_turns))
        await self.pilot.pause(0.1)

    async def duel(self) -> DuelScreen:
        """A duel between the two models."""
        await self.sees("✔ fits", "● small")
        await self.press("c")
        await self.sees("large")
        await self.press("enter")
        screen: DuelScreen = await self.reach(DuelScreen)
        await until(self.pilot, lambda: screen.phase in (DuelPhase.READY, DuelPhase.FAILED))
        return screen


Act = Callable[[Stage], Awaitable[None]]


@dataclass
class Scene:
    """How to get there, with which services, and whether they bring real files."""

    act: Act
    services: Callable[[], FakeServices] = field(default=lambda: make_services(catalog=8))


def _with(**changes: object) -> Callable[[], FakeServices]:
    def make() -> FakeServices:
        services = make_services(catalog=8)
        for name, value in changes.items():
            setattr(services, name, value)
        return services

    return make


# Students


async def students_full(on: Stage) -> None:
    await on.sees("✔ fits", "● small")
    await on.pilot.pause(0.3)


async def students_failed(on: Stage) -> None:
    await on.sees("locked")


async def students_nothing_found(on: Stage) -> None:
    await students_full(on)
    await on.press("slash", *"moon")
    await on.pilot.pause(0.3)


class Held(FakeServices):
    """What is asked in threads is answered when the gate is opened: at the end of the scene."""

    held: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gate = threading.Event()

    def wait(self, what: str) -> None:
        if what in self.held:
            self.gate.wait(30)

    def detect_machine(self) -> Machine:
        self.wait("machine")
        return super().detect_machine()

    def model_rows(self) -> list[ModelRow]:
        self.wait("rows")
        return super().model_rows()

    async def server_rows(self) -> list[ModelRow]:
        await asyncio.to_thread(self.wait, "server")
        return await super().server_rows()

    def leftovers(self) -> list[Leftover]:
        self.wait("leftovers")
        return super().leftovers()

    def plan_pull(self, text: str, options: PullOptions) -> PullPlan:
        self.wait("plan")
        return super().plan_pull(text, options)


def _held(*what: str) -> Callable[[], FakeServices]:
    def make() -> FakeServices:
        like = make_services(catalog=8)
        services = Held(rows=like.rows, shapes=like.shapes)
        services.held = what
        return services

    return make


async def students_looking(on: Stage) -> None:
    await on.sees("Looking for models")
    await on.pilot.pause(0.6)


async def students_unjudged(on: Stage) -> None:
    await on.sees("● small")
    await on.pilot.pause(0.6)


async def students_server_late(on: Stage) -> None:
    await on.sees("✔ fits", "● small", "asking the server")
    await on.pilot.pause(0.3)


# The search of the Hub


async def find_empty(on: Stage) -> None:
    await students_full(on)
    await on.press("h")
    await on.reach(FindScreen)
    await on.sees("and not before")


async def find_full(on: Stage) -> None:
    await find_empty(on)
    await on.press("enter")
    await on.sees("2 shown", "Q8_0", "~fits")
    await on.press("f")
    await on.sees("at context")


async def find_loading(on: Stage) -> None:
    on.services.hub_desk.waits = "the Hub is asked too often (429); waiting 20 s"
    on.services.hub_desk.held["distill"] = threading.Event()
    weakref.finalize(on, on.services.hub_desk.held["distill"].set)
    await find_empty(on)
    await on.press("enter")
    await on.sees("waiting 20 s")


async def find_failed(on: Stage) -> None:
    on.services.hub_desk.error = Forbidden(
        "the Hub does not answer without a token", hint="set HF_TOKEN, or look at HF_ENDPOINT"
    )
    await find_empty(on)
    await on.press("enter")
    await on.sees("set HF_TOKEN")


async def find_nothing_found(on: Stage) -> None:
    await find_empty(on)
    await on.press(*"moon", "enter")
    await on.sees("The Hub has no repository")


# Chats


def _with_ladders() -> FakeServices:
    folder = Path(tempfile.mkdtemp(prefix="looks-", dir="/tmp"))
    services = FakeServices(rows=catalog_rows(), student_desk=LadderDesk.create(folder))
    weakref.finalize(services, shutil.rmtree, folder, ignore_errors=True)
    return services


async def ladder_shown(on: Stage) -> None:
    students = await on.reach(StudentsScreen)
    await until(on.pilot, lambda: students.rows)
    students.show_ladder("deepseek-r1")
    ladder = await on.reach(LadderScreen)
    await until(on.pilot, lambda: ladder.ladder and ladder.rungs.option_count)
    await on.pilot.pause(0.3)


async def facets_shown(on: Stage) -> None:
    await students_full(on)
    await on.press("F")
    await on.reach(FacetsScreen)
    await on.pilot.pause(0.2)


async def chats_empty(on: Stage) -> None:
    await on.press("2")
    await on.sees("No chats yet")


async def chats_full(on: Stage) -> None:
    await on.chat()
    await on.ask("what is a student?")
    await on.ask("and a teacher?")
    on.app.pop_screen()
    await on.press("1", "down", "enter")
    await on.reach(ChatScreen)
    await on.ask("write a rather long poem about the sea, with rhymes, and a few about the moon")
    on.app.pop_screen()
    await on.press("2")
    await on.sees("2 open")


async def chats_nothing_found(on: Stage) -> None:
    await on.press("2")
    await on.sees("No chats yet")
    await on.press("slash", *"moon")
    await on.sees("Nothing that was said")


# Chat


async def chat_ready(on: Stage) -> None:
    screen = await on.chat()
    await until(on.pilot, lambda: screen.phase is Phase.READY)


async def chat_opening(on: Stage) -> None:
    await on.chat()
    await on.pilot.pause(0.2)


async def chat_loading(on: Stage) -> None:
    await on.chat()
    await on.ask("what is a student?", Phase.ANSWERING)


async def chat_answered(on: Stage) -> None:
    await on.chat()
    await on.ask("what is a student?")


async def chat_pictures(on: Stage) -> None:
    screen = await on.chat()
    screen.pictures = [
        ImageRecord("/pictures/cat.png", "PNG", 482_113, 640, 480),
        ImageRecord("/pictures/a dog in the snow.jpg", "JPEG", 2_411_724, 4032, 3024),
        ImageRecord("/pictures/both.webp", "WebP", 91_204, 1200, 800),
    ]
    screen.chat.entries.append(LiveTurn.saved(_SEEN))
    screen.chat.watch()
    screen.show_pictures()
    screen.box.text = "and which of these is older?"
    await on.sees("A cat on a chair", "and 1 more")


async def chat_failed(on: Stage) -> None:
    await on.chat()
    await on.ask("what is a student?")
    await on.sees("llama-server died")


async def chat_refused(on: Stage) -> None:
    screen = await on.chat()
    await until(on.pilot, lambda: screen.phase is Phase.FAILED)


async def chat_settings(on: Stage) -> None:
    screen = await on.chat()
    await until(on.pilot, lambda: screen.phase is Phase.READY)
    await on.press("ctrl+l")
    await on.sees("temperature")


def _answers(*scripts: Script) -> Callable[[], FakeServices]:
    def make() -> FakeServices:
        services = make_services(catalog=8)
        services.chat = FakeChat(list(scripts))
        return services

    return make


# Duel


async def duel_opponents(on: Stage) -> None:
    await on.sees("✔ fits", "● small")
    await on.press("c")
    await on.sees("large")


async def duel_ready(on: Stage) -> None:
    await on.duel()


async def duel_answered(on: Stage) -> None:
    screen = await on.duel()
    screen.box.text = "what is the sea?"
    await on.press("enter")
    await until(on.pilot, lambda: screen.ended and screen.phase is DuelPhase.READY)
    await on.pilot.pause(0.1)


async def duel_settings(on: Stage) -> None:
    await on.duel()
    await on.press("ctrl+l")
    await on.sees("temperature")


# Transfers


async def transfers_empty(on: Stage) -> None:
    await on.press("3")
    await on.sees("Nothing is being transferred.")


async def transfers_looking(on: Stage) -> None:
    await on.press("3")
    await on.sees("Looking for what earlier")


async def pull_asking(on: Stage) -> None:
    await on.press("3", "p")
    await on.reach(PullScreen)
    await on.press(*"tiny:1b", "enter")
    await on.sees("asking")
    await on.pilot.pause(0.2)


async def transfers_full(on: Stage) -> None:
    await on.press("3")
    for name in ("qwen3:8b", "llama3.2:1b", "hf.co/unsloth/Qwen3-0.6B-GGUF:Q4_K_M"):
        on.services.transfers.add(plan_of(name))
    await on.sees("running")
    on.services.scripted.ends["qwen3:8b"].set_exception(
        NotFound("the registry has no qwen3:8b", hint="look for its tags at ollama.com/library/qwen3")
    )
    await on.sees("✘")
    await until(on.pilot, lambda: "llama3.2:1b" in on.services.scripted.reports)
    on.services.scripted.bring("llama3.2:1b", 40 * MIB)
    await on.sees("62%")


async def transfers_past(on: Stage) -> None:
    on.services.receipts = [
        import_receipt(name="tiny:1b", imported_at="2026-01-01T12:00:00+00:00", sha256="ab" * 32, warnings=()),
        PullReceipt(
            *("hf.co/a/b-GGUF:Q4_K_M",) * 2, "huggingface", "https://huggingface.co", "b-Q4_K_M.gguf", "0123" * 10,
            "cd" * 32, "2026-01-02T12:00:00+00:00", "0.1",
        ),
    ]  # fmt: skip
    past = PastTransfer(
        "2026-01-03T12:00:00+00:00",
        "pull",
        "qwen3:8b",
        "ollama",
        "http://127.0.0.1:11434",
        "failed",
        5,
        9,
        9.5,
        "broke off",
    )
    on.services.transfer_log.add(past)
    await on.press("3")
    await on.sees("3 past")
    await on.press("down")
    await on.sees("Enter opens the receipt")


async def receipt_shown(on: Stage) -> None:
    await transfers_past(on)
    await on.press("enter")
    await on.reach(ReceiptScreen)


async def pull_planned(on: Stage) -> None:
    await on.press("3", "p")
    await on.reach(PullScreen)
    await on.press(*"tiny:1b", "enter")
    await on.sees("Enter pulls it.")


async def pull_refused(on: Stage) -> None:
    on.services.plans["tiny:2b"] = NotFound("the registry has no tiny:2b", hint="look for its tags in the library")
    await on.press("3", "p")
    await on.reach(PullScreen)
    await on.press(*"tiny:2b", "enter")
    await on.sees("no tiny:2b")


# Machine


async def machine_shown(on: Stage) -> None:
    await chats_empty(on)
    on.app.push_screen(MachineScreen(on.services, look_s=3600))  # one look: a second one would move the courses
    await on.sees("servers")
    await until(on.pilot, lambda: on.services.monitor.n_samples and on.services.monitor.n_loaded)
    await on.pilot.pause(0.2)


def _machine_full() -> FakeServices:
    services = make_services(catalog=8)
    first = replace(gpu(6, total_gib=12), busy=0.5)
    second = replace(gpu(11, total_gib=12), busy=0.02, index=1)
    services.monitor.sample_now = MachineSample(replace(machine(first, second, available_gib=24), declared=False), 0.25)
    services.monitor.holdings = [held("qwen3:8b", 6, vram=5), held("smollm2:135m", 0.3, vram=0.3, left_s=3000)]
    sizes = 0, 5 * GIB, 4 * GIB, 4 * GIB, None, None
    load = LoadRecord("2026-11-24T10:00:00+00:00", "m", "ollama", "0.30", "qwen3:8b", None, 8192, *sizes)
    services.monitor.history_now = LoadHistory((load,) * 3, (), 0.25, None, None, ())
    return services


def _machine_offline() -> FakeServices:
    services = make_services(catalog=8)
    services.host_book.versions = {}
    services.monitor.sample_now = MachineSample(replace(machine(available_gib=8), declared=False), 0.25)
    services.monitor.error = ServerUnreachable(
        "no Ollama server answers at http://127.0.0.1:11434", hint="start it with: ollama serve"
    )
    services.monitor.history_error = KdmgrError("the history is locked by another kdmgr")
    return services


def _machine_waiting() -> FakeServices:
    services = _machine_full()
    services.monitor.release = asyncio.Event()
    services.monitor.history_now = NOTHING
    return services


async def host_form(on: Stage) -> None:
    await machine_shown(on)
    await on.press("a")
    await on.sees("another server")


# Settings, help and what lies over everything


async def settings_shown(on: Stage) -> None:
    await on.press("5")
    await on.sees("ctx_size")


async def settings_form(on: Stage) -> None:
    await settings_shown(on)
    await on.press("down", "down", "enter")
    await on.sees("Left empty")


async def keys_shown(on: Stage) -> None:
    await settings_shown(on)
    await on.press("tab", "down", "down")


async def help_shown(on: Stage) -> None:
    await chats_empty(on)
    await on.press("f1")
    await on.sees("Esc closes")


async def palette_shown(on: Stage) -> None:
    await on.sees("● small")
    await on.press("2")
    await on.sees("No chats yet")
    await on.press("ctrl+p")
    await on.sees("Open the selected chat")
    await on.pilot.pause(0.3)


async def confirm_shown(on: Stage) -> None:
    on.services.transfers.add(plan_of("qwen3:8b"))
    await on.press("3")
    await on.sees("running")
    await on.press("ctrl+q")
    await on.sees("Leave (y)")


# Import


class RealOnScreen(Services):
    """Real services over folders of their own, on a declared machine, without a server."""

    def detect_machine(self) -> Machine:
        return RTX_3060


def _real_import() -> FakeServices:
    """Imports and Modelfiles are the real ones: a small file, and a model made of it."""
    folder = Path(tempfile.mkdtemp(prefix="looks-", dir="/tmp"))  # the same length everywhere
    services = make_services(catalog=8)
    weakref.finalize(services, shutil.rmtree, folder, ignore_errors=True)
    (folder / "models").mkdir()
    path = write_model(folder / "models" / "tiny.gguf", 1 << 20)
    env = {"KDMGR_DATA_DIR": str(folder / "data"), "KDMGR_CONFIG_DIR": str(folder / "config")}
    env |= {"OLLAMA_MODELS": str(folder / "ollama"), "OLLAMA_HOST": "127.0.0.1:9"}
    real = RealOnScreen.create(env)
    real.importing.import_model(path, parse_ollama_name("tiny:1b"), lambda progress: None)
    for name, value in {"import_form": real.import_form, "modelfile_desk": real.modelfile_desk, "file": path}.items():
        setattr(services, name, value)
    return services


async def import_empty(on: Stage) -> None:
    await on.press("3")
    await on.sees("Nothing is being")
    on.app.push_screen(ImportScreen(on.services, getattr(on.services, "file").parent))  # noqa: B009  (scene's own)
    await on.sees("Pick a GGUF file", "tiny.gguf")


async def import_ready(on: Stage) -> None:
    await import_empty(on)
    screen = await on.reach(ImportScreen)
    screen.picker.field.value = str(getattr(on.services, "file"))  # noqa: B009
    await on.press("enter")
    await until(on.pilot, lambda: screen.editor.findings is not None and not screen.go.disabled)
    await on.pilot.pause(0.3)


async def import_wrong(on: Stage) -> None:
    await import_ready(on)
    screen = await on.reach(ImportScreen)
    screen.editor.load("FROM ./tiny.gguf\nPARAMETER topk 5\nPARAMETER temperature 9\n")
    screen.editor.area.focus()
    await until(on.pilot, lambda: screen.editor.has_errors)
    await on.pilot.pause(0.3)


async def import_refused(on: Stage) -> None:
    await import_empty(on)
    screen = await on.reach(ImportScreen)
    path = getattr(on.services, "file").with_name("text.gguf")  # noqa: B009
    path.write_text("hello")
    screen.picker.field.value = str(path)
    await on.press("enter")
    await on.sees("hint")


async def modelfile_shown(on: Stage) -> None:
    await on.press("2")
    await on.sees("No chats yet")
    on.app.push_screen(ModelfileScreen(on.services, "tiny:1b"))
    screen = await on.reach(ModelfileScreen)
    await on.sees("Ctrl+S shows what changes")
    await until(on.pilot, lambda: screen.editor.findings is not None)
    await on.pilot.pause(0.3)


async def modelfile_reviewed(on: Stage) -> None:
    await modelfile_shown(on)
    await on.press("ctrl+end", *"PARAMETER temperature 0.25", "ctrl+s")
    await on.reach(ReviewScreen)
    await on.sees("added")


SCENES = {
    "students-full": Scene(students_full),
    "students-failed": Scene(
        students_failed, _with(rows=[], rows_error=KdmgrError("the store is locked", hint="by another kdmgr"))
    ),
    "students-looking": Scene(students_looking, _held("machine", "rows", "server")),
    "students-unjudged": Scene(students_unjudged, _held("machine")),
    "students-server-late": Scene(students_server_late, _held("server")),
    "students-nothing-found": Scene(students_nothing_found),
    "facets": Scene(facets_shown, lambda: make_services(catalog=136)),
    "ladder": Scene(ladder_shown, _with_ladders),
    "find-empty": Scene(find_empty),
    "find-full": Scene(find_full),
    "find-loading": Scene(find_loading),
    "find-failed": Scene(find_failed),
    "find-nothing-found": Scene(find_nothing_found),
    "chats-empty": Scene(chats_empty),
    "chats-full": Scene(chats_full),
    "chats-nothing-found": Scene(chats_nothing_found),
    "chat-ready": Scene(chat_ready),
    "chat-opening": Scene(chat_opening, lambda: _with(chat_release=asyncio.Event())()),
    "chat-loading": Scene(chat_loading, _answers(Script([ModelLoading(0.4)] * 2, pause=0.2, endless=True))),
    "chat-answered": Scene(chat_answered, _answers(Script([ChatDelta(ANSWER, n_tokens=1), stats()]))),
    "chat-pictures": Scene(chat_pictures, _with(chat=FakeChat(name="ollama", reason="as asked", sees_images=True))),
    "chat-failed": Scene(
        chat_failed,
        _answers(Script([ChatDelta("A student is", n_tokens=3)], EngineFailed("llama-server died", hint="its log"))),
    ),
    "chat-refused": Scene(
        chat_refused, _with(chat_error=ServerUnreachable("no server answers at 127.0.0.1:11434", hint="ollama serve"))
    ),
    "chat-settings": Scene(chat_settings),
    "duel-opponents": Scene(duel_opponents),
    "duel-ready": Scene(duel_ready),
    "duel-failed": Scene(duel_ready, _with(duel_error=NotFound("there is no large", hint="pull it first"))),
    "duel-answered": Scene(duel_answered),
    "duel-settings": Scene(duel_settings),
    "transfers-empty": Scene(transfers_empty),
    "transfers-looking": Scene(transfers_looking, _held("leftovers")),
    "transfers-full": Scene(transfers_full),
    "pull-asking": Scene(pull_asking, _held("plan")),
    "transfers-past": Scene(transfers_past),
    "receipt": Scene(receipt_shown),
    "pull-planned": Scene(pull_planned),
    "pull-refused": Scene(pull_refused),
    "machine-full": Scene(machine_shown, _machine_full),
    "machine-waiting": Scene(machine_shown, _machine_waiting),
    "machine-offline": Scene(machine_shown, _machine_offline),
    "machine-host-form": Scene(host_form, _machine_full),
    "settings": Scene(settings_shown),
    "settings-form": Scene(settings_form),
    "settings-keys": Scene(keys_shown),
    "help": Scene(help_shown),
    "palette": Scene(palette_shown),
    "confirm": Scene(confirm_shown),
    "import-empty": Scene(import_empty, _real_import),
    "import-ready": Scene(import_ready, _real_import),
    "import-wrong": Scene(import_wrong, _real_import),
    "import-refused": Scene(import_refused, _real_import),
    "modelfile": Scene(modelfile_shown, _real_import),
    "modelfile-review": Scene(modelfile_reviewed, _real_import),
}


@asynccontextmanager
async def play(scene: Scene, size: tuple[int, int], theme: str) -> AsyncIterator[Stage]:
    """A running app that has come to where the scene ends."""
    services = scene.services()
    app = KdmgrApp(services, theme=theme)
    app.settle_s = 60.0
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        on = Stage(app, pilot, services)
        await scene.act(on)
        for one in app.screen.query(Input):
            one.cursor_blink = False
        await pilot.pause()
        yield on
        if isinstance(services, Held):
            services.gate.set()
