"""Tags of an Ollama registry that are not pulled: the manifest, and the header of the weights by ranged reads.

Protocol: Docker's registry v2, anonymously (ollama, server/images.go and server/download.go).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, Unreadable
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.hosts import is_loopback
from kdmgr.models.copies import Copies
from kdmgr.models.headers import HeaderCache
from kdmgr.models.manifest import MAX_MANIFEST, MEDIA_TYPE, Layer, Manifest, decode_manifest, hash_bytes
from kdmgr.models.range_request import Refuse, RemoteFile
from kdmgr.models.ranged import RangedSource
from kdmgr.models.refusals import busy, describe_status
from kdmgr.models.web import Document, Secret, Web, origin_of
from kdmgr.refs import DEFAULT_HOST, OllamaRef
from kdmgr.units import printable

MAX_TAGS = 1 << 20
MAX_TOKEN = 1 << 16
_PARAMETER = re.compile(r'(realm|service|scope)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """What a registry says a tag is made of."""

    ref: OllamaRef
    manifest: Manifest
    digest: str
    """sha256 of the manifest, in hex."""
    note: str | None
    """Set when it is an old copy."""
    encoded: bytes = field(default=b"", repr=False)
    """As the registry sent it: stored like that, a model keeps its digest."""

    @property
    def weights(self) -> Layer:
        """The one GGUF layer. `Unreadable` for tags that cannot be sized from one header."""
        models = [layer for layer in self.manifest.layers if layer.kind == "model"]
        if len(models) == 1:
            return models[0]
        if any(layer.kind == "tensor" for layer in self.manifest.layers):
            raise Unreadable(f"{self.ref} holds safetensors, not a GGUF: it cannot be sized", hint="choose a GGUF tag")
        if models:
            raise Unreadable(f"{self.ref} is split into {len(models)} model layers: it cannot be sized")
        raise Unreadable(f"{self.ref} has no weights of its own: it runs on another computer")

    def size_of(self, kind: str) -> int:
        """Bytes of all layers of a kind: `projector`, `adapter`, `draft` …; 0 when there is none."""
        return sum(layer.size for layer in self.manifest.layers if layer.kind == kind)


class OllamaRegistry:
    """Every registry that speaks Ollama's protocol; the host is part of the reference."""

    def __init__(self, web: Web, copies: Copies, headers: HeaderCache) -> None:
        self._web = web
        self._copies = copies
        self._headers = headers
        self._secrets: dict[str, Secret] = {}

    def manifest(self, ref: OllamaRef) -> RemoteManifest:
        """What `ref` is made of, or was when last asked.

        Raises `NotFound`, `Forbidden`, `ServerUnreachable`, or `Unreadable` for what is no manifest.
        """
        if ref.is_cloud:
            raise Unreadable(f"{ref} runs on another computer: there is nothing to fit", hint="choose another tag")
        url = f"{_base(ref)}/manifests/{ref.tag}"

        def load() -> bytes:
            body = self._get(ref, url, MAX_MANIFEST)
            _decode(ref, body)
            return body

        copy = self._copies.fetch(url, load)
        digest = hash_bytes(copy.body).removeprefix("sha256:")
        return RemoteManifest(ref, _decode(ref, copy.body), digest, copy.note, copy.body)

    def known(self, ref: OllamaRef) -> tuple[RemoteManifest, GgufHeader] | None:
        """What was read of `ref` before, without asking anybody; None unless manifest and header are both at hand."""
        copy = self._copies.peek(f"{_base(ref)}/manifests/{ref.tag}")
        if copy is None:
            return None
        digest = hash_bytes(copy.body).removeprefix("sha256:")
        try:
            remote = RemoteManifest(ref, _decode(ref, copy.body), digest, copy.note, copy.body)
            layer = remote.weights
        except Unreadable:
            return None
        header = self._headers.find_remote(layer.digest, origin_of(_base(ref)))
        return (remote, header) if header else None

    def blob(self, ref: OllamaRef, layer: Layer) -> RemoteFile:
        """Where a blob of `ref` is. Ask for the manifest first: that is when a registry gives its token."""
        url = f"{_base(ref)}/blobs/{layer.digest}"
        return RemoteFile(url, layer.size, _refuser(ref), self._secrets.get(origin_of(url)))

    def header(self, remote: RemoteManifest, layer: Layer) -> tuple[GgufHeader, bool]:
        """The header of a GGUF layer, and whether it was known already."""
        file = self.blob(remote.ref, layer)
        known = self._headers.find_remote(layer.digest, origin_of(file.url))
        if known is not None:
            return known, True
        with RangedSource(self._web, file) as source:
            header = read_header(source)
        self._headers.keep_remote(layer.digest, origin_of(file.url), header)
        return header, False

    def _get(self, ref: OllamaRef, url: str, limit: int) -> bytes:
        document = self._ask(url, limit)
        if document.status == 401:
            self._secrets[origin_of(url)] = self._fetch_token(ref, document)
            document = self._ask(url, limit)
        if document.ok:
            return document.body
        if document.status == 404:
            raise NotFound(f"the registry has no {ref}", hint=self._suggest(ref))
        raise _refusal(ref, ref.host, document.status, document.headers.get("retry-after"))

    def _ask(self, url: str, limit: int) -> Document:
        return self._web.get(url, {"accept": MEDIA_TYPE}, self._secrets.get(origin_of(url)), limit=limit)

    def _fetch_token(self, ref: OllamaRef, document: Document) -> Secret:
        """The token that a registry gives to everybody; `Forbidden` where it gives none."""
        challenge = document.headers.get("www-authenticate", "")
        asked = dict(_PARAMETER.findall(challenge))
        realm = asked.pop("realm", "")
        refused = Forbidden(
            f"the registry does not give {ref} to everybody", hint=f"sign in with Ollama and pull it: ollama pull {ref}"
        )
        if not challenge.lower().startswith("bearer ") or not _is_safe(realm, document.url):
            raise refused
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
        try:
            reply = json.loads(self._web.get(url, limit=MAX_TOKEN).body)
            token = reply.get("token") or reply.get("access_token")
        except (ValueError, RecursionError, AttributeError) as error:
            raise refused from error
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
            raise refused
        return Secret(origin_of(document.url), f"Bearer {token}")

    def _suggest(self, ref: OllamaRef) -> str:
        """Tags that the registry does have. Ollama's own does not list them."""
        where = f"https://ollama.com/{'' if ref.namespace != 'library' else 'library/'}"
        if ref.host == DEFAULT_HOST:
            page = f"{where}{'' if ref.namespace == 'library' else ref.namespace + '/'}{ref.model}/tags"
            return f"look at its tags: {page}"
        import difflib

        try:
            body = json.loads(self._ask(f"{_base(ref)}/tags/list", MAX_TAGS).body)
            tags = [tag for tag in body["tags"] if isinstance(tag, str)]
        except (KdmgrError, ValueError, RecursionError, KeyError, TypeError):
            tags = []
        close = difflib.get_close_matches(ref.tag, tags, 3, 0.3) or tags[:3]
        if close:
            return printable(f"it has {', '.join(f'{ref.model}:{tag[:80]}' for tag in close)}")
        return "is the name right?"


def _base(ref: OllamaRef) -> str:
    """Plain http only to this machine: Ollama uses it where it is told to be insecure, and nowhere else."""
    name = ref.host.partition(":")[0]
    scheme = "http" if is_loopback(name) else "https"
    return f"{scheme}://{ref.host}/v2/{ref.namespace}/{ref.model}"


def _is_safe(realm: str, url: str) -> bool:
    """Whether a token may be asked for there: over TLS, or at the registry itself."""
    return realm.startswith("https://") or (realm.startswith("http://") and origin_of(realm) == origin_of(url))


def _decode(ref: OllamaRef, body: bytes) -> Manifest:
    try:
        return decode_manifest(body)
    except Unreadable as error:
        raise Unreadable(
            f"what {printable(ref.host)} sends as {ref} is no manifest", hint=f"{error.message}; is the name right?"
        ) from error


def _refuser(ref: OllamaRef) -> Refuse:
    return lambda answer: _refusal(ref, answer.host, answer.status, answer.headers.get("retry-after"))


def _refusal(ref: OllamaRef, host: str, status: int, retry_after: str | None) -> KdmgrError:
    if status in (401, 403):
        return Forbidden(
            f"the registry does not give {ref} to everybody", hint=f"sign in with Ollama and pull it: ollama pull {ref}"
        )
    if status == 404:
        return NotFound(f"the registry lists {ref}, but does not have its file", hint="try another tag")
    return busy(host, status, retry_after) or ServerUnreachable(
        f"{printable(host)} answers with HTTP {describe_status(status)}", hint="try again later"
    )
