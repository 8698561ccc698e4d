"""A local shard set as one model."""

from __future__ import annotations

from pathlib import Path

from kdmgr.errors import NotFound
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.shards import ShardName, merge_headers, parse_shard
from kdmgr.models.headers import HeaderCache

NAMED = 3


def shard_paths(path: Path) -> list[Path]:
    """All files of the model that `path` is (any part of), in order. `NotFound` names the shards that are missing."""
    name = parse_shard(path.name)
    if name is None or name.total == 1:
        return [path]
    paths = [path.with_name(name.sibling(number)) for number in range(1, name.total + 1)]
    # The name that was given may be spelled in another case than it would be built.
    paths[name.number - 1] = path
    missing = [shard.name for shard in paths if not shard.exists()]
    if missing:
        raise _missing(path, name, missing)
    return paths


def read_local_header(headers: HeaderCache, path: Path) -> tuple[GgufHeader, Path]:
    """The header of a file or a whole shard set, and the file that an engine is given: the first."""
    paths = shard_paths(path)
    return merge_headers([headers.read(shard) for shard in paths]), paths[0]


def _missing(path: Path, name: ShardName, missing: list[str]) -> NotFound:
    if len(missing) == name.total:
        return NotFound(f"no such file: {path}", hint=f"look at what is there: ls {path.parent}")
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return NotFound(
        f"{len(missing)} of {name.total} shards are missing: {', '.join(missing[:NAMED])}{more}",
        hint=f"put all {name.total} files into {path.parent}",
    )
