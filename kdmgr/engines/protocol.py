"""What every engine can do, and what flows out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime
    from pathlib import Path

ParameterValue = bool | int | float | str | tuple[str, ...]
"""A Modelfile parameter's value; only `stop` holds several."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn. `role` is "system", "user" or "assistant"."""

    role: str
    content: str
    images: tuple[bytes, ...] = ()
    """Whole files: PNG, JPEG, GIF or WebP."""


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model as an engine is asked for it: a server knows the name, the embedded engine needs the file."""

    name: str
    path: Path | None = None
    projector: Path | None = None
    chat_template: str | None = None
    """Name of a built-in template, or Jinja text; None leaves the file's own, "" means none: raw completion."""
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """Under Ollama's names (temperature, top_k, stop, num_ctx, num_predict …)."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One answer to ask for. `parameters` win over the model's own."""

    model: EngineModel
    messages: tuple[ChatMessage, ...]
    n_ctx: int | None = None
    cache_type: str | None = None
    think: bool | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    n_top: int = 0
    """Of each token, so many of the likeliest in its place are asked for, with their probabilities; 0 for none."""


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A token, and the natural logarithm of the probability that the model gave it."""

    text: str
    """U+FFFD in place of what is half a character."""
    logprob: float
    number: int | None = None
    """Its place in the vocabulary; None where the engine does not say."""


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token of an answer, and what could have stood in its place: the likeliest first, before any sampling."""

    chosen: TokenChance
    top: tuple[TokenChance, ...]


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """A piece of the answer. `n_tokens` is how many tokens it stands for, None where the engine does not say."""

    text: str = ""
    thinking: str = ""
    n_tokens: int | None = None
    tokens: tuple[WrittenToken, ...] = ()
    """Those whose probabilities the engine told; not always all of the piece."""


@dataclass(frozen=True, slots=True)
class ChatStats:
    """How an answer went. Durations in seconds; None is unknown."""

    n_prompt: int | None
    """Prompt tokens, cached ones included."""
    n_cached: int | None
    n_output: int | None
    """Tokens generated, thinking included."""
    prompt_s: float | None
    decode_s: float | None
    load_s: float | None
    ttft_s: float | None
    """From sending the request to the first token, as seen from here."""
    total_s: float | None
    n_ctx: int | None
    stop_reason: str
    """"stop", "length" or "cancelled"."""

    @property
    def decode_tok_s(self) -> float | None:
        """Generation speed as the engine measured it."""
        return self.n_output / self.decode_s if self.n_output and self.decode_s else None

    @property
    def prefill_tok_s(self) -> float | None:
        """Prompt speed over the tokens really evaluated; None where those are not known."""
        if self.n_prompt is None or self.n_cached is None or not self.prompt_s:
            return None
        return (self.n_prompt - self.n_cached) / self.prompt_s


@dataclass(frozen=True, slots=True)
class ModelLoading:
    """The engine is loading the model. `fraction` is None where the engine does not say."""

    fraction: float | None = None


ChatEvent = ModelLoading | ChatDelta | ChatStats


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Whether an engine can be used, and if not, why and what to do."""

    name: str
    usable: bool
    detail: str
    """A version and an address, or the reason."""
    hint: str | None = None
    version: str | None = None
    reason: str | None = None
    """Why not, as a word for programs: "refused", "timeout", "dns", "tls", "proxy", "forbidden" …"""
    era: str | None = None
    """Of a server that runs models differently in each: "A", "B1", "B2" or "C"."""


@dataclass(frozen=True, slots=True)
class EngineListing:
    """A model an engine has installed."""

    name: str
    size: int
    digest: str
    modified_at: datetime | None
    family: str | None = None
    parameter_size: str | None = None
    quant: str | None = None
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in an engine's memory. Sizes in bytes."""

    name: str
    size: int | None
    size_vram: int | None
    n_ctx: int | None
    expires_at: datetime | None


class Engine(Protocol):
    """One protocol for a server and for the embedded engine.

    A chat is an async generator: it ends with one `ChatStats`. Closing it (or cancelling the task that
    reads it) stops the generation within a token or two and leaves the engine ready for the next.
    """

    name: str

    async def status(self) -> EngineStatus:
        """Whether it can be used now; never raises."""

    async def list_models(self) -> list[EngineListing]:
        """What it has installed; newest first."""

    async def loaded_models(self) -> list[LoadedModel]:
        """What it holds in memory."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Stream one answer."""

    async def unload(self, model: EngineModel) -> None:
        """Free the model's memory."""

    async def close(self) -> None:
        """Stop what was started; idempotent."""
