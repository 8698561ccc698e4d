"""A model made from files or from another model (/api/create): what is asked, and what the server tells.

Requests and status lines: server/create.go and api/types.go (CreateRequest). The server never sees a Modelfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdmgr.engines.conversation import encodable
from kdmgr.engines.ollama.known_errors import KnownError, recognise
from kdmgr.engines.protocol import ParameterValue
from kdmgr.errors import EngineFailed, KdmgrError, NotFound, StorageFailed, Unreadable
from kdmgr.units import printable


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A model to make. `files` and `adapters` are digests of blobs that the server has, by file name."""

    model: str
    base: str | None = None
    """A model of the server to start from; it wins over `files`."""
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    messages: tuple[tuple[str, str], ...] = ()
    """(role, content)."""
    licenses: tuple[str, ...] = ()
    quantize: str | None = None
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None


def create_body(request: CreateRequest) -> dict[str, Any]:
    """The JSON to send; what is not set is left out."""
    texts = {
        "from": request.base,
        "template": request.template,
        "system": request.system,
        "quantize": request.quantize,
        "renderer": request.renderer,
        "parser": request.parser,
        "requires": request.requires,
    }
    body: dict[str, Any] = {"model": request.model, "stream": True}
    body |= {key: encodable(value) for key, value in texts.items() if value}
    body |= {key: dict(value) for key, value in (("files", request.files), ("adapters", request.adapters)) if value}
    if request.parameters:
        body["parameters"] = {name: _parameter(value) for name, value in request.parameters.items()}
    if request.messages:
        body["messages"] = [{"role": role, "content": encodable(content)} for role, content in request.messages]
    if request.licenses:
        body["license"] = [encodable(license_text) for license_text in request.licenses]
    return body


def create_failed(error: str, name: str) -> KdmgrError:
    """Our error for the text of one of the server's."""
    words = {"line": " ".join(printable(error).split())[:400], "name": printable(name)}
    return recognise(error, _KNOWN, _OTHER).make(words)


def explain(error: EngineFailed, name: str) -> KdmgrError:
    """What a failure means here: one with the server's own text, or a connection that broke."""
    _, found, line = error.message.partition("the Ollama server reports: ")
    if found:
        return create_failed(line, name)
    if "broke" in error.message:
        return EngineFailed(f"making {printable(name)} broke off: {error.message}", hint=_AGAIN)
    return error


def ended_early(name: str) -> EngineFailed:
    """The stream ended before the server said that the model is made."""
    return EngineFailed(
        f"making {printable(name)} broke off: the server closed the connection before it was done",
        hint=_AGAIN,
    )


_AGAIN = "import again: what was sent is not sent twice; if it happens again, look at the server's log"
_DOWNLOAD = "download or convert the file again"
_OTHER = KnownError((), EngineFailed, "the Ollama server cannot make {name}: {line}", "look at the server's log")
# The first that is found decides.
_KNOWN = (
    KnownError(
        ("no space left", "disk full", "not enough space", "quota exceeded"),
        StorageFailed,
        "the server's disk is full: {line}",
        "make room where its OLLAMA_MODELS is, then import again: what was sent is kept for an hour",
    ),
    KnownError(
        ("permission denied", "read-only file system", "access is denied"),
        StorageFailed,
        "the server cannot write to its models folder: {line}",
        "look at its OLLAMA_MODELS and who may write there",
    ),
    KnownError(
        ("unsupported quantization",),
        EngineFailed,
        "the server does not quantise to that: {line}",
        "kdmgr import -q takes Q4_K_M, Q4_K_S, Q8_0, F16, F32",
    ),
    KnownError(
        ("quantization is only supported",),
        EngineFailed,
        "only F16, BF16 and F32 models can be quantised: {line}",
        "take the file as it is, without -q, or start from the unquantised one",
    ),
    # Its words may hold those of the next one: the template ended too soon, not the file.
    KnownError(
        ("template error", "template:"),
        EngineFailed,
        "the server does not take the TEMPLATE: {line}",
        "kdmgr modelfile lint tells what is wrong with it",
    ),
    KnownError(
        ("exceeds file size", "unexpected eof"),
        Unreadable,
        "the file is cut: {line}",
        _DOWNLOAD,
    ),
    KnownError(
        ("not in gguf format", "invalid file magic", "unknown type", "invalid type", "exceeds maximum"),
        Unreadable,
        "the server cannot read the file: {line}",
        _DOWNLOAD,
    ),
    KnownError(
        ("unsupported architecture", "unknown architecture", "unable to load model", "failed to validate gguf"),
        EngineFailed,
        "the server does not know this architecture: {line}",
        "a newer Ollama may; kdmgr's own engine too: kdmgr import --to own",
    ),
    KnownError(
        ("only one adapter",),
        EngineFailed,
        "the server takes one adapter only: {line}",
        "leave one ADAPTER",
    ),
    KnownError(
        ("no base model was found",),
        EngineFailed,
        "the adapter has no model to sit on: {line}",
        "name the model it was trained on: FROM model:tag, or --base model:tag",
    ),
    KnownError(
        ("no such file or directory", "cannot find the file"),
        EngineFailed,
        "the server lost a blob that it had a moment ago: {line}",
        "import again: it is sent once more",
    ),
    KnownError(
        ("pull model manifest", "file does not exist"),
        NotFound,
        "the server has no such model to start from: {line}",
        "see what it has: kdmgr list; or pull the base first",
    ),
    KnownError(
        ("invalid model name",),
        EngineFailed,
        "the server does not take this name: {line}",
        "a name is like phi3:mini or user/model:tag",
    ),
)


def _parameter(value: ParameterValue) -> object:
    if isinstance(value, tuple):
        return [encodable(entry) for entry in value]
    return encodable(value) if isinstance(value, str) else value
