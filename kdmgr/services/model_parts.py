"""The parts of an installed model, as a Modelfile would name them: from a store, or as a server tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound, ServerUnreachable
from kdmgr.modelfile.compose import Composed, ModelParts, compose
from kdmgr.models.layout import blob_path
from kdmgr.refs import parse_ollama_name

if TYPE_CHECKING:
    from kdmgr.engines.ollama import OllamaEngine, ShownModel
    from kdmgr.models.store import StoredModel
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.library import InstalledModel

OWN, OLLAMA, SERVER = "kdmgr", "ollama", "server"
_BLOB = re.compile(r"^(FROM|ADAPTER) (.*[/\\]blobs[/\\]sha256[-:][0-9a-f]{64})$", re.MULTILINE)
_SETTING = re.compile(r"^(RENDERER|PARSER) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ShownModelfile:
    """The Modelfile of an installed model, and where the model is: "kdmgr", "ollama" or "server"."""

    name: str
    place: str
    composed: Composed


async def show_modelfile(services: Bringing, name: str, engine: OllamaEngine | None = None) -> ShownModelfile:
    """The Modelfile that makes the model `name` again; from a store on this machine where it is in one.

    A server that was named is asked first. Raises `NotFound`, or `ServerUnreachable` for a named server.
    """
    ref = parse_ollama_name(name)
    found = None if services.host_is_named else services.library.find(ref)
    if found is not None:
        return _from_store(found)
    own = engine is None
    engine = engine or services.ollama_engine()
    try:
        shown = await engine.show(str(ref))
        return ShownModelfile(str(ref), SERVER, compose(parts_of_shown(shown, str(ref))))
    except (ServerUnreachable, NotFound):
        if services.host_is_named:
            raise
        return _from_store(services.library.require(ref))
    finally:
        if own:
            await engine.close()


def _from_store(model: InstalledModel) -> ShownModelfile:
    return ShownModelfile(model.name, model.store, compose(parts_of_stored(model.stored)))


def parts_of_stored(stored: StoredModel) -> ModelParts:
    """What the layers and the configuration say, exactly."""
    paths: dict[str, list[str]] = {"model": [], "projector": [], "adapter": []}
    for layer in stored.manifest.layers:
        if layer.kind in paths:
            paths[layer.kind].append(str(blob_path(stored.blobs, layer.digest)))
    config = stored.config
    remote = config.get("remote_model")
    return ModelParts(
        sources=(*paths["model"], *paths["projector"]) or ((str(remote),) if remote else (str(stored.ref),)),
        adapters=tuple(paths["adapter"]),
        template=stored.text("template"),
        system=stored.text("system"),
        parameters=stored.parameters,
        licenses=stored.licenses,
        messages=stored.messages,
        renderer=_text(config, "renderer"),
        parser=_text(config, "parser"),
        requires=_text(config, "requires"),
    )


def parts_of_shown(shown: ShownModel, name: str) -> ModelParts:
    """What a server tells. Its Modelfile is read only for what it tells nowhere else."""
    written = shown.modelfile or ""
    head = re.split(r"^TEMPLATE ", written, maxsplit=1, flags=re.MULTILINE)[0]
    files = [(kind, path) for kind, path in _BLOB.findall(head)]
    settings = dict(_SETTING.findall(written))
    return ModelParts(
        sources=tuple(path for kind, path in files if kind == "FROM") or (name,),
        adapters=tuple(path for kind, path in files if kind == "ADAPTER"),
        template=_own_template(shown.template),
        system=shown.system,
        parameters=shown.parameters,
        licenses=(shown.license,) if shown.license else (),
        messages=shown.messages,
        renderer=settings.get("RENDERER"),
        parser=settings.get("PARSER"),
        requires=shown.requires,
    )


def _own_template(template: str | None) -> str | None:
    """None for the Jinja of the file, which servers since v0.30 tell where it is what they use.

    A model without any template is told as one with `{{ .Prompt }}`. That is kept: left out, a server could take
    a template of its own instead.
    """
    return None if not template or "{%" in template else template


def _text(config: Mapping[str, object], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value else None
