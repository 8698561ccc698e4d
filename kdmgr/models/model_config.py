"""The configuration blob of a model: what Ollama shows without opening the GGUF (types/model/config.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The configuration of one GGUF model."""

    family: str
    """The GGUF's architecture."""
    parameters: int
    quant: str | None
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None
    """The oldest Ollama that can run it, like 0.14.0."""


def encode_config(config: ModelConfig, digests: Sequence[str]) -> bytes:
    """The blob's bytes; `digests` are those of the layers, in order."""
    from kdmgr.models.go_json import encode_json

    optional = {"renderer": config.renderer, "parser": config.parser, "requires": config.requires}
    body: dict[str, object] = {
        "model_format": "gguf",
        "model_family": config.family,
        "model_families": [config.family],
        "model_type": format_model_type(config.parameters),
        "file_type": config.quant or "unknown",
        **{key: value for key, value in optional.items() if value},
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": list(digests)},
    }
    return encode_json(body)


def format_model_type(parameters: int) -> str:
    """`268.10M`, `7.6B`, `671B`, as Ollama words it (format.HumanNumber)."""
    for unit, name, digits in ((10**9, "B", 1), (10**6, "M", 2)):
        if parameters >= unit:
            return f"{parameters / unit:.{0 if parameters % unit == 0 else digits}f}{name}"
    return f"{parameters / 1000:.0f}K" if parameters >= 1000 else str(parameters)
