"""`kdmgr pull`: what it prints, asks and ends with; and the process itself, interrupted and killed."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdmgr.models.partials import Partials
from tests.gguf.forge import small_model
from tests.support.blob_registry import BlobRegistry
from tests.support.console import Cli
from tests.support.machines import machine
from tests.support.publisher import Registry, Site
from tests.support.sparse import RECIPES, write_sparse

WEIGHTS = small_model().file(96 + 128) + bytes(500_000)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[BlobRegistry]:
    (tmp_path / "published").mkdir()
    with BlobRegistry(tmp_path / "published") as registry:
        registry.publish("library/tiny:1b", model=WEIGHTS, template=b"{{ .Prompt }}")
        registry.publish("library/tiny:2b", model=WEIGHTS[:-1], template=b"{{ .Prompt }}")
        yield registry


def test_models_are_pulled_and_installed(cli: Cli, registry: BlobRegistry) -> None:
    names = [f"{registry.host}/library/tiny:1b", f"{registry.host}/library/tiny:2b"]
    ran = cli("pull", *names)
    assert ran.code == 0
    assert ran.out == ""
    for name in names:
        assert f"{name}: done" in ran.err
    assert "into kdmgr's own store" in ran.err
    assert "at context" in ran.err
    assert set(cli("ls", "--names").out.split()) == set(names)
    again = cli("pull", names[0], "--quiet")
    assert (again.code, again.out, again.err) == (0, f"{names[0]}\n", "")


def test_json_tells_how_each_pull_ended(cli: Cli, registry: BlobRegistry) -> None:
    name = f"{registry.host}/library/tiny:1b"
    ran = cli("pull", name, "--json")
    (item,) = json.loads(ran.out)["pulls"]
    assert (item["name"], item["phase"], item["error"], item["engine"]) == (name, "done", None, "llamacpp")
    assert item["completed_bytes"] == item["total_bytes"] > len(WEIGHTS)


def test_one_that_fails_does_not_keep_the_others_from_coming(cli: Cli, registry: BlobRegistry) -> None:
    digests = registry.publish("library/broken:1b", model=WEIGHTS[:-2], template=b"x")
    registry.files[f"/held/{digests['model'][7:]}"].write_bytes(b"y" * (len(WEIGHTS) - 2))
    broken, good = f"{registry.host}/library/broken:1b", f"{registry.host}/library/tiny:1b"
    ran = cli("pull", broken, good)
    assert ran.code == 1
    assert f"error: {broken}: what came is not what was listed" in ran.err
    assert "hint: nothing of it was kept" in ran.err
    assert cli("ls", "--names").out.split() == [good]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "no model named"),
        (("./x.gguf",), 2, "is a file"),
        (("phi3:cloud",), 2, "another computer"),
        (("a/b/c/d",), 2, "invalid model name"),
        (("--list", "--remove"), 2, "not allowed with"),
        (("x", "--host", "127.0.0.1:9"), 3, "no Ollama server"),
        (("--remove", "phi3"), 2, "no interrupted pull of phi3"),
        (("--list",), 0, "no interrupted pull has left anything"),
        (("--resume",), 0, "no interrupted pull"),
        (("localhost:9/library/x:1b",), 3, "cannot reach localhost:9"),
    ],
)
def test_what_makes_no_sense_is_said(cli: Cli, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = cli("pull", *arguments)
    assert ran.code == code
    assert words in ran.err


def test_a_tag_that_does_not_exist(cli: Cli, registry: BlobRegistry) -> None:
    ran = cli("pull", f"{registry.host}/library/tiny:7b")
    assert ran.code == 4
    assert "the registry has no" in ran.err


@pytest.fixture
def giant(tmp_path: Path) -> Iterator[str]:
    with Site() as cdn, Registry(cdn) as registry:
        registry.publish("library/phi3:mini", write_sparse(RECIPES["phi-3-mini-4k"], tmp_path))
        yield f"{registry.host}/library/phi3:mini"


def test_without_a_terminal_a_model_that_is_too_big_is_refused(
    cli: Cli, giant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    monkeypatch.setattr("kdmgr.services.machines.declare", lambda *_arguments: machine(available_gib=1))
    ran = cli("pull", giant, "--vram", "1GiB")
    assert ran.code == 1
    assert "too big" in ran.err
    assert "hint: add --yes to pull it anyway" in ran.err
    assert "running" not in ran.err
    assert "running" in cli("pull", giant, "--vram", "1GiB", "--yes").err


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def has_come(folder: Path) -> int:
    return sum(info.completed for info in Partials(folder / "data" / "models").list())


def start(name: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kdmgr", "pull", name, *more], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_ctrl_c_keeps_what_has_come_and_another_pull_goes_on(cli: Cli, registry: BlobRegistry, tmp_path: Path) -> None:
    name = f"{registry.host}/library/tiny:1b"
    registry.rate = 150_000
    process = start(name)
    wait_for(lambda: has_come(tmp_path) > 1000)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "what has come is kept" in err
    assert "Traceback" not in err
    listed = json.loads(cli("pull", "--list", "--json").out)["interrupted"]
    (entry,) = listed
    assert entry["name"] == name
    assert 0 < entry["completed_bytes"] < entry["total_bytes"]
    table = cli("pull", "--list")
    assert name in table.out
    registry.rate = 0
    resumed = cli("pull", "--resume")
    assert resumed.code == 0
    assert "from an interrupted pull" in resumed.err
    assert "no interrupted pull" in cli("pull", "--list").err


def test_what_is_left_is_removed_when_told_to(cli: Cli, registry: BlobRegistry, tmp_path: Path) -> None:
    name = f"{registry.host}/library/tiny:1b"
    registry.rate = 150_000
    process = start(name)
    wait_for(lambda: has_come(tmp_path) > 1000)
    process.kill()
    process.communicate()
    assert cli("pull", "--list").out
    unasked = cli("pull", "--remove", name)
    assert (unasked.code, "nobody can be asked" in unasked.err) == (2, True)
    assert cli("pull", "--remove", name, "--yes").code == 0
    assert cli("pull", "--list").out == ""
    assert not [path for path in (tmp_path / "data").rglob("*") if path.name == "data" and path.is_file()]


def test_settings_tell_how_many_at_once(cli: Cli, registry: BlobRegistry, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("parallel_items = 99\n")
    ran = cli("pull", f"{registry.host}/library/tiny:1b")
    assert ran.code == 2
    assert "parallel_items" in ran.err
