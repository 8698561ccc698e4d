"""`kdmgr fit` with several GPUs, experts on the host, what-ifs and explanations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import Cli
from tests.support.sparse import RECIPES, write_sparse

GIB = 1 << 30


@pytest.fixture
def moe(tmp_path: Path) -> Path:
    return write_sparse(RECIPES["qwen3-30b-a3b"], tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write_sparse(RECIPES["llama-3.3-70b"], tmp_path)


def fit_json(cli: Cli, *args: object) -> dict[str, Any]:
    body = json.loads(cli("fit", *map(str, args), "--json").out)
    assert isinstance(body, dict)
    return body


def test_two_cards_share_what_one_cannot_hold(cli: Cli, large: Path) -> None:
    one = fit_json(cli, large, "--gpu", "RTX 3090", "-c", "8k")
    two = fit_json(cli, large, "--gpu", "2x RTX 3090", "-c", "8k")
    assert two["verdict"] == "fits" != one["verdict"]
    layers = [device["n_layers"] for device in two["memory"]["devices"]]
    assert sum(layers) == two["offload"]["n_layers"] == 81
    assert abs(layers[0] - layers[1]) <= 1


def test_experts_leave_the_card_before_layers_do(cli: Cli, moe: Path) -> None:
    ran = cli("fit", moe, "--gpu", "RTX 3060 12GB", "-c", "8k")
    assert "49 of 49 layers on NVIDIA GeForce RTX 3060, the experts of 24 on the host" in ran.out
    body = fit_json(cli, moe, "--gpu", "RTX 3060 12GB", "-c", "8k")
    assert body["offload"] == {"n_gpu_layers": 49, "n_layers": 49, "n_expert_layers_on_host": 24}


def test_experts_put_on_the_host_by_hand(cli: Cli, moe: Path) -> None:
    body = fit_json(cli, moe, "--gpu", "RTX 4090", "-c", "8k", "--n-cpu-moe", 48)
    assert body["offload"]["n_expert_layers_on_host"] == 48
    assert body["memory"]["devices"][0]["weights_bytes"] < 2 * GIB


def test_a_split_set_by_hand(cli: Cli, large: Path) -> None:
    body = fit_json(cli, large, "--gpu", "2x RTX 3090", "-c", "4k", "--tensor-split", "3,1", "--n-gpu-layers", 40)
    assert [device["n_layers"] for device in body["memory"]["devices"]] == [30, 10]


def test_one_card_of_two_without_a_split(cli: Cli, moe: Path) -> None:
    body = fit_json(cli, moe, "--gpu", "2x RTX 4090", "--split-mode", "none", "--main-gpu", 1, "-c", "4k")
    assert [device["n_layers"] for device in body["memory"]["devices"]] == [0, 49]


def test_rows_are_shared_and_the_cache_is_not(cli: Cli, large: Path) -> None:
    body = fit_json(cli, large, "--gpu", "2x RTX 3090", "--split-mode", "row", "-c", "4k")
    first, second = body["memory"]["devices"]
    assert first["kv_cache_bytes"] > 0 == second["kv_cache_bytes"]
    assert first["weights_bytes"] == pytest.approx(second["weights_bytes"], rel=0.1)


def test_what_is_reserved_is_left_free(cli: Cli, moe: Path) -> None:
    little, much = (
        fit_json(cli, moe, "--gpu", "RTX 3090", "-c", "8k", "--reserve", size) for size in ("512MiB", "8GiB")
    )
    assert little["offload"]["n_expert_layers_on_host"] < much["offload"]["n_expert_layers_on_host"]
    assert much["headroom_bytes"] >= 8 * GIB


@pytest.mark.parametrize("flag", ["--mmproj", "--lora"])
def test_files_loaded_beside_the_model_take_memory(cli: Cli, moe: Path, smollm_gguf: Path, flag: str) -> None:
    alone = fit_json(cli, moe, "--gpu", "RTX 4090")
    beside = fit_json(cli, moe, "--gpu", "RTX 4090", flag, smollm_gguf)
    added = beside["memory"]["total_bytes"] - alone["memory"]["total_bytes"]
    assert 0 < smollm_gguf.stat().st_size - added < 4 << 20


def test_a_draft_brings_its_weights_and_a_cache_of_its_own(cli: Cli, moe: Path, smollm_gguf: Path) -> None:
    def added(n_ctx: str) -> int:
        alone = fit_json(cli, moe, "--gpu", "RTX 4090", "-c", n_ctx)
        beside = fit_json(cli, moe, "--gpu", "RTX 4090", "-c", n_ctx, "--draft", smollm_gguf)
        return int(beside["memory"]["total_bytes"] - alone["memory"]["total_bytes"])

    # 30 layers × 3 heads × 64 × (K and V) × f16 = 22.5 KiB a token.
    assert added("4k") > smollm_gguf.stat().st_size * 0.6 + 4096 * 23040
    assert 4096 * 23040 <= added("8k") - added("4k") < 4096 * 23040 * 1.1


def test_explain_gives_formula_and_inputs_of_each_number(cli: Cli, moe: Path) -> None:
    ran = cli("fit", moe, "--gpu", "RTX 3060 12GB", "-c", "8k", "--explain")
    assert "KV of 48 full layers = 768.0 MiB" in ran.out
    assert "48 × 8192 × (512 and 512 elements = 2048 bytes)" in ran.out
    assert "12.00 GiB − " in ran.out
    assert "1 / (Σ bytes read" in ran.out


def test_the_smallest_card_that_would_do_is_named_and_does(cli: Cli, moe: Path) -> None:
    body = fit_json(cli, moe, "--gpu", "RTX 3060 12GB", "-c", "8k")
    (line,) = (line for line in body["alternatives"] if "the smallest card that holds all of it" in line)
    card, _, size = line.partition("holds all of it: ")[2].rpartition(" with ")
    assert fit_json(cli, moe, "--gpu", f"{card} {size.split('.')[0]}GB", "-c", "8k")["verdict"] == "fits"


def test_a_cache_type_that_the_engine_refuses(cli: Cli, tmp_path: Path) -> None:
    path = write_sparse(RECIPES["pythia-2.8b"], tmp_path)
    body = fit_json(cli, path, "--gpu", "RTX 3060 12GB", "--cache-type", "q8_0")
    assert body["options"]["type_k"] == "f16"
    assert "refuses a q8_0 K cache for heads of 80" in body["notes"][0]


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        (("--tensor-split", "a,b"), "a,b"),
        (("--reserve", "lots"), "lots"),
        (("--split-mode", "column"), "column"),
        (("--lora", "/no/such.gguf"), "such.gguf"),
        (("--gpu", "RTX 9999"), "RTX 9999"),
    ],
)
def test_what_makes_no_sense_is_named(cli: Cli, moe: Path, args: tuple[str, str], wrong: str) -> None:
    ran = cli("fit", moe, *args)
    assert ran.code in (2, 4)
    assert wrong in ran.err
    assert "Traceback" not in ran.err
