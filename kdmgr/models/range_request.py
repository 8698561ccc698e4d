"""Ranged requests for one remote file, each answer held against what was asked and what was promised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kdmgr.errors import KdmgrError, Unreadable
from kdmgr.models.refusals import read_retry_after
from kdmgr.models.web import Answer, Broken, Secret, Web

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")

Refuse = Callable[[Answer], KdmgrError]
"""What a status that is none of success means, in the words of the place that is asked."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Where a file is. `size` in bytes, None where nobody has said."""

    url: str
    size: int | None
    refuse: Refuse
    secret: Secret | None = None


class RangeRequests:
    """Ranged requests for `file`; several threads may ask. `size` is learned where none was promised.

    After the first answer, requests go straight to where it was sent on to, until `start_over`.
    """

    def __init__(self, web: Web, file: RemoteFile) -> None:
        self.size = file.size
        self._web = web
        self._file = file
        self._url = file.url

    def start_over(self) -> None:
        """Ask where the file is published again: a signed address may have expired in the meantime."""
        self._url = self._file.url

    @contextmanager
    def open(self, offset: int, wanted: int) -> Iterator[Answer]:
        """An answer of status 206 that starts at `offset`, or of 200 that brings the whole file from its start.

        Raises `Broken` where trying again may help, `Unreadable` for an answer that is another file, and what
        `refuse` makes of other statuses.
        """
        headers = {"range": f"bytes={offset}-{offset + wanted - 1}"}
        with ExitStack() as stack:
            url = self._url
            answer = stack.enter_context(self._web.open(url, headers, self._file.secret))
            if answer.status in (401, 403, 404, 410) and url != self._file.url:
                self.start_over()
                answer = stack.enter_context(self._web.open(self._url, headers, self._file.secret))
            self._require_bytes(answer)
            if answer.status == 206:
                self.claimed(answer, offset)
            else:
                self._check_size(answer.headers.get("content-length"))
            self._url = answer.url
            yield answer

    def claimed(self, answer: Answer, offset: int) -> int:
        """How many bytes an answer of 206 claims to bring; `Unreadable` when they are others than asked for."""
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        if match is None or int(match[1]) != offset or int(match[2]) < offset:
            raise Unreadable(
                f"{answer.host} answers with other bytes than asked for", hint="is a proxy between here and there?"
            )
        self._check_size(match[3])
        return int(match[2]) - offset + 1

    def _require_bytes(self, answer: Answer) -> None:
        if answer.status >= 500:
            raise Broken(
                f"{answer.host} answers with HTTP {answer.status}",
                hint="try again later",
                retry_after_s=read_retry_after(answer.headers.get("retry-after")),
            )
        if answer.status not in (200, 206):
            raise self._file.refuse(answer)
        if answer.headers.get("content-type", "").lower().startswith("text/html"):
            raise Unreadable(
                f"{answer.host} answers with a web page instead of the file",
                hint="does this network ask you to sign in? open the address in a browser",
            )
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unreadable(f"{answer.host} compresses the file, so that its parts cannot be read")

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
