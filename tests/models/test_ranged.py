"""Headers read over the network: little is read, and whatever goes wrong ends in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.errors import Forbidden, KdmgrError, ServerUnreachable, Unreadable
from kdmgr.gguf.header import GgufHeader
from kdmgr.gguf.reader import read_header
from kdmgr.models.headers import read_file_header
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.ranged import FIRST_PIECE, LARGEST_PIECE, RangedSource
from kdmgr.models.web import Secret, Waits, Web, origin_of
from tests.gguf.forge import small_model
from tests.support.publisher import Page, Site


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(waits=Waits(connect_s=1, read_s=0.5, whole_s=5), sleep=lambda _seconds: None)
    yield web
    web.close()


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def site(cdn: Site) -> Iterator[Site]:
    with Site() as site:
        site.redirect("/model", f"{cdn.url}/file")
        yield site


def serve(cdn: Site, path: Path) -> int:
    cdn.files["/file"] = path
    return path.stat().st_size


def read(web: Web, site: Site, size: int | None, secret: Secret | None = None) -> GgufHeader:
    file = RemoteFile(f"{site.url}/model", size, lambda answer: Forbidden(f"refused: {answer.status}"), secret)
    with RangedSource(web, file) as source:
        return read_header(source)


def test_a_large_vocabulary_is_read_in_few_requests(web: Web, site: Site, cdn: Site, gemma_gguf: Path) -> None:
    real = read_file_header(gemma_gguf)
    assert read(web, site, serve(cdn, gemma_gguf)) == real
    assert real.data_offset > 6 << 20
    assert web.traffic.bytes_read <= real.data_offset + LARGEST_PIECE
    assert cdn.sent == web.traffic.bytes_read
    # One that is redirected, then straight to where the file is kept.
    assert len(site.asked) == 1
    assert len(cdn.asked) <= 6
    assert web.traffic.requests == len(site.asked) + len(cdn.asked)


def test_a_small_header_takes_one_piece(web: Web, site: Site, cdn: Site, smollm_gguf: Path) -> None:
    size = serve(cdn, smollm_gguf)
    header = read(web, site, size)
    assert header == read_file_header(smollm_gguf)
    assert web.traffic.bytes_read <= header.data_offset + LARGEST_PIECE


def test_no_byte_behind_the_files_end_is_asked_for(web: Web, site: Site, cdn: Site, tiny_gguf: Path) -> None:
    size = serve(cdn, tiny_gguf)
    assert read(web, site, size) == read_file_header(tiny_gguf)
    assert cdn.asked[0].headers["range"] == f"bytes=0-{size - 1}"
    assert web.traffic.bytes_read == size


def test_the_size_is_learned_where_it_is_not_known(web: Web, site: Site, cdn: Site, tiny_gguf: Path) -> None:
    serve(cdn, tiny_gguf)
    assert read(web, site, None) == read_file_header(tiny_gguf)


def test_a_server_that_ignores_ranges_is_hung_up_on(web: Web, site: Site, cdn: Site, gemma_gguf: Path) -> None:
    cdn.ignores_ranges = True
    header = read(web, site, serve(cdn, gemma_gguf))
    assert header == read_file_header(gemma_gguf)
    assert web.traffic.bytes_read <= header.data_offset + (1 << 17)
    assert len(cdn.asked) == 1


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(
    web: Web, site: Site, cdn: Site, smollm_gguf: Path
) -> None:
    cdn.cut_after = [100_000, 0, 50_000]
    header = read(web, site, serve(cdn, smollm_gguf))
    assert header == read_file_header(smollm_gguf)
    assert "bytes=100000-" in cdn.asked[1].headers["range"]
    assert "bytes=100000-" in cdn.asked[2].headers["range"]
    # A token that the cut fell into is stepped over.
    assert "bytes=1500" in cdn.asked[3].headers["range"]
    assert web.traffic.bytes_read <= header.data_offset + LARGEST_PIECE


def test_a_cut_is_mended_where_ranges_are_ignored_too(web: Web, site: Site, cdn: Site, smollm_gguf: Path) -> None:
    cdn.ignores_ranges = True
    cdn.cut_after = [300_000]
    assert read(web, site, serve(cdn, smollm_gguf)) == read_file_header(smollm_gguf)


def test_a_connection_that_always_breaks_is_given_up(web: Web, site: Site, cdn: Site, gemma_gguf: Path) -> None:
    cdn.cut_after = [1000] * 100
    with pytest.raises(ServerUnreachable, match=r"again and again|broke off"):
        read(web, site, serve(cdn, gemma_gguf))
    assert len(cdn.asked) < 20


def test_other_bytes_than_asked_for_are_refused(web: Web, site: Site, cdn: Site, tiny_gguf: Path) -> None:
    cdn.wrong_range = True
    with pytest.raises(Unreadable, match="other bytes than asked for"):
        read(web, site, serve(cdn, tiny_gguf))


@pytest.mark.parametrize("off_by", [-1, 1, 1 << 40])
def test_a_file_of_another_size_is_refused(web: Web, site: Site, cdn: Site, tiny_gguf: Path, off_by: int) -> None:
    with pytest.raises(Unreadable, match=r"bytes, not the \d+ that are listed"):
        read(web, site, serve(cdn, tiny_gguf) + off_by)


def test_a_slow_server_is_given_up(web: Web, site: Site, cdn: Site, tiny_gguf: Path) -> None:
    cdn.pause_s = 3
    impatient = Web(waits=Waits(connect_s=1, read_s=0.05, whole_s=1), sleep=lambda _seconds: None)
    with pytest.raises(ServerUnreachable, match="did not answer in time"):
        read(impatient, site, serve(cdn, tiny_gguf))
    impatient.close()


def test_a_server_that_drips_is_given_up(site: Site, cdn: Site, gemma_gguf: Path) -> None:
    times = iter(range(0, 10_000, 10))
    web = Web(waits=Waits(whole_s=5), clock=lambda: next(times), sleep=lambda _seconds: None)
    with pytest.raises(ServerUnreachable, match=r"too slowly|again and again"):
        read(web, site, serve(cdn, gemma_gguf))
    web.close()


def test_a_redirect_loop_ends(web: Web, site: Site) -> None:
    site.redirect("/model", "/model")
    with pytest.raises(Unreadable, match="redirects without end"):
        read(web, site, 1000)
    assert len(site.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://a b:x/", "gopher:x"])
def test_a_redirect_to_what_is_no_address_is_not_followed(web: Web, site: Site, location: str) -> None:
    site.redirect("/model", location)
    with pytest.raises(Unreadable):
        read(web, site, 1000)


def test_a_web_page_is_not_a_model(web: Web, site: Site) -> None:
    site.pages["/model"] = Page(b"<html>Sign in</html>", headers={"content-type": "text/html; charset=utf-8"})
    with pytest.raises(Unreadable, match="a web page instead of the file") as failed:
        read(web, site, 1000)
    assert "sign in" in (failed.value.hint or "")


def test_something_else_than_a_model_is_said_to_be(web: Web, site: Site, cdn: Site, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1" * 100)
    with pytest.raises(Unreadable, match="does not begin with GGUF"):
        read(web, site, serve(cdn, path))


def test_a_lying_header_is_refused_after_one_piece(web: Web, site: Site, cdn: Site, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(small_model().header(n_tensors=1 << 60) + bytes(1 << 20))
    with pytest.raises(Unreadable, match="more than the file could hold"):
        read(web, site, serve(cdn, path))
    assert web.traffic.bytes_read <= FIRST_PIECE


@pytest.mark.parametrize(("status", "error"), [(401, Forbidden), (404, Forbidden), (500, ServerUnreachable)])
def test_refusals_are_explained(web: Web, site: Site, cdn: Site, status: int, error: type[KdmgrError]) -> None:
    cdn.pages["/file"] = Page(b"no", status)
    with pytest.raises(error, match=str(status)):
        read(web, site, 1000)


def test_a_signed_address_that_expires_is_asked_for_anew(web: Web, site: Site, cdn: Site, gemma_gguf: Path) -> None:
    size = serve(cdn, gemma_gguf)
    cdn.guard = lambda _asked: Page(b"expired", 403) if len(cdn.asked) == 2 else None
    assert read(web, site, size) == read_file_header(gemma_gguf)
    assert len(site.asked) == 2


def test_the_secret_is_seen_by_its_own_host_only(web: Web, site: Site, cdn: Site, smollm_gguf: Path) -> None:
    secret = Secret(origin_of(site.url), "Bearer hf_secret")
    read(web, site, serve(cdn, smollm_gguf), secret)
    assert [asked.headers.get("authorization") for asked in site.asked] == ["Bearer hf_secret"]
    assert cdn.asked
    assert not any("authorization" in asked.headers or "secret" in str(asked) for asked in cdn.asked)
    assert "hf_secret" not in repr(secret)


def test_nobody_at_the_address(web: Web, tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable, match=r"cannot reach 127\.0\.0\.1:9: connection refused") as failed:
        web.get("http://127.0.0.1:9/x", limit=10)
    assert failed.value.hint


def test_an_endless_document_is_cut_off(web: Web, site: Site) -> None:
    site.pages["/x"] = Page(bytes(1 << 16), endless=True)
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        web.get(f"{site.url}/x", limit=1_000_000)
    assert web.traffic.bytes_read < 2_000_000
