"""Why a worker died, in words."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from kdmgr.engines.llamacpp.log import split_prefix, strip_speaker
from kdmgr.errors import EngineFailed

_MEMORY = "if memory ran out: a smaller context, a q8_0 KV cache or a smaller quant needs less"
_AGAIN = "the next request starts a fresh worker"
_HINTS = {
    "SIGKILL": f"{_MEMORY}; {_AGAIN}",
    "SIGILL": "this build of llama.cpp uses instructions that the CPU lacks; install a build for it",
    "SIGABRT": f"llama.cpp gave up on an error of its own; {_AGAIN}",
}
_LONGEST = 300


def describe_death(returncode: int | None, log: Iterable[str]) -> EngineFailed:
    """An error that tells how the worker ended and what it said last."""
    name = _name(returncode)
    said = _last_words(log)
    message = f"the llama.cpp worker died ({name})" + (f": {said}" if said else "")
    return EngineFailed(message, hint=_HINTS.get(name, _AGAIN))


def _name(returncode: int | None) -> str:
    if returncode is None:
        return "unknown how"
    if returncode < 0:
        try:
            return signal.Signals(-returncode).name
        except ValueError:
            return f"signal {-returncode}"
    # Windows reports exceptions as large exit codes.
    return f"exit code {returncode:#x}" if returncode > 255 else f"exit code {returncode}"


def _last_words(log: Iterable[str]) -> str:
    """The assert that failed, else the last error, else nothing: what is merely the latest line explains nothing."""
    bare, error = "", ""
    for line in log:
        level, text = split_prefix(line)
        if level == "E":
            error = strip_speaker(text)
        elif not level and ("ASSERT" in text or "error" in text.lower() or "terminate called" in text):
            bare = bare or text.strip()
    return (bare or error)[:_LONGEST]
