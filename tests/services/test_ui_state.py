"""How the app was left: kept, merged with what another run kept, and never a reason to fail."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from kdmgr.services.ui_state import FILE_NAME, SCHEMA, UiState


def test_what_is_remembered_is_there_the_next_time(tmp_path: Path) -> None:
    state = UiState(tmp_path / "data")
    assert state.part("students") == {}
    assert state.remember("students", {"sort": "fit", "installed_only": True})
    assert not state.remember("students", {"sort": "fit"}), "nothing new"
    state.flush()
    assert UiState(tmp_path / "data").part("students") == {"sort": "fit", "installed_only": True}


def test_nothing_is_written_before_it_is_asked_for(tmp_path: Path) -> None:
    UiState(tmp_path).remember("app", {"place": "machine"})
    assert not list(tmp_path.iterdir())


def test_two_runs_keep_what_each_changed(tmp_path: Path) -> None:
    one, two = UiState(tmp_path), UiState(tmp_path)
    one.part("app"), two.part("app")
    one.remember("app", {"place": "machine"})
    two.remember("last_chat", {"id": "abc"})
    one.flush(), two.flush()
    later = UiState(tmp_path)
    assert later.part("app") == {"place": "machine"} and later.text("last_chat", "id") == "abc"


def test_many_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        state = UiState(tmp_path)
        for _ in range(5):
            state.remember(f"part{number}", {"text": "x" * 2000, "n": number})
            state.flush()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    parts = json.loads((tmp_path / FILE_NAME).read_text())["parts"]
    assert {name: part["n"] for name, part in parts.items()} == {f"part{number}": number for number in range(6)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"schema_version": "1"}',
        b'{"schema_version": 1, "parts": 7}',
        b'{"schema_version": 1, "parts": {"students": [1]}}',
        b'{"schema_version": 1, "parts": {"students": {"sort": ["fit"]}}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    state = UiState(tmp_path)
    assert state.part("students") == {}
    state.remember("students", {"sort": "fit"})
    state.flush()
    assert UiState(tmp_path).part("students") == {"sort": "fit"}


def test_the_file_of_a_newer_kdmgr_is_left_alone(tmp_path: Path) -> None:
    newer = json.dumps({"schema_version": SCHEMA + 1, "parts": {"app": {"place": "moon"}}})
    (tmp_path / FILE_NAME).write_text(newer)
    state = UiState(tmp_path)
    assert state.part("app") == {}
    state.remember("app", {"place": "machine"})
    state.flush()
    assert (tmp_path / FILE_NAME).read_text() == newer


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = UiState(tmp_path / "file" / "data")
    state.remember("app", {"place": "machine"})
    state.flush()
    assert state.part("app") == {"place": "machine"}


def test_texts_are_taken_only_if_they_are_among_the_known(tmp_path: Path) -> None:
    state = UiState(tmp_path)
    state.remember("app", {"place": "moon", "n": 3})
    assert state.text("app", "place") == "moon"
    assert state.text("app", "place", ("students",)) is None and state.text("app", "n") is None
