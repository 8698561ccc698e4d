"""The store: what it writes, what it reads back, and what it refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdmgr.errors import NotFound, StorageFailed, Unreadable
from kdmgr.models.headers import HeaderCache
from kdmgr.models.ingest import ingest_file
from kdmgr.models.manifest import Layer, Manifest, decode_manifest, encode_manifest, normalise_digest
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.models.store import ModelStore, StoredModel, blob_path
from kdmgr.refs import OllamaRef

MIB = 1 << 20


def ignore(_progress: Progress) -> None: ...


def add_model(store: OwnStore, source: Path, name: str, **texts: str) -> StoredModel:
    with store.locked():
        layers = [ingest_file(store, source, "model", ignore)]
        layers += [store.add_layer(kind, text.encode()) for kind, text in texts.items()]
        config = store.add_layer("config", f'{{"name": "{name}"}}'.encode())
        return store.write_manifest(OllamaRef(name), Manifest(config, tuple(layers)))


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def test_a_model_is_stored_by_digest_and_read_back(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "tiny", template="{{ .Prompt }}", params='{"stop": ["a"], "top_k": 3}', system="Be.")
    (model,), problems = store.models()
    assert problems == []
    digest = hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    assert model.model_path == store.blobs / f"sha256-{digest}"
    assert model.model_path.read_bytes() == tiny_gguf.read_bytes()
    assert (model.text("template"), model.text("system"), model.licenses) == ("{{ .Prompt }}", "Be.", ())
    assert model.parameters == {"stop": ("a",), "top_k": 3}
    assert model.digest == hashlib.sha256(store.manifest_path(model.ref).read_bytes()).hexdigest()


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "none")
    assert (store.models(), store.disk_use(), store.find(OllamaRef("x"))) == (([], []), 0, None)


def test_names_are_found_without_case(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "Tiny")
    found = store.find(OllamaRef("tiny", "LATEST"))
    assert found is not None
    assert str(found.ref) == "Tiny:latest"


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


def test_replacing_a_model_drops_what_only_the_old_one_needed(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a", system="old text")
    add_model(store, tiny_gguf, "A", system="new")
    assert len(store.models()[0]) == 1
    assert not blob_path(store.blobs, f"sha256:{hashlib.sha256(b'old text').hexdigest()}").exists()


def test_a_blob_that_is_gone_or_cut_is_named(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "tiny")
    path = model.model_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unreadable, match="damaged"):
        _ = model.model_path
    path.unlink()
    with pytest.raises(NotFound, match="gone") as caught:
        _ = model.model_path
    assert "tiny" in (caught.value.hint or "")


def test_a_broken_manifest_hides_no_other_and_keeps_every_blob(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "good")
    bad = store.manifest_path(OllamaRef("bad"))
    bad.parent.mkdir(parents=True)
    bad.write_text("{")
    models, problems = store.models()
    assert [str(found.ref) for found in models] == ["good:latest"]
    assert len(problems) == 1
    with store.locked():
        store.remove(model)
    assert files_below(store.blobs) != []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[" * 5000,
        b'{"config": 3, "layers": []}',
        b'{"config": {"mediaType": "x", "digest": "sha256:../../etc/passwd", "size": 1}}',
        json.dumps({"config": {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1 << 60}}).encode(),
        json.dumps({"config": {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": -1}}).encode(),
    ],
)
def test_hostile_manifests_are_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_manifest(text)


def test_a_manifest_encodes_to_what_it_was_decoded_from() -> None:
    layer = Layer("application/vnd.ollama.image.model", normalise_digest("SHA256-" + "AB" * 32), 3)
    manifest = Manifest(layer, (layer,))
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_names_from_the_disk_cannot_lead_outside(store: OwnStore) -> None:
    strange = store.manifests / "registry.ollama.ai" / "library" / "x y" / "latest"
    strange.parent.mkdir(parents=True)
    strange.write_text("{}")
    models, problems = store.models()
    assert models == []
    assert len(problems) == 1 and "not a model name" in problems[0]
    assert store.manifest_path(OllamaRef("m", "t", "n", "h:1")).is_relative_to(store.manifests)


def test_cancelling_leaves_nothing_behind(store: OwnStore, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    big.write_bytes(b"GGUF" + bytes(20 * MIB))

    def cancel(progress: Progress) -> None:
        if progress.completed > 8 * MIB:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.locked():
        ingest_file(store, big, "model", cancel)
    assert files_below(store.root) == []


def test_progress_ends_with_everything(store: OwnStore, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    big.write_bytes(os.urandom(9 * MIB))
    seen: list[Progress] = []
    with store.locked():
        layer = ingest_file(store, big, "model", seen.append)
    assert [(p.completed, p.total) for p in seen] == [(4 * MIB, 9 * MIB), (8 * MIB, 9 * MIB), (9 * MIB, 9 * MIB)]
    assert layer.digest == f"sha256:{hashlib.sha256(big.read_bytes()).hexdigest()}"


def test_a_file_that_changes_meanwhile_is_refused(store: OwnStore, tiny_gguf: Path) -> None:
    def append(_progress: Progress) -> None:
        with tiny_gguf.open("ab") as file:
            file.write(b"more")

    with pytest.raises(Unreadable, match="changed"), store.locked():
        ingest_file(store, tiny_gguf, "model", append)
    assert files_below(store.root) == []


_FILL = """
import resource, sys
from pathlib import Path
from kdmgr.errors import StorageFailed
from kdmgr.models.ingest import ingest_file
from kdmgr.models.own_store import OwnStore
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))
store = OwnStore(Path(sys.argv[1]))
try:
    with store.locked():
        ingest_file(store, Path(sys.argv[2]), "model", lambda progress: None)
except StorageFailed as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX; the disk check is tested everywhere")
def test_a_disk_that_fills_up_half_way_leaves_nothing_behind(store: OwnStore, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    big.write_bytes(bytes(12 * MIB))
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, str(store.root), str(big)], capture_output=True, text=True, check=True
    )
    assert os.strerror(errno.EFBIG) in ran.stdout
    assert files_below(store.root) == []


def test_a_disk_without_room_is_seen_before_a_byte_is_written(store: OwnStore) -> None:
    with store.locked(), pytest.raises(StorageFailed, match="are free"):
        store.require_space(1 << 55)


_HOLD = """
import sys
from pathlib import Path
from kdmgr.models.own_store import OwnStore
with OwnStore(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_kdmgr_waits_and_then_says_who_holds_the_store(store: OwnStore, tiny_gguf: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StorageFailed, match="another kdmgr"), store.locked():
        pass
    holder.communicate("")
    add_model(store, tiny_gguf, "after")


def test_what_a_killed_import_left_is_removed_at_the_next(store: OwnStore, tiny_gguf: Path) -> None:
    store.blobs.mkdir(parents=True)
    (store.blobs / ".import-abc").write_bytes(bytes(100))
    add_model(store, tiny_gguf, "tiny")
    assert not list(store.blobs.glob(".import-*"))


def test_headers_are_read_once(tiny_gguf: Path, tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "headers")
    header = cache.read(tiny_gguf)
    (entry,) = (tmp_path / "headers").glob("*.json")
    entry.write_bytes(entry.read_bytes().replace(b"Tiny", b"Tidy"))
    assert cache.read(tiny_gguf).text("general.name") == "Tidy"
    os.utime(tiny_gguf, ns=(1, 1))
    assert cache.read(tiny_gguf) == header
    entry.write_bytes(b"garbage")
    assert cache.read(tiny_gguf) == header


def test_headers_of_blobs_are_known_by_digest(tiny_gguf: Path, tmp_path: Path) -> None:
    cache = HeaderCache(tmp_path / "headers")
    cache.read(tiny_gguf, "sha256:" + "0" * 64)
    moved = tiny_gguf.rename(tmp_path / "moved.gguf")
    moved.write_bytes(b"no longer a GGUF")
    assert cache.read(moved, "sha256:" + "0" * 64).text("general.name") == "Tiny"


def test_a_cache_that_cannot_be_written_only_costs_time(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert HeaderCache(tmp_path / "file").read(tiny_gguf).text("general.name") == "Tiny"


@pytest.mark.parametrize("name", ["missing.gguf", "."])
def test_what_is_no_file_is_said_so(tmp_path: Path, name: str) -> None:
    with pytest.raises((NotFound, Unreadable)) as caught:
        HeaderCache(tmp_path / "headers").read(tmp_path / name)
    assert caught.value.hint
