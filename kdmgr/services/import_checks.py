"""What is refused before a byte is copied, each with the reason and what to do instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import Unreadable, UsageError
from kdmgr.refs import HUB_HOSTS, OllamaRef

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile

# What the Modelfiles that come with kdmgr stand in front of: any file.
PLACEHOLDERS = ("./model.gguf", "model.gguf")
_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,2}(?:[-+][0-9A-Za-z.+-]+)?)")


def require_usable_name(ref: OllamaRef) -> None:
    """`UsageError` for a name by which the model could not be found again."""
    if ref.is_cloud:
        raise UsageError(f"{ref} names a model that runs elsewhere", hint="choose a tag that does not end in cloud")
    if ref.host.lower() in HUB_HOSTS:
        raise UsageError(f"{ref} names a Hugging Face repository", hint=f"choose a plain name, like {ref.model}")
    if ref.model.lower().endswith(".gguf") or ref.tag.lower().endswith(".gguf"):
        raise UsageError(f"{ref} reads like a file", hint="choose a name that does not end in .gguf")


def require_whole_model(path: Path, header: GgufHeader) -> None:
    """`Unreadable` for GGUF files that are only a part of a model."""
    kind = header.text("general.type")
    if kind not in (None, "model"):
        raise Unreadable(f"{path} is of type {kind!r:.40}, not a model", hint="import the model that it belongs to")
    shards = header.integer("split.count") or 0
    if shards > 1:
        hint = "join them first: llama-gguf-split --merge FIRST-SHARD.gguf whole.gguf"
        raise Unreadable(f"{path} is one of {shards} shards", hint=hint)


def require_importable(modelfile: Modelfile, modelfile_path: Path, path: Path) -> None:
    """`UsageError` for a Modelfile that means another file, more than one, or what no layer can hold."""
    if len(modelfile.sources) > 1 or modelfile.values("adapter") or modelfile.values("draft"):
        raise UsageError(
            f"{modelfile_path} names more than one file",
            hint="projectors, adapters and drafts cannot be imported yet; leave one FROM and no ADAPTER or DRAFT",
        )
    _require_same_file(modelfile.sources[0], modelfile_path, path)
    require_sane_values(modelfile, modelfile_path)


def require_sane_values(modelfile: Modelfile, modelfile_path: Path) -> None:
    """`UsageError` for numbers and versions that nothing can read."""
    import math

    for name, value in modelfile.parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{modelfile_path} sets {name} to {value}", hint="no engine takes such a number")
    requires = modelfile.last("requires")
    if requires is not None and not _VERSION.fullmatch(requires):
        raise UsageError(f"{modelfile_path} requires {requires!r:.40}", hint="write a version, like REQUIRES 0.14.0")


def _require_same_file(source: str, modelfile_path: Path, path: Path) -> None:
    """FROM must mean the file that was given; anything else would import something unexpected."""
    try:
        named = (modelfile_path.parent / Path(source).expanduser()).resolve()
        same = named == path.resolve() or (named.exists() and named.samefile(path))
        placeholder = source in PLACEHOLDERS and not named.exists()
    except (OSError, RuntimeError, ValueError):
        # No such user's home, a name longer than any file's, a loop of links.
        same = placeholder = False
    if not same and not placeholder:
        raise UsageError(f"{modelfile_path} is FROM {source:.200}, not {path}", hint=f"write FROM {path.resolve()}")
