"""What went wrong, in one line, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kdmgr.engines.ollama.reaching import BUSY, FORBIDDEN, LOGIN, NOT_OLLAMA, TLS, one_line, proxy_for, proxy_in_the_way
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama.host import ServerAddress


def refused(address: ServerAddress, status: int, body: bytes, model: str | None) -> KdmgrError:
    """Our error for an HTTP status that is none of success."""
    text = _error_in(body)
    if text is None and (wrong := _not_from_ollama(address, status, body)):
        return wrong
    if status == 503:
        return EngineFailed(
            f"the Ollama server is busy: {text or 'it takes no more requests'}",
            hint="try again in a moment; its OLLAMA_MAX_QUEUE sets how many may wait",
            reason=BUSY,
        )
    return reported(text or f"HTTP {status}", model, not_found=status == 404)


def _not_from_ollama(address: ServerAddress, status: int, body: bytes) -> KdmgrError | None:
    """What a refusal without Ollama's text means; None where it may be Ollama's all the same."""
    where = printable(address.url)
    if status == 407 or (status in (502, 503, 504) and body.strip() and proxy_for(address)):
        return proxy_in_the_way(address, f"it answers with HTTP {status}")
    if status == 403 and not body.strip():
        return EngineFailed(
            f"the Ollama server refuses the host name {printable(address.netloc)} (403)",
            hint="it accepts localhost and its own addresses: use one in OLLAMA_HOST, or let the proxy set Host",
            reason=FORBIDDEN,
        )
    if status in (401, 403):
        return Forbidden(
            f"what stands before the server at {where} wants a login (HTTP {status})",
            hint="Ollama itself asks for none: is there another address for it?",
            reason=LOGIN,
        )
    if status == 400 and b"https" in body.lower():
        hint = printable(f"write https://{address.netloc}{address.path}")
        return EngineFailed(f"what answers at {where} speaks TLS only", hint=hint, reason=TLS)
    if status in (301, 302, 303, 307, 308, 404, 405):
        return not_ollama(address, f"HTTP {status}")
    return None


def not_ollama(address: ServerAddress, why: str) -> EngineFailed:
    """Something else listens there."""
    return EngineFailed(
        f"what answers at {printable(address.url)} is not an Ollama server ({why})",
        hint="look at the address: OLLAMA_HOST, --host or kdmgr hosts; a redirect is not followed",
        reason=NOT_OLLAMA,
    )


def reported(text: str, model: str | None, *, not_found: bool = False) -> KdmgrError:
    """Our error for the text of one of Ollama's, from a status or from the middle of a stream."""
    line = one_line(text) or "an error without a text"
    if not_found or ("not found" in line and line.startswith("model")):
        hint = f"kdmgr pull {printable(model)}, or see what is installed: kdmgr list" if model else None
        return NotFound(f"the Ollama server has no such model: {line}", hint=hint)
    return EngineFailed(f"the Ollama server reports: {line}", hint=_hint_for(line))


def _hint_for(line: str) -> str | None:
    hints = {
        "does not support thinking": "ask without thinking",
        "system memory": "choose a smaller quant or context: kdmgr fit",
        "out of memory": "choose a smaller quant or context: kdmgr fit",
        # A file that ends too early says "unexpected EOF" here too.
        "failed to process inputs": "it cannot read the picture: PNG, JPEG and WebP it can, where the file is whole",
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
