"""Where a loaded model is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.units import format_bytes

if TYPE_CHECKING:
    from kdmgr.engines.protocol import LoadedModel


def describe_spill(loaded: LoadedModel) -> tuple[str, str, str] | None:
    """Text, kind and hint of a warning where part of the model is in host memory; None where none is, or all of it.

    All of it is no surprise on a machine without a GPU, and said elsewhere.
    """
    size, on_devices = loaded.size, loaded.size_vram
    if not size or not on_devices or on_devices >= size:
        return None
    text = (
        f"{1 - on_devices / size:.0%} of the model runs on the CPU: "
        f"{format_bytes(on_devices)} of {format_bytes(size)} are on the GPU"
    )
    return text, "warning", "less context, a smaller KV type or a smaller quant may fit wholly"
