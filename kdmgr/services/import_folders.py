"""Folders as they come from training: safetensors with their JSON, an adapter's, or just a GGUF.

The files of a folder that Ollama converts: cmd/cmd.go and convert/convert.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kdmgr.errors import Unreadable, UsageError
from kdmgr.gguf.shards import parse_shard

MAX_JSON = 64 << 20
_ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds: one GGUF (its first shard), or safetensors."""

    path: Path
    gguf: Path | None = None
    weights: tuple[Path, ...] = ()
    beside: tuple[Path, ...] = ()
    """Configuration and tokenizer."""
    architecture: str | None = None
    template: str | None = None
    is_adapter: bool = False

    def name_files(self) -> dict[str, Path]:
        """The files to send by the names they have below the folder."""
        return {file.relative_to(self.path).as_posix(): file for file in (*self.weights, *self.beside)}


def expand_folder(folder: Path) -> Folder:
    """What `folder` holds. Raises `UsageError` for several models, `Unreadable` for none."""
    try:
        weights = sorted((*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")))
        models = [path for path in sorted(folder.glob("*.gguf")) if _begins_a_model(path)]
    except OSError as error:
        raise Unreadable(f"cannot read {folder}: {error.strerror or error}") from error
    if weights:
        return _safetensors(folder, weights)
    if len(models) == 1:
        return Folder(folder, gguf=models[0])
    if models:
        named = ", ".join(path.name for path in models[:4])
        raise UsageError(f"{folder} holds {len(models)} models: {named}", hint="name the one to import")
    raise Unreadable(f"{folder} holds no GGUF and no safetensors", hint="name a .gguf file, or a folder with a model")


def _begins_a_model(path: Path) -> bool:
    shard = parse_shard(path.name)
    projector = path.name.lower().startswith("mmproj")
    return not projector and (shard is None or shard.number == 1)


def _safetensors(folder: Path, weights: list[Path]) -> Folder:
    beside = tuple(
        path
        for pattern in ("*.json", "*/*.json", "chat_template.jinja", "tokenizer.model", "*/tokenizer.model")
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    )
    if (folder / _ADAPTER).is_file():
        return Folder(folder, None, tuple(weights), beside, is_adapter=True)
    config = _read_json(folder / "config.json")
    architectures = config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(first, str):
        raise Unreadable(f"{folder}/config.json names no architecture", hint="is the whole repository here?")
    _require_all_parts(folder, weights)
    # Several sets of weights may lie in one repository; Ollama takes those called model*.
    chosen = [path for path in weights if path.name.startswith("model")] or weights
    return Folder(folder, None, tuple(chosen), beside, first, _template(folder))


def _require_all_parts(folder: Path, weights: list[Path]) -> None:
    """`Unreadable` when the index names files that are not here."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return
    mapped = _read_json(index).get("weight_map")
    names = {str(name) for name in mapped.values()} if isinstance(mapped, dict) else set()
    missing = sorted(names - {path.name for path in weights})
    if missing:
        raise Unreadable(
            f"{len(missing)} of the weights of {folder} are missing: {missing[0]:.100}", hint="download it again"
        )


def _template(folder: Path) -> str | None:
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    path = folder / "tokenizer_config.json"
    found = _read_json(path).get("chat_template") if path.is_file() else None
    return found if isinstance(found, str) and found else None


def _read_json(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            body = json.loads(file.read(MAX_JSON))
    except FileNotFoundError as error:
        raise Unreadable(f"{path.parent} has no {path.name}", hint="is the whole repository here?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} cannot be read as JSON", hint="download it again") from error
    return body if isinstance(body, dict) else {}
