"""The template family of a model whose template was lost, from what else its header tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.modelfile.templates import TemplateFamily, families
from kdmgr.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdmgr.gguf.header import GgufHeader

_TUNED = frozenset(
    ("instruct", "chat", "it", "assistant", "sft", "dpo", "grpo", "rlhf", "orpo", "distill", "distilled", "thinking",
     "reasoning", "reasoner", "tuned", "tune", "finetune", "finetuned", "lora")
)  # fmt: skip
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Guess:
    """A family and why. `is_tuned` says whether the model was taught to chat, so that it needs the template."""

    family: TemplateFamily
    reason: str
    is_tuned: bool


def guess_family(header: GgufHeader) -> Guess | None:
    """By the names in the header, the closing token of its tokenizer, or its architecture; None without a sign."""
    tuned = is_tuned(header)
    by_token = _by_token(header)
    return (
        _by_name(header, tuned or (by_token is not None and by_token.is_tuned)) or by_token or _by_kind(header, tuned)
    )


def is_tuned(header: GgufHeader) -> bool:
    """Whether a name in the header says that the model was taught to follow instructions."""
    words = {word for _, text in _names(header) for word in re.findall(r"[a-z]+", text.lower())}
    return bool(words & _TUNED) and not words & {"base", "pretrained"}


def _by_name(header: GgufHeader, tuned: bool) -> Guess | None:
    found: list[tuple[int, TemplateFamily, str]] = []
    for key, text in _names(header):
        plain = f" {' '.join(re.findall('[a-z]+|[0-9.]+', text.lower()))} "
        for family in families():
            for name in family.names:
                spaced = f" {' '.join(re.findall('[a-z]+|[0-9.]+', name))} "
                if spaced in plain:
                    found.append((len(spaced), family, f"{key} is {printable(text)[:_SHOWN]!r}"))
    if not found:
        return None
    _, family, reason = max(found, key=lambda entry: entry[0])
    return Guess(family, reason, tuned)


def _by_token(header: GgufHeader) -> Guess | None:
    """A tokenizer that only one family uses, or one whose end of text is a family's end of turn."""
    kind = header.text("tokenizer.ggml.pre")
    ends = {header.integer(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot")}
    for family in families():
        for sign in family.signs:
            pre, _, number = sign.partition(":")
            if kind == pre and number and int(number) in ends:
                return Guess(family, f"its text ends with token {number}, the {pre} tokenizer's end of a turn", True)
            if kind == pre and not number:
                return Guess(family, f"its tokenizer is {pre}", is_tuned(header))
    return None


def _by_kind(header: GgufHeader, tuned: bool) -> Guess | None:
    architecture = header.text("general.architecture")
    for family in families():
        if architecture in family.architectures:
            return Guess(family, f"its architecture is {architecture}", tuned)
    return None


def _names(header: GgufHeader) -> Iterator[tuple[str, str]]:
    """The keys that name the model or what it was made from, the model's own first."""
    for key in ("general.name", "general.basename", "general.finetune"):
        if text := header.text(key):
            yield key, text
    for number in range(min(header.integer("general.base_model.count") or 0, 8)):
        for part in ("name", "repo_url"):
            key = f"general.base_model.{number}.{part}"
            if text := header.text(key):
                yield key, text
