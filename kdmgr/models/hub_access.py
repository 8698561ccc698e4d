"""Where the Hub is, and who asks: the environment that all of Hugging Face's tools share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.hosts import is_loopback

DEFAULT_ENDPOINT = "https://huggingface.co"
MAX_TOKEN = 4096
_TRUE = frozenset(("1", "ON", "YES", "TRUE"))


@dataclass(frozen=True, slots=True)
class HubAccess:
    """One Hub and the token for it, which nobody else gets to see."""

    endpoint: str
    """Without a trailing slash."""
    offline: bool = False
    token: str | None = field(default=None, repr=False)
    cache: Path | None = field(default=None, compare=False)
    """Where Hugging Face's own tools keep what they have downloaded."""


def hub_access(env: Mapping[str, str]) -> HubAccess:
    """What the environment says, as `huggingface_hub` reads it.

    HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_CACHE and HF_HOME.
    Raises `UsageError` for an endpoint that is no address, or a token that cannot be sent.
    """
    endpoint = (env.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT).rstrip("/")
    scheme, _, rest = endpoint.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    if scheme not in ("http", "https") or not host:
        raise UsageError(f"HF_ENDPOINT is no address: {endpoint!r:.100}", hint=f"it is like {DEFAULT_ENDPOINT}")
    token = _find_token(env)
    # Over plain http anybody could read it.
    safe = scheme == "https" or is_loopback(host.rpartition(":")[0] or host)
    offline = any(env.get(name, "").upper() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return HubAccess(endpoint, offline, token if safe else None, _cache_path(env))


def _find_token(env: Mapping[str, str]) -> str | None:
    token = env.get("HF_TOKEN", "").strip() or env.get("HUGGING_FACE_HUB_TOKEN", "").strip()
    where = "HF_TOKEN"
    if not token and env.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() not in _TRUE:
        path = _token_path(env)
        where = str(path)
        try:
            with path.open("rb") as file:
                token = file.read(MAX_TOKEN).decode("ascii", "replace").strip()
        except (OSError, ValueError):
            token = ""
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the Hugging Face token in {where} is damaged", hint="sign in again: hf auth login")
    return token


def _token_path(env: Mapping[str, str]) -> Path:
    if path := env.get("HF_TOKEN_PATH", "").strip():
        return Path(path).expanduser()
    return _home(env) / "token"


def _cache_path(env: Mapping[str, str]) -> Path:
    path = env.get("HF_HUB_CACHE", "").strip() or env.get("HUGGINGFACE_HUB_CACHE", "").strip()
    return Path(path).expanduser() if path else _home(env) / "hub"


def _home(env: Mapping[str, str]) -> Path:
    home = env.get("HF_HOME", "").strip()
    if home:
        return Path(home).expanduser()
    cache = env.get("XDG_CACHE_HOME", "").strip()
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface"
