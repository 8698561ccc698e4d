"""From a Modelfile to the layers and the configuration that Ollama's create would make (server/create.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.models.go_json import encode_json, encode_map
from kdmgr.models.model_config import ModelConfig

if TYPE_CHECKING:
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.modelfile.commands import Modelfile


def modelfile_layers(modelfile: Modelfile | None) -> list[tuple[str, bytes]]:
    """Kind and content of each layer but the weights, in Ollama's order. Empty commands make none."""
    if modelfile is None:
        return []
    texts = [("template", modelfile.template), ("system", modelfile.system)]
    texts += [("license", text) for text in modelfile.licenses]
    layers = [(kind, text.encode(errors="replace")) for kind, text in texts if text]
    if modelfile.parameters:
        layers.append(("params", encode_map(modelfile.parameters)))
    if modelfile.messages:
        turns = [{"role": role, "content": content} for role, content in modelfile.messages]
        layers.append(("messages", encode_json(turns)))
    return layers


def model_config(shape: ModelShape, modelfile: Modelfile | None) -> ModelConfig:
    """The configuration of a model of this shape."""

    def last(name: str) -> str | None:
        return modelfile.last(name) if modelfile else None

    return ModelConfig(
        family=shape.architecture,
        parameters=shape.parameters,
        quant=shape.quant,
        renderer=last("renderer"),
        parser=last("parser"),
        requires=(last("requires") or "").removeprefix("v") or None,
    )
