"""Pictures: which files are some, what a server is sent, and what is kept of them."""

from __future__ import annotations

import json
import os
import struct
from base64 import b64encode
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from kdmgr.engines.llamacpp.requests import build_chat
from kdmgr.engines.protocol import ChatMessage, ChatRequest, EngineModel
from kdmgr.errors import KdmgrError, NotFound, Unreadable, UsageError
from kdmgr.history.chat_records import ChatRecord, ImageRecord, TurnRecord
from kdmgr.refs import FileRef, parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.chat_export import export
from kdmgr.services.chatting import ChatSession
from kdmgr.services.image_headers import recognise
from kdmgr.services.images import MAX_BYTES, describe_image, find_image_paths, read_picture
from tests.engines.scripted import Reply, ScriptedServer, json_reply, line
from tests.gguf.forge import small_model
from tests.services.importing_rig import write_model

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 640, 480)


def _webp(chunk: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + chunk + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (PNG, "PNG", (640, 480)),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30, 40) + b"rest", "JPEG", (40, 30)),
        (b"GIF89a" + struct.pack("<HH", 5, 6), "GIF", (5, 6)),
        (_webp(b"VP8X", b"\x10\0\0\0" + b"\x7f\x02\0" + b"\xdf\x01\0"), "WebP", (640, 480)),
        (_webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little") + b"\0" * 5), "WebP", (640, 480)),
        (_webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)), "WebP", (640, 480)),
        (b"RIFF\0\0\0\0WEBP", "WebP", None),
        (b"\x89PNG\r\n\x1a\n", "PNG", None),
        (b"%PDF-1.7", None, None),
        (b"", None, None),
    ],
)
def test_pictures_are_recognised_by_their_content(content: bytes, kind: str | None, size: object) -> None:
    assert recognise(content) == (kind, size)


def test_a_picture_is_described_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    record = read_picture(str(tmp_path / "cat.png")).record
    assert describe_image(record) == "cat.png · PNG 640×480 · 24 B"
    assert describe_image(ImageRecord("/a/cat.png")) == "cat.png"


def test_what_is_no_picture_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(MAX_BYTES + 1)
    reasons = {
        "text.png": "no picture", "folder.png": "folder or a device", "pipe.png": "folder or a device",
        "large.png": "too large: 20.0 MiB", "none.png": "there is no file", "nul\0.png": "no path",
    }  # fmt: skip
    for name, reason in reasons.items():
        with pytest.raises(KdmgrError, match=reason):
            read_picture(str(tmp_path / name))


def test_a_pasted_path_is_told_from_a_text(tmp_path: Path) -> None:
    for name in ("cat.png", "a b.PNG", "it's (1).jpg"):
        (tmp_path / name).write_bytes(PNG)
    cat, spaced, odd = (str(tmp_path / name) for name in ("cat.png", "a b.PNG", "it's (1).jpg"))
    escaped = odd.replace("'", "\\'").replace(" ", "\\ ").replace("(", "\\(").replace(")", "\\)")
    for text in (
        spaced,
        f" '{spaced}' ",
        f'"{spaced}"',
        spaced.replace(" ", "\\ "),
        f"file://{tmp_path}/a%20b.PNG\r\n",
    ):
        assert find_image_paths(text) == (spaced,), text
    assert find_image_paths(escaped) == find_image_paths(odd) == (odd,)
    assert find_image_paths(f"file://localhost{cat}") == (cat,)
    assert find_image_paths(f"'{cat}' '{spaced}'") == (cat, spaced)
    assert find_image_paths(f"{cat}\nfile://{cat}\n") == (cat, cat)
    for text in (
        "hello",
        "I drew thanks.png",
        f"see {cat}",
        f"{cat}\nand more",
        "/none/cat.png",
        "it's.png",
        "a\0.png",
    ):
        assert find_image_paths(text) == (), text


def test_the_embedded_engine_takes_none() -> None:
    with pytest.raises(UsageError, match="pictures"):
        build_chat(ChatRequest(EngineModel("m"), (ChatMessage("user", "hi", (b"abc",)),)), 4096)


class Seeing(ScriptedServer):
    """A server with one model that sees, or does not."""

    def __init__(self, *capabilities: str, **shown: str | None) -> None:
        super().__init__()
        self.on("GET", "/api/version", json_reply(version="0.24.0"))
        self.on("GET", "/api/tags", json_reply(models=[{"name": "eyes:1b", "model": "eyes:1b", "size": 1}]))
        self.on("POST", "/api/show", json_reply(capabilities=list(capabilities), details={}, model_info={}, **shown))
        self.on("GET", "/api/ps", json_reply(models=[]))
        end = {"done": True, "done_reason": "stop", "eval_count": 2, "prompt_eval_count": 300}
        pieces = (line(message={"role": "assistant", "content": "a cat"}), line(**end))
        self.on("POST", "/api/chat", Reply(pieces, content_type="application/x-ndjson"))

    @property
    def messages(self) -> list[dict[str, object]]:
        """Of the last question."""
        bodies = [asked.body for asked in self.asked if asked.path == "/api/chat" and asked.body]
        found: list[dict[str, object]] = bodies[-1]["messages"]
        return found


@pytest.fixture
def server() -> Iterator[Seeing]:
    with Seeing("completion", "vision") as running:
        yield running  # type: ignore[misc]


def services_for(server: ScriptedServer, folder: Path) -> Services:
    env = {"KDMGR_DATA_DIR": str(folder), "KDMGR_CONFIG_DIR": str(folder), "OLLAMA_MODELS": str(folder / "none")}
    return Services.create({**env, "OLLAMA_HOST": server.host, "HOME": str(folder)})


async def open_eyes(services: Services, resume: ChatRecord | None = None) -> ChatSession:
    return await services.open_chat(parse_ollama_name("eyes:1b"), keep=True, resume=resume)


async def ask(session: ChatSession, text: str, *images: ImageRecord) -> None:
    async with aclosing(session.send(text, images)) as events:
        async for _ in events:
            pass


async def test_a_picture_goes_out_as_ollama_takes_it_and_stays_with_the_chat(server: Seeing, tmp_path: Path) -> None:
    cat, services = tmp_path / "cat.png", services_for(server, tmp_path)
    cat.write_bytes(PNG)
    session = await open_eyes(services)
    assert session.sees_images is True
    await ask(session, "what is it?", ImageRecord(str(cat)))
    sent = {"role": "user", "content": "what is it?", "images": [b64encode(PNG).decode()]}
    assert server.messages == [sent]
    await ask(session, "sure?")
    assert server.messages[0] == sent and "images" not in server.messages[-1]
    await session.close()

    (saved,) = services.saved_chats.search()
    later = await open_eyes(services, resume=saved)
    assert later.turns[0].images[0] == read_picture(str(cat)).record
    later.branch(1)
    await ask(later, "and its colour?")
    assert server.messages[0] == sent and later.left_out == ()
    await later.close()
    text = export(saved, later.turns, "md")
    assert f"*with cat.png · PNG 640×480 · 24 B: `{cat}`*" in text
    (image,) = json.loads(export(saved, later.turns, "json"))["turns"][0]["images"]
    assert image == {
        "path": str(cat), "kind": "PNG", "size_bytes": 24, "width": 640, "height": 480,
        "digest": read_picture(str(cat)).record.digest,
    }  # fmt: skip


def test_the_name_of_a_picture_ends_no_line_of_an_export() -> None:
    turn = TurnRecord("2026-11-24T14:00:00", "?", "m", "e", (ImageRecord("/a/x`\n# y\x1b.png", "PNG", 24),))
    chat = ChatRecord("t", "m", "m", "e", "2026-11-24T14:00:00", "2026-11-24T14:00:00")
    assert "*with x' # y\ufffd.png · PNG · 24 B: `/a/x' # y\ufffd.png`*" in export(chat, [turn], "md")


async def test_what_became_of_an_earlier_picture_is_said(server: Seeing, tmp_path: Path) -> None:
    gone, other, services = tmp_path / "gone.png", tmp_path / "other.png", services_for(server, tmp_path)
    gone.write_bytes(PNG)
    other.write_bytes(PNG + b"1")
    session = await open_eyes(services)
    await ask(session, "which?", ImageRecord(str(gone)), ImageRecord(str(other)))
    gone.unlink()
    other.write_bytes(PNG + b"2")
    await ask(session, "still?")
    assert len(server.messages[0]["images"]) == 2, "what was read is kept while the chat is open"  # type: ignore[arg-type]
    await session.close()
    later = await open_eyes(services, resume=services.saved_chats.search()[0])
    await ask(later, "and now?")
    assert "images" not in server.messages[0]
    assert later.left_out == (
        f"gone.png of an earlier question is left out: there is no file {gone}",
        "other.png of an earlier question is left out: the file is not the same any more",
    )
    await later.close()


async def test_a_model_that_sees_none_is_sent_none(tmp_path: Path) -> None:
    cat = tmp_path / "cat.png"
    cat.write_bytes(PNG)
    with Seeing("completion") as server:
        session = await open_eyes(services_for(server, tmp_path))
        with pytest.raises(UsageError, match="eyes:1b sees no pictures on ollama"):
            await ask(session, "what is it?", ImageRecord(str(cat)))
        assert not session.turns and not any(asked.path == "/api/chat" for asked in server.asked)
        await session.close()


async def test_a_picture_that_vanished_is_refused_before_anything_is_sent(server: Seeing, tmp_path: Path) -> None:
    session = await open_eyes(services_for(server, tmp_path))
    with pytest.raises(NotFound):
        await ask(session, "what is it?", ImageRecord(str(tmp_path / "none.png")))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Unreadable):
        await ask(session, "what is it?", ImageRecord(str(tmp_path / "text.png")))
    assert not session.turns and not any(asked.path == "/api/chat" for asked in server.asked)
    await session.close()


@pytest.mark.parametrize(
    ("template", "modelfile", "warned"),
    [
        ("{{ .Prompt }}", "FROM x\nTEMPLATE {{ .Prompt }}\n", True),
        ("{{.Prompt}}\n", None, True),
        ("{{ .Prompt }}", "FROM x\nRENDERER qwen3-coder\n", False),
        ("<|user|>{{ .Prompt }}", "FROM x\n", False),
        (None, None, False),
    ],
)
async def test_that_a_server_only_completes_is_said(
    tmp_path: Path, template: str | None, modelfile: str | None, warned: bool
) -> None:
    with Seeing("completion", template=template, modelfile=modelfile) as server:
        session = await open_eyes(services_for(server, tmp_path))  # type: ignore[arg-type]
        assert any("it does not chat" in warning for warning in session.warnings) is warned
        assert session.sees_images is False
        await session.close()


async def test_that_the_embedded_engine_is_blind_is_said_of_a_model_that_sees(tmp_path: Path) -> None:
    forge = small_model()
    with ScriptedServer() as no_ollama:
        services = services_for(no_ollama, tmp_path)
        for seeing in (False, True):
            if seeing:
                forge.add_number("llama.vision.block_count", 2)
            model = write_model(tmp_path / f"{seeing}.gguf", forge=forge)
            session = await services.open_chat(FileRef(model))
            assert session.sees_images is False
            assert any("the embedded engine takes none" in warning for warning in session.warnings) is seeing
            await session.close()
