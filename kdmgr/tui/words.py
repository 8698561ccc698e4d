"""Plans and figures in words: what the table's cells and the panel say. Pure, and safe to show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdmgr.fit.plan import Verdict
from kdmgr.services.size_estimates import SizedStudent
from kdmgr.tui.plans import Judged, report_of
from kdmgr.units import GIB, format_bytes, format_parameters, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.fit.machine import Machine
    from kdmgr.services.rows import ModelRow

COLORS = {
    Verdict.FITS: "success",
    Verdict.TIGHT: "warning",
    Verdict.PARTIAL: "warning",
    Verdict.CPU: "primary",
    Verdict.TOO_BIG: "error",
    Verdict.UNKNOWN: "foreground-muted",
}
"""Theme variables; the mark and the word always say the same."""


_MAKER = re.compile(r"^(NVIDIA |AMD |Intel |Apple )?(GeForce |Radeon )?", re.IGNORECASE)
"""What a GPU's name can do without."""


def one_line(text: str) -> str:
    """Foreign text for a place of one line."""
    return printable(" ".join(text.split()))


def many_lines(text: str) -> str:
    """Foreign text for a place of many lines."""
    return printable(text.replace("\r\n", "\n").replace("\r", "\n"))


def verdict_of(judged: Judged) -> Verdict:
    """The verdict there is so far."""
    return Verdict.UNKNOWN if judged is None else judged.verdict


def is_estimate(judged: Judged) -> bool:
    """Whether the verdict is a guess from the size, and not that of a plan."""
    return isinstance(judged, SizedStudent) and not judged.planned and judged.verdict is not Verdict.UNKNOWN


def memory_share(judged: Judged, machine: Machine | None) -> float | None:
    """How much of the free memory, where the model runs, it would take; above 1 it does not fit."""
    verdict = verdict_of(judged)
    if verdict is Verdict.UNKNOWN:
        return None
    if verdict is Verdict.TOO_BIG:
        return 1.0
    report = report_of(judged)
    if report is None:
        return _estimated_share(judged, machine)
    used = next((device for device in report.plan.devices if device.n_layers), report.plan.host)
    return used.components.known / used.free_bytes if used.free_bytes else None


def _estimated_share(judged: Judged, machine: Machine | None) -> float | None:
    if not isinstance(judged, SizedStudent) or machine is None or judged.memory_bytes is None:
        return None
    on_host = judged.verdict is Verdict.CPU
    room = machine.host.available_bytes if on_host else sum(device.free_bytes for device in machine.devices)
    return judged.memory_bytes / room if room else None


def planned_context(judged: Judged) -> int | None:
    """The context that the figures are for; None without any."""
    report = report_of(judged)
    if report is not None:
        return report.options.n_ctx
    return judged.n_ctx if isinstance(judged, SizedStudent) else None


def describe_row(row: ModelRow) -> str:
    """Origin, parameters, quant and size, as far as they are known."""
    places = {"kdmgr": "installed", "ollama": "in Ollama's store", "server": "on the server", "catalog": "catalog"}
    facts = [places.get(row.origin, row.origin)]
    if row.parameters is not None:
        facts.append(f"{format_parameters(row.parameters)} parameters")
    facts += [one_line(row.quant)] if row.quant else []
    facts += [format_bytes(row.size_bytes)] if row.size_bytes is not None else []
    return " · ".join(facts)


def describe_machine(machine: Machine, *, short: bool = False) -> str:
    """Devices and host in one line; the short form leaves the totals away."""
    devices = [
        f"{one_line(device.name)} {_free(device.free_bytes, device.total_bytes, short)}" for device in machine.devices
    ]
    host = machine.host
    memory = f"host {_free(host.available_bytes, host.total_bytes, short)}"
    cores = "" if short else f", {host.n_cores} cores"
    return "  ·  ".join([*(devices or ["no GPU"]), memory + cores])


def machine_lines(machine: Machine) -> list[str]:
    """The machine in one line, ever shorter; the last ones tell of the memory that is judged first."""
    what = "planned for " if machine.declared else ""
    lines = [what + line for line in (describe_machine(machine), *_brief_lines(machine))]
    free = [device.free_bytes for device in machine.devices]
    total = sum(size for size in free if size is not None)
    first = machine.host.available_bytes if not free else None if None in free else total
    if len(free) > 1:
        lines.append(f"{what}{len(free)} GPUs {format_bytes(first)} free  ·  {_host_free(machine)}")
    return [*lines, f"{first / GIB:.1f} GiB free", format_bytes(first)] if first is not None else lines


def _brief_lines(machine: Machine) -> Iterator[str]:
    """Without totals; then without the names of makers; of one GPU then alone."""
    yield describe_machine(machine, short=True)
    devices = [f"{_MAKER.sub('', one_line(one.name))} {_free(one.free_bytes, 0, True)}" for one in machine.devices]
    if devices:
        yield "  ·  ".join([*devices, _host_free(machine)])
    if len(devices) == 1:
        yield devices[0]


def _host_free(machine: Machine) -> str:
    return f"host {_free(machine.host.available_bytes, 0, True)}"


def _free(free: int | None, total: int | None, short: bool) -> str:
    return f"{format_bytes(free)} free" + ("" if short else f" of {format_bytes(total)}")
