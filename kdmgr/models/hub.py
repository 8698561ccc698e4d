"""The Hugging Face Hub: what a repository holds, and the headers of its files by ranged reads.

API: GET {endpoint}/api/models/{repo}/tree/main, one page after the other (Link header); files at
{endpoint}/{repo}/resolve/main/{path}, which redirects to where they are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from kdmgr.errors import KdmgrError, ServerUnreachable, Unreadable
from kdmgr.gguf.errors import GgufError
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.shards import merge_headers
from kdmgr.gguf.walk import Walk
from kdmgr.models.copies import Copies
from kdmgr.models.headers import HeaderCache
from kdmgr.models.hub_access import HubAccess
from kdmgr.models.hub_files import HubFile, HubModel, HubRepo, read_repo
from kdmgr.models.hub_refusals import explain_refusal
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.ranged import FIRST_PIECE, LARGEST_PIECE, RangedSource
from kdmgr.models.store import file_size
from kdmgr.models.web import MAX_ERROR, Secret, Web, origin_of
from kdmgr.refs import HubRef

MAX_PAGE = 8 << 20
MAX_PAGES = 20
JUMP_PIECE = 64 << 10
"""Where most of a header is stepped over, small pieces waste least."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="next"')


class Hub:
    """One Hub."""

    def __init__(self, web: Web, copies: Copies, headers: HeaderCache, access: HubAccess) -> None:
        self._web = web
        self._copies = copies
        self._headers = headers
        self._access = access
        self._origin = origin_of(access.endpoint)
        self._secret = Secret(self._origin, f"Bearer {access.token}") if access.token else None

    def repo(self, ref: HubRef) -> HubRepo:
        """What the repository of `ref` holds, or held when last asked.

        Raises `NotFound`, `Forbidden`, `ServerUnreachable`, or `Unreadable` for a listing that is none.
        """
        url = f"{self._access.endpoint}/api/models/{ref.user}/{ref.repo}/tree/main?recursive=true"
        copy = self._copies.fetch(url, lambda: json.dumps(self._list(ref, url)).encode())
        return read_repo(json.loads(copy.body), copy.note)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self._access.endpoint

    def revision(self, ref: HubRef) -> str | None:
        """The commit that the repository of `ref` is at; None where the Hub names none. Raises as `repo` does."""
        self._require_online()
        url = f"{self._access.endpoint}/api/models/{ref.user}/{ref.repo}?expand=sha"
        document = self._web.get(url, {"accept": "application/json"}, self._secret, limit=MAX_ERROR)
        if not document.ok:
            raise self._refusal(ref, document.status, document.headers)
        return _read_revision(document.body)

    def header(self, ref: HubRef, model: HubModel, walk: Walk | None = None) -> tuple[GgufHeader, bool]:
        """The header of a model, of all its shards, and whether it was known already.

        `walk` holds what was learned from another quant of the same repository, or learns from this one.
        """
        if model.missing:
            count = len(model.files) + model.missing
            raise Unreadable(f"{model.missing} of {count} shards of {model.files[0].name} are missing on the Hub")
        read = [self._file_header(ref, file, Walk() if walk is None else walk) for file in model.files]
        return merge_headers([header for header, _known in read]), all(known for _header, known in read)

    def file(self, ref: HubRef, file: HubFile) -> RemoteFile:
        """Where a file of the repository of `ref` is. Raises `ServerUnreachable` where the Hub must not be asked."""
        self._require_online()
        return RemoteFile(
            f"{self._access.endpoint}/{ref.user}/{ref.repo}/resolve/main/{quote(file.path)}",
            file.size,
            lambda answer: self._refusal(ref, answer.status, answer.headers),
            self._secret,
        )

    def cached(self, ref: HubRef, file: HubFile) -> Path | None:
        """Where Hugging Face's own tools have kept the file: there, too, it bears its sha256 as a name."""
        if self._access.cache is None or not file.digest or not file.digest.startswith("sha256:"):
            return None
        folder = self._access.cache / f"models--{ref.user}--{ref.repo}" / "blobs"
        path = folder / file.digest.removeprefix("sha256:")
        return path if file_size(path) == file.size else None

    def _file_header(self, ref: HubRef, file: HubFile, walk: Walk) -> tuple[GgufHeader, bool]:
        known = self._headers.find_remote(file.digest, self._origin) if file.digest else None
        if known is not None:
            return known, True
        self._require_online()
        header = (self._jump(ref, file, walk) if walk else None) or self._walk(ref, file, walk)
        if file.digest:
            self._headers.keep_remote(file.digest, self._origin, header)
        return header, False

    def _jump(self, ref: HubRef, file: HubFile, walk: Walk) -> GgufHeader | None:
        """The header, read in small pieces around a vocabulary that a sibling has as well; None if it has another."""
        with self._source(ref, file, JUMP_PIECE, 2 * JUMP_PIECE) as source:
            try:
                return read_header(source, jumps=walk.jumps())
            except GgufError:
                return None

    def _walk(self, ref: HubRef, file: HubFile, walk: Walk) -> GgufHeader:
        with self._source(ref, file) as source:
            own = Walk()
            header = read_header(source, walk=own)
        walk.learn(own)
        return header

    def _source(
        self, ref: HubRef, file: HubFile, first_piece: int = FIRST_PIECE, largest_piece: int = LARGEST_PIECE
    ) -> RangedSource:
        return RangedSource(self._web, self.file(ref, file), first_piece=first_piece, largest_piece=largest_piece)

    def _list(self, ref: HubRef, url: str) -> list[object]:
        """The entries of all pages, only what describes GGUF files."""
        self._require_online()
        entries: list[object] = []
        for _ in range(MAX_PAGES):
            document = self._web.get(url, {"accept": "application/json"}, self._secret, limit=MAX_PAGE)
            if not document.ok:
                raise self._refusal(ref, document.status, document.headers)
            entries += _read_page(document.body)
            following = _NEXT.search(document.headers.get("link", ""))
            if following is None:
                return entries
            url = following[1]
            if origin_of(url) != self._origin:
                raise Unreadable("the Hub's listing goes on at another host", hint="look at HF_ENDPOINT")
        raise Unreadable(f"the listing of hf.co/{ref.user}/{ref.repo} goes on without end", hint="look at HF_ENDPOINT")

    def _require_online(self) -> None:
        if self._access.offline:
            raise ServerUnreachable("HF_HUB_OFFLINE is set", hint="unset it to ask the Hub")

    def _refusal(self, ref: HubRef, status: int, headers: Mapping[str, str]) -> KdmgrError:
        return explain_refusal(self._access, f"{ref.user}/{ref.repo}", status, headers)


def _read_revision(body: bytes) -> str | None:
    try:
        found = json.loads(body)["sha"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) and _COMMIT.fullmatch(found) else None


def _read_page(body: bytes) -> list[object]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the Hub's listing is no JSON", hint="look at HF_ENDPOINT") from error
    if not isinstance(page, list):
        raise Unreadable("the Hub's listing is no list", hint="look at HF_ENDPOINT")
    keys = ("path", "size", "oid", "lfs")
    return [
        {key: entry[key] for key in keys if key in entry}
        for entry in page
        if isinstance(entry, dict) and str(entry.get("path", "")).lower().endswith(".gguf")
    ]
