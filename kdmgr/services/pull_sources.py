"""Where the blobs of a published model are, for kdmgr's own store: a registry, or the Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import ServerUnreachable, Unreadable, UsageError
from kdmgr.gguf.shape import read_shape
from kdmgr.models.fetch_model import BuildManifest, WantedBlob
from kdmgr.models.headers import read_file_header
from kdmgr.models.hub_files import HubFile, choose_model
from kdmgr.models.manifest import CONFIG_TYPE, LAYER_PREFIX, Layer, Manifest, normalise_digest
from kdmgr.models.model_config import encode_config
from kdmgr.refs import HubRef, OllamaRef
from kdmgr.services.finding import installed_name
from kdmgr.services.model_layers import model_config
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.models.own_store import OwnStore
    from kdmgr.services.bringing import Bringing


@dataclass(frozen=True, slots=True)
class PullSource:
    """What to download, and how it becomes a model."""

    blobs: tuple[WantedBlob, ...]
    build: BuildManifest
    file: str | None = None
    """Of a repository, the file that has the weights."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The blobs' digests and sizes."""
        return tuple(blob.layer for blob in self.blobs)


def find_source(services: Bringing, ref: OllamaRef | HubRef) -> PullSource:
    """Ask where `ref` is published. Raises as the registry and the Hub do, and for what cannot be run from here."""
    return _on_hub(services, ref) if isinstance(ref, HubRef) else _in_registry(services, ref)


def own_name(ref: OllamaRef | HubRef) -> OllamaRef:
    """The name that `ref` gets in the store; `UsageError` for a user's name that Ollama's layout has no place for."""
    name = installed_name(ref)
    if name is None:
        raise UsageError(
            f"{ref}: a user's name with a dot in it cannot be part of a model's name",
            hint="download the .gguf file and import it: kdmgr import FILE NAME",
        )
    return name


def _in_registry(services: Bringing, ref: OllamaRef) -> PullSource:
    registry = services.registry
    remote = registry.manifest(ref)
    if remote.note is not None:
        raise ServerUnreachable(f"{ref} cannot be pulled now: {remote.note}", hint="look at the network")
    _ = remote.weights  # refuses what has no GGUF
    layers = (*remote.manifest.layers, remote.manifest.config)
    unique = {layer.digest: layer for layer in layers}
    blobs = tuple(WantedBlob(layer, registry.blob(ref, layer)) for layer in unique.values())
    return PullSource(blobs, lambda _path: (remote.manifest, remote.encoded))


def _on_hub(services: Bringing, ref: HubRef) -> PullSource:
    repo = services.hub.repo(ref)
    if repo.note is not None:
        raise ServerUnreachable(f"{ref} cannot be pulled now: {repo.note}", hint="look at the network")
    model = choose_model(repo, ref)
    if len(model.files) > 1 or model.missing:
        raise Unreadable(
            f"{printable(str(ref))} is split into {len(model.files) + model.missing} files, "
            "of which kdmgr's store cannot make one model",
            hint="choose another quant, or download them, join them (llama-gguf-split --merge) and import the result",
        )
    wanted = [_wanted(services, ref, model.files[0], "model")]
    if repo.projectors:
        # The one that a fit counts.
        wanted.append(_wanted(services, ref, max(repo.projectors, key=lambda file: file.size), "projector"))
    build = _builder(lambda: services.library.own, tuple(blob.layer for blob in wanted))
    return PullSource(tuple(wanted), build, model.files[0].path)


def _wanted(services: Bringing, ref: HubRef, file: HubFile, kind: str) -> WantedBlob:
    try:
        digest = normalise_digest(file.digest)
    except Unreadable as error:
        raise Unreadable(
            f"the Hub names no sha256 of {printable(file.path)}", hint="download the file and import it"
        ) from error
    layer = Layer(LAYER_PREFIX + kind, digest, file.size)
    return WantedBlob(layer, services.hub.file(ref, file), services.hub.cached(ref, file))


def _builder(store: Callable[[], OwnStore], layers: tuple[Layer, ...]) -> BuildManifest:
    """A manifest like the one that an import would make; the chat template is the file's own."""

    def build(path_of: Callable[[Layer], Path]) -> tuple[Manifest, bytes | None]:
        shape = read_shape(read_file_header(path_of(layers[0])))
        config = encode_config(model_config(shape, None), [layer.digest for layer in layers])
        return Manifest(store().add_layer("config", config, media_type=CONFIG_TYPE), layers), None

    return build
