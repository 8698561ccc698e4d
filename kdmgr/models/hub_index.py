"""Searching the Hub, and what it knows of a repository without opening its files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kdmgr.errors import Unreadable, UsageError
from kdmgr.units import printable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from huggingface_hub import HfApi, ModelInfo
    from huggingface_hub.hf_api import ExpandModelProperty_T, ModelSort_T

    from kdmgr.models.hub_reader import HubReader

T = TypeVar("T")
MAX_TAGS, MAX_TAG = 500, 300
QUANTIZED = "quantized"
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_BASE = "base_model:"
SORTS: dict[str, ModelSort_T] = {"downloads": "downloads", "likes": "likes", "updated": "last_modified"}
_WANTED: list[ExpandModelProperty_T] = ["downloads", "likes", "lastModified", "tags", "gated", "gguf", "sha"]


@dataclass(frozen=True, slots=True)
class BaseLink:
    """What a repository says that it was made from. `relation` is the Hub's word; None where it gives none."""

    repo: str
    relation: str | None
    """"quantized", "finetune", "adapter", "merge"."""


@dataclass(frozen=True, slots=True)
class HubEntry:
    """One repository as the Hub lists it; None is unknown."""

    repo: str
    """"owner/name"."""
    downloads: int | None = None
    """Of the last 30 days."""
    likes: int | None = None
    updated: str | None = None
    """YYYY-MM-DD."""
    is_gated: bool | None = None
    revision: str | None = None
    tags: tuple[str, ...] = ()
    architecture: str | None = None
    """llama.cpp's name, from the header of one of its GGUF files."""
    parameters: int | None = None
    n_ctx_train: int | None = None

    @property
    def bases(self) -> tuple[BaseLink, ...]:
        """What it was made from, each once."""
        links: dict[str, BaseLink] = {}
        for tag in self.tags:
            relation, _, repo = tag.removeprefix(_BASE).rpartition(":")
            if tag.startswith(_BASE) and _REPO.fullmatch(repo) and (relation or repo not in links):
                links[repo] = BaseLink(repo, relation or None)
        return tuple(links.values())

    @property
    def quantized_from(self) -> str | None:
        """The repository whose weights these are, in fewer bits; None for others, and where several are named."""
        bases = self.bases
        return bases[0].repo if len(bases) == 1 and bases[0].relation == QUANTIZED else None

    @property
    def licence(self) -> str | None:
        """The Hub's name of the licence."""
        return next((tag.removeprefix("license:") for tag in self.tags if tag.startswith("license:")), None)


class HubIndex:
    """What the Hub lists."""

    def __init__(self, reader: HubReader) -> None:
        self.reader = reader

    def search(self, words: str, *, sort: str, limit: int) -> list[HubEntry]:
        """Repositories with GGUF files whose names hold `words`, at most `limit`. `sort` is one of `SORTS`.

        Raises as `HubReader.ask` does, and `Unreadable` for an answer that is none.
        """
        with _open_api(self.reader) as api:
            listing = api.list_models(
                search=words or None, filter="gguf", sort=SORTS[sort], limit=limit, expand=_WANTED
            )
            found = _understand(lambda: list(listing))
        return [entry for info in found if (entry := _read_entry(info)) is not None]

    def find(self, repo: str) -> HubEntry:
        """One repository ("owner/name"). Raises as `search` does."""
        with _open_api(self.reader) as api:
            info = _understand(lambda: api.model_info(repo, expand=_WANTED))
        entry = _read_entry(info)
        if entry is None:
            raise Unreadable("the Hub's answer names no repository", hint="look at HF_ENDPOINT")
        return entry


def _open_api(reader: HubReader) -> AbstractContextManager[HfApi]:
    """The package takes a third of a second to import, and reads its environment while it does."""
    try:
        from kdmgr.models.hub_transport import hub_api
    except ValueError as error:
        raise UsageError(
            f"huggingface_hub cannot be loaded: {printable(str(error)):.200}", hint="look at the HF_… variables"
        ) from error
    return hub_api(reader)


def _understand(read: Callable[[], T]) -> T:
    try:
        return read()
    # What the package raises where the answer is no JSON, or not of the form that it reads.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable("the Hub's answer cannot be understood", hint="look at HF_ENDPOINT; try again") from error


def _read_entry(info: ModelInfo) -> HubEntry | None:
    """None for what has no name that a repository could have. Nothing is taken on trust: a mirror may say anything."""
    if not isinstance(info.id, str) or not _REPO.fullmatch(info.id):
        return None
    gguf = info.gguf if isinstance(info.gguf, dict) else {}
    tags = info.tags if isinstance(info.tags, list) else []
    return HubEntry(
        repo=info.id,
        downloads=_read_count(info.downloads),
        likes=_read_count(info.likes),
        updated=info.last_modified.strftime("%Y-%m-%d") if info.last_modified else None,
        is_gated=None if info.gated is None else bool(info.gated),
        revision=_read_text(info.sha),
        tags=tuple(printable(tag) for tag in tags[:MAX_TAGS] if isinstance(tag, str) and len(tag) <= MAX_TAG),
        architecture=_read_text(gguf.get("architecture")),
        parameters=_read_count(gguf.get("total")) or None,
        n_ctx_train=_read_count(gguf.get("context_length")) or None,
    )


def _read_count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return value if is_count else None  # type: ignore[return-value]


def _read_text(value: object) -> str | None:
    return printable(value) if isinstance(value, str) and 0 < len(value) <= 80 else None
