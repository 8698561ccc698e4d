"""One blob over a network that misbehaves: it comes whole, or it is said what happened, and nothing good is lost."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable, StorageFailed, Unreadable
from kdmgr.models.backoff import Backoff
from kdmgr.models.manifest import Layer
from kdmgr.models.partials import Partials
from kdmgr.models.progress import Progress
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.refusals import Busy
from kdmgr.models.transfer import TransferOptions, WrongDigest, fetch_blob
from kdmgr.models.web import Answer, Broken, Waits, Web
from tests.models.storing import ignore
from tests.support.publisher import Asked, Page, Site

KIB = 1 << 10
CONTENT = os.urandom(900 * KIB + 77)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
QUICK = TransferOptions(
    piece=128 * KIB, record_every_s=0.02, backoff=Backoff(first_s=0.01, longest_s=0.05, tries=7, patience_s=5)
)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=0.3, whole_s=20))
    yield web
    web.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "published"
    path.write_bytes(CONTENT)
    with Site() as site:
        site.files["/blob"] = path
        site.redirect("/start", f"{site.url}/blob")
        yield site


@pytest.fixture
def partials(tmp_path: Path) -> Partials:
    (tmp_path / "store").mkdir()
    return Partials(tmp_path / "store")


def refuse(answer: Answer) -> KdmgrError:
    kinds: dict[int, type[KdmgrError]] = {404: NotFound, 429: Busy}
    return kinds.get(answer.status, Forbidden)(f"refused: {answer.status}")


Fetch = Callable[..., bytes]


@pytest.fixture
def fetch(web: Web, site: Site, partials: Partials) -> Fetch:
    """Downloads the blob and answers with its bytes."""

    def fetch(
        *,
        digest: str = DIGEST,
        size: int = len(CONTENT),
        options: TransferOptions = QUICK,
        report: Callable[[Progress], None] = ignore,
        path: str = "/start",
    ) -> bytes:
        layer = Layer("model", digest, size)
        with partials.hold(layer, "tiny:latest", lambda sentence: None) as partial:
            file = RemoteFile(f"{site.url}{path}", size, refuse)
            return fetch_blob(web, file, partial, report, options).read_bytes()

    return fetch


def came(partials: Partials) -> int:
    """Bytes that an interrupted download has left."""
    return sum(info.completed for info in partials.list())


class After:
    """Lets some requests for the blob pass, then answers so many others with `page`."""

    def __init__(self, passing: int, failing: int, page: Page) -> None:
        self.passing, self.failing, self.page = passing, failing, page
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Page | None:
        with self._lock:
            if asked.path != "/blob":
                return None
            self.passing -= 1
            if self.passing >= 0 or self.failing <= 0:
                return None
            self.failing -= 1
            return self.page


def nothing(site: Site) -> None: ...


def cut_every_connection(site: Site) -> None:
    site.cut_every = 100 * KIB


def cut_after_little(site: Site) -> None:
    site.cut_after = [1, 0, 7, 20 * KIB, 0, 3]


def ignore_ranges(site: Site) -> None:
    site.ignores_ranges = True


def ignore_ranges_and_cut(site: Site) -> None:
    site.ignores_ranges = True
    site.cut_after = [300 * KIB, 500 * KIB]


def be_down_for_a_while(site: Site) -> None:
    site.guard = After(2, 5, Page(b"", 503))


def expire_the_signed_address(site: Site) -> None:
    site.guard = After(2, 1, Page(b"expired", 403))


@pytest.mark.parametrize(
    "fault",
    [
        nothing,
        cut_every_connection,
        cut_after_little,
        ignore_ranges,
        ignore_ranges_and_cut,
        be_down_for_a_while,
        expire_the_signed_address,
    ],
)
def test_it_comes_whole(fetch: Fetch, site: Site, fault: Callable[[Site], None]) -> None:
    fault(site)
    assert fetch() == CONTENT


def lie_about_nothing(site: Site) -> None:
    site.wrong_range = True


def be_gone(site: Site) -> None:
    site.guard = lambda asked: Page(b"", 404) if asked.path == "/blob" else None


def refuse_everybody(site: Site) -> None:
    site.guard = lambda asked: Page(b"", 401)


def have_trouble_without_end(site: Site) -> None:
    site.guard = After(2, 10_000, Page(b"", 500))


def ask_for_a_day(site: Site) -> None:
    site.guard = After(2, 10_000, Page(b"", 503, {"retry-after": "86400"}))


def redirect_to_itself(site: Site) -> None:
    site.redirect("/start", f"{site.url}/start")


def redirect_to_nowhere(site: Site) -> None:
    site.redirect("/start", "http://127.0.0.1:9/blob")


def show_a_web_page(site: Site) -> None:
    site.pages["/start"] = Page(b"<html>sign in", headers={"content-type": "text/html"})


def close_every_connection_at_once(site: Site) -> None:
    site.cut_after = [0] * 10_000


def compress(site: Site) -> None:
    site.pages["/start"] = Page(b"x", headers={"content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (lie_about_nothing, Unreadable, "other bytes than asked for"),
        (be_gone, NotFound, "404"),
        (refuse_everybody, Forbidden, "401"),
        (have_trouble_without_end, Broken, "HTTP 500"),
        (ask_for_a_day, Broken, "HTTP 503"),
        (redirect_to_itself, Unreadable, "redirects without end"),
        (redirect_to_nowhere, ServerUnreachable, "connection refused"),
        (show_a_web_page, Unreadable, "a web page"),
        (close_every_connection_at_once, Broken, "broke off"),
        (compress, Unreadable, "compresses"),
    ],
)
def test_it_is_said_what_happened(
    fetch: Fetch,
    site: Site,
    partials: Partials,
    fault: Callable[[Site], None],
    error: type[KdmgrError],
    words: str,
) -> None:
    fault(site)
    started = time.monotonic()
    with pytest.raises(error, match=words):
        fetch()
    assert time.monotonic() - started < 4
    # What has come is good, and is what the next one goes on with.
    kept = came(partials)
    assert 0 <= kept < len(CONTENT)
    site.guard = lambda asked: None
    site.wrong_range, site.cut_after = False, []
    del site.pages["/start"]
    before = site.sent
    assert fetch(path="/blob") == CONTENT
    assert site.sent - before <= len(CONTENT) - kept


def test_a_silent_server_is_given_up(fetch: Fetch, site: Site) -> None:
    site.pause_s = 1.0
    started = time.monotonic()
    with pytest.raises(Broken, match="did not answer in time"):
        fetch(options=TransferOptions(backoff=Backoff(first_s=0.01, tries=1)))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_size_that_is_a_lie_is_found_out(fetch: Fetch, site: Site, size: int, ranges: bool) -> None:
    site.ignores_ranges = not ranges
    with pytest.raises(Unreadable, match=f"the file has {len(CONTENT)} bytes, not the {size}"):
        fetch(size=size)


def test_another_files_bytes_are_not_kept(fetch: Fetch, partials: Partials) -> None:
    with pytest.raises(WrongDigest, match="not what was listed") as failed:
        fetch(digest=f"sha256:{'ab' * 32}")
    assert "nothing of it was kept" in (failed.value.hint or "")
    assert partials.list() == []
    assert not list(partials.data(DIGEST).parent.parent.rglob("data"))


def test_damage_to_what_was_left_costs_a_second_download_and_no_more(
    fetch: Fetch, site: Site, partials: Partials
) -> None:
    site.guard = After(3, 10_000, Page(b"", 404))
    with pytest.raises(NotFound):
        fetch()
    assert came(partials) >= 128 * KIB
    with partials.data(DIGEST).open("r+b") as file:
        file.write(b"damage")
    site.guard = lambda asked: None
    told: list[str] = []
    assert fetch(report=lambda progress: told.append(progress.status)) == CONTENT
    assert any("starting over" in status for status in told)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"spans": [[0, 99999999999]]}', b"\xff" * 100])
def test_a_damaged_record_claims_nothing(fetch: Fetch, site: Site, partials: Partials, record: bytes) -> None:
    data = partials.data(DIGEST)
    data.parent.mkdir(parents=True)
    data.write_bytes(b"x" * 1000)
    (data.parent / "record.json").write_bytes(record)
    assert [(info.completed, info.model) for info in partials.list()] == [(0, "")]
    assert fetch() == CONTENT


def test_a_record_of_more_than_there_is_is_cut(fetch: Fetch, site: Site, partials: Partials) -> None:
    with pytest.raises(NotFound):
        site.guard = After(4, 10_000, Page(b"", 404))
        fetch()
    data = partials.data(DIGEST)
    os.truncate(data, 1000)
    assert came(partials) <= 1000
    site.guard = lambda asked: None
    assert fetch() == CONTENT


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`: the disk's refusal, where no disk has to be filled."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_what_has_come(fetch: Fetch, site: Site, partials: Partials) -> None:
    with room_for(400 * KIB), pytest.raises(StorageFailed, match=r"File too large; .* of 900.1 KiB are kept") as failed:
        fetch()
    assert "goes on where it stopped" in (failed.value.hint or "")
    kept = came(partials)
    assert 0 < kept <= 400 * KIB
    before = site.sent
    assert fetch() == CONTENT
    assert site.sent - before <= len(CONTENT) - kept


def test_a_wait_that_the_server_asks_for_is_kept(fetch: Fetch, site: Site) -> None:
    site.guard = After(0, 1, Page(b"", 503, {"retry-after": "1"}))
    started = time.monotonic()
    assert fetch() == CONTENT
    assert time.monotonic() - started >= 1


def test_progress_tells_of_troubles_and_ends_at_the_total(fetch: Fetch, site: Site) -> None:
    site.guard = After(1, 2, Page(b"", 500))
    site.rate = 2e6
    slow = TransferOptions(piece=128 * KIB, connections=1, backoff=Backoff(first_s=0.3))
    told: list[Progress] = []
    assert fetch(report=told.append, options=slow) == CONTENT
    assert any("trying again after" in progress.status for progress in told)
    completed = [progress.completed for progress in told]
    assert completed == sorted(completed)
    assert completed[-1] == len(CONTENT)
    assert {progress.total for progress in told} == {len(CONTENT)}
    assert {progress.digest for progress in told} == {DIGEST}


class Enough(Exception):
    pass


def test_what_the_report_raises_ends_it_at_once_and_keeps_what_has_come(
    fetch: Fetch, site: Site, partials: Partials
) -> None:
    site.rate = 1e6

    def stop(progress: Progress) -> None:
        if progress.completed > 200 * KIB:
            raise Enough

    started = time.monotonic()
    with pytest.raises(Enough):
        fetch(report=stop)
    assert time.monotonic() - started < 2
    kept = came(partials)
    assert kept > 200 * KIB
    site.rate, before = 0, site.sent
    assert fetch() == CONTENT
    assert site.sent - before <= len(CONTENT) - kept + 4 * 64 * KIB


def test_two_at_once_share_one_download(fetch: Fetch, site: Site, partials: Partials) -> None:
    site.rate = 2e6
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(fetch())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [CONTENT] * 3
    assert site.sent == len(CONTENT)


def test_an_empty_blob_needs_no_server(fetch: Fetch, site: Site) -> None:
    assert fetch(digest=f"sha256:{hashlib.sha256().hexdigest()}", size=0) == b""
    assert site.asked == []
