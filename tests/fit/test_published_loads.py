"""The planner beside loads that others published.

`tests/data/published_loads.jsonl` holds figures, exactly as printed, that users of llama.cpp and Ollama
posted in public issue threads, repositories and articles; `source` names the page of each row. What an excerpt
does not show is null; what was inferred (a model's name, most often) is said in `notes`.
Sizes are MiB. `buffers` are the engine's "buffer size" lines by place, `kv_cells` its caches,
`breakdown` its table of memory (whole MiB; "unaccounted" is what the driver and others hold),
`projected` the estimate printed before a load.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from kdmgr.fit.compute import compute_buffers
from kdmgr.fit.graph.builder import Place
from kdmgr.fit.kv_cache import layer_bytes, state_bytes
from kdmgr.fit.machine import Backend
from kdmgr.fit.options import CACHE_TYPES
from kdmgr.fit.overhead import LATENT_PEAK, device_overhead
from kdmgr.gguf.types import TENSOR_TYPES_BY_NAME
from tests.fit.published import HOST_BUFFERS, PUBLIC_MODELS, Load, options_of, read_published, shape_of
from tests.support.machines import gpu
from tests.support.shapes import shape

MIB = 1 << 20
LOADS = read_published()
# The engine padded the cells of a cache to 32 at that time, the planner pads to 256.
PADDED_TO_32 = {"llamacpp-11598-qwen2.5-7b-1m-vulkan-72k"}
# Loads of one whole graph on a device, and the model whose tensors the graph is built from.
TENSORS_OF = {
    "llamacpp-12369-qwen-32b-5x-mi50": "qwen2.5-32b",
    "llamacpp-18258-28-layers-20k-q8": "qwen3-0.6b",
    "llamacpp-25465-27b-mtp-262k-target": "qwen3.6-27b",
    "llamacpp-ci-pythia-2.8b-v100": "pythia-2.8b",
    "llamasharp-1099-36-layers-4k": "qwen2.5-3b",
    "lmstudio-1176-qwen3-vl-16k-q8": "qwen3-vl-8b",
    "strix-halo-qwen3-coder-30b-a3b-vulkan-4k": "qwen3-30b-a3b",
    "strix-halo-qwen3.6-35b-a3b-vulkan-4k": "qwen3.5-35b-a3b",
}
EMBEDDING_TYPES = ("IQ4_XS", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "F16", "BF16")


def planned_kv(load: Load) -> float | None:
    """MiB over all layers; None where the planner or the data does not know the model."""
    shape, options = shape_of(load), options_of(load)
    if shape is None or options is None or shape.attention is None:
        return None
    return sum(layer_bytes(shape.attention, options)) / MIB


def planned_compute(load: Load) -> float | None:
    """MiB on one device that runs the whole graph; None where the tensors of the model are not at hand."""
    name, options = TENSORS_OF.get(load.id), options_of(load)
    if name is None or options is None:
        return None
    found = shape(name)
    size = compute_buffers(found, options, [Place(0)] * (found.n_layer + 1), 1).devices[0]
    return None if size is None else size / MIB


def with_kv() -> list[tuple[Load, float]]:
    """Every load whose whole cache is printed and whose architecture the planner knows, with the plan."""
    pairs = [(load, planned_kv(load)) for load in LOADS if load.kv_mib is not None]
    return [(load, planned) for load, planned in pairs if planned is not None]


def with_compute() -> list[tuple[Load, float]]:
    """Every load of one whole graph on a device whose build's era is known, with the plan."""
    loads = [load for load in LOADS if load.device_compute_mib is not None and load.outputs_limited is not None]
    pairs = [(load, planned_compute(load)) for load in loads]
    return [(load, planned) for load, planned in pairs if planned is not None]


def test_there_are_forty_loads_and_more() -> None:
    assert len(LOADS) >= 40
    assert len({load.id for load in LOADS}) == len(LOADS)
    assert [load.id for load in LOADS] == sorted(load.id for load in LOADS)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.id)
def test_a_row_is_cited_and_plausible(load: Load) -> None:
    assert load.source.startswith("https://")
    assert load.engine in ("llama.cpp", "ollama")
    assert load.backend in ("cuda", "vulkan", "metal", "rocm", "sycl", "cpu", None)
    assert load.buffers or load.breakdown or load.projected
    assert load.public_model is None or load.public_model in PUBLIC_MODELS
    assert {load.options.get(key, "f16") for key in ("type_k", "type_v")} <= set(CACHE_TYPES)
    assert all(size >= 0 for sizes in load.buffers.values() for size in sizes.values())
    if load.offloaded is not None:
        assert 0 <= load.offloaded[0] <= load.offloaded[1]


@pytest.mark.parametrize("load", [load for load in LOADS if load.kv_cells], ids=lambda load: load.id)
def test_the_parts_of_a_cache_add_up(load: Load) -> None:
    for cache in load.kv_cells:
        if {"k", "v", "kv"} <= cache.keys():
            assert cache["k"] + cache["v"] == pytest.approx(cache["kv"], abs=0.02)
    placed = [sizes["kv"] for sizes in load.buffers.values() if "kv" in sizes]
    if load.kv_mib is not None and placed:
        assert sum(placed) == pytest.approx(load.kv_mib, abs=0.02)


@pytest.mark.parametrize("load", [load for load in LOADS if load.breakdown], ids=lambda load: load.id)
def test_a_breakdown_adds_up(load: Load) -> None:
    """Each column is cut to whole MiB, so sums may miss a few."""
    for row in (load.breakdown or {}).values():
        assert row["self"] == pytest.approx(row["model"] + row["context"] + row["compute"], abs=3)
        if "free" in row:
            assert row["total"] == pytest.approx(row["free"] + row["self"] + row["unaccounted"], abs=3)


# Tables printed after use on cards that nothing else used, and those cards.
ALONE = [
    ("mdda-gtx-1080-gemma-4-26b-a4b", Backend.CUDA, "Pascal"),
    ("tkskkurumi-glm-4-6", Backend.CUDA, "Ampere"),
    ("llamacpp-15860-3x-4090-breakdown", Backend.CUDA, "Ada Lovelace"),
    ("stevio2d-qwen3.5-122b-a10b-3x-mi50", Backend.ROCM, "GCN 5.1"),
]
BY_ID = {load.id: load for load in LOADS}


@pytest.mark.parametrize(("name", "backend", "architecture"), ALONE)
def test_a_context_is_taken_for_as_large_as_it_was_seen(name: str, backend: Backend, architecture: str) -> None:
    overhead = device_overhead(replace(gpu(24, backend=backend), architecture=architecture)).size
    assert overhead is not None
    seen = [row["unaccounted"] for row in (BY_ID[name].breakdown or {}).values() if "unaccounted" in row]
    assert max(seen) <= overhead / MIB <= 1.2 * max(seen)


def test_a_context_takes_no_more_than_what_a_dry_run_leaves_free() -> None:
    """Nothing but the context is allocated then."""
    pascal = device_overhead(replace(gpu(24), architecture="Pascal")).size
    row = (BY_ID["turbo-tan-tq3-11-gtx-1080-ti-dry-run"].breakdown or {})["CUDA0 (GTX 1080 Ti)"]
    assert pascal == (row["total"] - row["free"]) * MIB
    blackwell = device_overhead(replace(gpu(24), architecture="Blackwell 2.0")).size
    draft, target = (
        (BY_ID[f"llamacpp-25465-27b-mtp-262k-{kind}"].breakdown or {})["CUDA0 (RTX 5090)"]["free"]
        for kind in ("draft", "target")
    )
    assert blackwell == (draft - target) * MIB


def test_latent_attention_was_seen_to_take_more_in_use() -> None:
    rows = (BY_ID["tkskkurumi-deepseekv3-1-terminus-tq1-1-slot"].breakdown or {}).values()
    assert max(row["unaccounted"] for row in rows if "unaccounted" in row) * MIB == LATENT_PEAK


@pytest.mark.parametrize("architecture", ["Turing", "Hopper", "Volta", None])
def test_a_context_nobody_measured_is_taken_for_the_largest(architecture: str | None) -> None:
    overhead = device_overhead(replace(gpu(24), architecture=architecture))
    assert (overhead.size, overhead.basis) == (456 * MIB, "largest CUDA context measured")


@pytest.mark.parametrize(
    ("backend", "architecture"), [(Backend.ROCM, "RDNA 3.0"), (Backend.ROCM, "CDNA 2.0"), (Backend.SYCL, "Xe-HPG")]
)
def test_elsewhere_what_nobody_measured_is_unknown(backend: Backend, architecture: str) -> None:
    assert device_overhead(replace(gpu(24, backend=backend), architecture=architecture)).size is None


@pytest.mark.parametrize(("load", "planned"), with_kv(), ids=lambda value: getattr(value, "id", ""))
def test_the_cache_is_as_planned(load: Load, planned: float) -> None:
    assert planned == pytest.approx(load.kv_mib, rel=0.003 if load.id in PADDED_TO_32 else None, abs=0.011)


@pytest.mark.parametrize(
    "load", [load for load in LOADS if load.recurrent_mib is not None and load.public_model], ids=lambda load: load.id
)
def test_the_recurrent_state_is_as_planned(load: Load) -> None:
    """Every slot has a state of its own, also beside a unified cache."""
    shape, options = shape_of(load), options_of(load)
    assert shape is not None
    assert options is not None
    one_slot = sum(state_bytes(shape, options)) / options.n_parallel / MIB
    assert one_slot * load.options.get("n_seq_max", 1) == pytest.approx(load.recurrent_mib, abs=0.011)


@pytest.mark.parametrize(
    "load", [load for load in LOADS if load.breakdown and load.public_model], ids=lambda load: load.id
)
def test_the_context_column_is_the_cache_and_the_state(load: Load) -> None:
    """Whole MiB per place; a draft of `n_rs_seq` tokens keeps that many more states."""
    shape, options, planned = shape_of(load), options_of(load), planned_kv(load)
    if shape is None or options is None or planned is None:
        pytest.fail(f"no shape for {load.public_model}")
    states = sum(state_bytes(shape, options)) / MIB * (1 + load.options.get("n_rs_seq", 0))
    rows = (load.breakdown or {}).values()
    assert planned + states == pytest.approx(sum(row["context"] for row in rows), abs=len(rows))


def test_enough_caches_are_compared() -> None:
    assert len(with_kv()) >= 15


def test_compute_buffers_are_as_planned() -> None:
    """Over several build eras and backends; the worst are those of an era the planner does not copy."""
    errors = {load.id: abs(planned / (load.device_compute_mib or 1) - 1) for load, planned in with_compute()}
    assert len(errors) >= 8
    assert median(errors.values()) < 0.01, errors
    assert max(errors.values()) < 0.12, errors


def embeddings() -> list[tuple[Load, float]]:
    """The weights that full offloads of models with known hyper-parameters left on the host."""
    whole = [load for load in LOADS if load.offloaded and load.offloaded[0] == load.offloaded[1] and load.public_model]
    return [
        (load, sizes["model"])
        for load in whole
        for name, sizes in load.buffers.items()
        if name in HOST_BUFFERS and "model" in sizes
    ]


@pytest.mark.parametrize(("load", "mib"), embeddings(), ids=lambda value: getattr(value, "id", ""))
def test_a_full_offload_leaves_only_the_embedding_on_the_host(load: Load, mib: float) -> None:
    shape = shape_of(load)
    assert shape is not None
    elements = (shape.n_vocab or 0) * (shape.n_embd or 0)
    sizes = [TENSOR_TYPES_BY_NAME[name].row_bytes(elements) / MIB for name in EMBEDDING_TYPES]
    assert any(size == pytest.approx(mib, rel=0.001) for size in sizes), sizes
