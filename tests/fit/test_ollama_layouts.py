"""Layers given out and graphs divided as Ollama's own engine does it."""

from __future__ import annotations

import pytest

from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.machine import Machine
from kdmgr.fit.ollama_engine.costs import EngineCosts
from kdmgr.fit.ollama_engine.layout import Room, assign_layers, find_layout
from kdmgr.fit.options import EngineBuild, RunOptions, resolve
from kdmgr.fit.placement import place
from tests.support.comparing import MIB
from tests.support.machines import gpu, host, machine
from tests.support.ollama_layouts import Decided, Reserved, paper_gpus, read_decided, read_reserved
from tests.support.ollama_loads import settle
from tests.support.ollama_recipes import engine_shape


def rooms(*free: int) -> list[Room]:
    return [Room(index, size, integrated=False) for index, size in enumerate(free)]


def test_all_layers_go_to_the_first_device_that_holds_them() -> None:
    assert assign_layers([10, 10, 10, 5], rooms(40, 30), -1) == (0, 0, 0, 0)


def test_two_devices_share_the_layers_evenly_and_the_last_one_gets_the_last() -> None:
    # 35 bytes: the least share of both that holds them is 5/6 of 24 and 18, 20 and 15.
    assert assign_layers([10, 10, 10, 5], rooms(24, 18), -1) == (0, 0, 1, 1)


def test_the_output_layer_stays_behind_first() -> None:
    # All four do not fit; the three blocks without the output layer do.
    assert assign_layers([10, 10, 10, 8], rooms(31), -1) == (0, 0, 0, HOST)
    assert assign_layers([10, 10, 10, 8], rooms(25), -1) == (HOST, 0, 0, HOST)


def test_layers_asked_for_are_placed_even_without_room() -> None:
    assert assign_layers([10, 10, 10, 8], rooms(5), 4) == (0, 0, 0, 0)
    assert assign_layers([10, 10, 10, 8], rooms(5), 2) == (HOST, 0, 0, HOST)
    assert assign_layers([10, 10, 10, 8], rooms(50), 0) == (HOST,) * 4


def test_an_integrated_device_gets_what_the_others_leave() -> None:
    both = [Room(0, 15, integrated=False), Room(1, 100, integrated=True)]
    assert assign_layers([10, 10, 10, 5], both, -1) == (1, 1, 0, 0)


def test_graphs_are_counted_before_layers_are_given_out_again() -> None:
    # 457 MiB are kept; a graph of 20 MiB leaves room for two layers of 10 MiB, not for three and the output.
    options = resolve(RunOptions(n_ctx=4096, engine_build=EngineBuild.OLLAMA_024), engine_shape("qwen3-0.6b"), _empty())
    sizes = [10 * MIB, 10 * MIB, 10 * MIB, 8 * MIB]
    found = find_layout(sizes, lambda layout: [20 * MIB * (0 in layout)], paper_gpus([457 + 45]), options)
    assert found == (HOST, 0, 0, HOST)


def _empty() -> Machine:
    return Machine((), host())


@pytest.mark.parametrize("row", read_decided(), ids=lambda row: f"{row.model} {row.free_mib} {row.n_ctx} {row.num_gpu}")
def test_layers_lie_where_the_server_put_them(row: Decided) -> None:
    shape, devices = engine_shape(row.model), paper_gpus(row.free_mib)
    asked = RunOptions(n_ctx=row.n_ctx, n_gpu_layers=row.num_gpu, engine_build=EngineBuild.OLLAMA_024)
    options = resolve(asked, shape, Machine(devices, host(64)))
    costs = EngineCosts(shape, options, devices)
    layout = find_layout(costs.sizes, costs.graphs, devices, options)
    expected = [HOST] * len(layout)
    for device, first, last in row.layers:
        expected[first : last + 1] = [device] * (last + 1 - first)
    assert list(layout) == expected
    buffers = costs.compute([Place(device) for device in layout])
    sizes = [(size or 0) / MIB for size in (*buffers.devices, buffers.host)]
    assert sizes == pytest.approx([*row.graph_mib, row.host_graph_mib], abs=1.1)


@pytest.mark.parametrize("row", read_reserved(), ids=lambda row: f"{row.model} {row.option_set} {row.layout}")
def test_a_graph_is_divided_as_the_engine_divides_it(row: Reserved) -> None:
    shape = engine_shape(row.model)
    costs = EngineCosts(shape, settle(shape, row.option_set), paper_gpus([24576, 24576]))
    places = [Place(device) for device in row.places]
    shares = costs.shares(places)
    held = [shares[at].weights + (shares[at].kv_cache or 0) + shares[at].recurrent for at in range(2)]
    # Devices pad small tensors more.
    assert held == pytest.approx(row.held, abs=0.05 * MIB)
    graphs = [shares[0].compute, shares[1].compute, shares[HOST].compute]
    assert graphs == pytest.approx([*row.graphs, row.host_graph], rel=0.03, abs=0.4 * MIB)


def test_cuda_keeps_a_pool_beside_the_graph() -> None:
    shape = engine_shape("gemma-3-1b")
    asked = RunOptions(n_ctx=4096, flash_attn=False, engine_build=EngineBuild.OLLAMA_024)

    def compute(gpus: Machine) -> float:
        return (place(shape, resolve(asked, shape, gpus), gpus).devices[0].components.compute or 0) / MIB

    # Scores and what they weigh, for 512 tokens and 4 heads in 16 bits: 4 KiB × (4096 + 256), in steps of 2 MiB.
    on_cuda, elsewhere = compute(machine(gpu(24))), compute(Machine(paper_gpus([24576]), host(64)))
    assert on_cuda - elsewhere == 18
