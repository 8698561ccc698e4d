"""Which computer a plan is for: this one, a server's, or one whose hardware nobody declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound
from kdmgr.fit.machine import Host, Machine
from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.refs import OllamaRef
from kdmgr.units import format_bytes, printable

if TYPE_CHECKING:
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.fitting import Fitting
    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.rows import ModelRow

ELSEWHERE = ("server", "registry", "huggingface")
"""Sources of models that a server would run: it has them, or would pull them."""


def runs_on_server(source: str, host: ChosenHost, *, named: bool) -> bool:
    """Whether a model found in `source` would run on a computer that is known by its declaration alone."""
    declared = host.named is not None and bool(host.named.gpus)
    return (named or source in ELSEWHERE) and (declared or host.is_remote)


def remote_machine(host: ChosenHost) -> Machine:
    """The computer of a server, as far as the config declares it; nothing of this one is taken for it."""
    from kdmgr.hardware.declared import declare_machine

    named = host.named
    memory = named.memory_bytes if named else None
    basis = f"{printable(host.words)}, as declared" if memory else f"{printable(host.words)}, not declared"
    there = Host(cpu=None, n_cores=None, total_bytes=memory, available_bytes=memory, basis=basis)
    gpus = named.gpus if named else ()
    machine = declare_machine(gpus, None, there)
    return replace(machine, owner=printable(host.words), devices_known=bool(gpus))


def server_shape(services: Fitting, row: ModelRow) -> tuple[ModelShape, str]:
    """The shape of a model that the server has, as the server tells it. Runs an event loop of its own.

    `NotFound` where the server does not tell, or does not answer.
    """
    from kdmgr.gguf.shape import read_shape

    ref = row.ref if isinstance(row.ref, OllamaRef) else None
    found = services.server_models.find(ref) if ref is not None else None
    if found is None:
        raise NotFound(f"{services.host.words} does not tell of {row.name} what a plan needs")
    return read_shape(found.header), found.source


def without_devices(report: FitReport, host: ChosenHost) -> FitReport:
    """`report` of a computer whose GPUs are not known: what it needs stays, what would follow from GPUs goes."""
    need = report.plan.components
    size = format_bytes(need.total) if need.total is not None else f"at least {format_bytes(need.known)}"
    words = printable(host.words)
    # A host of the config is declared under its name; another has none yet.
    again = f"{host.named.name} {host.address.url} --replace" if host.named else f"NAME {host.address.url}"
    return replace(
        report,
        verdict=Verdict.UNKNOWN,
        reason=f"needs {size}; the GPUs of {words} are not known",
        headroom_bytes=None,
        max_n_ctx=None,
        speed=None,
        alternatives=(
            'name the GPU for this once: --gpu "RTX 3060 12GB"',
            printable(f'declare it for good: kdmgr hosts add {again} --gpu "RTX 3060 12GB"'),
        ),
        unknown=report.shape.unknown,
    )


def planned_for(machine: Machine) -> tuple[str, ...]:
    """What a reader must be told of a plan for another computer."""
    if machine.owner is None or not machine.devices_known:
        return ()
    gpus = ", ".join(device.name for device in machine.devices)
    return (f"planned for {machine.owner} as the config declares it ({gpus}), with nothing else running there",)
