"""The commands on real models: what a newcomer does, and what goes wrong."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gguf.forge import small_model
from tests.support.console import Cli
from tests.support.sparse import RECIPES, write_sparse

MIB = 1 << 20


@pytest.fixture
def smol(cli: Cli, smollm_gguf: Path) -> str:
    assert cli("import", smollm_gguf, "smol").code == 0
    return "smol"


def test_fit_answers_with_verdict_memory_context_and_why(cli: Cli, gemma_gguf: Path) -> None:
    ran = cli("fit", gemma_gguf, "--gpu", "RTX 3060 12GB", "-c", "32k")
    assert ran.code == 0
    for word in ("fits", "235.2 MiB", "111.0 MiB", "32k", "tok/s", "NVIDIA GeForce RTX 3060", "trained for 32k"):
        assert word in ran.out
    assert "\x1b" not in ran.out


def test_fit_json_keeps_the_contract(cli: Cli, gemma_gguf: Path) -> None:
    body = json.loads(cli("fit", gemma_gguf, "--gpu", "RTX 3060 12GB", "-c", "8k", "--json").out)
    assert list(body) == [
        "schema_version", "ref", "source", "architecture", "parameters", "quant", "n_ctx_train", "options", "memory",
        "offload", "estimate", "verdict", "reason", "headroom_bytes", "max_n_ctx", "speed", "student", "teacher",
        "alternatives", "unknown", "notes",
    ]  # fmt: skip
    assert (body["schema_version"], body["source"], body["architecture"], body["quant"]) == (
        1,
        "file",
        "gemma3",
        "Q4_K_M",
    )
    assert (body["options"]["n_ctx"], body["options"]["n_ctx_basis"]) == (8192, "asked for")
    parts = ("weights", "kv_cache", "recurrent", "compute", "projector", "overhead")
    memory = body["memory"]
    assert memory["total_bytes"] == sum(memory[f"{part}_bytes"] for part in parts)
    (device,) = memory["devices"]
    assert (device["name"], device["kind"], device["n_layers"]) == ("NVIDIA GeForce RTX 3060", "cuda", 19)
    assert device["kv_cache_bytes"] + memory["host"]["kv_cache_bytes"] == 39 * MIB
    assert body["offload"] == {"n_gpu_layers": 19, "n_layers": 19, "n_expert_layers_on_host": 0}
    assert list(body["speed"]) == [
        "decode_tok_s", "low_tok_s", "high_tok_s", "basis", "grade", "rough", "words", "full_context_tok_s",
        "full_context_words", "prompt",
    ]  # fmt: skip


def test_fit_tells_an_intel_cards_speed_in_words(cli: Cli, gemma_gguf: Path, smollm_gguf: Path) -> None:
    intel = ("--gpu", "Arc A770 16GB", "-c", "8k")
    (line,) = [line for line in cli("fit", gemma_gguf, *intel).out.splitlines() if line.startswith("speed")]
    assert "reading" in line
    assert "tok/s" not in line
    table = cli("fit", gemma_gguf, smollm_gguf, *intel).out.splitlines()
    assert all(line.endswith(("fast", "slow", "fair")) for line in table[1:])
    speed = json.loads(cli("fit", gemma_gguf, *intel, "--json").out)["speed"]
    assert {key for key, value in speed.items() if value is not None} == {
        "basis", "grade", "rough", "words", "full_context_words",
    }  # fmt: skip


def test_fit_shows_prompts_as_a_range_where_it_is_known(cli: Cli, tmp_path: Path) -> None:
    path = write_sparse(RECIPES["llama-3.1-8b"], tmp_path)
    (line,) = [line for line in cli("fit", path, "--gpu", "RTX 4090").out.splitlines() if line.startswith("prompt")]
    assert line.split(None, 1)[1] == "3100–12000 tok/s to read a prompt · 165 FP16 TFLOPS of the GPU table"
    shown = cli("fit", path, "--gpu", "RTX 4090", "-c", "32k", "--explain").out
    assert "speed at full context = roughly " in shown
    assert "prompt speed = 3100–12000 tok/s" in shown
    prompt = json.loads(cli("fit", path, "--gpu", "RTX 4090", "--json").out)["speed"]["prompt"]
    assert list(prompt) == ["low_tok_s", "high_tok_s", "basis"]
    assert "to read a prompt" not in cli("fit", path, "--gpu", "GTX 1080 Ti").out


def test_fit_tells_what_an_old_ollama_estimates(cli: Cli, smollm_gguf: Path) -> None:
    arguments = ("fit", smollm_gguf, "--gpu", "RTX 3060 12GB", "--engine-build", "ollama-0.11")
    assert "Ollama ≤ 0.11.4 estimates" in (text := cli(*arguments, "--explain").out)
    assert "offloads 31 of 31 layers" in " ".join(text.split())
    assert "Ollama's estimate = 31 of 31 layers" in text
    body = json.loads(cli(*arguments, "--json").out)
    estimate = body["estimate"]
    assert (estimate["n_gpu_layers"], estimate["n_layers"], body["options"]["n_ctx"]) == (31, 31, 4096)
    assert estimate["devices"] == [{"index": 0, "n_layers": 31, "vram_bytes": estimate["vram_bytes"]}]
    less = json.loads(cli(*arguments, "--reserve", "11.5GiB", "--json").out)
    assert less["offload"]["n_gpu_layers"] == less["estimate"]["n_gpu_layers"] < 31


def test_fit_of_several_compares_them(cli: Cli, gemma_gguf: Path, smollm_gguf: Path) -> None:
    ran = cli("fit", gemma_gguf, smollm_gguf, "--vram", "8GiB")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["MODEL", str(gemma_gguf), str(smollm_gguf)]
    assert len(json.loads(cli("fit", gemma_gguf, smollm_gguf, "--vram", "8GiB", "--json").out)) == 2


def test_fit_of_an_unknown_architecture_could_not_tell(cli: Cli, tmp_path: Path) -> None:
    forge = small_model()
    forge.keys[0] = forge.string("general.architecture") + forge.pack("I", 8) + forge.string("novel")
    forge.add_number("novel.block_count", 1)
    path = tmp_path / "novel.gguf"
    path.write_bytes(forge.file(224))
    ran = cli("fit", path, "--json")
    body = json.loads(ran.out)
    assert (ran.code, body["verdict"]) == (4, "unknown")
    assert body["memory"]["weights_bytes"] == 68 + 128
    assert body["memory"]["kv_cache_bytes"] is None
    assert "novel" in body["unknown"][0]


def test_fit_of_what_is_too_big_is_a_no(cli: Cli, gemma_gguf: Path) -> None:
    assert cli("fit", gemma_gguf, "--vram", "100MiB", "--n-gpu-layers", "99").code == 1


def test_an_import_shows_up_everywhere_and_goes_again(cli: Cli, smol: str, smollm_gguf: Path) -> None:
    assert "smol:latest" in cli("ls").out
    assert cli("list", "--names").out == "smol:latest\n"
    shown = json.loads(cli("show", smol, "--json").out)
    assert (shown["architecture"], shown["quant"], shown["n_layer"]) == ("llama", "Q4_1", 30)
    receipt = cli("show", smol, "--receipt").out
    assert str(smollm_gguf) in receipt
    assert "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in receipt
    assert json.loads(cli("fit", smol, "--json").out)["source"] == "store"
    assert cli("rm", smol).code == 2
    assert cli("rm", smol, "--yes").code == 0
    assert cli("show", smol).code == 4


def test_a_name_that_is_taken_is_not_taken_twice(cli: Cli, smol: str, gemma_gguf: Path) -> None:
    ran = cli("import", gemma_gguf, smol)
    assert ran.code == 2
    assert "--replace" in ran.err
    assert cli("import", gemma_gguf, smol, "--replace").code == 0
    assert json.loads(cli("show", smol, "--json").out)["architecture"] == "gemma3"


def test_a_modelfile_is_applied_and_can_be_had_back(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    shutil.copy(smollm_gguf, tmp_path / "model.gguf")
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        'FROM ./model.gguf\nSYSTEM """Be\nbrief."""\nPARAMETER temperature 0\nPARAMETER stop "<|im_end|>"\n'
    )
    assert cli("import", tmp_path / "model.gguf", "brief", "-f", modelfile).code == 0
    shown = json.loads(cli("show", "brief", "--json").out)
    assert (shown["system"], shown["modelfile_parameters"]["temperature"]) == ("Be\nbrief.", 0.0)
    again = cli("show", "brief", "--modelfile").out
    assert "Be\nbrief." in again
    assert "PARAMETER stop <|im_end|>" in again


def test_a_model_without_a_template_is_warned_of(cli: Cli, gemma_gguf: Path) -> None:
    ran = cli("import", gemma_gguf, "base")
    assert ran.code == 0
    assert "no chat template" in ran.err


def test_chat_streams_an_answer_and_ends_with_the_figures(cli: Cli, smol: str) -> None:
    ran = cli("chat", smol, "What is 2+2? Answer with the number.", "--temperature", "0", "-n", "16")
    assert ran.code == 0
    assert ran.out.strip()
    for word in ("llamacpp", "tok/s", "TTFT", " in", "out", "context"):
        assert word in ran.err
    assert cli("chat", smol, "Hi", "-n", "4", "--quiet").err == ""


def test_chat_with_a_missing_model_or_an_unreachable_server(cli: Cli, smol: str) -> None:
    missing = cli("chat", "smoll", "Hi")
    assert missing.code == 4
    assert "smol:latest" in missing.err
    assert cli("chat", smol, "Hi", "--engine", "ollama").code == 3
    assert cli("ps").code == 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to one process on Windows")
def test_ctrl_c_stops_the_answer_and_leaves_no_worker(cli: Cli, smol: str) -> None:
    chat = subprocess.Popen(
        [sys.executable, "-m", "kdmgr", "chat", smol, "Count to one thousand.", "-n", "4000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    assert chat.stdout is not None
    assert chat.stdout.read(1)
    started = time.monotonic()
    chat.send_signal(signal.SIGINT)
    _, err = chat.communicate(timeout=20)
    assert chat.returncode == 130
    assert b"stopped" in err
    assert b"Traceback" not in err
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "GGUF"),
        (os.urandom(4096), "GGUF"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 16, "more than the file"),
        (None, "no such file"),
    ],
    ids=["empty", "random", "2^64 tensors", "missing"],
)
@pytest.mark.parametrize("command", ["fit", "import"])
def test_bad_files_are_one_line_and_a_hint(
    cli: Cli, tmp_path: Path, command: str, content: bytes | None, word: str
) -> None:
    path = tmp_path / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    ran = cli(command, path, *(["bad"] if command == "import" else []))
    assert ran.code == 4
    assert word in ran.err
    assert ran.err.count("\n") == 2
    assert not (tmp_path / "data" / "models" / "manifests").exists()


def test_a_cut_file_and_a_folder_are_refused(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(smollm_gguf.read_bytes()[: 50 * MIB])
    ran = cli("import", cut, "cut")
    assert (ran.code, "the file is cut" in ran.err) == (4, True)
    assert cli("fit", f"{tmp_path}/").code == 4
    assert not list((tmp_path / "data").rglob("sha256-*"))


def test_a_typo_in_a_modelfile_names_the_line(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(f"FROM {smollm_gguf}\n\nPARAMETR top_k 3\n")
    ran = cli("import", smollm_gguf, "x", "-f", modelfile)
    assert ran.code == 4
    assert "line 3" in ran.err
    assert "PARAMETER" in ran.err
    assert cli("modelfile", "check", modelfile).code == 1


def test_a_modelfile_for_another_file_is_refused(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM ./other.gguf\n")
    assert cli("import", smollm_gguf, "x", "-f", modelfile).code == 2


def test_a_store_entry_whose_blob_is_gone(cli: Cli, smol: str, tmp_path: Path) -> None:
    for blob in (tmp_path / "data" / "models" / "blobs").glob("sha256-b179*"):
        blob.unlink()
    for command in (("show", smol), ("fit", smol), ("chat", smol, "Hi")):
        ran = cli(*command)
        assert (ran.code, "is gone" in ran.err) == (4, True)
    assert "smol:latest" in cli("ls").out
    assert cli("rm", smol, "-y").code == 0


def test_nothing_of_ollamas_store_is_removed_without_its_server(cli: Cli, smol: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "models").rename(tmp_path / "ollama")
    assert "ollama" in cli("ls").out
    ran = cli("rm", smol, "-y")
    assert (ran.code, "only its server changes" in ran.err) == (3, True)
    assert "smol" in cli("ls").out
    assert cli("chat", smol, "Hi", "-n", "2").code == 0


def test_gpus_and_doctor_describe_this_machine(cli: Cli) -> None:
    machine = json.loads(cli("gpus", "--json").out)
    assert machine["host"]["total_bytes"] > 0
    assert {probe["name"] for probe in machine["probes"]} >= {"nvidia"}
    assert "24.00 GiB" in cli("gpus", "--gpu", "RTX 4090").out
    ran = cli("doctor")
    assert ran.code == 0
    for word in ("engine ollama", "engine llamacpp", "folder data", "host memory"):
        assert word in ran.out


def test_students_can_be_searched_and_filtered(cli: Cli) -> None:
    everything = json.loads(cli("students", "--json").out)["students"]
    assert len(everything) == 136
    taught = json.loads(cli("students", "deepseek-r1", "--json").out)["students"]
    assert 0 < len(taught) < 136
    small = json.loads(cli("students", "--fits", "--vram", "2GiB", "--json").out)["students"]
    assert small
    assert all(student["size_bytes"] <= 4 << 30 for student in small)
    assert cli("students", "--method", "magic").code == 2


def test_shipped_modelfiles_can_be_listed_and_checked(cli: Cli, tmp_path: Path) -> None:
    names = cli("modelfile", "list").out.split()
    assert "qwen3" in names
    path = tmp_path / "Modelfile"
    path.write_text(cli("modelfile", "show", "qwen3").out)
    assert "no findings" in cli("modelfile", "check", path).out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal on Windows")
def test_a_conversation_survives_ctrl_c_in_an_answer_and_at_the_prompt(cli: Cli, smol: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    chat = subprocess.Popen(
        [sys.executable, "-m", "kdmgr", "chat", smol, "-n", "600", "--no-color"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(os.environ),
        start_new_session=True,
    )
    os.close(theirs)
    seen = bytearray()

    def read_until(*texts: bytes, limit_s: float) -> list[bytes]:
        """Those of `texts` that have come in time."""
        until = time.monotonic() + limit_s
        while not (found := [text for text in texts if text in seen]):
            ready, _, _ = select.select([ours], [], [], max(0, until - time.monotonic()))
            if not ready:
                break
            seen.extend(os.read(ours, 4096))
        return found

    def wait_for(*texts: bytes) -> bytes:
        """Read on until one of `texts` has come, and tell which."""
        found = read_until(*texts, limit_s=120)
        assert found, bytes(seen)
        first = min(found, key=seen.index)
        del seen[: seen.index(first) + len(first)]
        return first

    def interrupt_an_answer() -> None:
        """A small model may be done before the signal comes: then it is asked again."""
        for _ in range(5):
            wait_for(b">>> ")
            os.write(ours, b"Write a very long story about a lighthouse and every ship that passes it.\n")
            wait_for(b"it.\r\n")
            wait_for(b" ")
            chat.send_signal(signal.SIGINT)
            if wait_for(b"stopped", b"tok/s") == b"stopped":
                return
        raise AssertionError("every answer was over too soon")

    def interrupt_the_prompt() -> None:
        """Python's readline hears of a signal between its prompt and its first wait for a key with the next one."""
        for _ in range(20):
            chat.send_signal(signal.SIGINT)
            if read_until(b"/bye or Ctrl-D leaves", limit_s=2):
                return

    try:
        interrupt_an_answer()
        wait_for(b">>> ")
        interrupt_the_prompt()
        wait_for(b"/bye or Ctrl-D leaves")
        wait_for(b">>> ")
        os.write(ours, b"Say hi.\n")
        wait_for(b"tok/s")
        wait_for(b">>> ")
        os.write(ours, b"/bye\n")
        assert chat.wait(10) == 0
    finally:
        chat.kill()
        chat.wait()
        os.close(ours)


def test_options_may_stand_before_the_last_word(cli: Cli, smol: str) -> None:
    ran = cli("chat", smol, "-n", "8", "Say hi.", "--engine", "llamacpp")
    assert ran.code == 0
    assert "tok/s" in ran.err
