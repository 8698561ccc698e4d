"""A model in several files counts as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.errors import NotFound, Unreadable
from kdmgr.gguf.shape import read_shape
from kdmgr.gguf.shards import parse_shard
from kdmgr.models.headers import HeaderCache
from kdmgr.models.shard_files import read_local_header
from tests.support.shard_sets import write_shards


@pytest.fixture
def headers(tmp_path: Path) -> HeaderCache:
    return HeaderCache(tmp_path / "headers")


@pytest.mark.parametrize("named", [0, 1, 2])
def test_any_shard_stands_for_the_set(headers: HeaderCache, tmp_path: Path, named: int) -> None:
    paths = write_shards(tmp_path / "set")
    header, first = read_local_header(headers, paths[named])
    assert first == paths[0]
    shape = read_shape(header)
    assert (shape.n_layer, shape.parameters, shape.name) == (3, 64 * 2 + 3 * 64 * 64, "Tiny")
    assert shape.weights.blocks == (64 * 64 * 4,) * 3
    assert header.data_bytes == 512 + 3 * 64 * 64 * 4
    assert not [key for key in header.metadata if key.startswith("split.")]


def test_missing_shards_are_named(headers: HeaderCache, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set", total=7)
    for path in paths[1:6]:
        path.unlink()
    with pytest.raises(
        NotFound, match=r"5 of 7 shards are missing: tiny-00002-of-00007\.gguf, .* and 2 more"
    ) as failed:
        read_local_header(headers, paths[6])
    assert "all 7 files" in (failed.value.hint or "")


def test_a_set_of_which_nothing_is_there_is_no_such_file(headers: HeaderCache, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        read_local_header(headers, tmp_path / "x-00001-of-00002.gguf")


def test_shards_of_different_models_are_refused(headers: HeaderCache, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set")
    paths[1].write_bytes(paths[2].read_bytes())
    with pytest.raises(Unreadable, match="shard 2 of 3 is not what its name says"):
        read_local_header(headers, paths[0])


def test_a_set_that_lost_tensors_is_refused(headers: HeaderCache, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set", n_tensors=9)
    with pytest.raises(Unreadable, match="4 tensors, not the 9"):
        read_local_header(headers, paths[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b-00002-of-00003.gguf", ("a/b", 2, 3)),
        ("b-00001-of-00001.GGUF", ("b", 1, 1)),
        ("b-00004-of-00003.gguf", None),
        ("b-00000-of-00003.gguf", None),
        ("b-00001-of-99999.gguf", None),
        ("b-1-of-3.gguf", None),
        ("b.gguf", None),
    ],
)
def test_names_of_shards(name: str, expected: tuple[str, int, int] | None) -> None:
    shard = parse_shard(name)
    assert (shard and (shard.prefix, shard.number, shard.total)) == expected
