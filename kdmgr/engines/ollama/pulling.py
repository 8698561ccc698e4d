"""What a server's errors in the middle of a pull mean.

Their texts: server/images.go (PullModel, pullModelManifest) and server/download.go.
"""

from __future__ import annotations

from kdmgr.engines.ollama.known_errors import KnownError, recognise
from kdmgr.engines.ollama.reaching import one_line
from kdmgr.errors import EngineFailed, Forbidden, KdmgrError, NotFound, StorageFailed, Unreadable
from kdmgr.units import printable


class PullBroke(EngineFailed):
    """A pull that broke off for a reason that may pass: what has come is kept, and trying again goes on."""


class Damaged(PullBroke):
    """What came had another digest; the server has thrown it away."""


def pull_failed(error: str, name: str) -> KdmgrError:
    """Our error for the text of one that came instead of the next line."""
    line, name = one_line(error) or "an error without a text", printable(name)
    repo = name[: name.rindex(":")] if ":" in name.rpartition("/")[2] else name
    words = {"name": name, "repo": repo, "line": line}
    return recognise(line, _KNOWN, _OTHER).make(words)


def broke_off(name: str) -> PullBroke:
    """The stream ended before the server said that all is done."""
    return PullBroke(
        f"the pull of {printable(name)} broke off: the server closed the connection before it was done", hint=_AGAIN
    )


_AGAIN = "what has come is kept: pull it again"
_OTHER = KnownError((), EngineFailed, "the Ollama server cannot pull {name}: {line}", "look at the server's log")
# The first that is found decides: what waiting cannot mend comes before what it may.
_KNOWN = (
    KnownError(
        ("digest mismatch",),
        Damaged,
        "what came of {name} is not what the registry named, and was thrown away by the server: {line}",
        "pull it again; if it happens again, tell its publisher",
    ),
    KnownError(
        ("no space left", "disk quota", "not enough space", "disk full"),
        StorageFailed,
        "the server's disk is full: {line}",
        "make room there (kdmgr rm, kdmgr pull --list), then pull again: it goes on where it stopped",
    ),
    KnownError(
        ("permission denied", "read-only file system", "access is denied"),
        StorageFailed,
        "the server cannot write to its models folder: {line}",
        "look at its OLLAMA_MODELS and who may write there",
    ),
    KnownError(
        ("requires a newer version",),
        EngineFailed,
        "{name} needs a newer Ollama than this server",
        "update it: https://ollama.com/download",
    ),
    KnownError(
        ("requires mlx", "mlx runtime"),
        EngineFailed,
        "{name} runs on Apple's MLX only, which this server does not have",
        "choose a GGUF tag",
    ),
    KnownError(
        ("sharded gguf",),
        Unreadable,
        "{name} is split into several files, which Ollama cannot pull from the Hub",
        "choose another quant, or download the files, join them (llama-gguf-split --merge) and import the result",
    ),
    KnownError(
        ("not a valid quantization",),
        NotFound,
        "the Hub has no such quant: {name}",
        "see which there are: kdmgr fit {repo}",
    ),
    KnownError(
        ("manifest: file does not exist", "manifest unknown", "name unknown"),
        NotFound,
        "the registry has no {name}",
        "is the name right, and its tag? the server says: {line}",
    ),
    KnownError(
        ("file does not exist", "blob unknown"),
        NotFound,
        "the registry lists {name}, but does not have its file",
        "try another tag",
    ),
    KnownError(
        ("invalid character '<'",),
        EngineFailed,
        "what answers as the registry of {name} sends a web page",
        "is the name right? does the server's network ask to sign in?",
    ),
    KnownError(
        ("unauthorized", "access denied", "realm host", "manifest: 401", "manifest: 403"),
        Forbidden,
        "the registry does not give {name} to this server: {line}",
        "a private or gated model needs the server's key (~/.ollama/id_ed25519.pub) in your account there",
    ),
    KnownError(
        ("insecure protocol", "server gave http response to https", "does not look like a tls handshake"),
        EngineFailed,
        "the registry of {name} speaks plain http",
        "allow it for this pull: --insecure",
    ),
    KnownError(
        ("no location header", "unexpected status code 3", "maximum redirects", "stopped after 10 redirects"),
        EngineFailed,
        "the registry of {name} does not hand out blobs as Ollama expects: {line}",
        "it must redirect them to another host (307); or pull into kdmgr's own store: --engine llamacpp",
    ),
    KnownError(
        ("invalid model name", "invalid model path", "digest is empty", "invalid digest"),
        EngineFailed,
        "the server does not take {name} for a model's name: {line}",
        "a name is like phi3:mini or user/model:tag",
    ),
    KnownError(
        ("x509", "certificate"),
        EngineFailed,
        "the server does not trust the registry of {name}: {line}",
        "a proxy that opens TLS needs its certificate on the server's machine",
    ),
    KnownError(
        ("no such host", "name resolution"),
        PullBroke,
        "the server cannot find the registry of {name}: {line}",
        "is the server's machine online? is the name right?",
    ),
    KnownError(
        (
            *("max retries exceeded", "connection re", "broken pipe", "eof", "timeout", "deadline exceeded"),
            *("part stalled", "too many requests", "service unavailable", "bad gateway", "internal server error"),
            *("network is unreachable", "no route to host", "manifest: 429", "manifest: 5", "status code 5"),
            *("context canceled", "stream error", "goaway", "server misbehaving"),
        ),
        PullBroke,
        "the pull of {name} broke off on the server: {line}",
        _AGAIN,
    ),
)
