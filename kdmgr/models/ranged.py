"""The bytes of a remote file, fetched piece by piece as a header is walked: never more than one piece too many."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType

from kdmgr.errors import KdmgrError, Unreadable
from kdmgr.models.web import BACKOFF_S, Answer, Broken, Secret, Web

FIRST_PIECE = 256 << 10
LARGEST_PIECE = 2 << 20
# A server that hangs up again and again is given up, also when each time a little comes.
MAX_BREAKS = 8
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")

Refuse = Callable[[Answer], KdmgrError]


class RangedSource:
    """A `Source` over ranged requests. Leaving its `with` block hangs up.

    A server that ignores ranges is read from its start on, and hung up on as soon as the header ends.
    """

    def __init__(
        self,
        web: Web,
        url: str,
        *,
        size: int | None,
        refuse: Refuse,
        secret: Secret | None = None,
        first_piece: int = FIRST_PIECE,
        largest_piece: int = LARGEST_PIECE,
    ) -> None:
        self.size = size
        self._web = web
        self._origin = self._url = url
        self._refuse = refuse
        self._secret = secret
        self._next_piece = first_piece
        self._largest_piece = largest_piece
        self._start, self._piece = 0, b""
        self._breaks = 0
        self._stream: _Stream | None = None

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
                # A signed address may have expired in the meantime.
                self._url = self._origin
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
            answer = self._open(stack, offset, wanted)
            if answer.status == 206:
                wanted = min(wanted, self._check_range(answer, offset))
                piece = self._receive(answer, wanted)
                if len(piece) >= wanted:
                    self._next_piece = min(2 * self._next_piece, self._largest_piece)
                return piece
            self._check_size(answer.headers.get("content-length"))
            self._stream = _Stream(answer, stack.pop_all())
            return self._stream.read_from(offset)

    def _open(self, stack: ExitStack, offset: int, wanted: int) -> Answer:
        """An answer of status 200 or 206; later requests go straight to where the first was sent on to."""
        headers = {"range": f"bytes={offset}-{offset + wanted - 1}"}
        answer = stack.enter_context(self._web.open(self._url, headers, self._secret))
        if answer.status in (401, 403, 404, 410) and self._url != self._origin:
            self._url = self._origin
            answer = stack.enter_context(self._web.open(self._url, headers, self._secret))
        if answer.status >= 500:
            raise Broken(f"{answer.host} answers with HTTP {answer.status}", hint="try again later")
        if answer.status not in (200, 206):
            raise self._refuse(answer)
        if answer.headers.get("content-type", "").lower().startswith("text/html"):
            raise Unreadable(
                f"{answer.host} answers with a web page instead of the file",
                hint="does this network ask you to sign in? open the address in a browser",
            )
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unreadable(f"{answer.host} compresses the file, so that its parts cannot be read")
        self._url = answer.url
        return answer

    def _check_range(self, answer: Answer, offset: int) -> int:
        """How many bytes the answer claims to bring; `Unreadable` when they are others than asked for."""
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if match is None or int(match[1]) != offset or int(match[2]) < offset:
            raise Unreadable(
                f"{answer.host} answers with other bytes than asked for", hint="is a proxy between here and there?"
            )
        self._check_size(match[3])
        return int(match[2]) - offset + 1

    def _check_size(self, found: str | None) -> None:
        """Hold the file's length against the one that was promised; learn it where none was."""
        if found is None or not found.isdecimal():
            return
        if self.size is None:
            self.size = int(found)
        elif self.size != int(found):
            raise Unreadable(
                f"the file has {int(found)} bytes, not the {self.size} that are listed",
                hint="it may just be replaced: try again",
            )

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
