"""Settings and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.config import Settings, load_settings
from kdmgr.errors import UsageError
from kdmgr.paths import default_paths


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('engine = "llamacpp"\nctx_size = "8k"\n')
    assert load_settings(tmp_path) == Settings(engine="llamacpp", n_ctx=8192)


@pytest.mark.parametrize("text", ["engine = ", 'engine = "vllm"', "host = 3", 'colour = "red"', 'ctx_size = "big"'])
def test_a_bad_file_says_which_and_what(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path)
    assert caught.value.hint


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read"):
        load_settings(tmp_path)


def test_the_data_folder_can_be_moved(tmp_path: Path) -> None:
    paths = default_paths({"KDMGR_DATA_DIR": str(tmp_path), "OLLAMA_MODELS": "/srv/models"})
    assert paths.store == tmp_path / "models"
    assert paths.headers.is_relative_to(tmp_path)
    assert paths.ollama_models == Path("/srv/models")


def test_asking_for_the_folders_creates_none(tmp_path: Path) -> None:
    default_paths({"KDMGR_DATA_DIR": str(tmp_path / "new"), "KDMGR_CONFIG_DIR": str(tmp_path / "config")})
    assert list(tmp_path.iterdir()) == []
