"""From what a user typed to a model that can be sized or run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound
from kdmgr.refs import FileRef, HubRef, ModelRef, OllamaRef

if TYPE_CHECKING:
    from kdmgr.engines.protocol import ChatMessage, EngineModel
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.models.headers import HeaderCache
    from kdmgr.services.library import InstalledModel, Library


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model whose file is at hand."""

    ref: ModelRef
    source: str
    """"file" or "store"."""
    header: GgufHeader
    installed: InstalledModel | None
    path: Path


def open_model(ref: ModelRef, headers: HeaderCache, library: Callable[[], Library]) -> OpenedModel:
    """Read the header of `ref`; `NotFound` for what is not on this machine."""
    if isinstance(ref, FileRef):
        from kdmgr.models.shard_files import read_local_header

        header, path = read_local_header(headers, ref.path)
        return OpenedModel(ref, "file", header, None, path)
    if isinstance(ref, HubRef):
        from kdmgr.services.finding import installed_name

        name = installed_name(ref)
        if name is None or library().find(name) is None:
            raise NotFound(f"{ref} is not on this machine", hint=f"get it: kdmgr pull {ref}")
        return replace(open_model(name, headers, library), ref=ref)
    installed = library().require(ref)
    return OpenedModel(ref, "store", library().header(installed), installed, installed.stored.model_path)


def engine_model(opened: OpenedModel) -> tuple[EngineModel, tuple[ChatMessage, ...], tuple[str, ...]]:
    """What the embedded engine is given, how every chat begins, and what a user should be warned of."""
    from kdmgr.engines.protocol import ChatMessage, EngineModel

    template, warnings = _choose_template(opened)
    if opened.installed is None:
        return EngineModel(str(opened.ref), opened.path, chat_template=template), (), warnings
    stored = opened.installed.stored
    model = EngineModel(
        name=opened.installed.name,
        path=opened.path,
        projector=stored.projector_path,
        chat_template=template,
        system=stored.text("system"),
        parameters=stored.parameters,
    )
    return model, tuple(ChatMessage(role, content) for role, content in stored.messages), warnings


def _choose_template(opened: OpenedModel) -> tuple[str | None, tuple[str, ...]]:
    """The embedded engine's template: the Modelfile's family by name, else the file's own, else none."""
    from kdmgr.modelfile.templates import detect_family

    written = opened.installed.stored.text("template") if opened.installed else None
    in_file = opened.header.text("tokenizer.chat_template")
    family = detect_family(written) if written else None
    if in_file and (family is None or family == detect_family(in_file)):
        return None, ()
    if family is not None and family.llamacpp_name:
        return family.llamacpp_name, ()
    if in_file:
        return None, ("the TEMPLATE of its Modelfile is none that this engine knows: it uses the file's own",)
    return "", ("no chat template is known for this model: it completes the text you type, it does not chat",)


def server_name(ref: ModelRef) -> str | None:
    """The name by which a server may know `ref`."""
    return str(ref) if isinstance(ref, OllamaRef | HubRef) else None
