"""How near the plan comes to what the engine allocates, component by component.

    python benchmarks/accuracy.py [--quick] [--models] [--only PART]      (needs the `test` extra)

Comparisons: the CPU's projection, one GPU, a pair of GPUs and divided models (devices that exist only on paper), and
loads that others published. The engine is the embedded llama.cpp; models are headers without data.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tables import MIB, SUMMARY, Pair, beside, print_table, summarise
from kdmgr.fit.graph.allocator import HOST
from kdmgr.fit.graph.builder import Kept, Place
from kdmgr.fit.layout import Costs, Share
from kdmgr.fit.options import RunOptions, cache_type, resolve
from kdmgr.fit.placement import lay_out, make_costs
from kdmgr.gguf.shape import ModelShape
from tests.fit.test_architectures import COPIES_TABLE, fit_to
from tests.fit.test_devices import HUGE_MIB, VARIANTS, options_of, placed_by_engine
from tests.fit.test_published_loads import with_compute, with_kv
from tests.support.comparing import CPU_ONLY, plan_on_host
from tests.support.gpu_oracle import Projection, project
from tests.support.machines import paper_machine
from tests.support.measure import measure
from tests.support.option_sets import OPTION_SETS
from tests.support.shapes import shape
from tests.support.sparse import RECIPES, write_sparse

Sizes = dict[str, Pair]
"""Pairs by component."""
Job = TypeVar("Job")
Answer = TypeVar("Answer")
PARTS = ("cpu", "gpu", "pair", "divided", "published")
QUICK_MODELS = 34
OFF = 0.02
"""Errors above this are listed one by one."""
DIVIDED = ("llama-3.1-8b", "gemma-3-12b", "qwen3-30b-a3b", "gpt-oss-20b", "mixtral-8x7b", "qwen3.5-35b-a3b")
MACHINES = ([4], [8], [12], [24], [12, 12], [24, 8], [6, 10, 16])
QUICK_MACHINES = ([8], [12, 12])


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description="Planned beside allocated memory.")
    parser.add_argument("--quick", action="store_true", help="a sample of the models, three option sets each")
    parser.add_argument("--models", action="store_true", help="one row per model instead of one per architecture")
    parser.add_argument("--only", choices=PARTS, action="append", help="one comparison; may be given again")
    asked = parser.parse_args()
    parts = asked.only or PARTS
    names = list(RECIPES)[:: max(1, len(RECIPES) // QUICK_MODELS)] if asked.quick else list(RECIPES)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: write_sparse(RECIPES[name], Path(folder), name) for name in {*names, *DIVIDED}}
        if "cpu" in parts:
            report_host(files, names, quick=asked.quick, by_model=asked.models)
        if "gpu" in parts:
            report_one_gpu(files, names, quick=asked.quick)
        if "pair" in parts:
            report_pair(files, names)
        if "divided" in parts:
            report_divided(files, quick=asked.quick)
    if "published" in parts:
        report_published()


def in_parallel(work: Callable[[Job], Answer], jobs: Sequence[Job]) -> list[Answer]:
    """`work` on every job, as many at a time as there are cores: the engine runs in processes of its own."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, jobs))


def of_component(component: str, found: Iterable[Sizes]) -> list[Pair]:
    """The pairs of one component, without those that are nothing on both sides."""
    pairs = [sizes[component] for sizes in found if component in sizes]
    return [pair for pair in pairs if pair.planned or pair.real]


def report_host(files: dict[str, Path], names: Sequence[str], *, quick: bool, by_model: bool) -> None:
    """(a) The CPU runs everything."""
    sets = list(OPTION_SETS)
    jobs = [
        (name, each)
        for turn, name in enumerate(names)
        for each in (sets[(turn * 3 + step) % len(sets)] for step in range(3 if quick else len(sets)))
    ]
    refused = [job for job in jobs if not is_taken(shape(job[0]), OPTION_SETS[job[1]])]
    jobs = [job for job in jobs if job not in refused]
    found = in_parallel(lambda job: try_on_host(files[job[0]], *job), jobs)
    groups: dict[str, list[Sizes]] = {}
    for (name, _), sizes in zip(jobs, found, strict=True):
        groups.setdefault(name if by_model else RECIPES[name].architecture, []).append(sizes)
    parts = ("weights", "KV cache", "recurrent", "compute")
    print_table(
        "CPU: planned / allocated, the median over the option sets (and the worst)",
        ("model" if by_model else "architecture", "loads", *parts),
        [
            (name, str(len(loads)), *(beside(of_component(part, loads)) for part in parts))
            for name, loads in sorted(groups.items())
        ],
    )
    print_summary(f"CPU: {len(names)} models, {len(jobs)} plans", found)
    print_jobs("Not compared, since the engine refuses a cache type whose blocks do not divide a head", refused)
    print_jobs("No answer from the engine", [job for job, sizes in zip(jobs, found, strict=True) if not sizes])


def print_jobs(title: str, jobs: Sequence[tuple[str, str]]) -> None:
    """The jobs in one line, if there are any."""
    if jobs:
        print(f"\n{title}: {', '.join(map(' '.join, jobs))}.")


def is_taken(found: ModelShape, options: RunOptions) -> bool:
    """Whether the engine makes a context of these options (llama-context.cpp, `llama_init_from_model`)."""
    attention = found.attention
    if attention is None or not options.flash_attn:
        return True
    heads = ((options.type_k, attention.n_embd_head_k), (options.type_v, attention.n_embd_head_v))
    return all(size % cache_type(kind).block_size == 0 for kind, sizes in heads for size in sizes)


def try_on_host(path: Path, name: str, option_set: str) -> Sizes:
    """The comparison; nothing where the engine does not answer."""
    try:
        return compare_on_host(path, name, option_set)
    except AssertionError:
        return {}


def compare_on_host(path: Path, name: str, option_set: str) -> Sizes:
    """The plan beside the engine's own projection."""
    wanted = fit_to(OPTION_SETS[option_set], RECIPES[name].n_ctx_train)
    real = measure(
        path,
        wanted.n_ctx or 0,
        type_k=wanted.type_k,
        type_v=wanted.type_v,
        n_parallel=wanted.n_parallel,
        n_ubatch=wanted.n_ubatch or 512,
        flash_attn=wanted.flash_attn,
        dry=True,
    )
    found = shape(name)
    planned = plan_on_host(found, resolve(wanted, found, CPU_ONLY))
    if found.architecture in COPIES_TABLE:
        planned = replace(planned, weights=planned.weights + found.weights.token_embd / MIB)
    return label(
        f"{name} {option_set}",
        {
            "weights": (planned.weights, real.weights),
            "KV cache": (planned.kv_cache, real.kv_cache),
            "recurrent": (planned.recurrent, real.recurrent),
            "compute": (planned.compute, real.compute),
            "logits": (planned.output, real.output),
        },
    )


def label(name: str, sizes: dict[str, tuple[float, float]]) -> Sizes:
    """Pairs named after the load they come from."""
    return {component: Pair(name, planned, real) for component, (planned, real) in sizes.items()}


def print_summary(title: str, found: Sequence[Sizes]) -> None:
    """One row per component."""
    components = list(dict.fromkeys(component for sizes in found for component in sizes))
    print_table(title, SUMMARY, [summarise(each, of_component(each, found)) for each in components])


def report_one_gpu(files: dict[str, Path], names: Sequence[str], *, quick: bool) -> None:
    """(b) A device that holds the whole model."""
    jobs = [
        (name, variant)
        for turn, name in enumerate(names)
        for variant in ([VARIANTS[turn % len(VARIANTS)]] if quick else VARIANTS)
        if is_taken(shape(name), options_of(variant))
    ]
    found = in_parallel(lambda job: compare_on_gpu(files[job[0]], *job), jobs)
    print_summary(f"One GPU, all layers on it: {len(names)} models, {len(jobs)} plans", found)


def compare_on_gpu(path: Path, name: str, variant: dict[str, Any]) -> Sizes:
    """The plan beside what the engine would put on the device, and what it leaves on the host."""
    asked = {**variant, "n_ctx": min(variant["n_ctx"], RECIPES[name].n_ctx_train)}
    found = shape(name)
    real = project(path, [HUGE_MIB], **asked)
    costs = Costs(found, resolve(options_of(asked), found, CPU_ONLY), 1, widens_cache=True)
    shares = costs.shares([Place(0)] * costs.n_layers)
    gpu, host = shares[0], shares[HOST]
    told = " ".join(f"{key}={value}" for key, value in asked.items())
    on_gpu, on_host = real.shares["CUDA0"], real.shares["CPU"]
    sizes = {
        "GPU weights": (gpu.weights, on_gpu.model),
        "GPU KV cache and states": ((gpu.kv_cache or 0) + gpu.recurrent, on_gpu.context),
        "GPU compute": (gpu.compute or 0, on_gpu.compute),
        "host weights": (host.weights, on_host.model),
        "host compute": (host.compute or 0, on_host.compute),
    }
    return label(f"{name} {told}", {part: (planned / MIB, size / MIB) for part, (planned, size) in sizes.items()})


def report_pair(files: dict[str, Path], names: Sequence[str]) -> None:
    """(c) Two devices that hold the model between them, as a pipeline."""
    found = in_parallel(lambda name: compare_on_pair(files[name], name), names)
    print_summary(f"Two GPUs, all layers on them: {len(names)} models", found)
    off = [pair for sizes in found for part, pair in sizes.items() if "compute" in part and abs(pair.share) > OFF]
    print_table(
        f"Two GPUs, compute off by more than {OFF:.0%}",
        ("model", "planned, MiB", "engine", "ratio"),
        [(pair.name, f"{pair.planned:.1f}", f"{pair.real:.1f}", f"{pair.planned / pair.real:.2f}") for pair in off],
    )


def compare_on_pair(path: Path, name: str) -> Sizes:
    """The plan beside what the engine would put on two equal devices with room for any model."""
    found = shape(name)
    n_ctx = min(4096, RECIPES[name].n_ctx_train)
    real = project(path, [HUGE_MIB] * 2, n_ctx)
    _, planned_shares = lay(found, [HUGE_MIB // 1024] * 2, n_ctx)
    sizes: dict[str, tuple[float, float]] = {}
    for index in range(2):
        parts, share = planned_shares[index], real.shares[f"CUDA{index}"]
        sizes[f"GPU {index} weights"] = (parts.weights, share.model)
        sizes[f"GPU {index} KV cache and states"] = ((parts.kv_cache or 0) + (parts.recurrent or 0), share.context)
        sizes[f"GPU {index} compute"] = (parts.compute or 0, share.compute)
    return {
        part: Pair(f"{name}, GPU {part.split()[1]}", planned / MIB, size / MIB)
        for part, (planned, size) in sizes.items()
    }


def lay(found: ModelShape, free_gib: Sequence[float], n_ctx: int) -> tuple[list[Place], dict[int, Share]]:
    """Where the plan puts every layer, and what each place holds as the engine reckons before it loads."""
    machine = paper_machine(free_gib)
    options = resolve(RunOptions(n_ctx=n_ctx, keeps_margin=True), found, machine)
    costs = make_costs(found, options, machine.devices)
    places = lay_out(costs, machine.devices)
    return places, costs.shares(places, projected=True)


def report_divided(files: dict[str, Path], *, quick: bool) -> None:
    """(d) Devices too small for the model, or several of them: where the engine's own fit puts the layers."""
    machines = QUICK_MACHINES if quick else MACHINES
    contexts = (8192,) if quick else (8192, 32768)
    jobs = [(name, machine, n_ctx) for name in DIVIDED for machine in machines for n_ctx in contexts]
    answers = in_parallel(lambda job: compare_divided(files[job[0]], *job), jobs)
    print_table(
        "Divided: layers on each GPU, and how many of them are not whole there",
        ("model", "GPUs, GiB", "context", "layers", "engine", "in part", "engine", "GPU compute, worst"),
        [row for row, _ in answers],
    )
    same = [sizes for _, sizes in answers if sizes]
    print(f"\nLaid out as the engine does it, to the layer: {len(same)} of {len(answers)}.")
    print_summary("Divided, where the layout is the engine's", same)


def compare_divided(path: Path, name: str, free_gib: list[int], n_ctx: int) -> tuple[tuple[str, ...], Sizes]:
    """A row of the table; and the sizes on the devices, summed, where the layers lie as the engine lays them."""
    found = shape(name)
    real = project(path, [free * 1024 for free in free_gib], n_ctx)
    places, planned = lay(found, free_gib, n_ctx)
    _, without_experts = placed_by_engine(real, found)
    counts = layers_by_engine(real, found, len(free_gib))
    ours = [sum(place.device == index for place in places) for index in range(len(free_gib))]
    in_part = sum(place.device != HOST and place.kept is not Kept.ALL for place in places)
    shares = [real.shares[f"CUDA{index}"] for index in range(len(ours))]
    parts = [planned[index] for index in range(len(ours))]
    compute = [
        Pair("", (part.compute or 0) / MIB, share.compute / MIB) for part, share in zip(parts, shares, strict=True)
    ]
    worst = max(compute, key=lambda pair: abs(pair.share))
    gpus = "+".join(map(str, free_gib))
    layers = (_join(ours), _join(counts), str(in_part), str(without_experts))
    row = (name, gpus, str(n_ctx), *layers, f"{worst.share:+.1%}")
    if ours != counts or in_part != without_experts:
        return row, {}
    sizes = {
        "GPU weights": (sum(part.weights for part in parts), sum(share.model for share in shares)),
        "GPU KV cache and states": (
            sum((part.kv_cache or 0) + (part.recurrent or 0) for part in parts),
            sum(share.context for share in shares),
        ),
        "GPU compute": (sum(part.compute or 0 for part in parts), sum(share.compute for share in shares)),
    }
    return row, label(f"{name} {gpus} {n_ctx}", {each: (a / MIB, b / MIB) for each, (a, b) in sizes.items()})


def layers_by_engine(real: Projection, found: ModelShape, n_devices: int) -> list[int]:
    """Layers on each device. Of its default split the engine says nothing, but the weights do."""
    counts, _ = placed_by_engine(real, found)
    if len(counts) == n_devices:
        return counts
    counts, left = [], list(found.weights.blocks)
    for device in range(n_devices - 1):
        held, count = real.shares[f"CUDA{device}"].model, 0
        # More than half of a layer is the layer, since paddings blur the sums.
        while left and held > left[0] / 2:
            held -= left.pop(0)
            count += 1
        counts.append(count)
    return [*counts, found.n_layer + 1 - sum(counts)]


def _join(counts: Sequence[int]) -> str:
    return "+".join(map(str, counts))


def report_published() -> None:
    """(e) Loads on real cards, from logs that their owners published."""
    kv = [Pair(load.id, planned, load.kv_mib or 0) for load, planned in with_kv()]
    compute = [Pair(load.id, planned, load.device_compute_mib or 0) for load, planned in with_compute()]
    print_table(
        "Published loads: planned / printed",
        ("load", "component", "planned", "printed", "ratio"),
        [
            (pair.name, part, f"{pair.planned:.2f}", f"{pair.real:.2f}", f"{pair.planned / pair.real:.3f}")
            for part, pairs in (("KV cache", kv), ("compute", compute))
            for pair in pairs
        ],
    )
    print_table("Published loads", SUMMARY, [summarise("KV cache", kv), summarise("compute", compute)])


if __name__ == "__main__":
    main()
