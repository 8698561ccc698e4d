"""Questions to the Hub beyond single files: asked patiently, answered from copies where nobody can be reached."""

from __future__ import annotations

from collections.abc import Callable

from kdmgr.errors import ServerUnreachable, Unreadable
from kdmgr.models.copies import Copies
from kdmgr.models.hub_access import HubAccess
from kdmgr.models.hub_refusals import explain_refusal
from kdmgr.models.refusals import Busy
from kdmgr.models.web import Answer, Secret, Web, origin_of

MAX_ANSWER = 16 << 20
MAX_CARD = 256 << 10
"""Of a longer model card only so much is read."""
PATIENCE_S = 30.0
"""A Hub that asks for a longer wait is not waited for."""
TRIES = 3
FIRST_PAUSE_S = 2.0


class HubReader:
    """Reads from one Hub. `tell` is told, in a sentence, of every wait."""

    def __init__(
        self, web: Web, copies: Copies, access: HubAccess, tell: Callable[[str], None] = lambda _sentence: None
    ) -> None:
        self.access = access
        self.tell = tell
        self.notes: list[str] = []
        """What a reader must be told of old copies, each once."""
        self._web = web
        self._copies = copies
        self._origin = origin_of(access.endpoint)
        self._secret = Secret(self._origin, f"Bearer {access.token}") if access.token else None

    def ask(self, url: str, repo: str | None = None) -> bytes:
        """The whole answer of the API at `url`, about `repo` ("owner/name") where it is about one.

        Raises `ServerUnreachable`, `Forbidden`, `NotFound`, or `Unreadable` for an answer beyond all measure.
        """
        if origin_of(url) != self._origin:
            raise Unreadable("the Hub's listing goes on at another host", hint="look at HF_ENDPOINT")
        return self._fetch(url, repo, "application/json", _read_whole)

    def card(self, repo: str) -> str:
        """The beginning of the model card. Raises as `ask` does."""
        url = f"{self.access.endpoint}/{repo}/resolve/main/README.md"
        return self._fetch(url, repo, "text/markdown", lambda answer: answer.read(MAX_CARD)).decode("utf-8", "replace")

    def _fetch(self, url: str, repo: str | None, accept: str, read: Callable[[Answer], bytes]) -> bytes:
        copy = self._copies.fetch(url, lambda: self._load(url, repo, accept, read))
        if copy.note is not None and copy.note not in self.notes:
            self.notes.append(copy.note)
        return copy.body

    def _load(self, url: str, repo: str | None, accept: str, read: Callable[[Answer], bytes]) -> bytes:
        """Wait and ask again while the Hub asks for it, within bounds."""
        if self.access.offline:
            raise ServerUnreachable("HF_HUB_OFFLINE is set", hint="unset it to ask the Hub")
        for tried in range(1, TRIES + 1):
            try:
                return self._web.retry(lambda: self._load_once(url, repo, accept, read))
            except Busy as error:
                seconds = FIRST_PAUSE_S * tried if error.retry_after_s is None else error.retry_after_s
                if tried == TRIES or seconds > PATIENCE_S:
                    raise
                self.tell(f"{error.message}; waiting {seconds:.0f} s")
                self._web.sleep(seconds)
        raise AssertionError("the last try returns or raises")

    def _load_once(self, url: str, repo: str | None, accept: str, read: Callable[[Answer], bytes]) -> bytes:
        with self._web.open(url, {"accept": accept}, self._secret) as answer:
            if not answer.ok:
                raise explain_refusal(self.access, repo, answer.status, answer.headers)
            return read(answer)


def _read_whole(answer: Answer) -> bytes:
    body = answer.read(MAX_ANSWER)
    if len(body) > MAX_ANSWER:
        raise Unreadable(f"the Hub answered with more than {MAX_ANSWER >> 20} MiB", hint="look at HF_ENDPOINT")
    return body
