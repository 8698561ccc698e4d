"""Where the Ollama server is: OLLAMA_HOST as Ollama's own client reads it (envconfig/config.go, Host)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 11434
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server a client can connect to."""

    scheme: str
    host: str
    """A name or an address; IPv6 without brackets."""
    port: int
    path: str = ""
    """"" or a path with a leading slash, where a proxy serves Ollama below one."""

    @property
    def netloc(self) -> str:
        """`host:port`, as OLLAMA_HOST takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base of every request, without a trailing slash."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own address, which no proxy can reach."""
        return is_loopback(self.host)


def server_address(host: str | None, env: Mapping[str, str]) -> ServerAddress:
    """The address that `host` names, else OLLAMA_HOST, else the default; every text has one."""
    text = (host or "").strip() or env.get("OLLAMA_HOST", "")
    return parse_host(text)


def parse_host(text: str) -> ServerAddress:
    """`[scheme://]host[:port][/path]`; a bad port falls back to the scheme's, an address to bind to means loopback."""
    text = text.strip().strip("\"'").strip()
    if text == "ollama.com":
        text = "https://ollama.com"
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    default_port = _PORTS.get(scheme.lower(), DEFAULT_PORT) if found else DEFAULT_PORT
    hostport, _, path = rest.partition("/")
    name, port = _split_port(hostport)
    path = path.strip("/")
    return ServerAddress(scheme.lower(), _connectable(name), _read_port(port, default_port), f"/{path}" if path else "")


def _connectable(name: str) -> str:
    """The host to connect to: loopback for the addresses that a server binds to, and for none."""
    if not name:
        return "127.0.0.1"
    if name.strip("0:.x"):
        return name
    from ipaddress import ip_address

    try:
        address = ip_address(name)
    except ValueError:
        return name
    return ("::1" if address.version == 6 else "127.0.0.1") if address.is_unspecified else name


def _split_port(hostport: str) -> tuple[str, str]:
    if hostport.startswith("["):
        name, _, rest = hostport[1:].partition("]")
        return name, rest.removeprefix(":")
    if hostport.count(":") > 1:
        return hostport, ""
    name, _, port = hostport.partition(":")
    return name, port


def _read_port(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535 else default
