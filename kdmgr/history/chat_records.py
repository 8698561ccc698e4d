"""What is written down of chats: one record a chat, one a turn. None is unknown, or not set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

Parameters = Mapping[str, bool | int | float | str | tuple[str, ...]]
"""Under Ollama's names: temperature, top_k, stop …"""

DONE, STOPPED, FAILED, UNFINISHED = "done", "stopped", "failed", "unfinished"
"""How an answer ended. Unfinished: it streams, or whoever wrote it ended before it did."""


def new_key() -> str:
    """A name for a chat or a turn that no other kdmgr will give."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Figures:
    """How an answer went; durations in seconds, as the engine told."""

    n_prompt: int | None = None
    n_cached: int | None = None
    n_output: int | None = None
    prompt_s: float | None = None
    decode_s: float | None = None
    load_s: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None
    n_ctx: int | None = None
    stop_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A picture that went along with a question. The file stays where it is: this tells whether it is still that."""

    path: str
    kind: str = ""
    """"PNG", "JPEG", "GIF" or "WebP"; "" is not known."""
    size_bytes: int | None = None
    width: int | None = None
    """In pixels, as is the height."""
    height: int | None = None
    digest: str | None = None
    """SHA-256 of what was sent, in hex."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A question and its answer, with what gave it."""

    at: str
    """UTC, ISO 8601."""
    question: str
    model: str
    engine: str
    images: tuple[ImageRecord, ...] = ()
    answer: str = ""
    thinking: str = ""
    state: str = UNFINISHED
    error: str | None = None
    system: str | None = None
    """None: the model's own."""
    parameters: Parameters = field(default_factory=dict)
    figures: Figures | None = None
    replaced: bool = False
    """Whether it was asked again, so that it is no part of the conversation any more."""
    key: str = field(default_factory=new_key)

    @property
    def counts(self) -> bool:
        """Whether the model is told of it in the next question."""
        return bool(self.answer) and self.state != FAILED and not self.replaced


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """A chat without its turns."""

    title: str
    model: str
    ref: str
    """How to open the model."""
    engine: str
    created_at: str
    updated_at: str
    n_ctx: int | None = None
    """As asked for; None left it to the engine."""
    cache_type: str | None = None
    system: str | None = None
    parameters: Parameters = field(default_factory=dict)
    think: bool | None = None
    parent: str | None = None
    """Key of the chat it was branched from."""
    key: str = field(default_factory=new_key)
    id: int = 0
    """By which commands know it; 0 before it is saved."""
    parent_id: int | None = None
    """Number of the chat it was branched from; None too where that was removed."""
    n_turns: int = 0
    tok_s: float | None = None
    """Of the last answer whose speed is known."""
    excerpt: str = ""
    """Where the words that were searched for stand."""
