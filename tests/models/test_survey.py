"""What a store's disk is used for, and what may go of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from kdmgr.models.locking import StoreLock
from kdmgr.models.own_store import OwnStore
from kdmgr.models.pruning import prune_own, prune_shared
from kdmgr.models.store import ModelStore
from kdmgr.models.survey import ASIDE, ORPHAN, PARTIAL, TEMPORARY, Stray, older_than, survey
from tests.models.storing import add_model, files_below

HOUR = 3600.0
HEX = "ab" * 32


def leave(store: ModelStore, name: str, content: bytes = b"left", *, age_s: float = 2 * HOUR) -> Path:
    """A file that somebody left in the blobs folder so long ago."""
    path = store.blobs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def strays(store: ModelStore) -> tuple[Stray, ...]:
    return survey(store).strays


def test_shared_blobs_count_once_and_belong_to_nobody_alone(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a", system="x" * 1000)
    add_model(store, tiny_gguf, "b")
    found = survey(store)
    by_name = {str(use.model.ref): use for use in found.models}
    size = tiny_gguf.stat().st_size
    assert found.shared_bytes == size
    assert [use.shared for use in by_name.values()] == [size, size]
    assert by_name["a:latest"].own > 1000 > by_name["b:latest"].own
    assert found.models_bytes == size + sum(use.own for use in by_name.values()) == store.disk_use()
    assert found.models[0] is by_name["a:latest"]
    assert found.strays == ()


def test_what_no_model_needs_is_told_by_kind(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a")
    leave(store, f"sha256-{HEX}", b"x" * 5000)
    leave(store, f"sha256-{'cd' * 32}-partial", b"y" * 9000)
    leave(store, f"sha256-{'cd' * 32}-partial-0", b"{}")
    leave(store, "sha256-123456789")
    leave(store, ".import-abc")
    leave(store, "README", b"mine")
    found = {stray.name: stray for stray in strays(store)}
    assert {name: stray.kind for name, stray in found.items()} == {
        f"sha256-{HEX}": ORPHAN,
        f"sha256-{'cd' * 32}-partial": PARTIAL,
        "sha256-123456789": TEMPORARY,
        ".import-abc": TEMPORARY,
    }
    assert len(found[f"sha256-{'cd' * 32}-partial"].paths) == 2
    assert found[f"sha256-{HEX}"].digest == f"sha256:{HEX}"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX tells how much of a sparse file is on the disk")
def test_the_holes_of_a_partial_take_no_room(store: OwnStore) -> None:
    path = leave(store, f"sha256-{HEX}-partial")
    with path.open("r+b") as file:
        file.truncate(10 << 30)
    (stray,) = strays(store)
    assert stray.disk_bytes < 1 << 20


def test_a_manifest_that_cannot_be_read_keeps_every_blob(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    leave(store, f"sha256-{HEX}")
    leave(store, f"sha256-{HEX}-partial")
    (before,) = survey(store).of_kind(ORPHAN)
    store.manifest_path(model.ref).write_text("{")
    found = survey(store)
    assert found.problems
    assert [stray.kind for stray in found.strays] == [PARTIAL]
    pruned = prune_shared(store, [before], 0)
    assert (pruned.removed, [why for _, why in pruned.kept]) == ((), ["a manifest cannot be read"])


def test_what_was_written_to_just_now_stays(store: OwnStore) -> None:
    old = leave(store, f"sha256-{HEX}")
    young = leave(store, f"sha256-{'cd' * 32}", age_s=60)
    pruned = prune_shared(store, strays(store), HOUR)
    assert [stray.name for stray in pruned.removed] == [old.name]
    assert [name for name, _ in pruned.kept] == [young.name]
    assert young.exists()
    assert not old.exists()
    assert pruned.freed > 0


def test_a_clock_that_jumped_makes_nothing_old(store: OwnStore) -> None:
    leave(store, f"sha256-{HEX}", age_s=-5 * HOUR)
    assert older_than(strays(store), HOUR) == []
    assert older_than(strays(store), HOUR, clock=lambda: time.time() - 1e6) == []


def test_one_part_that_grows_keeps_the_whole_download(store: OwnStore) -> None:
    leave(store, f"sha256-{HEX}-partial")
    leave(store, f"sha256-{HEX}-partial-3", age_s=1)
    assert older_than(strays(store), HOUR) == []


def test_a_blob_that_a_model_needs_by_now_goes_back_to_its_place(store: OwnStore, tiny_gguf: Path) -> None:
    model = add_model(store, tiny_gguf, "a")
    manifest = store.manifest_path(model.ref)
    kept, text = model.model_path.read_bytes(), manifest.read_text()
    manifest.unlink()
    orphans = survey(store).of_kind(ORPHAN)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(text)
    pruned = prune_shared(store, orphans, 0)
    assert pruned.removed == ()
    assert {why for _, why in pruned.kept} == {"a model needs it now"}
    assert model.model_path.read_bytes() == kept


def test_a_blob_needed_between_the_looks_goes_back(store: OwnStore, tiny_gguf: Path) -> None:
    """The manifest appears after the orphan was confirmed: when it is already put aside."""
    model = add_model(store, tiny_gguf, "a")
    manifest = store.manifest_path(model.ref)
    text = manifest.read_text()
    manifest.unlink()

    class Late(ModelStore):
        looks = 0

        def models(self):  # type: ignore[no-untyped-def]
            self.looks += 1
            if self.looks == 2:
                manifest.parent.mkdir(parents=True, exist_ok=True)
                manifest.write_text(text)
            return super().models()

    orphans = survey(store).of_kind(ORPHAN)
    pruned = prune_shared(Late(store.root), orphans, 0)
    assert pruned.removed == ()
    assert model.model_path.exists()
    assert not [name for name in files_below(store.root) if name.endswith(ASIDE)]


def test_what_a_killed_pruning_put_aside_is_still_an_orphan(store: OwnStore) -> None:
    leave(store, f"sha256-{HEX}{ASIDE}")
    (stray,) = strays(store)
    assert (stray.kind, stray.digest) == (ORPHAN, f"sha256:{HEX}")
    assert prune_shared(store, [stray], HOUR).removed == (stray,)
    assert files_below(store.blobs) == []


def test_pruning_our_own_store_waits_for_no_writer(store: OwnStore, tiny_gguf: Path) -> None:
    add_model(store, tiny_gguf, "a")
    leave(store, f"sha256-{HEX}")
    leave(store, ".import-dead")
    found = strays(store)
    with store.locked("importing"), pytest.raises(Exception, match="another kdmgr"):
        prune_own(OwnStore(store.root, lock_wait_s=0.1), found, HOUR)
    pruned = prune_own(store, found, HOUR)
    assert len(pruned.removed) == 2
    assert len(files_below(store.blobs)) == 2


def test_a_download_that_another_kdmgr_holds_stays(store: OwnStore) -> None:
    folder = store.root / "partial" / HEX
    for name, content in (("data", b"z" * 4096), ("record.json", json.dumps({"digest": HEX}).encode())):
        leave(store, f"../partial/{HEX}/{name}", content)
    (stray,) = strays(store)
    assert (stray.kind, stray.folder, len(stray.paths)) == (PARTIAL, folder, 2)
    with StoreLock(folder, 1).hold("downloading", lambda sentence: None):
        pruned = prune_own(store, [stray], HOUR)
    assert [why for _, why in pruned.kept] == ["another kdmgr is downloading it"]
    assert (folder / "data").exists()
    assert prune_own(store, [stray], HOUR).removed == (stray,)
    assert not folder.exists()


def test_a_second_name_costs_nothing_and_keeps_the_digest(store: OwnStore, tiny_gguf: Path) -> None:
    from kdmgr.errors import StorageFailed
    from kdmgr.refs import OllamaRef

    model = add_model(store, tiny_gguf, "a")
    before = store.disk_use()
    with store.locked():
        copied = store.copy(model, OllamaRef("b"))
        store.remove(model)
    assert (copied.digest, store.disk_use()) == (model.digest, before)
    assert [str(each.ref) for each in store.models()[0]] == ["b:latest"]
    with store.locked(), pytest.raises(StorageFailed, match="replaced meanwhile"):
        store.copy(model, OllamaRef("c"))
