"""Commands on the models of a server and of kdmgr's own store: list, copy, rename, remove, load, look at disks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.models.own_store import OwnStore
from tests.engines.scripted import Reply, json_reply, line
from tests.models.storing import add_model
from tests.support.console import Cli
from tests.support.model_server import ModelServer
from tests.support.shard_sets import write_shards

HEX = "ab" * 32


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (path, *_) = write_shards(tmp_path / "weights", "one", 1)
    return path


@pytest.fixture
def own(tmp_path: Path) -> OwnStore:
    return OwnStore(tmp_path / "data" / "models")


@pytest.fixture
def server(cli: Cli, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """A server with two models that share their weights, in the folder that OLLAMA_MODELS names."""
    store = OwnStore(tmp_path / "ollama")
    add_model(store, weights, "qwen3:1b", system="x" * 2000)
    add_model(store, weights, "qwen3:2b")
    with ModelServer(tmp_path / "ollama") as server:
        monkeypatch.setenv("OLLAMA_HOST", server.host)
        yield server


def names(server: ModelServer) -> list[str]:
    return sorted(str(model.ref) for model in server.store.models()[0])


def test_one_list_of_both_places(cli: Cli, server: ModelServer, own: OwnStore, weights: Path) -> None:
    add_model(own, weights, "mine")
    listed = json.loads(cli("ls", "--json", "--sort", "name").out)["models"]
    assert [(model["name"], model["store"], model["on_server"]) for model in listed] == [
        ("mine:latest", "kdmgr", False),
        ("qwen3:1b", "ollama", True),
        ("qwen3:2b", "ollama", True),
    ]
    assert set(cli("ls", "--names").out.split()) == {"mine:latest", "qwen3:1b", "qwen3:2b"}
    assert set(cli("ls", "--names", "--host", server.host).out.split()) == {"qwen3:1b", "qwen3:2b"}
    text = cli("ls")
    assert "ollama, served" in text.out
    assert text.err.count("shared blobs counted once") == 2


def test_the_list_is_filtered_and_sorted(cli: Cli, server: ModelServer) -> None:
    def shown(*arguments: str) -> list[str]:
        return [model["name"] for model in json.loads(cli("ls", "--json", *arguments).out)["models"]]

    assert shown("--sort", "size") == ["qwen3:1b", "qwen3:2b"]
    assert shown("--sort", "size", "-r") == ["qwen3:2b", "qwen3:1b"]
    assert shown("2B") == shown("*:2b") == ["qwen3:2b"]
    assert shown("--store", "kdmgr") == []
    assert len(shown("--store", "server")) == 2
    assert "none of the 2 installed models" in cli("ls", "phi").err
    assert cli("ls", "--sort", "colour").code == 2


def test_a_copy_a_new_name_and_no_name(cli: Cli, server: ModelServer) -> None:
    assert cli("cp", "qwen3:1b", "copy").code == 0
    taken = cli("cp", "qwen3:2b", "copy")
    assert (taken.code, "--replace" in taken.err) == (2, True)
    assert cli("mv", "copy", "me/renamed:x").code == 0
    assert names(server) == ["me/renamed:x", "qwen3:1b", "qwen3:2b"]
    assert cli("cp", "qwen3:2b", "me/renamed:x", "--replace").code == 0
    again = cli("rm", "me/renamed:x", "-y")
    assert again.code == 0
    assert "freed 0 B" in again.err
    assert names(server) == ["qwen3:1b", "qwen3:2b"]


@pytest.mark.parametrize("name", ["QWEN3:1b", "library/qwen3:1b", "x:cloud", "hf.co/a/b:c", "a//b", "../../x"])
def test_names_that_no_copy_may_have(cli: Cli, server: ModelServer, name: str) -> None:
    before = names(server)
    for command in ("cp", "mv"):
        ran = cli(command, "qwen3:1b", name, "--replace")
        assert ran.code == 2
        assert ran.err.count("\n") == 2
    assert names(server) == before


def test_a_rename_keeps_the_old_name_until_the_new_one_is_there(cli: Cli, server: ModelServer) -> None:
    server.on("POST", "/api/copy", Reply())
    ran = cli("mv", "qwen3:1b", "new")
    assert (ran.code, "lists no such new:latest" in ran.err) == (1, True)
    assert names(server) == ["qwen3:1b", "qwen3:2b"]


def test_what_is_removed_and_freed_is_said_before(cli: Cli, server: ModelServer) -> None:
    dry = cli("rm", "qwen3:1b", "--dry-run")
    assert "would free 2.0 KiB" in dry.err
    both = cli("rm", "qwen*", "--dry-run")
    assert "qwen3:1b" in both.err
    assert "qwen3:2b" in both.err
    assert "would free" in both.err
    assert "would free 2.0 KiB" not in both.err
    assert cli("rm", "qwen*").code == 2
    assert len(names(server)) == 2
    assert cli("rm", "qwen*", "-y").code == 0
    assert names(server) == []
    assert list(server.store.blobs.iterdir()) == []


def test_a_loaded_model_is_unloaded_before_it_goes(cli: Cli, server: ModelServer) -> None:
    assert cli("keep-alive", "qwen3:1b", "forever").code == 0
    assert "for ever" in cli("ps").out
    assert cli("rm", "qwen3:1b", "-y").code == 0
    assert server.loaded == {}
    asked = [(asked.method, asked.path) for asked in server.asked]
    assert asked.index(("POST", "/api/generate")) < asked.index(("DELETE", "/api/delete"))


def test_a_model_that_went_meanwhile_is_no_failure(cli: Cli, server: ModelServer) -> None:
    server.on("DELETE", "/api/delete", json_reply(404, error="model 'qwen3:1b' not found"))
    ran = cli("rm", "qwen3:1b", "-y")
    assert (ran.code, "was gone already" in ran.err) == (0, True)


def test_what_was_removed_before_a_failure_is_said(cli: Cli, server: ModelServer, own: OwnStore, weights: Path) -> None:
    add_model(own, weights, "qwen-mine")
    server.on("DELETE", "/api/delete", json_reply(503, error="server busy"))
    ran = cli("rm", "qwen*", "-y")
    assert ran.code == 1
    assert "removed qwen-mine:latest" in ran.err
    assert "busy" in ran.err
    assert len(names(server)) == 2


def test_a_name_in_both_places_has_to_be_told_apart(
    cli: Cli, server: ModelServer, own: OwnStore, weights: Path
) -> None:
    add_model(own, weights, "qwen3:1b")
    ran = cli("rm", "qwen3:1b", "-y")
    assert (ran.code, "--store" in ran.err) == (2, True)
    assert cli("rm", "qwen3:1b", "-y", "--store", "kdmgr").code == 0
    assert len(names(server)) == 2
    assert own.models()[0] == []


def test_our_own_models_are_copied_and_renamed_with_their_receipts(cli: Cli, weights: Path) -> None:
    assert cli("import", weights, "one").code == 0
    assert cli("cp", "one", "two").code == 0
    assert cli("mv", "one", "three").code == 0
    assert "two:latest" in cli("show", "two", "--receipt").out
    assert "three:latest" in cli("show", "three", "--receipt").out
    assert cli("show", "one").code == 4
    assert "freed 0 B" in cli("rm", "two", "-y").err
    assert cli("rm", "three", "-y").code == 0
    assert json.loads(cli("df", "--json").out)["stores"][0]["total_bytes"] == 0


def test_residence_in_words_and_figures(cli: Cli, server: ModelServer) -> None:
    assert "has been loaded" in cli("keep-alive", "qwen3:1b", "1h30m").err
    shown = cli("ps")
    assert "75%" in shown.out
    assert "1.00 GiB" in shown.out
    assert "(in 1:" in shown.out
    assert "does not fit the GPU" in shown.err
    (model,) = json.loads(cli("ps", "--json").out)["models"]
    assert (model["size_cpu_bytes"], model["gpu_share"], model["forever"]) == (1 << 30, 0.75, False)
    assert "stays loaded" in cli("keep-alive", "qwen3:1b", "2d").err
    asked = [asked.body for asked in server.asked if asked.path == "/api/generate"]
    assert [body and body.get("options") for body in asked] == [None, {"num_ctx": 4096}]


def test_stopping_one_some_and_all(cli: Cli, server: ModelServer) -> None:
    for name in ("qwen3:1b", "qwen3:2b"):
        cli("keep-alive", name, "5m")
    assert cli("stop", "nothing").code == 4
    assert cli("stop").code == cli("stop", "x", "--all").code == 2
    assert cli("stop", "*:1b").code == 0
    assert list(server.loaded) == ["qwen3:2b"]
    assert "qwen3:2b is unloaded" in cli("stop", "--all").err
    assert "no model is loaded" in cli("stop", "--all").err


@pytest.mark.parametrize("text", ["5", "0s", "-1", "1x", "", "forty", "1h-5m", "99999999999d"])
def test_times_that_are_none(cli: Cli, server: ModelServer, text: str) -> None:
    # "--" before it, as argparse takes -1 for an option.
    assert cli("keep-alive", "--", "qwen3:1b", text).code == 2
    assert server.loaded == {}


def test_a_disk_is_told_by_model_shared_and_left_over(cli: Cli, server: ModelServer) -> None:
    body = json.loads(cli("df", "--json").out)
    ours, theirs = body["stores"]
    assert (ours["store"], theirs["store"]) == ("kdmgr", "ollama")
    shared = theirs["shared_bytes"]
    assert [model["shared_bytes"] for model in theirs["models"]] == [shared, shared]
    assert theirs["models_bytes"] == shared + sum(model["own_bytes"] for model in theirs["models"])
    text = cli("df")
    for word in ("kdmgr's store", "Ollama's store", "ONLY ITS OWN", "every file counted once", "free"):
        assert word in text.out


def leave(folder: Path, name: str, age_s: float) -> Path:
    path = folder / name
    path.write_bytes(b"x" * 5000)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_pruning_names_all_asks_and_spares_what_is_young(cli: Cli, server: ModelServer) -> None:
    blobs = server.store.blobs
    old, partial = leave(blobs, f"sha256-{HEX}", 7200), leave(blobs, f"sha256-{HEX}-partial", 7200)
    young = leave(blobs, f"sha256-{'cd' * 32}", 600)
    dry = cli("prune", "--dry-run", "--older-than", "1s")
    assert dry.code == 0
    assert old.name in dry.out
    assert "partial" in dry.out
    assert young.name not in dry.out
    assert "1 more" in dry.err
    assert cli("prune").code == 2
    assert old.exists()
    ran = cli("prune", "-y")
    assert ran.code == 0
    assert "removed 2" in ran.err
    assert [old.exists(), partial.exists(), young.exists()] == [False, False, True]
    assert len(names(server)) == 2
    assert "nothing to remove" in cli("prune", "-y").err


def test_a_server_elsewhere_has_no_disk_to_look_at(
    cli: Cli, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lists models that no folder here holds, as one in a container or behind a tunnel does."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "elsewhere"))
    server.told_root = Path("/nowhere/models")
    ran = cli("df", "--host", server.host)
    assert ran.out == ""
    assert "/nowhere/models, which cannot be read from here" in ran.err
    dry = cli("rm", "qwen*", "--dry-run")
    assert "up to" in dry.err
    assert "less what other models share" in dry.err
    assert "nothing to remove" in cli("prune", "-y").err


def test_a_model_of_the_server_alone_is_shown(
    cli: Cli, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "elsewhere"))
    body = json.loads(cli("show", "qwen3:1b", "--json", "-v", "--tensors").out)
    assert (body["store"], body["capabilities"], body["licenses"]) == ("server", ["completion"], ["MIT\nmore"])
    assert body["metadata"]["general.architecture"] == "llama"
    assert body["tensor_table"][0]["name"]
    assert "can" in cli("show", "qwen3:1b").out
    assert cli("show", "nothing", "--host", server.host).code == 4


def test_everything_is_shown_of_our_own(cli: Cli, weights: Path) -> None:
    cli("import", weights, "one")
    plain, long = cli("show", "one").out, cli("show", "one", "-v", "--tensors").out
    assert "general.name" not in plain
    assert "general.name" in long
    assert "blk.0.attn_q.weight" in long
    assert "64×64" in long


def test_a_push_goes_through_the_server(cli: Cli, server: ModelServer) -> None:
    refused = cli("push", "qwen3:1b")
    assert (refused.code, "kdmgr cp" in refused.err) == (2, True)
    assert cli("push", "me/nothing").code == 4
    cli("cp", "qwen3:1b", "me/q")
    digest = f"sha256:{HEX}"
    pieces = (line(status="pushing", digest=digest, total=10, completed=10), line(status="success"))
    server.on("POST", "/api/push", Reply(pieces, content_type="application/x-ndjson"))
    assert "pushed me/q" in cli("push", "me/q").err
    assert server.asked[-1].body == {"model": "me/q:latest", "insecure": False, "stream": True}


@pytest.mark.parametrize(
    "command",
    [("ps",), ("stop", "--all"), ("keep-alive", "x", "1h"), ("push", "me/x"), ("rm", "x", "-y"), ("cp", "x", "y")],
)
def test_without_a_server_what_needs_one_says_how_to_start_it(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli(*command)
    assert ran.code == 3
    assert "ollama serve" in ran.err


def test_without_a_server_what_needs_none_works(cli: Cli, own: OwnStore, weights: Path, tmp_path: Path) -> None:
    add_model(own, weights, "mine")
    add_model(OwnStore(tmp_path / "ollama"), weights, "theirs")
    assert {"mine:latest", "theirs:latest"} <= set(cli("ls").out.split())
    for command in (("df",), ("prune",), ("show", "theirs"), ("cp", "mine", "b"), ("mv", "b", "c"), ("rm", "c", "-y")):
        assert cli(*command).code == 0, command
    ran = cli("rm", "theirs", "-y")
    assert (ran.code, "only its server changes" in ran.err) == (3, True)


def test_hosts_are_named_used_tested_and_forgotten(
    cli: Cli, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OLLAMA_HOST")
    assert cli("hosts", "add", "rig", server.host, "--gpu", "RTX 3060 12GB", "--memory", "64GiB", "--use").code == 0
    assert cli("hosts", "add", "dead", "127.0.0.1:9").code == 0
    listed = json.loads(cli("hosts", "--json").out)["hosts"]
    assert [(host["name"], host["current"], host["reachable"], host["era"], host["reason"]) for host in listed] == [
        ("rig", True, True, "B2", None),
        ("dead", False, False, None, "refused"),
    ]
    text = cli("hosts").out
    assert "0.24.0, era B2" in text
    assert "✘ refused" in text
    tested = cli("hosts", "test", "rig")
    assert (tested.code, "64.00 GiB" in tested.out) == (0, True)
    dead = cli("hosts", "test", "dead")
    assert (dead.code, "(refused)" in dead.err, "hint: " in dead.err) == (3, True, True)
    assert "era B2" in cli("doctor").out
    assert "qwen3:1b" in cli("ls", "--host", "rig").out
    assert cli("hosts", "rm", "rig").code == 2
    assert "this machine now" in cli("hosts", "rm", "rig", "-y").err
    assert [host["name"] for host in json.loads(cli("hosts", "--json").out)["hosts"]] == [None, "dead"]


def test_the_environment_wins_and_that_is_said(cli: Cli) -> None:
    cli("hosts", "add", "rig", "192.0.2.7", "--gpu", "RTX 3060 12GB")
    assert "OLLAMA_HOST is set" in cli("hosts", "use", "rig").err
    assert "127.0.0.1:9" in cli("doctor").out


def test_fit_for_a_host_uses_its_hardware(cli: Cli, weights: Path) -> None:
    cli("hosts", "add", "rig", "192.0.2.7")
    unknown = cli("fit", weights, "--host", "rig")
    assert (unknown.code, "the GPUs of rig are not known" in unknown.out, "--gpu" in unknown.out) == (4, True, True)
    body = json.loads(cli("fit", weights, "--host", "rig", "--json").out)
    assert (body["verdict"], body["headroom_bytes"], body["speed"]) == ("unknown", None, None)
    cli("hosts", "add", "rig", "192.0.2.7", "--gpu", "RTX 3060 12GB", "--replace")
    known = cli("fit", weights, "--host", "rig")
    assert known.code == 0
    assert "RTX 3060" in known.out
    assert "planned for rig" in known.out


def test_show_says_of_a_file_which_command_looks_at_it(cli: Cli, tmp_path: Path) -> None:
    ran = cli("show", f"{tmp_path}/model.gguf")
    assert ran.code == 2
    assert "is a file" in ran.err and f"kdmgr fit {tmp_path}/model.gguf" in ran.err
