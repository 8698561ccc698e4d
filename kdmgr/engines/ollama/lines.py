"""Lines of a stream, split on the newline byte alone: U+0085 and its like are legal inside JSON strings."""

from __future__ import annotations

from kdmgr.errors import EngineFailed

MAX_LINE = 16 << 20


class LineSplitter:
    """Cuts chunks of bytes into lines. `limit` is in bytes."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, blank ones left out. Raises `EngineFailed` for a line over the limit."""
        *complete, rest = chunk.split(b"\n")
        lines = []
        for part in complete:
            self._keep(part)
            if line := self.rest():
                lines.append(line)
        self._keep(rest)
        return lines

    def rest(self) -> bytes:
        """What came after the last newline; it is taken out."""
        line = b"".join(self._parts).strip()
        self._parts.clear()
        self._size = 0
        return line

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise EngineFailed(
                f"the Ollama server sent a line of more than {self._limit >> 20} MiB",
                hint="is it an Ollama server? look at OLLAMA_HOST",
            )
        if part:
            self._parts.append(part)
