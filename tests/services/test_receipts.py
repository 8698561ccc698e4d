"""Receipts: those of today, and those of before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.errors import Unreadable
from kdmgr.refs import HubRef, parse_ollama_name
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipts import ImportReceipt, ReceiptFile, Receipts, SmokeResult

REF = parse_ollama_name("m:1b")
OLD = {
    "schema_version": 1, "name": "m:1b", "file": "/m.gguf", "size": 5, "sha256": "ab", "manifest_digest": "cd",
    "imported_at": "2026-01-01T00:00:00+00:00", "kdmgr_version": "0.1", "architecture": "llama", "parameters": 9,
    "quant": "Q4_1", "n_ctx_train": None, "template": None, "template_source": "none",
    "modelfile_parameters": {"stop": ["a"]}, "student": None, "teacher": None, "method": None, "warnings": ["w"],
}  # fmt: skip


def test_a_receipt_of_before_is_read(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    path = receipts.save(REF, receipt())
    path.write_text(json.dumps(OLD))
    found = receipts.find(REF)
    assert found == receipt()
    assert found is not None
    assert (found.store, found.smoke, found.files) == ("kdmgr", None, ())


def receipt(**more: object) -> ImportReceipt:
    values = {key: value for key, value in OLD.items() if key != "schema_version"}
    values |= {"warnings": ("w",), "modelfile_parameters": {"stop": ("a",)}, **more}
    return ImportReceipt(**values)  # type: ignore[arg-type]


def test_everything_comes_back(tmp_path: Path) -> None:
    smoke = SmokeResult("p", "a", "differs", "b", 0, ("odd",), 1.5, 4096)
    files = (ReceiptFile("/m.gguf", "model", 5, "ab"), ReceiptFile("/p.gguf", "projector", 6, "ef"))
    full = receipt(store="ollama", server="http://x", files=files, smoke=smoke, reasons=("r",), fit="fits", base="b")
    receipts = Receipts(tmp_path)
    receipts.save(REF, full)
    assert receipts.find(REF) == full


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, None),
        ({"teacher": "Big", "method": "on-policy"}, "teacher Big, method on-policy"),
        ({"student": "s", "teacher": "T", "method": "on-policy"}, None),
        ({"student": "s", "teacher": "T", "teacher_from": "catalog", "method": "m", "method_from": "catalog"}, None),
        ({"student": "s", "teacher": "T", "teacher_from": "catalog", "method": "m", "method_from": "user"}, "method m"),
        ({"student": "s", "teacher": "Big\x1b[2J", "teacher_from": "user"}, "teacher Big\ufffd[2J"),
    ],
)
def test_what_the_user_said_is_told_from_what_was_found(fields: dict[str, object], said: str | None) -> None:
    words = receipt(**fields).said
    assert words == (f"{said} (said by you at the import of 2026-01-01, not checked)" if said else None)


PULL = PullReceipt(
    name="mine:latest",
    source="hf.co/me/Tiny-GGUF:Q4_0",
    place="huggingface",
    address="https://huggingface.co",
    file="Tiny-Q4_0.gguf",
    revision="0123456789abcdef0123456789abcdef01234567",
    manifest_digest="ab" * 32,
    pulled_at="2026-02-03T04:05:06+00:00",
    kdmgr_version="0.1",
)


def test_a_pull_is_known_as_long_as_the_model_is_the_same(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, PULL)
    assert receipts.find_any(REF) == receipts.find_pull(REF, "ab" * 32) == PULL
    assert receipts.find(REF) is None, "it is no import"
    assert receipts.origin(REF, "ab" * 32) == HubRef("me", "Tiny-GGUF", quant="Q4_0")
    assert receipts.find_pull(REF, "cd" * 32) is None
    assert receipts.origin(REF, "cd" * 32) == REF
    assert receipts.origin(parse_ollama_name("other"), None) == parse_ollama_name("other")
    assert PULL.words == "hf.co/me/Tiny-GGUF:Q4_0, file Tiny-Q4_0.gguf, revision 0123456789ab, pulled on 2026-02-03"


def test_what_was_said_of_a_model_is_not_said_of_the_next_one(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, receipt(teacher="Big"))
    assert receipts.said_of(REF, "cd")
    assert receipts.said_of(REF, "ef") is None


@pytest.mark.parametrize("damage", ['{"kind": "pull"}', '{"kind": "pull", "name": 7}', "{"])
def test_a_damaged_receipt_of_a_pull_hides_no_model(tmp_path: Path, damage: str) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, PULL).write_text(damage)
    assert receipts.find_pull(REF, "ab" * 32) is None
    assert receipts.origin(REF, "ab" * 32) == REF
    assert receipts.said_of(REF, "ab" * 32) is None
    with pytest.raises(Unreadable, match="damaged"):
        receipts.find_any(REF)


def test_a_source_that_is_no_reference_names_nothing(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, replace(PULL, source="../@@"))
    assert receipts.origin(REF, "ab" * 32) == REF


@pytest.mark.parametrize("damage", ["", "[]", '{"name": 1}', json.dumps({**OLD, "smoke": {"x": 1}}), "[" * 90000])
def test_a_damaged_receipt_is_said(tmp_path: Path, damage: str) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, receipt()).write_text(damage)
    with pytest.raises(Unreadable, match="damaged"):
        receipts.find(REF)
