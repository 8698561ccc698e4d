"""A Modelfile becomes a model: on the server, or in kdmgr's own store.

FROM and ADAPTER name files, blobs that are there already (by their digest, which is their name), or an installed
model, whose layers are then inherited as Ollama does: new parameters win, licences add up, other texts replace.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, ServerUnreachable, UsageError
from kdmgr.models.progress import Progress, Report
from kdmgr.refs import OllamaRef, parse_ollama_name
from kdmgr.services.import_checks import require_usable_name
from kdmgr.services.threads import in_thread
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.ollama.creating import CreateRequest
    from kdmgr.engines.protocol import ParameterValue
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.models.digests import DigestMemory
    from kdmgr.models.manifest import Layer, Manifest
    from kdmgr.models.own_store import OwnStore
    from kdmgr.models.store import StoredModel
    from kdmgr.services.bringing import Bringing

_BLOB_NAME = re.compile(r"sha256[-:]([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Source:
    """What a FROM or ADAPTER names: a model's name, or a file; of a blob the digest is known."""

    written: str
    model: OllamaRef | None = None
    path: Path | None = None
    digest: str | None = None


def find_source(written: str, folder: Path) -> Source:
    """What `written` means in a Modelfile in `folder`. `NotFound` for a path that leads nowhere."""
    blob = _BLOB_NAME.search(written)
    try:
        path = (folder / Path(written).expanduser()).absolute()
        is_there = path.exists()
    except (OSError, RuntimeError, ValueError):
        path, is_there = folder, False
    if blob:
        return Source(written, path=path if is_there else None, digest=f"sha256:{blob[1]}")
    if is_there and written:
        if path.is_dir():
            raise UsageError(f"{written} is a folder", hint="kdmgr import takes folders")
        return Source(written, path=path)
    if written.lower().endswith((".gguf", ".bin", ".safetensors")) or written.startswith((".", "/", "~", "\\")):
        raise NotFound(f"no such file: {written}", hint=f"it is looked for from {folder}")
    return Source(written, model=parse_ollama_name(written))


async def apply_to_server(
    services: Bringing,
    modelfile: Modelfile,
    folder: Path,
    ref: OllamaRef,
    report: Report,
    *,
    engine: OllamaEngine | None = None,
) -> None:
    """Make `ref` on the server, in place of one of the same name.

    Files go up only if the server lacks them. Cancelling stops at once, and makes no model. Raises
    `ServerUnreachable`, `NotFound`, `UsageError`, `EngineFailed` …
    """
    require_usable_name(ref)
    _require_no_draft(modelfile)
    own = engine is None
    engine = engine or services.ollama_engine()
    try:
        status = await engine.status()
        if not status.usable:
            raise ServerUnreachable(status.detail, hint=status.hint)
        sources = [find_source(written, folder) for written in modelfile.sources]
        base = await _require_base(engine, sources)
        memory = services.import_tools.digests
        digests: list[tuple[str, str]] = []
        for source in [] if base else sources:
            await _deliver(engine, source, memory, digests, report)
        adapters: list[tuple[str, str]] = []
        for written in modelfile.values("adapter"):
            await _deliver(engine, find_source(written, folder), memory, adapters, report)
        request = _request(modelfile, ref, base, dict(digests), dict(adapters))
        async with aclosing(engine.create(request)) as steps:
            async for line in steps:
                report(Progress(line.status, None, line.completed, line.total))
    finally:
        if own:
            await engine.close()


def _require_no_draft(modelfile: Modelfile) -> None:
    if modelfile.values("draft"):
        raise UsageError(
            "draft models cannot be applied from here yet", hint="ollama create takes DRAFT from v0.23.1 on"
        )


async def _require_base(engine: OllamaEngine, sources: list[Source]) -> str | None:
    """The model to start from; one that is not there would be pulled unasked."""
    named = [source.model for source in sources if source.model is not None]
    if not named:
        return None
    if len(named) < len(sources):
        raise UsageError(
            f"FROM names the model {named[-1]} and files: the server would ignore the files",
            hint=f"name the model's own file instead: kdmgr modelfile show {named[-1]}",
        )
    if await engine.find(str(named[-1])) is None:
        raise NotFound(f"the server has no model {named[-1]}", hint=f"pull it first: kdmgr pull {named[-1]}")
    return str(named[-1])


async def _deliver(
    engine: OllamaEngine, source: Source, memory: DigestMemory, digests: list[tuple[str, str]], report: Report
) -> None:
    """Make the server have the file, and note its name and digest."""
    from kdmgr.engines.ollama.uploading import Upload

    if source.digest is not None and await engine.has_blob(source.digest):
        digests.append((_file_name(source, digests), source.digest))
        return
    if source.path is None:
        raise NotFound(f"neither the server nor this machine has {source.written}", hint="name a file")
    path, what = source.path, printable(source.path.name)[:40]
    size = path.stat().st_size
    digest = await in_thread(lambda tell: memory.hash(path, tell), report)

    def tell(sent: int) -> None:
        report(Progress(f"sending {what}", digest, sent, size))

    await engine.uploads.send(Upload(path, digest, size), tell)
    digests.append((_file_name(source, digests), digest))


def _file_name(source: Source, digests: list[tuple[str, str]]) -> str:
    """A name that the server takes and that no other file of the request has."""
    return f"{len(digests)}-{source.path.name}" if source.path and source.digest is None else f"{len(digests)}.gguf"


def _request(
    modelfile: Modelfile, ref: OllamaRef, base: str | None, files: dict[str, str], adapters: dict[str, str]
) -> CreateRequest:
    from kdmgr.engines.ollama.creating import CreateRequest

    return CreateRequest(
        model=str(ref),
        base=base,
        files=files,
        adapters=adapters,
        template=modelfile.template,
        system=modelfile.system,
        parameters=modelfile.parameters,
        messages=modelfile.messages,
        licenses=modelfile.licenses,
        renderer=modelfile.last("renderer"),
        parser=modelfile.last("parser"),
        requires=(modelfile.last("requires") or "").removeprefix("v") or None,
    )


def apply_to_own_store(
    services: Bringing, modelfile: Modelfile, folder: Path, ref: OllamaRef, report: Report
) -> StoredModel:
    """Make `ref` in kdmgr's own store, in place of one of the same name; its manifest is written last."""
    require_usable_name(ref)
    _require_no_draft(modelfile)
    sources = [find_source(written, folder) for written in modelfile.sources]
    names = [source.model for source in sources if source.model is not None]
    base = services.library.require(names[-1]).stored if names else None
    store = services.library.own
    with store.locked(f"making {ref}", lambda sentence: report(Progress(f"waiting: {sentence}"))):
        layers = _base_layers(store, base, report) if base else _file_layers(store, sources, report)
        adapters = [find_source(written, folder) for written in modelfile.values("adapter")]
        layers += [_file_layer(store, source, "adapter", report) for source in adapters]
        report(Progress("writing manifest"))
        return store.write_manifest(ref, _manifest(services, store, modelfile, layers, base))


def _base_layers(store: OwnStore, base: StoredModel, report: Report) -> list[Layer]:
    from kdmgr.models.layout import blob_path

    kinds = ("model", "projector", "adapter", "draft")
    found = [layer for layer in base.manifest.layers if layer.kind in kinds]
    if not found:
        raise NotFound(f"{base.ref} has no weights of its own", hint="it runs on another computer")
    sources = [Source(str(base.ref), path=blob_path(base.blobs, each.digest), digest=each.digest) for each in found]
    pairs = zip(sources, found, strict=True)
    return [_file_layer(store, source, layer.kind, report) for source, layer in pairs]


def _file_layers(store: OwnStore, sources: list[Source], report: Report) -> list[Layer]:
    """The first file is the model; others are what their headers say."""
    from kdmgr.models.headers import read_file_header

    layers = []
    for source in sources:
        path = _require_path(store, source)
        header = read_file_header(path)
        is_projector = header.text("general.type") in ("projector", "mmproj") or "clip.vision" in str(header.metadata)
        layers.append(_file_layer(store, source, "projector" if is_projector else "model", report))
    return layers


def _require_path(store: OwnStore, source: Source) -> Path:
    from kdmgr.models.layout import blob_path

    path = source.path or (blob_path(store.blobs, source.digest) if source.digest else None)
    if path is None or not path.exists():
        raise NotFound(f"no such file: {source.written}", hint="name a file that is on this machine")
    return path


def _file_layer(store: OwnStore, source: Source, kind: str, report: Report) -> Layer:
    """A blob that the store has is taken by its name; any other file is copied."""
    from kdmgr.models.ingest import ingest_file
    from kdmgr.models.manifest import LAYER_PREFIX, Layer
    from kdmgr.models.store import file_size

    path = _require_path(store, source)
    size = file_size(path)
    if source.digest is not None and size is not None and store.has_blob(source.digest, size):
        return Layer(LAYER_PREFIX + kind, source.digest, size)
    return ingest_file(store, path, kind, report)


def _manifest(
    services: Bringing, store: OwnStore, modelfile: Modelfile, layers: list[Layer], base: StoredModel | None
) -> Manifest:
    from kdmgr.gguf.shape import read_shape
    from kdmgr.models.headers import read_file_header
    from kdmgr.models.layout import blob_path
    from kdmgr.models.manifest import CONFIG_TYPE, Manifest
    from kdmgr.models.model_config import encode_config
    from kdmgr.services.model_layers import model_config, modelfile_layers

    weights = next((layer for layer in layers if layer.kind == "model"), None)
    if weights is None:
        raise UsageError("none of the files is a model", hint="FROM must name its weights, not only a projector")
    shape = read_shape(read_file_header(blob_path(store.blobs, weights.digest)))
    whole = inherit(modelfile, base) if base else modelfile
    texts = [store.add_layer(kind, content) for kind, content in modelfile_layers(whole)]
    every = (*layers, *texts)
    config = encode_config(model_config(shape, whole), [layer.digest for layer in every])
    return Manifest(store.add_layer("config", config, media_type=CONFIG_TYPE), every)


def inherit(modelfile: Modelfile, base: StoredModel) -> Modelfile:
    """The Modelfile together with what it takes from its base, as Ollama merges them (server/create.go)."""
    from kdmgr.modelfile.commands import Command, Modelfile
    from kdmgr.services.model_parts import parts_of_stored

    parts = parts_of_stored(base)
    texts = {"template": parts.template, "system": parts.system}
    texts |= {"renderer": parts.renderer, "parser": parts.parser, "requires": parts.requires}
    inherited = [Command(name, text) for name, text in texts.items() if text and not modelfile.values(name)]
    if not modelfile.messages:
        inherited += [Command("message", content, role) for role, content in parts.messages]
    inherited += [Command("license", text) for text in parts.licenses]
    own = tuple(command for command in modelfile.commands if command.name != "from")
    parameters: dict[str, ParameterValue] = {**parts.parameters, **modelfile.parameters}
    return Modelfile((*inherited, *own), parameters)


async def is_taken(services: Bringing, name: str, target: str) -> bool:
    """Whether the server (or, for the target "own", kdmgr's store) has a model of this name."""
    if target == "own":
        return services.library.own.find(parse_ollama_name(name)) is not None
    engine = services.ollama_engine()
    try:
        return await engine.find(name) is not None
    finally:
        await engine.close()
