"""A store of kdmgr's own, and a small file that is a model for all that stores care about."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.models.own_store import OwnStore
from tests.gguf.forge import small_model


@pytest.fixture
def store(tmp_path: Path) -> OwnStore:
    return OwnStore(tmp_path / "store", lock_wait_s=0.2)


@pytest.fixture
def tiny_gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(small_model().file(96 + 128))
    return path
