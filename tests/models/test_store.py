"""The store: what it writes, what it reads back, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdmgr.errors import NotFound, StorageFailed, Unreadable, UsageError
from kdmgr.models.layout import manifest_path, read_name
from kdmgr.models.manifest import Manifest
from kdmgr.models.own_store import OwnStore
from kdmgr.models.store import ModelStore, blob_path
from kdmgr.refs import OllamaRef, parse_ollama_name
from tests.models.storing import add_model, files_below


def test_a_model_is_stored_by_digest_and_read_back(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "tiny", template="{{ .Prompt }}", params='{"stop": ["a"], "top_k": 3}', system="Be.")
    (model,), problems = store.models()
    assert problems == []
    digest = hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    assert model.model_path == store.blobs / f"sha256-{digest}"
    assert model.model_path.read_bytes() == tiny_gguf.read_bytes()
    assert (model.text("template"), model.text("system"), model.licenses) == ("{{ .Prompt }}", "Be.", ())
    assert model.parameters == {"stop": ("a",), "top_k": 3}
    assert model.config == {"name": "tiny"}
    assert model.projector_path is None
    assert model.digest == hashlib.sha256(store.manifest_path(model.ref).read_bytes()).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file modes")
def test_a_server_of_another_user_may_read_it(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "tiny", system="Be.")
    written = [path for path in store.root.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "none")
    assert (store.models(), store.disk_use(), store.find(OllamaRef("x"))) == (([], []), 0, None)


@pytest.mark.parametrize("name", ["m", "M:Tag", "ns/m:q4_K_M", "localhost:5000/ns/m:1", "my_5000/ns/m:1"])
def test_every_name_has_its_own_place_and_is_read_back(store: OwnStore, tiny_gguf: Path, name: str) -> None:
    added = add_model(store, tiny_gguf, name)
    assert added.ref == parse_ollama_name(name)
    assert [model.ref for model in store.models()[0]] == [added.ref]


def test_where_files_cannot_hold_a_colon_ports_are_marked_otherwise() -> None:
    ref = parse_ollama_name("localhost:5000/ns/m:1")
    path = manifest_path(Path("manifests"), ref, port_mark="_")
    assert path == Path("manifests/localhost_5000/ns/m/1")
    assert read_name(path.parts[1:], port_mark="_") == ref


def test_names_are_found_without_case_and_folders_keep_their_spelling(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "Tiny")
    found = store.find(OllamaRef("tiny", "LATEST"))
    assert found is not None
    assert str(found.ref) == "Tiny:latest"
    assert str(add_model(store, tiny_gguf, "tINY:Two").ref) == "Tiny:Two"
    assert [path.name for path in (store.manifests / "registry.ollama.ai" / "library").iterdir()] == ["Tiny"]


def test_shared_blobs_are_counted_once_and_kept_while_they_are_needed(store: OwnStore, tiny_gguf: Path) -> None:
    first, second = add_model(store, tiny_gguf, "a", system="1"), add_model(store, tiny_gguf, "b", system="2")
    assert store.disk_use() < first.size + second.size
    own = first.manifest.config.size + 1
    assert store.would_free([first]) == own
    assert store.would_free([first, second]) == store.disk_use()
    with store.locked():
        store.remove(first)
    assert second.model_path.is_file()
    with store.locked():
        store.remove(second)
    assert files_below(store.root) == []
    assert list(store.manifests.rglob("*")) == []


def test_replacing_a_model_drops_what_only_the_old_one_needed(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a", system="old text")
    add_model(store, tiny_gguf, "A", system="new")
    assert len(store.models()[0]) == 1
    assert not blob_path(store.blobs, f"sha256:{hashlib.sha256(b'old text').hexdigest()}").exists()


def test_a_model_that_was_replaced_meanwhile_is_not_removed(store: OwnStore, tiny_gguf: Path) -> None:
    looked_up = add_model(store, tiny_gguf, "a", system="1")
    add_model(store, tiny_gguf, "a", system="2")
    with pytest.raises(StorageFailed, match="replaced meanwhile"), store.locked():
        store.remove(looked_up)
    assert store.find(looked_up.ref) is not None


def test_removing_what_is_gone_already_is_no_error(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    with store.locked():
        store.remove(model)
        store.remove(model)
    assert files_below(store.root) == []


def test_a_blob_that_is_gone_or_cut_is_named(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "tiny")
    path = model.model_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unreadable, match=rf"damaged: {path.name} has 1023 B, not 1.0 KiB"):
        _ = model.model_path
    path.unlink()
    path.mkdir()
    with pytest.raises(Unreadable, match="damaged"):
        _ = model.model_path
    path.rmdir()
    with pytest.raises(NotFound, match=f"gone: {path.name}") as caught:
        _ = model.model_path
    assert "tiny" in (caught.value.hint or "")
    with store.locked():
        store.remove(model)
    assert files_below(store.root) == []


def test_a_model_without_weights_runs_elsewhere(store: OwnStore) -> None:
    with store.locked():
        model = store.write_manifest(OllamaRef("remote"), Manifest(store.add_layer("config", b"{}"), ()))
    assert model.model_digest is None
    with pytest.raises(NotFound, match="no weights"):
        _ = model.model_path


def test_a_broken_manifest_hides_no_other_and_keeps_every_blob(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "good")
    bad = store.manifest_path(OllamaRef("bad"))
    bad.parent.mkdir(parents=True)
    bad.write_text("{")
    models, problems = store.models()
    assert [str(found.ref) for found in models] == ["good:latest"]
    assert problems == ["bad:latest: the manifest is damaged: it is not JSON"]
    assert store.would_free([model]) == 0
    with store.locked():
        store.remove(model)
    assert blob_path(store.blobs, model.manifest.layers[0].digest).is_file()
    bad.unlink()
    with store.locked():
        pass
    assert files_below(store.root) == []


def test_a_broken_manifest_says_how_to_be_rid_of_it_and_can_be_replaced(store: OwnStore, tiny_gguf: Path) -> None:
    bad = store.manifest_path(OllamaRef("bad"))
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"\x1b[31m")
    with pytest.raises(Unreadable, match="BAD:latest cannot be read") as caught:
        store.find(OllamaRef("BAD"))
    assert str(bad) in (caught.value.hint or "")
    add_model(store, tiny_gguf, "bad")
    assert store.models()[1] == []


@pytest.mark.parametrize("place", [("x y", "latest"), ("\x1b[31mred", "latest"), ("m", "\N{COMBINING ACUTE ACCENT}")])
def test_strange_names_on_the_disk_are_problems_that_print_safely(store: OwnStore, place: tuple[str, str]) -> None:
    strange = store.manifests.joinpath("registry.ollama.ai", "library", *place)
    strange.parent.mkdir(parents=True)
    strange.write_text("{}")
    models, (problem,) = store.models()
    assert models == []
    assert "not a model name" in problem and "\x1b" not in problem


def test_files_of_the_system_are_no_problems(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a")
    for folder in (store.manifests, store.manifest_path(OllamaRef("a")).parent):
        (folder / ".DS_Store").write_bytes(b"x")
    (store.manifests / "README").write_text("x")
    assert store.models()[1] == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_folder_that_cannot_be_read_is_a_problem_and_keeps_every_blob(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    loop = store.manifests / "loop"
    loop.symlink_to(loop)
    models, problems = store.models()
    assert len(models) == 1 and len(problems) == 1
    with store.locked():
        store.remove(model)
    assert blob_path(store.blobs, model.manifest.layers[0].digest).is_file()


@pytest.mark.parametrize(
    "ref",
    [
        OllamaRef("..", "t"),
        OllamaRef("m", ".."),
        OllamaRef("m", "t", ".."),
        OllamaRef("m", "t", "n", ".."),
        OllamaRef("/etc/passwd"),
        OllamaRef("a/b"),
        OllamaRef("m", "t/../../x"),
        OllamaRef(""),
        OllamaRef("m\0"),
    ],
)
def test_no_name_leads_out_of_the_store(store: OwnStore, ref: OllamaRef) -> None:
    with pytest.raises(UsageError):
        store.manifest_path(ref)
    with pytest.raises(UsageError):
        store.find(ref)


@pytest.mark.parametrize("text", ["{", "[" * 50_000, "\xff"])
def test_layers_that_should_be_json_and_are_not_are_said_so(store: OwnStore, tiny_gguf: Path, text: str) -> None:
    model = add_model(store, tiny_gguf, "m", params=text, messages=text)
    with pytest.raises(Unreadable, match="params of m:latest is damaged"):
        _ = model.parameters
    with pytest.raises(Unreadable, match="messages of m:latest is damaged"):
        _ = model.messages


def test_only_what_can_be_a_parameter_or_a_message_is_one(store: OwnStore, tiny_gguf: Path) -> None:
    params = '{"top_k": 1, "none": null, "map": {"a": 1}, "stop": ["x", 3]}'
    model = add_model(store, tiny_gguf, "m", params=params, messages='[{"role": "user", "content": "Hi"}, 3]')
    assert model.parameters == {"top_k": 1, "stop": ("x", "3")}
    assert model.messages == (("user", "Hi"),)
    other = add_model(store, tiny_gguf, "n", params="[]", messages="{}")
    assert (other.parameters, other.messages) == ({}, ())


_DIE_WITHIN = """
import os, sys
from pathlib import Path
from kdmgr.models.own_store import OwnStore
from kdmgr.refs import OllamaRef
store = OwnStore(Path(sys.argv[1]))
with store.locked():
    if sys.argv[2] == "adding":
        store.add_layer("system", b"never needed")
    else:
        store.remove(store.find(OllamaRef("a")))
    os._exit(9)
"""


@pytest.mark.parametrize("while_doing", ["adding", "removing"])
def test_what_a_killed_writer_left_is_settled_by_the_next(store: OwnStore, tiny_gguf: Path, while_doing: str) -> None:
    add_model(store, tiny_gguf, "a")
    kept = add_model(store, tiny_gguf, "b")
    ran = subprocess.run([sys.executable, "-c", _DIE_WITHIN, str(store.root), while_doing], check=False)
    assert ran.returncode == 9
    assert len(list(store.blobs.iterdir())) == 3 + (while_doing == "adding")
    with store.locked():
        pass
    assert kept.model_path.is_file()
    assert len(list(store.blobs.iterdir())) == (3 if while_doing == "adding" else 2)
    assert ".unsettled" not in files_below(store.root)


def test_temporary_files_of_a_killed_writer_go(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    for folder in (store.blobs, store.manifest_path(model.ref).parent):
        (folder / ".x-abc.tmp").write_text("half")
    with store.locked():
        pass
    assert not [name for name in files_below(store.root) if name.endswith(".tmp")]


@pytest.mark.parametrize("journal", [b"", b"\xff\xfe\n", b"sha256:../../x\n", b"sha256:" + b"0" * 64 + b"\nsha256:12"])
def test_a_damaged_journal_harms_nothing(store: OwnStore, tiny_gguf: Path, journal: bytes) -> None:
    model = add_model(store, tiny_gguf, "a")
    (store.root / ".unsettled").write_bytes(journal)
    with store.locked():
        pass
    assert model.model_path.is_file()
    assert ".unsettled" not in files_below(store.root)


def test_blobs_that_others_put_there_are_left_alone(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    foreign = store.blobs / f"sha256-{'1' * 64}"
    foreign.write_bytes(b"somebody's")
    with store.locked():
        store.remove(model)
    assert foreign.is_file()


def test_a_store_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = OwnStore(tmp_path / "file" / "store")
    with pytest.raises(StorageFailed, match="cannot write below") as caught, store.locked():
        pass
    assert "KDMGR_DATA_DIR" in (caught.value.hint or "")
