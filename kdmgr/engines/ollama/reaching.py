"""Why a server cannot be reached: one word for programs, a sentence and a hint for people."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.starting import find_installation, start_hint
from kdmgr.errors import EngineFailed, KdmgrError, ServerUnreachable
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama.host import ServerAddress

REFUSED, TIMEOUT, DNS, TLS, PROXY, BROKEN, ADDRESS = "refused", "timeout", "dns", "tls", "proxy", "broken", "address"
FORBIDDEN, LOGIN, NOT_OLLAMA, BUSY = "forbidden", "login", "not-ollama", "busy"
PROXY_HINT = "look at HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; NO_PROXY={host} goes around them"
_LONGEST = 400


class ConnectionBroke(EngineFailed):
    """The connection to a server broke in the middle of an answer."""


def transport_failure(address: ServerAddress, error: Exception, platform: str) -> KdmgrError:
    """Our error for one of httpx's."""
    import httpx

    match error:
        case httpx.ProxyError():
            return proxy_in_the_way(address, one_line(str(error)))
        case httpx.ConnectTimeout():
            return _connect_timeout(address, platform)
        case httpx.ConnectError():
            return _connect_failure(address, error, platform)
        case httpx.TimeoutException():
            return ServerUnreachable(
                f"the Ollama server at {printable(address.url)} stopped answering",
                hint="it may be busy or stuck: try again, or restart it",
                reason=TIMEOUT,
            )
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ServerUnreachable(
                f"not the address of a server: {printable(address.url)}",
                hint="OLLAMA_HOST is like 127.0.0.1:11434 or https://example.com/ollama",
                reason=ADDRESS,
            )
    return ConnectionBroke(
        f"the connection to the Ollama server at {printable(address.url)} broke: {one_line(str(error)) or 'closed'}",
        hint="it may have stopped or run out of memory: look at its log",
        reason=BROKEN,
    )


def unreachable(address: ServerAddress, why: str, reason: str, hint: str) -> ServerUnreachable:
    """Nothing answers at the address."""
    return ServerUnreachable(f"no Ollama server answers at {printable(address.url)}: {why}", hint=hint, reason=reason)


def too_long(address: ServerAddress, seconds: float) -> ServerUnreachable:
    """A server took the request and did not answer it in time."""
    return ServerUnreachable(
        f"the Ollama server at {printable(address.url)} did not answer within {seconds:g} s",
        hint="it may be busy or stuck: try again, or restart it",
        reason=TIMEOUT,
    )


def unusable_client(address: ServerAddress, error: Exception) -> ServerUnreachable:
    """The proxy or certificate settings of the environment cannot be used."""
    return ServerUnreachable(
        f"cannot connect to {printable(address.url)}: {one_line(str(error))}",
        hint="look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE",
        reason=PROXY,
    )


def proxy_in_the_way(address: ServerAddress, why: str) -> ServerUnreachable:
    """A proxy of the environment answers in place of the server, or does not answer."""
    proxy = proxy_for(address)
    between = f"the proxy {printable(proxy)}" if proxy else "a proxy"
    return ServerUnreachable(
        f"{between} stands between here and {printable(address.url)}: {why}",
        hint=PROXY_HINT.format(host=printable(address.host)),
        reason=PROXY,
    )


def proxy_for(address: ServerAddress) -> str | None:
    """The proxy that the environment names for this address, without its password; None without one."""
    if address.is_loopback:
        return None
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(address.host):
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def one_line(text: str) -> str:
    """`text` on one line of bounded length that a terminal can show."""
    line = " ".join(printable(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _connect_timeout(address: ServerAddress, platform: str) -> ServerUnreachable:
    if proxy_for(address):
        return proxy_in_the_way(address, "it did not accept a connection in time")
    hint = start_hint(address, find_installation(platform))
    if not address.is_loopback:
        hint = f"is {printable(address.host)} on, and does its firewall let port {address.port} through?"
    return unreachable(address, "it did not accept a connection in time", TIMEOUT, hint)


def _connect_failure(address: ServerAddress, error: Exception, platform: str) -> ServerUnreachable:
    why, reason = _explain(error)
    if reason is TLS:
        return unreachable(address, why, TLS, _tls_hint(address, why))
    if proxy_for(address):
        return proxy_in_the_way(address, why)
    if reason is DNS:
        hint = f"is {printable(address.host)} spelled right? `kdmgr hosts` shows the hosts you named"
        return unreachable(address, why, DNS, hint)
    return unreachable(address, why, reason, start_hint(address, find_installation(platform)))


def _explain(error: Exception) -> tuple[str, str]:
    """The words at the bottom of the chain of causes, else the error's own; and what they mean."""
    words, reason = str(error), REFUSED if isinstance(error, ConnectionRefusedError) else BROKEN
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused", REFUSED
        if isinstance(cause, ssl.SSLError):
            return _describe_tls(cause), TLS
        if isinstance(cause, socket.gaierror):
            reason = DNS
        if isinstance(cause, OSError) and cause.strerror:
            words = cause.strerror
    return one_line(words) or "the connection failed", reason


def _describe_tls(error: ssl.SSLError) -> str:
    """The certificate's fault in OpenSSL's words, else its constant as words: "wrong version number"."""
    fault: str = getattr(error, "verify_message", "")
    return one_line(fault or (error.reason or str(error)).replace("_", " ").lower())


def _causes(error: BaseException) -> Iterator[BaseException]:
    deepest: BaseException | None = error
    while deepest is not None:
        yield deepest
        deepest = deepest.__cause__ or deepest.__context__


def _tls_hint(address: ServerAddress, why: str) -> str:
    if "certificate" in why or "hostname" in why.lower():
        return "SSL_CERT_FILE names the certificate to trust, if it is one of your own"
    plain = printable(f"http://{address.netloc}{address.path}")
    return f"does it speak plain http? try {plain}"
