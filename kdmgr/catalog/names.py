"""The names a student goes by, split into words that can be compared whole.

Names are never searched for parts: "Qwen3-4B-Base" is not "Qwen3-4B".
"""

from __future__ import annotations

import re

from kdmgr.catalog.students import Student
from kdmgr.refs import HUB_HOSTS, HubRef, ModelRef, OllamaRef, find_quant

Words = tuple[str, ...]

MAX_NAME = 300
_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")
_REPO = re.compile(r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/([\w.-]+)/([\w.-]+?)/?", re.ASCII)
_PACKAGING = frozenset({"gguf", "i1"})


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
