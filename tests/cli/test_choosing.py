"""`kdmgr students` and `kdmgr recommend` as they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.cli.console import display_width
from tests.support.console import Cli
from tests.support.publisher import Registry, Site

GPU = ("--gpu", "RTX 3060 12GB")


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("arguments", [(), ("--fits", *GPU), ("--sort", "retention", "--task", "code")])
def test_the_table_stays_within_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = cli("students", *arguments).out.splitlines()
    assert len(lines) > 40
    assert max(map(display_width, lines)) <= width
    assert ("EVIDENCE" in lines[0]) is (width == 120)
    assert sum("…" in line.split()[0] for line in lines) <= 12, "ids can be copied"


def test_json_holds_every_field_of_an_entry_with_its_source(cli: Cli) -> None:
    body = json.loads(cli("students", "phi3-mini", "--json").out)
    [found] = body["students"]
    entry = load_catalog().get("phi3-mini")
    assert entry is not None
    assert found["disputed"] == entry.lineage.disputed
    assert found["evidence_where"] == entry.evidence.where
    assert found["modelfile"] == "phi3"
    assert found["tasks"] == {"chat": "measured on MMLU, MT-Bench"}
    assert (found["licence"], found["licence_is_open"]) == ("MIT", True)
    assert found["ollama_tags"][0]["size_bytes"] == entry.ollama[0].size_bytes
    assert found["fit"] is None, "nobody asked about a machine"
    [scored] = json.loads(cli("students", "acereason", "--json").out)["students"]
    assert all(score["source_url"].startswith("https://") for score in scored["scores"])
    assert scored["scores"][0]["retention"] == pytest.approx(78.6 / 79.8)


def test_json_with_a_machine_says_planned_or_estimated(cli: Cli) -> None:
    body = json.loads(cli("students", "--fits", "--json", *GPU, "-c", "16k").out)
    fits = [student["fit"] for student in body["students"]]
    assert fits
    assert all(fit["verdict"] in ("fits", "tight") for fit in fits)
    assert {fit["basis"]: fit["estimated"] for fit in fits} == {"shape": False, "listed": True, "assumed": True}
    assert {fit["n_ctx"] for fit in fits} <= {512, 1024, 2048, 4096, 8192, 16384}


def test_a_header_that_was_read_once_is_planned_from_then_on(
    cli: Cli, cdn: Site, gemma_gguf: Path, tmp_path: Path
) -> None:
    with Registry(cdn) as registry:
        registry.publish("library/gemma3:270m", gemma_gguf)
        name = f"{registry.host}/library/gemma3:270m"
        mine = {"id": "mine", "name": "Mine", "teacher": {"name": "Big"}, "ollama": [{"tag": name}]}
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "students.jsonl").write_text(json.dumps(mine))
        before = json.loads(cli("students", "mine", "--fits", "--json", *GPU).out)["students"]
        assert before == [], "no size is known"
        assert cli("fit", name, *GPU).code == 0
    [after] = json.loads(cli("students", "mine", "--fits", "--json", *GPU).out)["students"]
    assert (after["fit"]["basis"], after["fit"]["estimated"]) == ("header", False)
    assert after["fit"]["basis_words"] == f"planned from the header of {name}, read before"
    assert "1 planned from their headers" in cli("students", "mine", "--fits", *GPU).err


def test_a_broken_line_of_the_users_is_reported_and_hides_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "students.jsonl"
    file.write_text('{"id": "mine", "name": "Mine", "teacher": {"name": "Big"}}\n{"id": \x1b[31m\n')
    ran = cli("students")
    assert ran.code == 0
    assert "137 of 137 students" in ran.err
    assert f"warning: {file}:2: is not JSON" in ran.err
    assert "\x1b" not in ran.err
    assert f"{file}:2: is not JSON" in cli("recommend", *GPU).err
    doctor = cli("doctor")
    assert "students" in doctor.out
    assert f"{file}:2: is not JSON" in doctor.out


def test_recommend_prints_reasons_and_what_was_left_out(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = cli("recommend", "code", *GPU, "--limit", "2")
    assert ran.code == 0
    assert max(map(display_width, ran.out.splitlines())) <= 80
    for word in (
        "compared on LiveCodeBench v5",
        "1. Qwen3-14B",
        "97% of",
        "kdmgr pull qwen3:14b",
        "fits, 10.",
    ):
        assert word in " ".join(ran.out.split())
    assert "3. " not in ran.out
    assert "only partly on the GPU" in ran.err
    assert "the rule" not in ran.out


def test_recommend_explains_the_rule(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    shown = cli("recommend", "code", *GPU, "--explain", "--open-licence").out
    assert "the rule, each step only between those that are alike in all before it" in shown
    assert "   before    kept: 97% of Qwen3-32B" in shown
    assert "acereason-nemotron-14b: its licence is not open" in shown
    with pytest.raises(SystemExit):
        cli("recommend", "--help")
    assert "5. kept: its share of its own teacher's score on one benchmark" in capsys.readouterr().out


def test_recommend_can_read_headers_and_plans_then(
    cli: Cli, cdn: Site, gemma_gguf: Path, smollm_gguf: Path, tmp_path: Path
) -> None:
    def entry(student_id: str, tag: str, **fields: object) -> str:
        size, teacher = {"tag": tag, "size_bytes": 250_000_000}, {"name": "Big"}
        evidence = {"url": "https://example.org/x", "where": "the card", "confidence": "high"}
        body = {"id": student_id, "modality": "text", "teacher": teacher, "evidence": evidence}
        body |= {"name": "Gemma 3 270M" if student_id == "gemma3-270m" else student_id}
        return json.dumps({**body, "method": "preference", "ollama": [size], "licence": "BSD-9", **fields})

    with Registry(cdn) as registry:
        registry.publish("library/gemma3:270m", gemma_gguf)
        registry.publish("library/moved:135m", smollm_gguf)
        (tmp_path / "config").mkdir()
        moved = entry("moved", f"{registry.host}/library/moved:135m", architecture="gemma3", parameters=2_000_000_000)
        whole = entry(
            "gemma3-270m", f"{registry.host}/library/gemma3:270m", architecture="gemma3", parameters=268_098_176
        )
        (tmp_path / "config" / "students.jsonl").write_text(f"{moved}\n{whole}\n")
        rough = json.loads(cli("recommend", "chat", *GPU, "--json", "--limit", "200").out)
        ran = json.loads(cli("recommend", "chat", *GPU, "--json", "--limit", "200", "--read-headers").out)
    before = {one["student"]["id"]: one["student"]["fit"] for one in rough["recommended"]}
    after = {one["student"]["id"]: one["student"]["fit"] for one in ran["recommended"]}
    assert (before["gemma3-270m"]["estimated"], after["gemma3-270m"]["estimated"]) == (True, False)
    assert after["gemma3-270m"]["memory_bytes"] != before["gemma3-270m"]["memory_bytes"]
    assert "moved" in before
    assert "moved" not in after
    assert "is not this student any more" in next(left for left in ran["left_out"] if left["id"] == "moved")["reason"]
    assert after["qwen3-8b"]["basis"] == "shape", "what cannot be reached stays as it was"


def test_recommend_as_json(cli: Cli) -> None:
    body = json.loads(cli("recommend", "reasoning", *GPU, "--json", "-c", "16k").out)
    assert (body["task"], body["n_ctx"], len(body["recommended"]), len(body["rule"])) == ("reasoning", 16384, 5, 6)
    first = body["recommended"][0]
    assert (first["rank"], first["student"]["fit"]["verdict"]) == (1, "fits")
    assert set(first["reasons"]) == {"fit", "pace", "evidence", "kept", "size", "speed"}
    assert first["ahead_of_next"]
    assert all(left["reason"] for left in body["left_out"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("recommend", "juggling"), 2), (("recommend", "--vram", "1MiB"), 1), (("students", "--min-parameters", "x"), 2)],
)
def test_what_cannot_be_answered(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    assert cli(*arguments).code == code


def test_a_students_modelfile_is_from_what_can_be_pulled(cli: Cli) -> None:
    shown = cli("modelfile", "new", "deepseek-r1-distill-qwen-7b")
    assert shown.code == 0
    assert "FROM deepseek-r1:7b\n" in shown.out
    assert "Template family: deepseek-r1" in shown.out
    assert "FROM hf.co/" in cli("modelfile", "new", "acereason-nemotron-14b").out
    assert "FROM ./model.gguf" in cli("modelfile", "new", "openr1-distill-7b").out, "no file of it is listed"
    assert cli("modelfile", "new", "no-such-student").code in (3, 4)
