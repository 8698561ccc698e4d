"""Receipts: those of today, and those of before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdmgr.errors import Unreadable
from kdmgr.refs import parse_ollama_name
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


@pytest.mark.parametrize("damage", ["", "[]", '{"name": 1}', json.dumps({**OLD, "smoke": {"x": 1}}), "[" * 90000])
def test_a_damaged_receipt_is_said(tmp_path: Path, damage: str) -> None:
    receipts = Receipts(tmp_path)
    receipts.save(REF, receipt()).write_text(damage)
    with pytest.raises(Unreadable, match="damaged"):
        receipts.find(REF)
