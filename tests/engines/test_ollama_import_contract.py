"""Making models of files on a server: the third part of the contract, with the same two targets.

What tests/support/blob_server.py answers is what a real server is seen to answer here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.creating import CreateRequest
from kdmgr.engines.ollama.progress import ServerProgress
from kdmgr.engines.ollama.uploading import Upload, WrongDigest
from kdmgr.errors import EngineFailed, NotFound, Unreadable
from tests.engines.test_ollama_contract import MODEL, engine, host, real_host, recording, version
from tests.gguf.forge import Forge

__all__ = ["engine", "host", "real_host", "recording", "version"]

NAME = "made:test"
FLOAT32 = 6


def upload_of(path: Path, content: bytes) -> Upload:
    """A file, and its digest, which is the same in every run: it is part of the recordings."""
    path.write_bytes(content)
    return Upload(path, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


async def create(engine: OllamaEngine, request: CreateRequest) -> list[ServerProgress]:
    return [progress async for progress in engine.create(request)]


def tiny_model() -> bytes:
    """A GGUF with what llama-quantize asks for, which servers since 0.30 pass it through."""
    forge = Forge()
    forge.add_text("general.architecture", "llama")
    forge.add_text("tokenizer.ggml.model", "no_vocab")
    numbers = {"block_count": 1, "context_length": 64, "embedding_length": 32, "feed_forward_length": 32}
    for key, number in {**numbers, "attention.head_count": 2, "vocab_size": 2}.items():
        forge.add_number(f"llama.{key}", number)
    forge.add_value("llama.attention.layer_norm_rms_epsilon", FLOAT32, forge.pack("f", 1e-5))
    forge.add_tensor("token_embd.weight", (32, 2), 8, 0)
    forge.add_tensor("blk.0.attn_q.weight", (32, 1), 0, 96)
    return forge.file(224)


async def test_a_blob_is_asked_for_sent_once_and_made_a_model(
    engine: OllamaEngine, version: str, tmp_path: Path
) -> None:
    upload = upload_of(tmp_path / "tiny.gguf", tiny_model())
    counts: list[int] = []
    await engine.uploads.send(upload, counts.append)
    assert await engine.has_blob(upload.digest)
    assert not await engine.uploads.send(upload, counts.append)
    parameters = {"temperature": 0.5, "stop": ("a", "b"), "num_ctx": 512}
    request = CreateRequest(
        NAME, files={"tiny.gguf": upload.digest}, template="{{ .Prompt }}!", system="Be brief.", parameters=parameters,
        licenses=("one", "two"), messages=(("user", "hi"), ("assistant", "hello")), requires="0.14.0",
    )  # fmt: skip
    steps = await create(engine, request)
    assert steps[0].status == "parsing GGUF"
    assert steps[-1].is_done
    shown = await engine.show(NAME)
    assert (shown.template, shown.system) == ("{{ .Prompt }}!", "Be brief.")
    assert shown.parameters == parameters
    assert shown.license == "one\ntwo"
    # Since 0.30 the server keeps a copy that llama-quantize wrote.
    assert (upload.digest.replace(":", "-") in (shown.modelfile or "")) is (version == "0.24")
    listing = await engine.find(NAME)
    assert listing is not None
    assert listing.family == "llama"


async def test_a_wrong_digest_is_noticed(engine: OllamaEngine, tmp_path: Path) -> None:
    right = upload_of(tmp_path / "x.bin", b"some bytes")
    wrong = Upload(right.path, "sha256:" + "5" * 64, right.size)
    with pytest.raises(WrongDigest, match="another digest"):
        await engine.uploads.send(wrong, lambda count: None)
    assert not await engine.has_blob(wrong.digest)


async def test_what_is_no_gguf_is_refused(engine: OllamaEngine, tmp_path: Path) -> None:
    upload = upload_of(tmp_path / "x.gguf", b"no GGUF at all, but long enough to be looked at by a server" * 20)
    await engine.uploads.send(upload, lambda count: None)
    with pytest.raises(Unreadable, match="cannot read the file"):
        await create(engine, CreateRequest("nothing:test", files={"x.gguf": upload.digest}))
    with pytest.raises(NotFound):
        await engine.show("nothing:test")


async def test_a_blob_that_is_not_there_is_said(engine: OllamaEngine) -> None:
    with pytest.raises(EngineFailed, match="lost a blob"):
        await create(engine, CreateRequest("nothing:test", files={"x.gguf": "sha256:" + "7" * 64}))


async def test_a_template_that_does_not_parse_is_said(engine: OllamaEngine) -> None:
    with pytest.raises(EngineFailed, match="TEMPLATE"):
        await create(engine, CreateRequest("nothing:test", base=MODEL.name, template="{{ if }"))


async def test_a_model_of_another_takes_its_parameters_and_gets_more(engine: OllamaEngine) -> None:
    await create(engine, CreateRequest("derived:test", base=MODEL.name, parameters={"top_k": 7}))
    shown = await engine.show("derived:test")
    assert (shown.parameters["top_k"], shown.parameters["temperature"]) == (7, 0.25)
    assert shown.system == "Answer in one word."


async def test_an_unknown_quant_is_said(engine: OllamaEngine) -> None:
    with pytest.raises(EngineFailed, match="does not quantise") as failed:
        await create(engine, CreateRequest("nothing:test", base=MODEL.name, quantize="Q5_K_M"))
    assert "Q4_K_M" in (failed.value.hint or "")


async def test_a_quantised_model_cannot_be_quantised(engine: OllamaEngine) -> None:
    with pytest.raises(EngineFailed, match="can be quantised"):
        await create(engine, CreateRequest("nothing:test", base=MODEL.name, quantize="Q8_0"))
