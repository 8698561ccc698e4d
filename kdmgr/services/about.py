"""Everything known of one installed model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.refs import parse_ollama_name
from kdmgr.services.receipts import ImportReceipt

if TYPE_CHECKING:
    from kdmgr.catalog.match import Match
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.models.store import ParameterValue
    from kdmgr.services.app import Services


@dataclass(frozen=True, slots=True)
class About:
    """One model, in its stores, in its header and in the catalog. Sizes in bytes."""

    name: str
    store: str
    size: int
    digest: str
    path: Path
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


def about_model(services: Services, name: str) -> About:
    """Look `name` up everywhere. `NotFound` when it is not installed."""
    from kdmgr.services.students import match_installed

    model = services.library.require(parse_ollama_name(name))
    stored, header = model.stored, services.library.header(model)
    written, in_file = stored.text("template"), header.text("tokenizer.chat_template")
    return About(
        name=model.name,
        store=model.store,
        size=model.size,
        digest=stored.digest,
        path=stored.model_path,
        shape=read_shape(header),
        template=written or in_file,
        template_words=_describe_template(written, in_file),
        system=stored.text("system"),
        parameters=stored.parameters,
        messages=stored.messages,
        licenses=stored.licenses,
        tensor_types=_tensor_types(header),
        match=match_installed(model, services.library, services.catalog),
        receipt=services.receipts.find(stored.ref),
    )


def to_modelfile(about: About) -> str:
    """`about` as a Modelfile that would make it again."""
    from kdmgr.modelfile.commands import Command, Modelfile
    from kdmgr.modelfile.render import render

    commands = [Command("from", str(about.path))]
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


def _describe_template(written: str | None, in_file: str | None) -> str:
    from kdmgr.modelfile.templates import detect_family

    text = written or in_file
    if text is None:
        return "none: it completes texts, it does not chat"
    family = detect_family(text)
    where = "in the Modelfile" if written else "in the GGUF"
    return f"{family.name if family else 'of no known family'}, {where}"


def _tensor_types(header: GgufHeader) -> tuple[tuple[str, int, int], ...]:
    counts: dict[str, tuple[int, int]] = {}
    for tensor in header.tensors:
        count, size = counts.get(tensor.type.name, (0, 0))
        counts[tensor.type.name] = (count + 1, size + tensor.n_bytes)
    rows = [(name, count, size) for name, (count, size) in counts.items()]
    return tuple(sorted(rows, key=lambda row: row[2], reverse=True))
