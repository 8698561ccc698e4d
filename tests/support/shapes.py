"""Shapes of known models, read from headers without weights."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from kdmgr.gguf.reader import read_header
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.gguf.source import FileSource
from tests.support.sparse import RECIPES, write_sparse


def read_file_shape(path: Path) -> ModelShape:
    """The shape of a GGUF file."""
    with path.open("rb") as file:
        return read_shape(read_header(FileSource(file)))


@cache
def shape(name: str) -> ModelShape:
    """The shape of one of the `RECIPES`."""
    with tempfile.TemporaryDirectory() as folder:
        return read_file_shape(write_sparse(RECIPES[name], Path(folder)))
