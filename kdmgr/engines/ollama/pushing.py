"""What a server's errors mean while it sends a model to a registry (server/images.go, PushModel)."""

from __future__ import annotations

from kdmgr.engines.ollama.reaching import one_line
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound
from kdmgr.units import printable

SIGN_IN = "sign in first: ollama signin; and only names of your own can be pushed: kdmgr cp MODEL you/MODEL"


def push_failed(problem: str, name: str) -> KdmgrError:
    """Our error for the line that ends a push."""
    line = one_line(problem)
    if line.startswith("open ") or "file does not exist" in line:
        # The server tells where it looked for the manifest, which is nobody's business.
        return NotFound(f"the server has no model named {printable(name)}", hint="see what it has: kdmgr list")
    if any(word in line for word in ("unauthorized", "access denied", "401", "403", "not authorized")):
        return Forbidden(f"the registry does not take {printable(name)}: {line}", hint=SIGN_IN)
    if any(word in line for word in ("insecure protocol", "HTTP response to HTTPS client", "TLS handshake")):
        return EngineFailed(f"the registry speaks plain http: {line}", hint="allow it with --insecure")
    if "no such host" in line or "connection refused" in line or "dial tcp" in line:
        return EngineFailed(f"the server cannot reach the registry: {line}", hint="look at the name's host part")
    if "max retries exceeded" in line:
        return EngineFailed(f"the upload failed again and again: {line}", hint="push again: it sends what is missing")
    return EngineFailed(f"the push failed: {line}", hint="push again: what has arrived is not sent twice")
