"""What was brought: the log and the receipts as one list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kdmgr.config import Settings
from kdmgr.errors import Interrupted, NotFound
from kdmgr.paths import Paths
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.import_plan import ImportRequest
from kdmgr.services.import_transfer import ImportTransfer
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipts import Receipt
from kdmgr.services.transfer_history import is_called, join
from kdmgr.services.transfer_log import Forgotten, PastTransfer, TransferLog, written_down
from tests.services.importing_rig import MIB, write_model
from tests.services.test_receipts import receipt as import_receipt

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def ended(name: str, minutes: float, phase: str = "done", kind: str = "pull") -> PastTransfer:
    return PastTransfer(at(minutes), kind, name, "llamacpp", "/store", phase, 5, 5, 60.0)


def pulled(name: str, minutes: float, **changes: str) -> PullReceipt:
    digest = f"{name} {minutes}"
    made = PullReceipt(name, name, "registry", "registry.ollama.ai", None, None, digest, at(minutes), "0.1")
    return replace(made, **changes)


def listed(log: list[PastTransfer], receipts: list[Receipt], *forgotten: Forgotten) -> list[tuple[str, str, bool]]:
    found = join(log, receipts, forgotten, "/store")
    return [(entry.past.name, entry.past.at, entry.receipt is not None) for entry in found]


def test_a_receipt_belongs_to_the_transfer_that_wrote_it() -> None:
    log = [ended("a:1b", 30), ended("a:1b", 20, "failed"), ended("b:1b", 15), ended("a:1b", 10)]
    assert listed(log, [pulled("a:1b", 29)]) == [
        ("a:1b", at(30), True),
        ("a:1b", at(20), False),
        ("b:1b", at(15), False),
        ("a:1b", at(10), False),
    ]


def test_what_only_a_receipt_knows_of_is_listed_by_its_time() -> None:
    log = [ended("a:1b", 30), ended("b:1b", 10)]
    imported = import_receipt(imported_at=at(20), name="old:1b")
    damaged = import_receipt(imported_at="yesterday", name="odd:1b")
    found = join(log, [imported, damaged], (), "/store")
    assert [entry.past.name for entry in found] == ["a:1b", "old:1b", "b:1b"]
    past = found[1].past
    assert (past.kind, past.total, past.seconds, past.where, past.phase) == ("import", 5, None, "/store", "done")
    through = pulled("c:1b", 1, store="ollama", server="http://box:11434")
    assert join([], [through], (), "/store")[0].past.where == "http://box:11434"


def test_a_copy_is_no_transfer_and_a_renamed_model_keeps_its_receipt() -> None:
    first = pulled("a:1b", 29)
    copied = replace(first, name="mine:1b")
    assert listed([ended("a:1b", 30)], [copied, first]) == [("a:1b", at(30), True)]
    assert listed([], [copied, first]) == [("a:1b", at(29), True)]
    (entry,) = join([ended("a:1b", 30)], [copied], (), "/store")
    assert entry.receipt == copied
    assert is_called(entry, "mine:1b") and is_called(entry, "a:1b") and not is_called(entry, "a")
    renamed = import_receipt(imported_at=at(29.5), name="new:1b")
    assert listed([ended("old:1b", 30, kind="import")], [renamed]) == [("old:1b", at(30), True)]


def test_what_is_forgotten_stays_so_until_it_is_brought_anew(tmp_path: Path) -> None:
    now = [NOON]
    log = TransferLog(tmp_path / "log.jsonl", lambda: now[0])
    log.add(ended("a:1b", 0))
    receipts: list[Receipt] = [pulled("a:1b", 0), pulled("b:1b", -5)]
    log.forget(log.newest()[0])
    assert listed(log.newest(), receipts, *log.forgotten()) == [("b:1b", at(-5), True)]
    log.clear()
    assert listed(log.newest(), receipts, *log.forgotten()) == []
    assert listed(log.newest(), [pulled("a:1b", 3)], *log.forgotten()) == [("a:1b", at(3), True)]


@pytest.mark.parametrize(
    ("failure", "phase", "sentence"),
    [(None, "done", None), (NotFound("no such file"), "failed", "no such file"), (Interrupted("x"), "cancelled", None)],
)
def test_an_import_outside_a_queue_is_written_down(
    tmp_path: Path, failure: Exception | None, phase: str, sentence: str | None
) -> None:
    log = TransferLog(tmp_path / "log.jsonl", lambda: NOON)
    transfer = ImportTransfer(ImportRequest((), parse_ollama_name("m:1b")), "llamacpp", "/store", 7)
    try:
        with written_down(log, transfer):
            if failure is not None:
                raise failure
    except (NotFound, Interrupted) as error:
        assert error is failure
    (past,) = log.newest()
    assert (past.name, past.phase, past.error, past.total) == ("m:1b", phase, sentence, 7)
    assert past.completed == (7 if failure is None else None)


def test_a_receipt_is_told_with_what_became_of_the_model(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")
    services = Services(paths, Settings(), {"OLLAMA_HOST": "127.0.0.1:9"})
    ref, history = parse_ollama_name("tiny:1b"), services.transfer_history
    made = services.importing.import_model(write_model(tmp_path / "tiny.gguf", 3 * MIB), ref, lambda progress: None)
    (entry,) = history.entries()
    assert entry.receipt == made
    assert history.tell(made).fields["now"] == "installed, unchanged"
    assert history.tell(replace(made, manifest_digest="0" * 64)).fields["now"] == "another model has this name"
    assert history.tell(replace(made, name="gone:1b")).fields["now"] == "not installed any more"
    (paths.receipts / "damaged.json").write_text("{")
    assert len(history.entries()) == 1
    history.forget(entry)
    assert history.entries() == []
    assert services.receipts.find(ref) == made


def test_a_pulled_student_is_recognised_by_what_it_was_pulled_as(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "config", tmp_path / "cache", tmp_path / "ollama")
    services = Services(paths, Settings(), {"OLLAMA_HOST": "127.0.0.1:9"})
    fields = services.transfer_history.tell(pulled("deepseek-r1:7b", 0)).fields
    assert fields["student"] == "DeepSeek-R1-Distill-Qwen-7B"
    assert fields["taught by"].startswith("DeepSeek-R1, ")
    assert fields["now"] == "not installed any more"
