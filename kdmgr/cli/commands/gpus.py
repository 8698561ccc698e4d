"""`kdmgr gpus`: devices and host memory, and how each was found."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kdmgr.cli.arguments import add_json, add_machine
from kdmgr.units import format_bytes, format_speed, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.fit.machine import Device, Machine


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gpus`."""
    add_json(parser)
    add_machine(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Detect (or declare) the machine and describe it."""
    from kdmgr.services.app import Services

    machine = Services.create().machine(args.gpu or (), args.vram)
    if args.json:
        import json

        console.print(json.dumps(machine_object(machine), indent=2))
        return 0
    for device in machine.devices:
        _print_device(device, console)
    if not machine.devices:
        console.print("no GPU found; models run on the CPU")
        console.print()
    _print_host(machine, console)
    for probe in machine.probes:
        console.print(console.style(f"{probe.name:<8} {probe.outcome}: {printable(probe.detail)}", "dim"))
    return 0


def machine_object(machine: Machine) -> dict[str, Any]:
    """The machine as plain JSON values; unknown is null."""
    from dataclasses import asdict

    return {
        "schema_version": 1,
        "declared": machine.declared,
        "devices": [_device_object(device) for device in machine.devices],
        "host": {
            "cpu": machine.host.cpu,
            "n_cores": machine.host.n_cores,
            "total_bytes": machine.host.total_bytes,
            "available_bytes": machine.host.available_bytes,
            "bandwidth_bytes_s": machine.host.bandwidth,
            "load": machine.host.load,
            "basis": machine.host.basis,
        },
        "probes": [asdict(probe) for probe in machine.probes],
    }


def _device_object(device: Device) -> dict[str, Any]:
    return {
        "index": device.index,
        "name": device.name,
        "uuid": device.uuid,
        "backend": device.backend.value,
        "total_bytes": device.total_bytes,
        "free_bytes": device.free_bytes,
        "unified": device.unified,
        "bandwidth_bytes_s": device.bandwidth,
        "bandwidth_basis": device.bandwidth_basis,
        "memory_type": device.memory_type,
        "architecture": device.architecture,
        "compute_capability": device.compute_capability,
        "driver": device.driver,
        "basis": device.basis,
        "processes": [
            {"pid": process.pid, "name": process.name, "used_bytes": process.used_bytes} for process in device.processes
        ],
    }


def _print_device(device: Device, console: Console) -> None:
    console.print(console.style(f"{device.index}  {printable(device.name)}", "bold"))
    room = f"{format_bytes(device.free_bytes)} free of {format_bytes(device.total_bytes)}"
    console.print(f"   memory     {room}{', shared with the host' if device.unified else ''}")
    bandwidth = format_speed(device.bandwidth)
    basis = f" ({device.bandwidth_basis})" if device.bandwidth_basis else ""
    console.print(f"   bandwidth  {bandwidth if device.bandwidth else 'unknown'}{basis}")
    facts = (device.backend.value, device.architecture, device.compute_capability, device.memory_type, device.driver)
    console.print(f"   known as   {printable(' · '.join(fact for fact in facts if fact))}; by {device.basis}")
    for process in device.processes:
        name = printable(process.name or "?")
        console.print(f"   in use     {format_bytes(process.used_bytes)} by {name} (pid {process.pid})")
    console.print()


def _print_host(machine: Machine, console: Console) -> None:
    host = machine.host
    console.print(console.style(printable(host.cpu or "host"), "bold"))
    room = f"{format_bytes(host.available_bytes)} available of {format_bytes(host.total_bytes)}"
    console.print(f"   memory     {room} ({host.basis})")
    bandwidth = f"{format_speed(host.bandwidth)} (measured)" if host.bandwidth else "not measured yet"
    console.print(f"   bandwidth  {bandwidth}")
    load = "unknown" if host.load is None else f"{host.load:.1f}"
    console.print(f"   cores      {host.n_cores}, load {load}")
    console.print()
