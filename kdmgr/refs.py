"""Model references: what a user may type, and what it means.

Three kinds: a local file (`path/to/model.gguf`), an Ollama name (`phi3:mini`,
`registry.example/ns/model:tag`) and a Hugging Face repository (`hf.co/user/repo:Q4_K_M`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.paths import expand_home

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
HUB_HOSTS = ("hf.co", "huggingface.co")

# Ollama, types/model/name.go: each part starts with a letter, digit or underscore and is at most 80
# characters (a host 350); dots are not allowed in a namespace, colons only in a host.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_QUANT = re.compile(
    r"(?:UD-)?(?:I?Q[1-8]_(?:K(?:_(?:XS|S|M|L|XL))?|[01]|XXS|XS|S|M|NL)|TQ[12]_0|B?F16|F32|MXFP4|NVFP4)(?:_(?:S|M|L|XL))?",
    re.IGNORECASE,
)
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileRef:
    """A GGUF file on this machine; of a shard set, its first shard."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class OllamaRef:
    """A model name as Ollama knows it."""

    model: str
    tag: str = DEFAULT_TAG
    namespace: str = DEFAULT_NAMESPACE
    host: str = DEFAULT_HOST

    def __str__(self) -> str:
        """The short form with its tag, as Ollama lists it."""
        name = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{name}"
        return name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{name}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What equal names share: the normalised parts, without case."""
        return (self.host.lower(), self.namespace.lower(), self.model.lower(), self.tag.lower())

    @property
    def is_cloud(self) -> bool:
        """Whether the tag names a model that runs on somebody else's computer."""
        return self.tag == "cloud" or self.tag.endswith("-cloud")


@dataclass(frozen=True, slots=True)
class HubRef:
    """A Hugging Face repository, with a quant or a file name when one was given."""

    user: str
    repo: str
    quant: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        suffix = self.file or self.quant
        return f"hf.co/{self.user}/{self.repo}" + (f":{suffix}" if suffix else "")


ModelRef = FileRef | OllamaRef | HubRef


def parse_ref(text: str) -> ModelRef:
    """The reference that `text` means; `UsageError` when it can mean none.

    A path that exists, ends in `.gguf` or is written as a path (`./x`, `~/x`, `/x`) is a file.
    """
    text = text.strip()
    if not text:
        raise UsageError("an empty model reference", hint="give a GGUF file, an Ollama name or hf.co/user/repo")
    if _names_file(text):
        return FileRef(expand_home(text))
    for prefix in ("https://", "http://"):
        if text.startswith(prefix):
            return _parse_url(text, text.removeprefix(prefix))
    host, _, rest = text.partition("/")
    if host.lower() in HUB_HOSTS and rest:
        return _parse_hub(text, rest)
    return parse_ollama_name(text)


def parse_ollama_name(text: str) -> OllamaRef:
    """`[host/][namespace/]model[:tag]`, split from the right as Ollama does."""
    if "@" in text:
        raise UsageError(f"invalid model name: {text!r}", hint="a digest cannot be part of a name; use model:tag")
    parts = text.split("/")
    model, colon, tag = parts[-1].partition(":")
    if colon and not tag:
        raise UsageError(f"invalid model name: {text!r}", hint=f"leave the colon away or give a tag: {model}:latest")
    namespace = parts[-2] if len(parts) > 1 else DEFAULT_NAMESPACE
    host = parts[-3] if len(parts) > 2 else DEFAULT_HOST
    valid = (
        len(parts) <= 3
        and _HOST.fullmatch(host)
        and _NAMESPACE.fullmatch(namespace)
        and _PART.fullmatch(model)
        and _PART.fullmatch(tag or DEFAULT_TAG)
    )
    if not valid:
        raise UsageError(
            f"invalid model name: {text!r}",
            hint="a name is [host/][namespace/]model[:tag]; for a file, write ./NAME or end it in .gguf",
        )
    return OllamaRef(model, tag or DEFAULT_TAG, namespace, host)


def find_quant(text: str) -> str | None:
    """The last quant name in `text` (a tag or a file name), in upper case; None when it holds none."""
    found = [
        match[0].upper()
        for match in _QUANT.finditer(text)
        if not text[max(match.start() - 1, 0) : match.start()].isalnum()
        and not text[match.end() : match.end() + 1].isalnum()
    ]
    return found[-1] if found else None


def _names_file(text: str) -> bool:
    if text.startswith(("./", "../", "/", "~", ".\\", "..\\")) or re.match(r"[A-Za-z]:[\\/]", text):
        return True
    if text.lower().endswith(".gguf"):
        return not text.lower().startswith(tuple(f"{host}/" for host in HUB_HOSTS)) and "://" not in text
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _parse_url(text: str, rest: str) -> ModelRef:
    host, _, path = rest.partition("/")
    if host.lower() not in (*HUB_HOSTS, "www.huggingface.co"):
        if host.lower() in ("ollama.com", "www.ollama.com"):
            return parse_ollama_name(path.removeprefix("library/").rstrip("/"))
        raise UsageError(f"no models are known at {host}", hint="links to ollama.com and huggingface.co work")
    path = path.partition("?")[0]
    match = re.fullmatch(r"([^/]+)/([^/]+)/(?:blob|resolve)/[^/]+/(.+\.gguf)", path)
    if match:
        return _parse_hub(text, f"{match[1]}/{match[2]}:{match[3]}")
    return _parse_hub(text, "/".join(path.rstrip("/").split("/")[:2]))


def _parse_hub(text: str, rest: str) -> HubRef:
    repo_path, _, suffix = rest.partition(":")
    user, _, repo = repo_path.partition("/")
    if not (_PART.fullmatch(user) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}", repo)):
        raise UsageError(
            f"invalid Hugging Face reference: {text!r}", hint="write hf.co/user/repo or hf.co/user/repo:QUANT"
        )
    if suffix.lower().endswith(".gguf"):
        return HubRef(user, repo, file=suffix)
    if suffix and not _PART.fullmatch(suffix):
        raise UsageError(f"invalid quant name: {suffix!r}", hint=f"write hf.co/{user}/{repo}:Q4_K_M")
    return HubRef(user, repo, quant=suffix.upper() or None)
