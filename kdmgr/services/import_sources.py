"""What a user named for an import, sorted out: models, shards, projectors, adapters, folders to convert."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, Unreadable, UsageError
from kdmgr.gguf.shards import merge_headers
from kdmgr.models.headers import HeaderCache
from kdmgr.models.shard_files import shard_paths
from kdmgr.models.source_file import FileState, read_state
from kdmgr.services.import_checks import PLACEHOLDERS
from kdmgr.services.import_folders import expand_folder

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile


class Kind(StrEnum):
    """What a file is for."""

    MODEL = "model"
    PROJECTOR = "projector"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One file to send. `name` is what the server is told it is called."""

    path: Path
    name: str
    kind: Kind
    state: FileState


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a model is made of."""

    files: tuple[ImportFile, ...]
    base: str | None
    """A model of the server that an adapter or other texts go on top of."""
    header: GgufHeader | None
    """Of the model, all shards as one; None for a base or a folder to convert."""
    folder: Path | None = None
    """The safetensors folder, if it is one."""
    converted: str | None = None
    """The architecture that its config.json names; None for an adapter's."""
    template: str | None = None
    """The folder's own chat template."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.state.size for file in self.files)

    @property
    def path(self) -> Path | None:
        """The model's first file, else any."""
        ranked = sorted(self.files, key=lambda file: file.kind is not Kind.MODEL)
        return self.folder or (ranked[0].path if ranked else None)

    @property
    def n_shards(self) -> int:
        """Files that hold the model."""
        return 0 if self.folder else sum(file.kind is Kind.MODEL for file in self.files)


def gather(
    named: tuple[Path, ...], modelfile: Modelfile | None, beside: Path | None, base: str | None, headers: HeaderCache
) -> Sources:
    """Sort out the files `named`, and those that a Modelfile at `beside` names.

    Raises `NotFound`, `Unreadable` or `UsageError` for what is no model, or more than one.
    """
    paths, written_base = _from_modelfile(modelfile, beside, bool(named))
    base = base or written_base
    everything = _distinct([*named, *paths])
    folders = [path for path in everything if path.is_dir()]
    if folders:
        expanded = expand_folder(folders[0])
        if expanded.gguf is None:
            return _folder_sources(expanded.name_files(), folders[0], expanded, everything, base)
        everything = [expanded.gguf if path == folders[0] else path for path in everything]
    return _gguf_sources(everything, base, headers)


def _folder_sources(
    files: dict[str, Path], folder: Path, expanded: object, everything: list[Path], base: str | None
) -> Sources:
    from kdmgr.services.import_folders import Folder

    assert isinstance(expanded, Folder)
    if len(everything) > 1:
        raise UsageError(f"{folder} and other files cannot be imported together", hint="name the folder alone")
    if expanded.is_adapter and base is None:
        raise _no_base(folder)
    if not expanded.is_adapter and base is not None:
        raise UsageError(f"{folder} is a whole model, and so is {base}", hint="leave one of them away")
    kind = Kind.ADAPTER if expanded.is_adapter else Kind.MODEL
    return Sources(
        files=tuple(ImportFile(path, name, kind, read_state(path)) for name, path in files.items()),
        base=base,
        header=None,
        folder=folder,
        converted=expanded.architecture,
        template=expanded.template,
    )


def _gguf_sources(paths: list[Path], base: str | None, headers: HeaderCache) -> Sources:
    files: list[ImportFile] = []
    header = None
    for path in paths:
        shards = shard_paths(path)
        if any(file.path == shards[0] for file in files):
            continue  # several shards of one set were named
        states = [read_state(shard) for shard in shards]
        merged = merge_headers([headers.read(shard) for shard in shards])
        _require_whole(path, merged, states, [headers.read(shard) for shard in shards])
        kind = classify(merged)
        if kind is Kind.MODEL:
            if header is not None:
                raise UsageError(f"more than one model was named: {path}", hint="import them one after the other")
            header = merged
        files += (
            ImportFile(shard, _upload_name(shard), kind, state) for shard, state in zip(shards, states, strict=True)
        )
    _require_sound(files, header, base)
    return Sources(tuple(files), base, header)


def classify(header: GgufHeader) -> Kind:
    """What a GGUF is for, as Ollama tells (server/create.go, ggufLayers)."""
    kind, architecture = header.text("general.type"), header.text("general.architecture") or ""
    if kind == "adapter":
        return Kind.ADAPTER
    seeing = header.integer(f"{architecture}.vision.block_count") or 0
    blocks = header.integer(f"{architecture}.block_count") or 0
    if kind in ("projector", "mmproj") or architecture == "clip" or (seeing and not blocks):
        return Kind.PROJECTOR
    if kind not in (None, "model"):
        raise Unreadable(f"this GGUF is of type {kind!r:.40}, which no server loads", hint="import the model itself")
    return Kind.MODEL


def _from_modelfile(modelfile: Modelfile | None, beside: Path | None, named: bool) -> tuple[list[Path], str | None]:
    """The files that FROM and ADAPTER name, and the model of a FROM that names one."""
    if modelfile is None or beside is None:
        return [], None
    if modelfile.values("draft"):
        raise UsageError(f"{beside} has a DRAFT, which cannot be imported yet", hint="leave it away")
    paths: list[Path] = []
    base = None
    for value in modelfile.sources:
        path = _resolve(value, beside)
        if path is not None:
            paths.append(path)
        elif value in PLACEHOLDERS and named:
            continue
        elif value.startswith((".", "/", "~")) or value.lower().endswith((".gguf", ".safetensors")):
            raise NotFound(f"{beside} is FROM {value:.200}, and there is no such file", hint="mend the path")
        else:
            base = value
    for value in modelfile.values("adapter"):
        path = _resolve(value, beside)
        if path is None:
            raise NotFound(f"{beside} has ADAPTER {value:.200}, and there is no such file", hint="mend the path")
        paths.append(path)
    return paths, base


def _resolve(value: str, beside: Path) -> Path | None:
    """The file or folder that a Modelfile means; None where there is none of this name."""
    try:
        path = beside.parent / Path(value).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        # No such user's home, a name longer than any file's, a loop of links.
        return None


def _distinct(paths: list[Path]) -> list[Path]:
    kept: list[Path] = []
    for path in paths:
        try:
            if not path.exists():
                raise NotFound(f"no such file: {path}", hint=f"look at what is there: ls {path.parent}")
            if not any(path.samefile(other) for other in kept):
                kept.append(path)
        except OSError as error:
            # A folder that may not be looked into, a name longer than any file's, a disk that fails.
            reason = error.strerror or error
            raise Unreadable(f"cannot read {path}: {reason}", hint="is it a file that you may read?") from error
    return kept


def _require_whole(path: Path, header: GgufHeader, states: list[FileState], parts: list[GgufHeader]) -> None:
    shards = header.integer("split.count") or 0
    if shards > 1 and len(states) == 1:
        raise Unreadable(f"{path} is one of {shards} shards", hint="name it as it was: NAME-00001-of-00003.gguf")
    for part, state in zip(parts, states, strict=True):
        if state.size < part.file_bytes:
            missing = part.file_bytes - state.size
            raise Unreadable(f"{path} is cut: {missing} bytes are missing at its end", hint="download it again")


def _require_sound(files: list[ImportFile], header: GgufHeader | None, base: str | None) -> None:
    kinds = [file.kind for file in files]
    if kinds.count(Kind.PROJECTOR) > 1 or kinds.count(Kind.ADAPTER) > 1:
        raise UsageError("more than one projector or adapter was named", hint="a model takes one of each")
    if header is not None and base is not None:
        raise UsageError(
            f"a model's file and the model {base} cannot both be the base",
            hint="Ollama would take the name and silently leave the file; leave one of them away",
        )
    if header is None and base is None:
        first = files[0].path if files else Path("nothing")
        if Kind.ADAPTER in kinds:
            raise _no_base(first)
        raise UsageError(
            f"{first} is no model by itself" if files else "no file was named",
            hint="name the model's file too, or FROM in a Modelfile",
        )
    if base is not None and Kind.PROJECTOR in kinds:
        raise UsageError("a projector cannot be added to a model by its name", hint="name the model's file instead")
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise UsageError("two of the files have the same name", hint="rename one of them")


def _no_base(path: Path) -> UsageError:
    return UsageError(
        f"{path} is an adapter, and needs the model it was made for",
        hint="--base model:tag, or FROM model:tag in a Modelfile; or name the base's GGUF file too",
    )


def _upload_name(path: Path) -> str:
    """A name that Go takes for a path (UTF-8, no slashes) and Ollama for a GGUF."""
    name = path.name.encode("utf-8", "replace").decode().replace("\\", "_")
    return name if name.endswith(".gguf") else f"{name}.gguf"
