"""Settings in config.toml: what may be set, and that all around them stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdmgr.config import load_settings
from kdmgr.errors import NotFound, UsageError
from kdmgr.paths import Paths
from kdmgr.services.app import Services
from kdmgr.services.preferences import default_options, read_preferences, set_preference, unset_preference
from kdmgr.units import GIB

WRITTEN = """\
# mine
engine = "auto"   # leave it

# the machine in the cellar
[hosts.gpu-box]
url = "192.0.2.7"

[keys]
students.sort = "o"   # as elsewhere
"""


def write(folder: Path, text: str = WRITTEN) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_setting_is_written_and_the_comments_stay_where_they_were(tmp_path: Path) -> None:
    path = write(tmp_path)
    set_preference(tmp_path, "engine", "ollama")
    set_preference(tmp_path, "ctx_size", "8k")
    text = path.read_text()
    assert 'engine = "ollama"   # leave it\nctx_size = "8k"\n\n# the machine in the cellar\n[hosts.gpu-box]' in text
    assert load_settings(tmp_path).n_ctx == 8192
    unset_preference(tmp_path, "ctx_size")
    assert path.read_text() == WRITTEN.replace('"auto"', '"ollama"')


def test_a_file_of_tables_alone_keeps_their_comments(tmp_path: Path) -> None:
    path = write(tmp_path, '# the cellar\n[hosts.box]\nurl = "192.0.2.7"\n')
    set_preference(tmp_path, "theme", "kdmgr-light")
    assert "# the cellar\n[hosts.box]" in path.read_text()
    assert load_settings(tmp_path).theme == "kdmgr-light"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("engine", "vllm"),
        ("cache_type", "q9"),
        ("ctx_size", "much"),
        ("reserve", "12"),
        ("parallel_items", "99"),
        ("parallel_items", "two"),
        ("host", "a b"),
        ("theme", " "),
        ("keys.students", "f"),
        ("keys.students.sort", ""),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path, key: str, value: str) -> None:
    path = write(tmp_path)
    with pytest.raises(UsageError):
        set_preference(tmp_path, key, value)
    assert path.read_text() == WRITTEN


def test_a_setting_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        set_preference(tmp_path, "colour", "red")
    assert "theme" in (caught.value.hint or "")


def test_keys_are_found_however_they_are_written(tmp_path: Path) -> None:
    write(tmp_path)
    set_preference(tmp_path, "keys.students.filter", "ctrl+s,f3")
    assert load_settings(tmp_path).keys == {"students.sort": "o", "students.filter": "ctrl+s,f3"}
    set_preference(tmp_path, "keys.students.sort", "f4")
    assert load_settings(tmp_path).keys == {"students.sort": "f4", "students.filter": "ctrl+s,f3"}
    unset_preference(tmp_path, "keys.students.sort")
    assert load_settings(tmp_path).keys == {"students.filter": "ctrl+s,f3"}


def test_the_environment_is_said_to_win(tmp_path: Path) -> None:
    values = {one.preference.key: one for one in read_preferences(load_settings(tmp_path), {"OLLAMA_HOST": "x"})}
    assert values["host"].overruled_by == "OLLAMA_HOST"
    assert values["theme"].overruled_by is None and values["theme"].value is None


def test_plans_start_from_the_settings(tmp_path: Path) -> None:
    for key, value in (("ctx_size", "16k"), ("cache_type", "q8_0"), ("reserve", "2GiB")):
        set_preference(tmp_path, key, value)
    options = default_options(load_settings(tmp_path))
    assert (options.n_ctx, options.type_k, options.margin_bytes) == (16384, "q8_0", 2 * GIB)


def test_a_change_holds_in_the_run_that_made_it(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "config", tmp_path, tmp_path)
    services = Services(paths, load_settings(paths.config), os.environ)
    services.preferences.set("parallel_items", "5")
    assert services.settings.parallel_items == 5
    services.preferences.set("parallel_items", "")
    assert services.settings.parallel_items is None
