"""`kdmgr ladder`, and the lineage that `show` and `fit` tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.console import Cli
from tests.support.sparse import RECIPES, write_sparse

CARD = ("--gpu", "RTX 3060 12GB")


def write_student(recipe: str, name: str, folder: Path) -> Path:
    metadata = {**RECIPES[recipe].metadata, "general.name": name}
    return write_sparse(replace(RECIPES[recipe], metadata=metadata), folder)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_ladder_fits_eighty_columns(cli: Cli, narrow: None) -> None:
    for teacher in ("deepseek-r1", "phi", "gemma", "llama", "minitron"):
        ran = cli("ladder", teacher, *CARD)
        assert ran.code == 0
        assert max(map(len, ran.out.splitlines())) <= 80, teacher


def test_a_ladder_marks_the_highest_rung_and_tells_how_to_read_it(cli: Cli) -> None:
    shown = cli("ladder", "deepseek-r1", *CARD).out
    (marked,) = (line for line in shown.splitlines() if line.startswith("▶ ") and "GiB" in line and "14.0B" in line)
    assert "DeepSeek-R1-Distill-Qwen-14B" in marked
    for word in (
        "6 × H100 80GB",
        "↳ AceReason-Nemotron-14B",
        "AIME 2024",
        "8 of 30",
        "~ estimated from size or parameters",
    ):
        assert word in " ".join(shown.split())


def test_a_ladder_as_json_keeps_the_contract(cli: Cli) -> None:
    body = json.loads(cli("ladder", "deepseek-r1", "-c", "32k", *CARD, "--json").out)
    assert list(body) == [
        "schema_version", "asked", "by_family", "asked_student", "n_ctx", "teachers", "benchmark", "highest", "rungs",
    ]  # fmt: skip
    assert (body["schema_version"], body["n_ctx"], body["teachers"][0]["machines"]) == (1, 32768, "6 × H100 80GB")
    ace = next(rung for rung in body["rungs"] if rung["id"] == "acereason-nemotron-14b")
    assert ace["base"] == ["DeepSeek-R1-Distill-Qwen-14B", "Qwen2.5-14B"]
    assert ace["inherited"] is True
    phi = next(rung for rung in body["rungs"] if rung["id"] == "phi4-mini-reasoning")
    assert (phi["retention"], phi["why_no_retention"]) == (None, "teacher's score is from another source")


def test_without_a_teacher_they_are_listed(cli: Cli) -> None:
    assert "DeepSeek-R1" in cli("ladder").out.splitlines()[1]
    rows = json.loads(cli("ladder", "--json").out)["teachers"]
    assert {"id", "name", "open", "n_students"} <= set(rows[0])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["deepsek-r1"], 4, "did you mean deepseek-r1"),
        (["deepseek-r1", "-q", "IQ2_M"], 2, "one of Q4_0"),
        (["llama-4-behemoth", *CARD], 1, ""),
    ],
    ids=["a misspelt name", "a quant without a rule", "nothing that runs"],
)
def test_exit_codes_and_hints(cli: Cli, arguments: list[str], code: int, word: str) -> None:
    ran = cli("ladder", *arguments)
    assert ran.code == code
    assert word in ran.err


def test_show_tells_of_a_student_that_is_not_installed(cli: Cli, narrow: None) -> None:
    by_tag, by_id = cli("show", "deepseek-r1:7b"), cli("show", "deepseek-r1-distill-qwen-7b")
    assert by_tag.code == by_id.code == 0
    assert by_tag.out == by_id.out == cli("show", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B").out
    for word in ("not installed", "Qwen2.5-Math-7B", "open weights", "documented", "70%", "██████████████······"):
        assert word in by_tag.out
    assert "a rating: it has differences, no shares" in by_tag.out
    assert "https://github.com/deepseek-ai/DeepSeek-R1/blob/main/README.md" in by_tag.out


def test_show_tells_disputes_doubts_and_gaps(cli: Cli) -> None:
    assert "disputed   that it is distilled: its own report and cards name no teacher" in cli("show", "phi3-mini").out
    assert "not verified: method.online_or_offline" in cli("show", "gemma3-4b").out
    ace = cli("show", "acereason-nemotron-14b").out
    assert "GAP CLOSED" in ace
    assert "88%" in ace
    assert "DeepSeek-R1-Distill-Qwen-14B (taught by DeepSeek-R1) ← Qwen2.5-14B" in ace


def test_show_as_json_keeps_reasons_and_sources(cli: Cli) -> None:
    body = json.loads(cli("show", "acereason-nemotron-14b", "--json").out)
    assert (body["schema_version"], body["installed"]) == (1, False)
    (first, *_) = body["lineage"]["retention"]
    assert (first["base"], first["why_no_share"]) == (69.7, None)
    assert first["source_url"].startswith("https://")


def test_show_of_what_nobody_knows_is_still_not_found(cli: Cli) -> None:
    assert cli("show", "no-such-model").code == 4
    assert cli("show", "deepseek-r1:7b", "--template").code == 4, "only a file has a template"


def test_show_of_an_installed_student_tells_the_precision_of_its_scores(cli: Cli, tmp_path: Path) -> None:
    model = write_student("llama-3.2-1b", "Llama 3.2 1B Instruct", tmp_path)
    assert cli("import", model, "mine").code == 0
    shown = cli("show", "mine").out
    assert "lineage: Llama-3.2-1B" in shown
    assert "what Q4_K_M loses is not in them" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("recipe", "name", "words"),
    [
        ("qwen2.5-7b", "DeepSeek R1 Distill Qwen 7B", "DeepSeek-R1 (671B): 378.22 GiB at Q4_K_M with 8k, too big here"),
        ("llama-3.2-3b", "Llama 3.2 3B Instruct", "Llama 3.1 70B (70.0B): 42.88 GiB"),
        ("phi-4", "phi-4", "GPT-4: closed: its weights cannot be had"),
        ("gemma-3-4b", "gemma-3-4b-it", "its makers name no teacher"),
        ("qwen3-4b", "Qwen3 4B", "Qwen3-235B-A22B (235B): 134.58 GiB"),
        ("nemotron-mini-4b", "Nemotron Mini 4B Instruct", "Nemotron-4 15B: closed: its weights cannot be had"),
        ("nemotron-nano-9b-v2", "NVIDIA Nemotron Nano 9B v2", "for the weights alone (estimated: 12.0B parameters"),
        ("ministral-3-8b", "Ministral 3 8B Instruct 2512", "Mistral Small 3.1 24B (24.0B)"),
        ("falcon3-7b", "Some Falcon of my own", ""),
    ],
)
def test_fit_of_a_student_shows_its_teacher(cli: Cli, tmp_path: Path, recipe: str, name: str, words: str) -> None:
    ran = cli("fit", write_student(recipe, name, tmp_path), *CARD, "-c", "8k")
    lines = " ".join(ran.out.split())
    assert ("teacher" in lines) is bool(words)
    assert words in lines


def test_fit_as_json_has_the_teacher_of_a_student_only(cli: Cli, tmp_path: Path, smollm_gguf: Path) -> None:
    student = write_student("qwen2.5-7b", "DeepSeek R1 Distill Qwen 7B", tmp_path)
    body = json.loads(cli("fit", student, *CARD, "-c", "8k", "--json").out)
    assert body["teacher"]["machines"] == "6 × H100 80GB"
    assert body["teacher"]["memory_bytes"] > 404_000_000_000
    assert json.loads(cli("fit", smollm_gguf, *CARD, "--json").out)["teacher"] is None
