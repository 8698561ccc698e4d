"""The plan that Ollama's own engine comes to."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.machine import Machine
from kdmgr.fit.ollama_engine.costs import EngineCosts
from kdmgr.fit.ollama_engine.layout import find_layout
from kdmgr.fit.options import ResolvedOptions
from kdmgr.fit.placement import assemble
from kdmgr.fit.plan import MemoryPlan
from kdmgr.gguf.shape import ModelShape


def place_in_ollamas_engine(shape: ModelShape, options: ResolvedOptions, machine: Machine) -> MemoryPlan:
    """Where that engine would put every layer of `shape` on `machine`, and what that takes."""
    devices = machine.devices
    costs = EngineCosts(shape, options, devices)
    layout = (HOST,) * costs.n_layers
    if devices:
        layout = find_layout(costs.sizes, costs.graphs, devices, options)
    return assemble(costs, machine, devices, [Place(device) for device in layout])
