"""A model in several files: `NAME-00001-of-00003.gguf`, and their headers as one.

llama-gguf-split puts all metadata into the first shard; each has a part of the tensors (llama.cpp, tools/gguf-split).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import GgufHeader, TensorInfo
from kdmgr.refs import SHARD

MAX_SHARDS = 1000


@dataclass(frozen=True, slots=True)
class ShardName:
    """The name of one shard. `number` counts from 1."""

    prefix: str
    number: int
    total: int

    def sibling(self, number: int) -> str:
        """The name of another shard of the set."""
        return f"{self.prefix}-{number:05}-of-{self.total:05}.gguf"


def parse_shard(name: str) -> ShardName | None:
    """What the file name `name` says; None for a file that is no shard."""
    match = SHARD.search(name)
    if match is None:
        return None
    number, total = int(match[1]), int(match[2])
    return ShardName(name[: match.start()], number, total) if 1 <= number <= total <= MAX_SHARDS else None


def merge_headers(shards: Sequence[GgufHeader]) -> GgufHeader:
    """The header of the whole model; offsets go on from shard to shard. `GgufError` when they are no set."""
    first = shards[0]
    if len(shards) == 1:
        return first
    tensors: list[TensorInfo] = []
    start = 0
    for number, shard in enumerate(shards):
        _check(shard, number, len(shards))
        tensors += (replace(tensor, offset=start + tensor.offset) for tensor in shard.tensors)
        start += -(-shard.data_bytes // first.alignment) * first.alignment
    expected = first.integer("split.tensors.count")
    if expected is not None and expected != len(tensors):
        raise GgufError(f"the shards hold {len(tensors)} tensors, not the {expected} that they should")
    problems = [problem for shard in shards for problem in shard.problems]
    if len({tensor.name for tensor in tensors}) < len(tensors):
        problems.append("some tensors stand in more than one shard")
    # What is said of the split is not true of the whole.
    metadata = {key: value for key, value in first.metadata.items() if not key.startswith("split.")}
    return replace(first, metadata=metadata, tensors=tuple(tensors), problems=tuple(problems))


def _check(shard: GgufHeader, number: int, total: int) -> None:
    if shard.integer("split.no") != number or shard.integer("split.count") != total:
        raise GgufError(
            f"shard {number + 1} of {total} is not what its name says",
            hint="the files of different models are mixed; download them again",
        )
