"""Services with real models: two GGUF files on disk, and larger shapes without weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.services.rows import ModelRow
from tests.support.shapes import read_file_shape, shape
from tests.tui.fakes import FakeServices, catalog_rows, installed


def make_services(*rows: ModelRow, catalog: int = 12) -> FakeServices:
    """Two recipes' models and a few students of the catalog."""
    shapes = {"small": shape("llama-3.2-1b"), "large": shape("llama-3.1-8b")}
    models = [installed(name, found) for name, found in shapes.items()]
    services = FakeServices(rows=[*models, *rows, *catalog_rows(catalog)])
    services.shapes = {f"kdmgr:{name}": found for name, found in shapes.items()}
    return services


@pytest.fixture
def services() -> FakeServices:
    return make_services()


@pytest.fixture
def real_services(gemma_gguf: Path, smollm_gguf: Path) -> FakeServices:
    """The two real files, assessed for real."""
    found = {"gemma3:270m": read_file_shape(gemma_gguf), "smollm2:135m": read_file_shape(smollm_gguf)}
    students = {"gemma3:270m": "gemma3-270m", "smollm2:135m": None}
    rows = [installed(name, model, student=students[name]) for name, model in found.items()]
    return FakeServices(rows=[*rows, *catalog_rows()], shapes={f"kdmgr:{name}": model for name, model in found.items()})
