"""The allocator and the scheduler on graphs small enough to follow by hand."""

from __future__ import annotations

from kdmgr.fit.graph.allocator import HOST, allocate
from kdmgr.fit.graph.builder import Graph, Place
from kdmgr.fit.graph.schedule import Schedule


def test_memory_is_used_again_after_the_last_use() -> None:
    graph = Graph()
    first = graph.op((1000,), graph.input((250,)))
    second = graph.op((1000,), first)
    third = graph.op((1000,), second)
    graph.expand(third)
    # The input and `first` are gone when `third` is made, so it lies where they were.
    assert allocate(graph.leaves, graph.nodes, 32) == 1024 + 2 * 4000 + 0 * 32


def test_an_operation_element_by_element_takes_over_what_nobody_else_needs() -> None:
    graph = Graph()
    value = graph.op((1000,), graph.input((8,)))
    graph.expand(graph.each(graph.each(value)))
    assert allocate(graph.leaves, graph.nodes, 32) == 32 + 4000


def test_what_is_still_needed_is_not_overwritten() -> None:
    graph = Graph()
    value = graph.op((1000,), graph.input((8,)))
    graph.expand(graph.each(graph.each(value), value))
    assert allocate(graph.leaves, graph.nodes, 32) == 32 + 2 * 4000


def test_a_view_keeps_the_memory_it_looks_at() -> None:
    graph = Graph()
    value = graph.op((1000,), graph.input((8,)))
    seen = graph.view(value, (10, 100))
    other = graph.op((1000,), graph.input((8,)))
    graph.expand(other)
    graph.expand(graph.op((1000,), seen, other))
    assert allocate(graph.leaves, graph.nodes, 32) == 2 * 32 + 3 * 4000


def test_outputs_are_never_freed() -> None:
    graph = Graph()
    kept = graph.op((1000,), graph.input((8,)))
    kept.output = True
    graph.expand(graph.op((1000,), graph.op((1000,), kept)))
    assert allocate(graph.leaves, graph.nodes, 32) == 32 + 3 * 4000


def test_inputs_are_copied_to_the_device_that_reads_them() -> None:
    graph = Graph()
    graph.place = Place(0)
    graph.expand(graph.weighted(graph.op((100, 10), graph.input((100, 10)))))
    host, (device,) = Schedule(graph, 1, pipelined=False).sizes()
    assert host == 4000
    assert device == 2 * 4096


def test_weights_on_the_host_come_to_the_device_for_large_batches_only() -> None:
    for n_tokens, expected in ((512, True), (8, False)):
        graph = Graph()
        graph.place = Place(HOST)
        graph.expand(graph.weighted(graph.op((64, n_tokens), graph.input((64, n_tokens))), 1 << 20))
        _, (device,) = Schedule(graph, 1, pipelined=False).sizes()
        assert (device > 1 << 20) is expected


def test_a_pipeline_keeps_four_copies_of_its_inputs() -> None:
    def sizes(*, pipelined: bool) -> tuple[int, tuple[int, ...]]:
        graph = Graph()
        graph.place = Place(0)
        first = graph.weighted(graph.op((256, 32), graph.input((256, 32))))
        graph.place = Place(1)
        graph.expand(graph.weighted(graph.op((256, 32), first)))
        return Schedule(graph, 2, pipelined=pipelined).sizes()

    size = 256 * 32 * 4
    assert sizes(pipelined=False) == (size, (2 * size, 2 * size))
    assert sizes(pipelined=True) == (4 * size, (5 * size, 5 * size))
