"""The names a student goes by, split into words that can be compared whole.

Names are never searched for parts: "Qwen3-4B-Base" is not "Qwen3-4B".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdmgr.catalog.students import Student
from kdmgr.refs import HUB_HOSTS, HubRef, ModelRef, OllamaRef, find_quant

if TYPE_CHECKING:
    from kdmgr.catalog.facts import ModelFacts

Words = tuple[str, ...]

MAX_NAME = 300
_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")
_REPO = re.compile(r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/([\w.-]+)/([\w.-]+?)/?", re.ASCII)
_PACKAGING = frozenset({"gguf", "i1"})
_COPY_WORDS = frozenset({"unsloth", "bnb", "4bit", "8bit", "dynamic", "mlx", "awq", "gptq"})
_SIZE = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?[bm]")

ALTERATIONS = frozenset({"abliterated", "uncensored", "lorablated", "heretic", "decensored"})
"""Words by which a name says that the weights of another model were altered."""


def split_words(name: str) -> Words:
    """`DeepSeek-R1_Distill (7B)` as `("deepseek", "r1", "distill", "7b")`; quant and packaging words are left out."""
    name = name[:MAX_NAME]
    quant = find_quant(name)
    if quant:
        name = re.sub(re.escape(quant), " ", name, flags=re.IGNORECASE)
    return tuple(word for word in _WORD.findall(name.lower()) if word not in _PACKAGING)


def own_names(student: Student) -> frozenset[Words]:
    """The names of the very weights: the repository's, with and without its owner."""
    repo = student.hf_repo
    return frozenset({split_words(repo), split_words(repo.partition("/")[2])}) if repo else frozenset()


def shared_names(student: Student) -> frozenset[Words]:
    """Names that variants share (base and instruct, thinking and not), so they prove less."""
    repos = (repo.partition("/")[2] for repo in student.gguf_repos)
    return frozenset({split_words(student.name), *map(split_words, repos)})


def strip_copy_words(words: Words) -> Words:
    """`words` without those by which copies for trainers and other runtimes are marked."""
    return tuple(word for word in words if word not in _COPY_WORDS)


def names_another(facts: ModelFacts, student: Student) -> bool:
    """Whether the header gives a whole name, with a size in it, that is none of the student's.

    Names without a size ("Models", "Phi3") are what converters leave behind, and say nothing.
    """
    words = split_words(facts.name or "")
    return any(map(_SIZE.fullmatch, words)) and words not in own_names(student) | shared_names(student)


def parse_repo_url(url: str) -> str | None:
    """`owner/name` of a Hub link; None for other links."""
    match = _REPO.fullmatch(url[:MAX_NAME])
    return f"{match[1]}/{match[2]}" if match else None


def find_hub_repo(ref: ModelRef | None) -> str | None:
    """`owner/name` where the reference points to the Hub, directly or through Ollama."""
    if isinstance(ref, HubRef):
        return f"{ref.user}/{ref.repo}"
    if isinstance(ref, OllamaRef) and ref.host.lower() in HUB_HOSTS:
        return f"{ref.namespace}/{ref.model}"
    return None
