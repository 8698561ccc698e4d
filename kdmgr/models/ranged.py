"""The bytes of a remote file, fetched piece by piece as a header is walked: never more than one piece too many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

from kdmgr.errors import Unreadable
from kdmgr.models.range_request import RangeRequests, RemoteFile
from kdmgr.models.web import BACKOFF_S, Answer, Broken, Web

FIRST_PIECE = 256 << 10
LARGEST_PIECE = 2 << 20
# A server that hangs up again and again is given up, also when each time a little comes.
MAX_BREAKS = 8


class RangedSource:
    """A `Source` over ranged requests. Leaving its `with` block hangs up.

    A server that ignores ranges is read from its start on, and hung up on as soon as the header ends.
    """

    def __init__(
        self,
        web: Web,
        file: RemoteFile,
        *,
        first_piece: int = FIRST_PIECE,
        largest_piece: int = LARGEST_PIECE,
    ) -> None:
        self._web = web
        self._requests = RangeRequests(web, file)
        self._next_piece = first_piece
        self._largest_piece = largest_piece
        self._start, self._piece = 0, b""
        self._breaks = 0
        self._stream: _Stream | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the file; None before anybody has said."""
        return self._requests.size

    def __enter__(self) -> RangedSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes, from the piece at hand where it has them."""
        if self.size is not None and offset >= self.size:
            return b""
        if not self._start <= offset < self._start + len(self._piece):
            self._start, self._piece = offset, self._fetch(offset)
        at = offset - self._start
        return self._piece[at : at + size]

    def _fetch(self, offset: int) -> bytes:
        while True:
            try:
                return self._try(offset)
            except Broken:
                self._hang_up()
                self._requests.start_over()
                if self._breaks >= MAX_BREAKS:
                    raise
                self._web.sleep(BACKOFF_S[min(self._breaks, len(BACKOFF_S) - 1)])
                self._breaks += 1

    def _try(self, offset: int) -> bytes:
        """The next piece, or what came of it before the connection broke."""
        if self._stream is not None:
            return self._stream.read_from(offset)
        wanted = self._next_piece if self.size is None else min(self._next_piece, self.size - offset)
        with ExitStack() as stack:
            answer = stack.enter_context(self._requests.open(offset, wanted))
            if answer.status == 206:
                wanted = min(wanted, self._requests.claimed(answer, offset))
                piece = self._receive(answer, wanted)
                if len(piece) >= wanted:
                    self._next_piece = min(2 * self._next_piece, self._largest_piece)
                return piece
            self._stream = _Stream(answer, stack.pop_all())
            return self._stream.read_from(offset)

    def _receive(self, answer: Answer, wanted: int) -> bytes:
        body = bytearray()
        try:
            for chunk in answer.chunks():
                body += chunk
                if len(body) >= wanted:
                    break
        except Broken:
            self._count_break(bool(body))
        if not body:
            raise Broken(f"the connection to {answer.host} broke off", hint="try again")
        return bytes(body[:wanted])

    def _count_break(self, some_came: bool) -> None:
        """What came is used, and the rest asked for again; but not for ever."""
        self._breaks += some_came
        if self._breaks > MAX_BREAKS:
            raise Broken("the connection breaks off again and again", hint="try again later")

    def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class _Stream:
    """A whole file that comes from its start, whatever was asked for: what is not needed is thrown away."""

    def __init__(self, answer: Answer, stack: ExitStack) -> None:
        self._chunks: Iterator[bytes] = answer.chunks()
        self._stack = stack
        self._end = 0
        """Where the next chunk begins."""

    def read_from(self, offset: int) -> bytes:
        """The bytes from `offset` up to the end of the chunk that has it; none where the file ends."""
        if offset < self._end:
            raise Unreadable("the server sends the file only from its start", hint="download the file and name that")
        for chunk in self._chunks:
            start, self._end = self._end, self._end + len(chunk)
            if self._end > offset:
                return chunk[offset - start :]
        return b""

    def close(self) -> None:
        """Hang up."""
        self._stack.close()
