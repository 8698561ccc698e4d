"""What went wrong, in one line, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama.host import ServerAddress

_LONGEST = 400


class ConnectionBroke(EngineFailed):
    """The connection to a server broke in the middle of an answer."""


def unreachable(address: ServerAddress, reason: str, platform: str) -> ServerUnreachable:
    """Nothing answers at the address."""
    return ServerUnreachable(
        f"no Ollama server answers at {printable(address.url)}: {reason}", hint=start_hint(address, platform)
    )


def too_long(address: ServerAddress, seconds: float) -> ServerUnreachable:
    """A server took the request and did not answer it in time."""
    return ServerUnreachable(
        f"the Ollama server at {printable(address.url)} did not answer within {seconds:g} s",
        hint="it may be busy or stuck: try again, or restart it",
    )


def unusable_client(address: ServerAddress, error: Exception) -> ServerUnreachable:
    """The proxy or certificate settings of the environment cannot be used."""
    return ServerUnreachable(
        f"cannot connect to {printable(address.url)}: {one_line(str(error))}",
        hint="look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE",
    )


def transport_failure(address: ServerAddress, error: Exception, platform: str) -> KdmgrError:
    """Our error for one of httpx's."""
    import httpx

    match error:
        case httpx.ConnectTimeout():
            return unreachable(address, "it did not accept a connection in time", platform)
        case httpx.ConnectError():
            return unreachable(address, _reason(error), platform)
        case httpx.TimeoutException():
            return ServerUnreachable(
                f"the Ollama server at {printable(address.url)} stopped answering",
                hint="it may be busy or stuck: try again, or restart it",
            )
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ServerUnreachable(
                f"not the address of a server: {printable(address.url)}",
                hint="OLLAMA_HOST is like 127.0.0.1:11434 or https://example.com/ollama",
            )
        case httpx.ProxyError():
            return unusable_client(address, error)
    return ConnectionBroke(
        f"the connection to the Ollama server at {printable(address.url)} broke: {one_line(str(error)) or 'closed'}",
        hint="it may have stopped or run out of memory: look at its log",
    )


def refused(address: ServerAddress, status: int, body: bytes, model: str | None) -> KdmgrError:
    """Our error for an HTTP status that is none of success."""
    text = _error_in(body)
    if status == 403 and not body.strip():
        return EngineFailed(
            f"the Ollama server refuses the host name {printable(address.netloc)} (403)",
            hint="it accepts localhost and its own addresses: use one in OLLAMA_HOST, or let the proxy set Host",
        )
    if text is None and status in (301, 302, 303, 307, 308, 404, 405):
        return EngineFailed(
            f"what answers at {printable(address.url)} is not an Ollama server (HTTP {status})",
            hint="look at OLLAMA_HOST; a redirect is not followed",
        )
    if status == 503:
        return EngineFailed(
            f"the Ollama server is busy: {text or 'it takes no more requests'}",
            hint="try again in a moment; its OLLAMA_MAX_QUEUE sets how many may wait",
        )
    return reported(text or f"HTTP {status}", model, not_found=status == 404)


def reported(text: str, model: str | None, *, not_found: bool = False) -> KdmgrError:
    """Our error for the text of one of Ollama's, from a status or from the middle of a stream."""
    line = one_line(text) or "an error without a text"
    if not_found or ("not found" in line and line.startswith("model")):
        hint = f"kdmgr pull {printable(model)}, or see what is installed: kdmgr list" if model else None
        return NotFound(f"the Ollama server has no such model: {line}", hint=hint)
    return EngineFailed(f"the Ollama server reports: {line}", hint=_hint_for(line))


def start_hint(address: ServerAddress, platform: str) -> str:
    """How to start a server there."""
    if not address.is_loopback:
        return f"is Ollama running on {printable(address.host)}, started with OLLAMA_HOST=0.0.0.0:{address.port}?"
    from kdmgr.engines.ollama.host import DEFAULT_PORT

    command = "ollama serve"
    if address.port != DEFAULT_PORT:
        if platform == "win32":
            return f"set OLLAMA_HOST to {address.netloc}, then start it: ollama serve"
        command = f"OLLAMA_HOST={address.netloc} ollama serve"
    if platform == "darwin":
        return f"start it: open the Ollama app, or {command}"
    if platform == "win32":
        return f"start it: Ollama in the Start menu, or {command}"
    return f"start it: {command}"


def _hint_for(line: str) -> str | None:
    hints = {
        "does not support thinking": "ask without thinking",
        "system memory": "choose a smaller quant or context: kdmgr fit",
        "out of memory": "choose a smaller quant or context: kdmgr fit",
        "unexpected EOF": "the process that ran the model died: look at the server's log",
        "invalid model name": "a name is like phi3:mini or user/model:tag",
    }
    return next((hint for part, hint in hints.items() if part in line), None)


def _error_in(body: bytes) -> str | None:
    """The text of `{"error": …}`, None for any other body."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return error_text(reply) if isinstance(reply, dict) else None


def error_text(reply: dict[str, Any]) -> str | None:
    """The text under "error", None without one. Errors of llama-server come as JSON inside that text."""
    error = reply.get("error")
    if isinstance(error, str) and error.startswith("{"):
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return one_line(str(error))
    for _ in range(3):
        if isinstance(error, dict):
            error = error.get("error", error.get("message"))
    if error is None:
        return None
    return one_line(error if isinstance(error, str) else str(reply["error"]))


def _reason(error: BaseException) -> str:
    """The operating system's words at the bottom of the chain of causes, else the error's own."""
    deepest: BaseException | None = error
    words = str(error)
    while deepest is not None:
        if isinstance(deepest, ConnectionRefusedError):
            return "connection refused"
        if isinstance(deepest, OSError) and deepest.strerror:
            words = deepest.strerror
        deepest = deepest.__cause__ or deepest.__context__
    return one_line(words) or "the connection failed"


def one_line(text: str) -> str:
    """A server's text as one line that a terminal can show, cut where it is long."""
    line = " ".join(printable(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
