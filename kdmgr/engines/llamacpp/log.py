"""What llama.cpp says while it loads a model: buffer sizes, the context it settled on, why it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kdmgr.units import MIB

# "0.00.235.601 I load_tensors: …": time since the start, level, text. Asserts and backtraces come bare.
_PREFIX = re.compile(r"\d+\.\d\d\.\d{3}\.\d{3} ([DIWE]) (.*)")
_BUFFER = re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = +(\d+(?:\.\d+)?) MiB")
_SLOT = re.compile(r"new slot, n_ctx = (\d+)")
_TRAINED = re.compile(r"n_ctx_train += (\d+)")
# The module that speaks ("srv  load_model: ", "gguf_init_from_reader: ") says nothing to a user.
_SPEAKER = re.compile(r"(?:(?:srv|cmn|slot) +)?[\w()]+: (?:init: )?")
_ATTEMPT = "llama_model_loader: loaded meta data"
_TEMPLATE = "tokenizer.chat_template str"
_LOADED, _REFUSED = "init: model loaded", "init: exiting due to"
_TEMPLATE_ERROR = "common_chat_templates_init: error: "
_COMPONENTS = {"model": "weights", "KV": "kv_cache", "RS": "recurrent", "compute": "compute", "output": "output"}


@dataclass(frozen=True, slots=True)
class LoadedBuffers:
    """Bytes that llama.cpp allocated, by the buffer's name as printed (CPU_Mapped, CUDA0, CUDA_Host …).

    The log gives two decimals of a MiB, so each figure is within 5243 bytes.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    kv_cache: Mapping[str, int] = field(default_factory=dict)
    recurrent: Mapping[str, int] = field(default_factory=dict)
    compute: Mapping[str, int] = field(default_factory=dict)
    output: Mapping[str, int] = field(default_factory=dict)

    @property
    def components(self) -> dict[str, Mapping[str, int]]:
        """All of them, by the component's name."""
        return {name: getattr(self, name) for name in _COMPONENTS.values()}

    @property
    def total(self) -> int:
        """Everything, wherever it is."""
        return sum(sum(sizes.values()) for sizes in self.components.values())

    @property
    def on_devices(self) -> int:
        """The part that is not in host memory."""
        return sum(size for sizes in self.components.values() for name, size in sizes.items() if not is_host(name))


def is_host(buffer: str) -> bool:
    """Whether a buffer of this name is in host memory (Ollama, llm/llama_server.go, has the same rule)."""
    return buffer in ("CPU", "BLAS") or buffer.startswith("CPU_") or buffer.endswith("_Host")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load log says; None is unknown."""

    buffers: LoadedBuffers
    n_ctx: int | None
    """Context of the one slot: what was asked for, padded, or capped at `n_ctx_train`."""
    n_ctx_train: int | None
    has_chat_template: bool
    error: str | None
    """The first error, which names the cause; later ones only pass it on."""


class LoadLog:
    """Reads the log line by line. A dry run before the load prints the same lines: the last attempt counts."""

    def __init__(self) -> None:
        self.settled = False
        """Whether the load has ended, well or badly."""
        self._sizes: dict[str, dict[str, int]] = {name: {} for name in _COMPONENTS.values()}
        self._n_ctx: int | None = None
        self._n_ctx_train: int | None = None
        self._has_chat_template = False
        self._error: str | None = None

    def feed(self, line: str) -> None:
        """Take in one line."""
        level, text = split_prefix(line)
        if level == "E" and self._error is None and _REFUSED not in text:
            self._error = strip_speaker(text)
        if _ATTEMPT in text:
            for sizes in self._sizes.values():
                sizes.clear()
        elif match := _BUFFER.search(text):
            self._add(match[1], _COMPONENTS[match[2]], round(float(match[3]) * MIB))
        elif match := _SLOT.search(text):
            self._n_ctx = int(match[1])
        elif match := _TRAINED.search(text):
            self._n_ctx_train = int(match[1])
        self._has_chat_template = self._has_chat_template or _TEMPLATE in text
        self.settled = self.settled or _LOADED in text or _REFUSED in text

    def report(self) -> LoadReport:
        """What is known by now."""
        buffers = LoadedBuffers(**{name: dict(sizes) for name, sizes in self._sizes.items()})
        return LoadReport(buffers, self._n_ctx, self._n_ctx_train, self._has_chat_template, self._error)

    def _add(self, buffer: str, component: str, size: int) -> None:
        sizes = self._sizes[component]
        # A graph is reserved anew when its needs change; caches of several kinds stand side by side.
        before = 0 if component in ("compute", "output") else sizes.get(buffer, 0)
        sizes[buffer] = before + size


def split_prefix(line: str) -> tuple[str, str]:
    """The level (D, I, W or E; "" for a bare line) and the text."""
    match = _PREFIX.match(line)
    return (match[1], match[2]) if match else ("", line)


def strip_speaker(text: str) -> str:
    """An error without the function that reports it, unless that alone says what it is about."""
    if text.startswith(_TEMPLATE_ERROR):
        return f"chat template: {text.removeprefix(_TEMPLATE_ERROR)}"
    return _SPEAKER.sub("", text.strip(), count=1).removeprefix("error loading model: ")
