"""`kdmgr duel` for real: one file against itself, and against a coarser copy of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.coarse import write_coarse
from tests.support.console import Cli

FAST = ("-n", "12", "-c", "512")
ASKED = "Tell me of the sea."


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory, smollm_gguf: Path) -> Path:
    return write_coarse(smollm_gguf, tmp_path_factory.mktemp("coarse") / "coarse.gguf")


def test_a_file_against_itself_is_the_same(cli: Cli, smollm_gguf: Path) -> None:
    ran = cli("duel", smollm_gguf, smollm_gguf, ASKED, *FAST, "--same")
    assert ran.code == 0
    assert "none: the answers are the same" in ran.out and "▶" not in ran.out
    assert "at 12 of 12 places (100%) until both answers end" in ran.out
    assert "one after the other: they would slow each other down on the processor; both fit" in ran.err


def test_a_coarser_quant_parts_somewhere_and_the_place_is_marked(cli: Cli, smollm_gguf: Path, coarse: Path) -> None:
    ran = cli("compare", smollm_gguf, coarse, ASKED, *FAST, "--same", "--forced")
    assert ran.code == 1
    assert ran.out.count("▶") == 2
    assert "first difference" in ran.out and "characters in common (" in ran.out
    assert "until the answers part" in ran.out
    assert "A read by B" in ran.out and " of 12 places" in ran.out
    assert ran.out.count("TTFT") == 2 and "prefill" in ran.out and "12 out" in ran.out
    assert str(smollm_gguf.parent) not in ran.out, "a file is called by its name"


def test_several_prompts_end_in_a_table_and_in_json(cli: Cli, smollm_gguf: Path, coarse: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"# two\n{ASKED}\nSay yes.\n", "utf-8")
    ran = cli("duel", smollm_gguf, coarse, "--prompts", prompts, *FAST, "--quiet")
    assert ran.code == 0, "answers that differ are no failure"
    assert "PARTS AT WORD" in ran.out and "of 2 identical" in ran.out
    found = json.loads(cli("duel", smollm_gguf, coarse, "--prompts", prompts, *FAST, "--json").out)
    assert found["schema_version"] == 1 and len(found["rounds"]) == 2
    first = found["rounds"][0]
    assert first["left"]["n_output"] == 12 and first["left"]["decode_tok_s"] > 0
    same = [round_["difference"]["identical"] for round_ in found["rounds"]]
    assert found["summary"]["n_identical"] == sum(same) < 2
    parted = found["rounds"][same.index(False)]
    left_at, right_at = parted["difference"]["left_at"], parted["difference"]["right_at"]
    assert parted["left"]["text"][left_at] != parted["right"]["text"][right_at]
    assert parted["agreement"]["measured"] and parted["agreement"]["kl_at_least_nats"] > 0
    assert parted["agreement"]["n_same_top"] == parted["agreement"]["n_places"] - 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("a", "b", "hi", "--prompts", "x.txt"), 2, "both a prompt and --prompts"),
        (("a", "b", "--prompts", "no-such-file.txt"), 4, "cannot be read"),
        (("no-such-model", "nor-this", "hi"), 4, "no-such-model"),
        (("a", "b", "hi", "--in-turn", "--at-once"), 2, "not allowed with"),
    ],
)
def test_what_cannot_be_done_says_why(cli: Cli, arguments: tuple[str, ...], code: int, says: str) -> None:
    ran = cli("duel", *arguments)
    assert ran.code == code and says in ran.err
