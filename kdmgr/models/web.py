"""GET requests: redirects followed, secrets kept to their host, every wait bounded, every failure one of ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from kdmgr.errors import ServerUnreachable, Unreadable
from kdmgr.hosts import is_loopback
from kdmgr.models.reach import answering_reach, named_reach
from kdmgr.models.traffic import Traffic
from kdmgr.units import printable

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
MAX_ERROR = 16 << 10
BACKOFF_S = (0.2, 0.6, 1.5)
"""How long to wait before each new try; as many tries follow the first."""
_OFFLINE = "look at the network; what was asked before is answered from its copy"


class Broken(ServerUnreachable):
    """A connection broke off or stood still: trying again may help, after `retry_after_s` where a server says so."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Waits:
    """Limits in seconds: for connecting, for the next bytes, and for one whole answer."""

    connect_s: float = 5.0
    read_s: float = 10.0
    whole_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Secret:
    """An Authorization header, and the only origin (scheme, host and port) that may see it."""

    origin: str
    header: str = field(repr=False)


class Answer:
    """A response whose body has not been read."""

    def __init__(self, response: httpx.Response, deadline: Callable[[], bool]) -> None:
        self.url = str(response.url)
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._late = deadline

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def host(self) -> str:
        """Who answered, for messages."""
        return printable(self._response.url.netloc.decode("ascii", "replace"))

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises `Broken` when it stops coming."""
        import httpx

        try:
            for chunk in self._response.iter_bytes():
                yield chunk
                if self._late():
                    raise Broken(f"{self.host} sends too slowly", hint="try again later, or on a faster network")
        except httpx.TimeoutException as error:
            raise Broken(f"{self.host} stopped sending", hint="try again") from error
        except (httpx.RequestError, httpx.StreamError) as error:
            raise Broken(f"the connection to {self.host} broke off", hint="try again") from error

    def read(self, limit: int) -> bytes:
        """The body, cut behind `limit` bytes; the rest is not waited for."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                break
        return bytes(body[: limit + 1])


@dataclass(frozen=True, slots=True)
class Document:
    """A whole answer."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


class Web:
    """A client. It connects when it is first asked something; several threads may use it."""

    def __init__(
        self,
        *,
        waits: Waits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.traffic = Traffic()
        self.sleep = sleep
        self._waits = waits or Waits()
        self._clock = clock
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open(
        self, url: str, headers: Mapping[str, str] | None = None, secret: Secret | None = None
    ) -> Iterator[Answer]:
        """The answer at `url`, behind at most five redirects; leaving the block hangs up.

        Raises `ServerUnreachable` when nobody answers, `Unreadable` for redirects that lead nowhere.
        """
        came_from: int | None = None
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, headers or {}, secret)
            try:
                came_from = _require_outward(response, came_from)
                if response.status_code not in REDIRECTS or "location" not in response.headers:
                    ends = self._clock() + self._waits.whole_s
                    yield Answer(response, lambda ends=ends: self._clock() > ends)  # type: ignore[misc]
                    return
                url = _follow(response)
            finally:
                self.traffic.add_bytes(response.num_bytes_downloaded)
                response.close()
        raise Unreadable(f"{_netloc(url)} redirects without end", hint="is the address right?")

    def get(
        self, url: str, headers: Mapping[str, str] | None = None, secret: Secret | None = None, *, limit: int
    ) -> Document:
        """The whole answer, of at most `limit` bytes, tried again when the connection breaks."""

        def once() -> Document:
            with self.open(url, headers, secret) as answer:
                body = answer.read(limit if answer.ok else MAX_ERROR)
                if answer.ok and len(body) > limit:
                    raise Unreadable(
                        f"{answer.host} answered with more than {limit} bytes", hint="is the address right?"
                    )
                return Document(answer.url, answer.status, dict(answer.headers), body)

        return self.retry(once)

    def retry(self, once: Callable[[], T]) -> T:
        """What `once` returns, tried a few times while it raises `Broken`."""
        for pause in BACKOFF_S:
            try:
                return once()
            except Broken:
                self.sleep(pause)
        return once()

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        while self._clients:
            self._clients.popitem()[1].close()

    def _send(self, url: str, headers: Mapping[str, str], secret: Secret | None) -> httpx.Response:
        import httpx

        try:
            target = httpx.URL(url)
            sent = {**headers, "accept-encoding": "identity", "user-agent": "kdmgr"}
            if secret is not None and secret.origin == origin_of(target):
                sent["authorization"] = secret.header
            with self._lock:
                client = self._client(target)
            self.traffic.add_request()
            return client.send(client.build_request("GET", target, headers=sent), stream=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unreadable(f"not an address: {printable(url):.200}") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise ServerUnreachable(f"cannot reach {_netloc(url)}: {_reason(error)}", hint=_OFFLINE) from error
        except httpx.TimeoutException as error:
            raise Broken(f"{_netloc(url)} did not answer in time", hint="try again") from error
        except httpx.RequestError as error:
            if "location header" in str(error):  # httpx looks at it, whether it is followed or not
                raise Unreadable(f"{_netloc(url)} redirects to what is no address") from error
            raise Broken(f"the connection to {_netloc(url)} broke off", hint="try again") from error

    def _client(self, url: httpx.URL) -> httpx.Client:
        """One client for this machine's own servers, which no proxy can reach, and one for the world."""
        import httpx

        key = (is_loopback(url.host), url.scheme == "https")
        if key not in self._clients:
            waits = self._waits
            try:
                self._clients[key] = httpx.Client(
                    trust_env=not key[0],
                    # Loading the certificates takes long; without TLS there is none to check.
                    verify=key[1],
                    timeout=httpx.Timeout(waits.read_s, connect=waits.connect_s),
                )
            except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
                raise ServerUnreachable(
                    f"cannot connect to {printable(url.host)}: {printable(str(error)):.200}",
                    hint="look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and SSL_CERT_FILE",
                ) from error
        return self._clients[key]


def origin_of(url: httpx.URL | str) -> str:
    """`scheme://host:port`, the port always given."""
    import httpx

    url = httpx.URL(url)
    return f"{url.scheme}://{url.host}:{url.port or {'http': 80, 'https': 443}.get(url.scheme)}"


def _follow(response: httpx.Response) -> str:
    """Where a redirect leads; never from TLS to plain text."""
    import httpx

    try:
        target = response.url.join(response.headers["location"])
    except (httpx.InvalidURL, ValueError) as error:
        raise Unreadable(f"{_netloc(str(response.url))} redirects to what is no address") from error
    if target.scheme != "https" and (response.url.scheme == "https" or target.scheme != "http"):
        raise Unreadable(
            f"{_netloc(str(response.url))} redirects to an unprotected address", hint="it is not followed from https"
        )
    if (named_reach(target.host) or 0) > answering_reach(response):
        raise _leads_inward(str(target))
    return str(target)


def _require_outward(response: httpx.Response, came_from: int | None) -> int:
    """How far in the server is that answered; `Unreadable` when a redirect has led further in than it came from.

    Otherwise whoever publishes models could have this machine ask the services of its own network.
    """
    reach = answering_reach(response)
    if came_from is not None and reach > came_from:
        raise _leads_inward(str(response.url))
    return reach


def _leads_inward(url: str) -> Unreadable:
    return Unreadable(
        f"a redirect leads to {_netloc(url)}, an address of a private network: it is not followed",
        hint="is the registry's address right? somebody may be trying to reach your network through it",
    )


def _netloc(url: str) -> str:
    rest = url.partition("://")[2] or url
    return printable(rest.partition("/")[0].rpartition("@")[2])[:120]


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
    return " ".join(printable(words).split())[:200] or "no connection"
