"""Whole models into kdmgr's own store: the manifest last, nothing lost and nothing left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdmgr.errors import KdmgrError, StorageFailed
from kdmgr.models.backoff import Backoff
from kdmgr.models.copies import Copies
from kdmgr.models.fetch_model import ModelFetcher, WantedBlob
from kdmgr.models.headers import HeaderCache
from kdmgr.models.layout import blob_path
from kdmgr.models.manifest import Layer
from kdmgr.models.ollama_registry import OllamaRegistry, RemoteManifest
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.models.transfer import TransferOptions
from kdmgr.models.web import Waits, Web
from kdmgr.refs import parse_ollama_name
from tests.models.storing import add_model, files_below, ignore
from tests.support.blob_registry import BlobRegistry

WEIGHTS = os.urandom(700 << 10)
TEMPLATE = b"{{ .Prompt }}"
OPTIONS = TransferOptions(piece=128 << 10, record_every_s=0.02, backoff=Backoff(first_s=0.01, tries=2))


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=1))
    yield web
    web.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[BlobRegistry]:
    (tmp_path / "published").mkdir()
    with BlobRegistry(tmp_path / "published") as site:
        yield site


class Puller:
    """Pulls names of one registry into one store."""

    def __init__(self, store: OwnStore, web: Web, site: BlobRegistry, folder: Path) -> None:
        self.fetcher = ModelFetcher(store, web, OPTIONS)
        self._registry = OllamaRegistry(web, Copies(folder / "copies"), HeaderCache(folder / "headers"))
        self._site = site

    def __call__(self, name: str, report: Callable[[Progress], None] = ignore) -> object:
        ref = parse_ollama_name(f"{self._site.host}/{name}")
        remote = self._registry.manifest(ref)
        blobs = self.blobs(remote)
        return self.fetcher.fetch(ref, blobs, lambda _path: (remote.manifest, remote.encoded), report)

    def blobs(self, remote: RemoteManifest) -> list[WantedBlob]:
        layers = (*remote.manifest.layers, remote.manifest.config)
        return [WantedBlob(layer, self._registry.blob(remote.ref, layer)) for layer in layers]


@pytest.fixture
def pull(store: OwnStore, web: Web, site: BlobRegistry, tmp_path: Path) -> Puller:
    return Puller(store, web, site, tmp_path)


def test_a_model_keeps_its_digest_and_leaves_nothing_else(pull: Puller, store: OwnStore, site: BlobRegistry) -> None:
    digests = site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    told: list[Progress] = []
    pull("library/tiny:1b", told.append)
    (model,), problems = store.models()
    assert problems == []
    assert model.digest == digests["manifest"]
    assert model.model_path.read_bytes() == WEIGHTS
    assert model.text("template") == TEMPLATE.decode()
    assert model.model_path.stat().st_mode & 0o777 == 0o644
    names = {digests[kind].replace(":", "-") for kind in ("model", "template", "config")}
    assert set(files_below(store.root)) == {*names, "1b"}
    assert {progress.digest for progress in told if progress.status == "complete"} == {
        digests[kind] for kind in ("model", "template", "config")
    }


def test_a_second_pull_downloads_nothing(pull: Puller, store: OwnStore, site: BlobRegistry) -> None:
    site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    pull("library/tiny:1b")
    before = len(site.file_requests())
    pull("library/tiny:1b")
    assert len(site.file_requests()) == before


def test_what_another_model_has_is_not_downloaded(
    pull: Puller, store: OwnStore, site: BlobRegistry, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(WEIGHTS)
    add_model(store, weights, "mine:latest")
    digests = site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    pull("library/tiny:1b")
    assert f"/held/{digests['model'][7:]}" not in [asked.path for asked in site.asked]
    assert len(store.models()[0]) == 2


def test_small_blobs_come_first(pull: Puller, site: BlobRegistry) -> None:
    digests = site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    del site.files[f"/held/{digests['template'][7:]}"]
    with pytest.raises(KdmgrError, match="does not have its file"):
        pull("library/tiny:1b")
    assert f"/held/{digests['model'][7:]}" not in [asked.path for asked in site.asked]


def test_a_manifest_that_cannot_be_written_costs_no_download(pull: Puller, store: OwnStore, site: BlobRegistry) -> None:
    digests = site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    ref = parse_ollama_name(f"{site.host}/library/tiny:1b")
    in_the_way = store.manifest_path(ref).parent
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_bytes(b"a file where a folder has to be")
    with pytest.raises(StorageFailed):
        pull("library/tiny:1b")
    assert not blob_path(store.blobs, digests["model"]).exists()
    assert {info.digest for info in store.partials.list()} == {
        digests[kind] for kind in ("model", "template", "config")
    }
    in_the_way.unlink()
    before = site.sent
    pull("library/tiny:1b")
    assert site.sent - before < 10_000
    assert store.partials.list() == []


def test_a_blob_that_is_removed_meanwhile_comes_again(pull: Puller, store: OwnStore, site: BlobRegistry) -> None:
    digests = site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    removed = []

    def remove_once(progress: Progress) -> None:
        if progress.status == "complete" and progress.digest == digests["model"] and not removed:
            removed.append(store.partials.find(digests["model"]))
            store.partials.remove(removed[0])

    pull("library/tiny:1b", remove_once)
    assert removed[0] is not None
    assert store.models()[0][0].model_path.read_bytes() == WEIGHTS


def test_room_is_asked_for_what_is_missing_only(site: BlobRegistry, web: Web, tmp_path: Path) -> None:
    free = [10 << 30]
    store = OwnStore(tmp_path / "small", free=lambda _folder: free[0])
    pull = Puller(store, web, site, tmp_path)
    site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    free[0] = (64 << 20) + 1000
    with pytest.raises(StorageFailed, match="are needed"):
        pull("library/tiny:1b")
    assert site.file_requests() == []
    free[0] = 10 << 30
    pull("library/tiny:1b")
    free[0] = 64 << 20
    pull("library/tiny:1b")


def test_two_pulls_of_one_model_share_its_download(
    pull: Puller, store: OwnStore, site: BlobRegistry, web: Web, tmp_path: Path
) -> None:
    site.publish("library/tiny:1b", model=WEIGHTS, template=TEMPLATE)
    site.rate = 3e5
    other = Puller(OwnStore(store.root), web, site, tmp_path)
    told: list[str] = []
    failed: list[BaseException] = []

    def run(pull: Puller) -> None:
        try:
            pull("library/tiny:1b", lambda progress: told.append(progress.status))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in (pull, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    if failed:
        raise failed[0]
    assert any("is downloading" in status for status in told)
    assert site.sent < len(WEIGHTS) + 10_000
    assert len(store.models()[0]) == 1
    assert store.partials.list() == []


def test_a_partial_in_use_is_not_removed(store: OwnStore) -> None:
    store.root.mkdir()
    layer = Layer("model", f"sha256:{'ab' * 32}", 10)
    with store.partials.hold(layer, "tiny:1b", lambda sentence: None) as partial:
        partial.data.write_bytes(b"12345")
        partial.write([(0, 5)])
        (info,) = store.partials.list()
        assert (info.completed, info.size, info.model) == (5, 10, "tiny:1b")
        with pytest.raises(StorageFailed, match="another kdmgr"):
            store.partials.remove(info)
        assert store.partials.list() == [info]
    store.partials.remove(info)
    assert store.partials.list() == []
    assert not (store.root / "partial").exists()


def test_models_and_imports_do_not_touch_what_an_interrupted_download_left(store: OwnStore, tiny_gguf: Path) -> None:
    store.root.mkdir()
    layer = Layer("model", f"sha256:{'ab' * 32}", 10)
    with store.partials.hold(layer, "tiny:1b", lambda sentence: None) as partial:
        partial.data.write_bytes(b"12345")
        partial.write([(0, 5)])
    model = add_model(store, tiny_gguf, "mine:latest")
    with store.locked():
        store.remove(model)
    assert [info.completed for info in store.partials.list()] == [5]
    assert store.disk_use() == 0
