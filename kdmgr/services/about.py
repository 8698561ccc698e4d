"""Everything known of one installed model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.refs import parse_ollama_name
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipts import ImportReceipt

if TYPE_CHECKING:
    from datetime import datetime

    from kdmgr.catalog.match import Match
    from kdmgr.gguf.header import GgufHeader, TensorInfo, Value
    from kdmgr.models.store import ParameterValue, StoredModel
    from kdmgr.services.app import Services
    from kdmgr.services.library import InstalledModel


@dataclass(frozen=True, slots=True)
class Projector:
    """What lets a model see or hear. `size` in bytes; None where a server does not tell it."""

    size: int | None
    facts: Mapping[str, Value]
    """Keys of its GGUF header, without arrays."""


@dataclass(frozen=True, slots=True)
class About:
    """One model, in its stores, in its header and in the catalog. Sizes in bytes."""

    name: str
    store: str
    """"kdmgr", "ollama" or "server"."""
    size: int | None
    digest: str
    path: Path | None
    """Of its GGUF file; None for a model of a server."""
    modified_at: datetime | None
    shape: ModelShape
    template: str | None
    """The Modelfile's, else the file's own."""
    template_words: str
    system: str | None
    parameters: Mapping[str, ParameterValue]
    messages: tuple[tuple[str, str], ...]
    licenses: tuple[str, ...]
    tensor_types: tuple[tuple[str, int, int], ...]
    """Type, number of tensors, bytes; largest first."""
    match: Match | None
    receipt: ImportReceipt | None
    pulled: PullReceipt | None
    """Where it was pulled from."""
    said: str | None
    """Who taught it, on the word of whoever imported it."""
    capabilities: tuple[str, ...]
    """In Ollama's words: completion, embedding, vision, tools, insert, thinking …"""
    projector: Projector | None
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]


def about_model(services: Services, name: str) -> About:
    """Look `name` up: in the stores, then on the server; a server named for this run is asked alone.

    Blocks on the network; not for a running event loop. `NotFound` when nobody has it.
    """
    ref = parse_ollama_name(name)
    if not services.host_is_named and (model := services.library.find(ref)):
        return _about_installed(services, model)
    from kdmgr.services.server_about import about_on_server

    found = about_on_server(services, ref)
    return found or _about_installed(services, services.library.require(ref))


def _about_installed(services: Services, model: InstalledModel) -> About:
    from kdmgr.services.capabilities import find_capabilities
    from kdmgr.services.students import match_installed

    stored, header = model.stored, services.library.header(model)
    written, in_file = stored.text("template"), header.text("tokenizer.chat_template")
    return About(
        name=model.name,
        store=model.store,
        size=model.size,
        digest=stored.digest,
        path=stored.model_path,
        modified_at=model.modified_at,
        shape=read_shape(header),
        template=written or in_file,
        template_words=describe_template(written, in_file),
        system=stored.text("system"),
        parameters=stored.parameters,
        messages=stored.messages,
        licenses=stored.licenses,
        tensor_types=count_types(header),
        match=match_installed(model, services.library, services.catalog, services.receipts),
        receipt=services.receipts.find(stored.ref),
        pulled=services.receipts.find_pull(stored.ref, stored.digest),
        said=services.receipts.said_of(stored.ref, stored.digest),
        capabilities=find_capabilities(header, written or in_file, has_projector=stored.projector_path is not None),
        projector=_read_projector(services, stored),
        metadata=header.metadata,
        tensors=header.tensors,
    )


def _read_projector(services: Services, stored: StoredModel) -> Projector | None:
    layer, path = stored.manifest.find("projector"), stored.projector_path
    if layer is None or path is None:
        return None
    header = services.headers.read(path, layer.digest)
    facts = {key: value for key, value in header.metadata.items() if isinstance(value, bool | int | float | str)}
    return Projector(layer.size, facts)


def to_modelfile(about: About) -> str:
    """`about` as a Modelfile that would make it again."""
    from kdmgr.modelfile.commands import Command, Modelfile
    from kdmgr.modelfile.render import render

    commands = [Command("from", str(about.path or about.name))]
    if about.template and about.template_words.endswith("Modelfile"):
        commands.append(Command("template", about.template))
    if about.system is not None:
        commands.append(Command("system", about.system))
    for name, value in about.parameters.items():
        values = (
            value if isinstance(value, tuple) else (str(value).lower() if value is True or value is False else value,)
        )
        commands += [Command("parameter", str(each), name) for each in values]
    commands += [Command("license", text) for text in about.licenses]
    commands += [Command("message", content, role) for role, content in about.messages]
    return render(Modelfile(tuple(commands), {}))


def describe_template(written: str | None, in_file: str | None) -> str:
    """Its family, and where it stands."""
    from kdmgr.modelfile.templates import detect_family

    text = written or in_file
    if text is None:
        return "none: it completes texts, it does not chat"
    family = detect_family(text)
    where = "in the Modelfile" if written else "in the GGUF"
    return f"{family.name if family else 'of no known family'}, {where}"


def count_types(header: GgufHeader) -> tuple[tuple[str, int, int], ...]:
    """Tensors by type: name, number, bytes; largest first."""
    counts: dict[str, tuple[int, int]] = {}
    for tensor in header.tensors:
        count, size = counts.get(tensor.type.name, (0, 0))
        counts[tensor.type.name] = (count + 1, size + tensor.n_bytes)
    rows = [(name, count, size) for name, (count, size) in counts.items()]
    return tuple(sorted(rows, key=lambda row: row[2], reverse=True))
