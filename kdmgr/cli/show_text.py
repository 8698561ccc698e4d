"""The long parts of `kdmgr show`: all metadata, every tensor, the projector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.gguf.header import LongArray
from kdmgr.units import format_bytes, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.gguf.header import Value
    from kdmgr.services.about import About

_MAX_TEXT, _MAX_ITEMS = 200, 8


def print_metadata(about: About, console: Console) -> None:
    """Every key, one a line; long texts and arrays are cut, and said to be."""
    console.print()
    facts = dict(sorted(about.metadata.items()))
    console.fields({key: describe_value(value) for key, value in facts.items()})
    if about.projector is not None:
        console.print()
        console.print(console.style("projector", "bold"))
        console.fields({key: describe_value(value) for key, value in sorted(about.projector.facts.items())})


def print_tensors(about: About, console: Console) -> None:
    """Every tensor, in the file's order."""
    console.print()
    rows = (
        (tensor.name, "×".join(map(str, tensor.shape)), tensor.type.name, format_bytes(tensor.n_bytes))
        for tensor in about.tensors
    )
    console.table(("TENSOR", "SHAPE", "TYPE", "SIZE"), rows, right=(1, 3))


def describe_projector(about: About) -> str:
    """`clip, 812.5 MiB`; "" without one."""
    if about.projector is None:
        return ""
    architecture = about.projector.facts.get("general.architecture", "?")
    size = about.projector.size
    return f"{architecture}, {format_bytes(size)}" if size is not None else f"{architecture}"


def describe_value(value: Value) -> str:
    """One line; what is cut ends in an ellipsis and its length."""
    if isinstance(value, LongArray):
        return f"[{value.length} values]"
    if isinstance(value, tuple):
        shown = ", ".join(describe_value(item) for item in value[:_MAX_ITEMS])
        return f"[{shown}]" if len(value) <= _MAX_ITEMS else f"[{shown}, … {len(value)} values]"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)
    line = printable(value).replace("\n", "↵").replace("\t", " ")
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}… ({len(value)} characters)"


def metadata_object(about: About) -> dict[str, object]:
    """The metadata as JSON values; an array that was not read is an object with its length."""
    return {key: _object(value) for key, value in about.metadata.items()}


def projector_object(about: About) -> dict[str, object] | None:
    """The projector as JSON values."""
    if about.projector is None:
        return None
    return {"size_bytes": about.projector.size, "metadata": dict(about.projector.facts)}


def tensors_object(about: About) -> list[dict[str, object]]:
    """The tensor table as JSON values."""
    return [
        {"name": row.name, "shape": list(row.shape), "type": row.type.name, "size_bytes": row.n_bytes}
        for row in about.tensors
    ]


def _object(value: Value) -> object:
    if isinstance(value, LongArray):
        return {"length": value.length}
    return list(value) if isinstance(value, tuple) else value
