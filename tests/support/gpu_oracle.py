"""What llama.cpp would put on GPUs that are not there: its own fit, asked through its C functions.

`project` runs in a child process (`python -m tests.support.gpu_oracle`), since the engine aborts on what it does
not expect. Calls through ctypes release the interpreter's lock, which the devices' answers need.
"""

from __future__ import annotations

import ctypes as c
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20
_FIT = (
    "_Z17common_fit_paramsPKcP18llama_model_paramsP20llama_context_paramsPfP32llama_model_tensor_buft_override"
    "PmjPK22common_fit_extra_model14ggml_log_level"
)
_BREAKDOWN = "_Z26llama_get_memory_breakdownPK13llama_context"
_MAX_OVERRIDES = 4096
# LLAMA_FLASH_ATTN_TYPE_ENABLED and _DISABLED; LLAMA_LOAD_MODE_NONE; GGML_LOG_LEVEL_ERROR.
_FLASH_ON, _FLASH_OFF, _LOAD_NONE, _ERRORS = 1, 0, 0, 4


@dataclass(frozen=True)
class Share:
    """Bytes in one place."""

    model: int
    context: int
    compute: int


@dataclass(frozen=True)
class Projection:
    """The engine's own plan. `shares` by buffer type: "CUDA0", "CUDA1" …, and "CPU" for all host memory."""

    n_gpu_layers: int
    tensor_split: tuple[float, ...]
    overrides: tuple[tuple[str, str], ...]
    """Tensors sent elsewhere: pattern and buffer type."""
    fitted: bool
    shares: dict[str, Share]


@dataclass(frozen=True)
class Request:
    """What to plan: the model, the devices' free memory in MiB, and the options that matter."""

    path: str
    free_mib: tuple[int, ...]
    n_ctx: int
    n_ubatch: int = 512
    n_parallel: int = 1
    flash_attn: bool = True
    type_k: int = 1
    type_v: int = 1
    fit: bool = True
    n_gpu_layers: int = -1
    split_mode: int = 1
    main_gpu: int = 0
    margin_mib: int = 1024
    n_rs_seq: int = 0
    """Recurrent states that are kept for tokens that may be taken back."""
    tensor_split: tuple[float, ...] = ()
    n_cpu_moe: int = 0
    load: bool = False
    """Whether to load the model, instead of only projecting what that would take."""


def project(path: Path, free_mib: Sequence[int], n_ctx: int, **options: Any) -> Projection:
    """The plan that the engine makes for `path` on devices with `free_mib` MiB each."""
    request = Request(str(path), tuple(free_mib), n_ctx, **options)
    command = [sys.executable, "-m", "tests.support.gpu_oracle", json.dumps(asdict(request))]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, cwd=root, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise AssertionError(f"the engine made no plan:\n{done.stderr[-2000:]}")
    answer = json.loads(lines[-1])
    return Projection(
        n_gpu_layers=answer["n_gpu_layers"],
        tensor_split=tuple(answer["tensor_split"]),
        overrides=tuple(tuple(each) for each in answer["overrides"]),
        fitted=answer["fitted"],
        shares={name: Share(*sizes) for name, sizes in answer["shares"].items()},
    )


class _ModelParams(c.Structure):
    _fields_ = [
        ("devices", c.c_void_p),
        ("overrides", c.c_void_p),
        ("n_gpu_layers", c.c_int32),
        ("split_mode", c.c_int32),
        ("load_mode", c.c_int32),
        ("lazy_mode", c.c_int32),
        ("main_gpu", c.c_int32),
        ("tensor_split", c.c_void_p),
        ("progress", c.c_void_p),
        ("progress_data", c.c_void_p),
        ("kv_overrides", c.c_void_p),
        ("vocab_only", c.c_bool),
        ("check_tensors", c.c_bool),
        ("use_extra_bufts", c.c_bool),
        ("no_host", c.c_bool),
        ("no_alloc", c.c_bool),
        ("load_mtp", c.c_bool),
    ]


class _ContextParams(c.Structure):
    _fields_ = [
        *((name, c.c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq", "n_outputs_max")),
        ("n_outputs_max_per_seq", c.c_uint32),
        *((name, c.c_int32) for name in ("n_threads", "n_threads_batch", "ctx_type", "rope", "pooling", "attention")),
        ("flash_attn", c.c_int32),
        *((name, c.c_float) for name in ("base", "scale", "ext", "attn", "fast", "slow")),
        ("yarn_orig_ctx", c.c_uint32),
        ("defrag_thold", c.c_float),
        ("cb_eval", c.c_void_p),
        ("cb_eval_data", c.c_void_p),
        ("type_k", c.c_int32),
        ("type_v", c.c_int32),
        ("abort", c.c_void_p),
        ("abort_data", c.c_void_p),
        ("unknown", c.c_void_p),
        *((name, c.c_bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "unified")),
        ("samplers", c.c_void_p),
        ("n_samplers", c.c_size_t),
        ("other", c.c_void_p),
    ]


class _Override(c.Structure):
    _fields_ = [("pattern", c.c_char_p), ("buft", c.c_void_p)]


def _answer(request: Request) -> dict[str, Any]:
    import xllamacpp

    from tests.support.fake_gpu import FakeGpus

    path = str(Path(xllamacpp.__file__).with_name("xllamacpp.abi3.so"))
    gpus = FakeGpus(path, [free * MIB for free in request.free_mib])
    lib = c.CDLL(path)
    lib.llama_model_default_params.restype = _ModelParams
    lib.llama_context_default_params.restype = _ContextParams
    model_params, context_params = lib.llama_model_default_params(), lib.llama_context_default_params()
    layout = (model_params.split_mode, context_params.n_ubatch, context_params.type_k, context_params.swa_full)
    if layout != (1, 512, 1, True):
        raise AssertionError("the engine's parameters are laid out differently")
    split = (c.c_float * 128)(*request.tensor_split)
    overrides = (_Override * _MAX_OVERRIDES)()
    if request.tensor_split:
        model_params.tensor_split = c.addressof(split)
    if request.n_cpu_moe:
        _keep_experts_on_host(lib, request.n_cpu_moe, overrides)
        model_params.overrides = c.addressof(overrides)
    _set_options(request, model_params, context_params)
    fitted = True
    if request.fit:
        margins = (c.c_size_t * 16)(*[request.margin_mib * MIB] * 16)
        fitted = (
            lib[_FIT](
                request.path.encode(),
                c.byref(model_params),
                c.byref(context_params),
                split,
                overrides,
                margins,
                4096,
                None,
                _ERRORS,
            )
            == 0
        )
    model_params.no_alloc = not request.load
    shares = _measure(lib, request.path, model_params, context_params)
    del gpus
    lib.ggml_backend_buft_name.restype = c.c_char_p
    chosen = []
    for each in overrides:
        if not each.pattern:
            break
        chosen.append((each.pattern.decode(), lib.ggml_backend_buft_name(c.c_void_p(each.buft)).decode()))
    return {
        "n_gpu_layers": model_params.n_gpu_layers,
        "tensor_split": list(split[: len(request.free_mib)]),
        "overrides": chosen,
        "fitted": fitted,
        "shares": shares,
    }


def _keep_experts_on_host(lib: c.CDLL, n_layers: int, overrides: Any) -> None:
    """As `--n-cpu-moe` does (common/arg.cpp, `llm_add_n_cpu_ffn_overrides`)."""
    lib.ggml_backend_cpu_buffer_type.restype = c.c_void_p
    for layer in range(n_layers):
        overrides[layer].pattern = rf"blk\.{layer}\.ffn_(up|down|gate_up|gate)_(ch|)exps".encode()
        overrides[layer].buft = lib.ggml_backend_cpu_buffer_type()


def _set_options(request: Request, model: _ModelParams, context: _ContextParams) -> None:
    model.n_gpu_layers = request.n_gpu_layers
    model.split_mode = request.split_mode
    model.main_gpu = request.main_gpu
    context.n_ctx = request.n_ctx * request.n_parallel
    context.n_batch = max(2048, request.n_ubatch)
    context.n_ubatch = request.n_ubatch
    context.n_seq_max = request.n_parallel
    context.n_rs_seq = request.n_rs_seq
    # As the server asks: logits for one token of each sequence.
    context.n_outputs_max = request.n_parallel
    context.flash_attn = _FLASH_ON if request.flash_attn else _FLASH_OFF
    context.type_k, context.type_v = request.type_k, request.type_v
    context.swa_full = False
    context.n_threads = context.n_threads_batch = 1


def _measure(lib: c.CDLL, path: str, model_params: _ModelParams, context_params: _ContextParams) -> dict[str, Any]:
    if model_params.no_alloc:
        model_params.load_mode = _LOAD_NONE
    lib.llama_model_load_from_file.restype = c.c_void_p
    lib.llama_init_from_model.restype = c.c_void_p
    lib.llama_init_from_model.argtypes = [c.c_void_p, _ContextParams]
    model = lib.llama_model_load_from_file(path.encode(), model_params)
    context = lib.llama_init_from_model(model, context_params)
    if not context:
        raise AssertionError("the engine made no context")
    breakdown = (c.c_size_t * 6)()
    lib[_BREAKDOWN](c.byref(breakdown), c.c_void_p(context))
    lib.ggml_backend_buft_name.restype = c.c_char_p
    lib.ggml_backend_buft_is_host.restype = c.c_bool
    shares: dict[str, list[int]] = {}
    for key, sizes in _map_entries(breakdown):
        host = lib.ggml_backend_buft_is_host(c.c_void_p(key))
        name = "CPU" if host else lib.ggml_backend_buft_name(c.c_void_p(key)).decode()
        before = shares.setdefault(name, [0, 0, 0])
        shares[name] = [a + b for a, b in zip(before, sizes, strict=True)]
    return shares


def _map_entries(header: Any) -> list[tuple[int, tuple[int, int, int]]]:
    """The entries of a `std::map` of libstdc++: nodes of a red-black tree, each before its key and value."""
    entries = []

    def walk(node: int) -> None:
        if not node:
            return
        words = (c.c_size_t * 8).from_address(node)
        walk(words[2])
        entries.append((words[4], (words[5], words[6], words[7])))
        walk(words[3])

    walk(header[2])
    return entries


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    given["free_mib"] = tuple(given["free_mib"])
    print(json.dumps(_answer(Request(**given))), flush=True)
    # Freeing devices that never were is not worth the risk.
    os._exit(0)
