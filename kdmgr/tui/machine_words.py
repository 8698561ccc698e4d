"""What the machine place says: places with their bars, rows of its tables, sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.device_use import DeviceUse, declared_uses, device_uses, host_held
from kdmgr.services.monitoring import EMBEDDED
from kdmgr.services.proportions import Part
from kdmgr.tui.courses import HOST, Courses
from kdmgr.tui.widgets.device_view import Gauge, Place
from kdmgr.tui.widgets.keyed_table import Cell, Heading, Line
from kdmgr.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.history.records import LoadRecord
    from kdmgr.services.hosts import ChosenHost, HostCheck
    from kdmgr.services.load_history import LoadHistory
    from kdmgr.services.memory import Residence
    from kdmgr.services.monitoring import Holding, Loaded, MachineSample, Unloaded

LOADED = (
    Heading("name", "model", 13, grows=True),
    Heading("size", "size", 9, True),
    Heading("gpu", "GPU", 4, True, need=1),
    Heading("cpu", "on CPU", 11, True, need=2),
    Heading("context", "ctx", 5, True, need=4),
    Heading("end", "stays", 8, True, need=3),
)
HOSTS = (
    Heading("name", "  name", 12, grows=True),
    Heading("address", "address", 15, need=2, grows=True),
    Heading("state", "state", 12, grows=True),
    Heading("models", "models", 6, True, need=4),
    Heading("gpus", "GPUs", 13, need=3, grows=True),
)
LOADS = (
    Heading("when", "when", 16, need=4),
    Heading("model", "model", 14, grows=True),
    Heading("context", "ctx", 6, True, need=3),
    Heading("predicted", "predicted", 9, True, need=1),
    Heading("actual", "actual", 9, True),
    Heading("error", "error", 6, True),
)


def places(sample: MachineSample, loaded: Loaded | None, courses: Courses) -> list[Place]:
    """The devices of this machine, then its memory."""
    here = loaded.here if loaded else ()
    uses = device_uses(sample.machine, here)
    return [*(_device(at, use, courses) for at, use in enumerate(uses)), _host(sample, here, courses)]


def places_there(machine: Machine, loaded: Loaded | None) -> list[Place]:
    """The devices of the current host on another computer, as they were declared."""
    held = [one for one in loaded.holdings if one not in loaded.here] if loaded else []
    return [
        Place(f"{machine.owner} · {use.name}", f"{format_bytes(use.total)} declared", use.parts)
        for use in declared_uses(machine, held)
    ]


def notes(sample: MachineSample) -> list[str]:
    """Why there is no device, and which probes do not answer."""
    machine = sample.machine
    found = [
        f"{probe.name}: {probe.outcome}, {probe.detail}"
        for probe in machine.probes
        if probe.outcome != "found" and (not machine.devices or probe.outcome != "absent")
    ]
    nothing = [] if machine.devices else ["no GPU found: models run on the CPU"]
    hung = [f"not asked again: {', '.join(sample.hung)}; r does"] if sample.hung else []
    return [*nothing, *found, *hung]


def _device(at: int, use: DeviceUse, courses: Courses) -> Place:
    share = use.used / use.total if use.used is not None and use.total else None
    gauges = (
        Gauge("memory", courses.of(f"memory {at}"), share, "$primary"),
        Gauge("GPU", courses.of(f"load {at}"), use.busy, "$success", "not told"),
    )
    note = f"models: {use.basis}" if use.models is None or use.models > 0 else ""
    shared = "memory shared with the host" if use.unified else ""
    room = f"{format_bytes(use.free)} free of {format_bytes(use.total)}"
    return Place(use.name, room, use.parts, gauges, " · ".join(filter(None, (note, shared))))


def _host(sample: MachineSample, here: tuple[Holding, ...], courses: Courses) -> Place:
    host = sample.machine.host
    total, free = host.total_bytes, host.available_bytes
    used = None if total is None or free is None else total - free
    parts = [Part("in-use", "in use", "░", used), Part("free", "available", "·", free)] if used is not None else []
    gauges = (
        Gauge("memory", courses.of(f"memory {HOST}"), used / total if used is not None and total else None, "$primary"),
        Gauge("CPU", courses.of(f"load {HOST}"), sample.cpu_busy, "$success", "not known"),
    )
    held = host_held(here)
    models = f"models hold {format_bytes(held)} of it; what is mapped from files counts as available" if held else ""
    load = "" if host.load is None else f"load {host.load:.1f} on {host.n_cores or '?'} cores"
    room = f"{format_bytes(free)} available of {format_bytes(total)}"
    note = " · ".join(filter(None, (load, models)))
    return Place("host memory", room, [part for part in parts if part.size], gauges, note)


def loaded_lines(loaded: Loaded) -> list[Line]:
    """One for each model in memory."""
    return [_loaded_line(held) for held in loaded.holdings]


def _loaded_line(held: Holding) -> Line:
    residence, model = held.residence, held.residence.model
    share = "?" if residence.gpu_share is None else f"{residence.gpu_share:.0%}"
    spilled = bool(residence.spill and model.size_vram)
    end = "in chat" if held.holder == EMBEDDED else _left(residence)
    cells = (
        Cell(model.name),
        Cell(format_bytes(model.size)),
        Cell(share, "warning" if spilled else ""),
        Cell(f"{'⚠ ' if spilled else ''}{format_bytes(residence.spill)}", "warning" if spilled else ""),
        Cell(format_count(model.n_ctx)),
        Cell(end, "muted"),
    )
    return Line(held.key, cells)


def _left(residence: Residence) -> str:
    if residence.forever:
        return "for ever"
    return "ends" if residence.seconds_left == 0 else format_duration(residence.seconds_left)


def describe_loaded(loaded: Loaded) -> str:
    """What stands below the list, or in its place."""
    sentences = []
    if loaded.error is not None:
        hint = f"\n  {loaded.error.hint}" if loaded.error.hint else ""
        sentences.append(f"✘ {loaded.error.message}{hint}")
    elif not loaded.holdings:
        sentences.append("Nothing is loaded: a chat loads its model, and it stays for a while.")
    for held in loaded.holdings:
        if held.residence.spill and held.residence.model.size_vram:
            sentences.append(f"⚠ {held.name} does not fit the GPU: a part of it runs on the CPU, which is slow.")
    return "\n".join(sentences)


def describe_unloaded(done: Unloaded) -> str:
    """What was freed, or that it will be."""
    if not done.gone:
        return f"{done.name} will be unloaded when it has finished its answer"
    if done.size is None:
        return f"{done.name} is unloaded"
    gpu = f", {format_bytes(done.size_vram)} of them on the GPU" if done.size_vram else ""
    return f"{done.name} is unloaded: {format_bytes(done.size)} are free again{gpu}"


def host_line(host: ChosenHost, check: HostCheck | None, *, current: bool) -> Line:
    """A server; without an answer yet it is being asked."""
    gpus = ", ".join(host.named.gpus) if host.named else ""
    name = host.named.name if host.named else "–" if host.is_remote else "this machine"
    models = "" if check is None or check.n_models is None else str(check.n_models)
    cells = (
        Cell(f"{'●' if current else '○'} {name}", "success" if current else ""),
        Cell(host.address.url.removeprefix("http://"), "muted"),
        _state(check),
        Cell(models),
        Cell(gpus or ("not declared" if host.is_remote else "as found here"), "muted"),
    )
    return Line(host.address.url, cells)


def _state(check: HostCheck | None) -> Cell:
    if check is None:
        return Cell("asking …", "muted")
    status = check.status
    if not status.usable:
        return Cell(f"✘ {status.reason or 'no answer'}", "error")
    return Cell(f"✔ {status.version or 'no version'}", "success")


def load_lines(history: LoadHistory) -> list[Line]:
    """The loads, the newest first."""
    return [_load_line(at, load) for at, load in enumerate(history.loads)]


def _load_line(at: int, load: LoadRecord) -> Line:
    error = load.error
    off = "" if error is None or abs(error) < 0.1 else "warning"
    cells = (
        Cell(load.at[:16].replace("T", " "), "muted"),
        Cell(load.model),
        Cell(format_count(load.n_ctx)),
        Cell(format_bytes(load.predicted)),
        Cell(format_bytes(load.size)),
        Cell("?" if error is None else f"{error:+.1%}", off),
    )
    return Line(f"{load.at} {load.model} {at}", cells)


def title_history(history: LoadHistory | None) -> str:
    """How good the plans were."""
    if history is None or history.median_error is None:
        return "predicted against actual"
    loads = f"{history.n_compared} load{'s' if history.n_compared > 1 else ''}"
    return f"predicted against actual · median error {history.median_error:.1%} over {loads}"
