"""Imports into a server: what is sent, what is not, and what becomes of each fault."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdmgr.errors import EngineFailed, KdmgrError, NotFound, ServerUnreachable, StorageFailed, Unreadable, UsageError
from kdmgr.models.progress import Progress
from kdmgr.refs import parse_ollama_name
from kdmgr.services.server_importing import ServerImporting
from tests.services.importing_rig import MIB, Rig, write_adapter, write_model, write_projector
from tests.support.blob_server import BlobServer, hang_up, refuse


@pytest.fixture
def server() -> Iterator[BlobServer]:
    with BlobServer() as server:
        yield server


@pytest.fixture
def rig(tmp_path: Path, server: BlobServer) -> Rig:
    return Rig(tmp_path / "data", server.host)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.gguf", 3 * MIB)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def size_of(path: Path) -> int:
    return path.stat().st_size


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(content_of(path)).hexdigest()}"


async def test_a_model_arrives_whole_and_has_a_receipt(rig: Rig, server: BlobServer, model: Path) -> None:
    receipt = await rig.run(model, teacher="Big", method="distillation")
    assert server.blobs[digest_of(model)] == content_of(model)
    assert server.created[0]["files"] == {"tiny.gguf": digest_of(model)}
    assert receipt == rig.receipts.find(parse_ollama_name("m:1b"))
    assert f"sha256:{receipt.sha256}" == digest_of(model)
    assert receipt.stored_digest == receipt.sha256
    assert (receipt.teacher, receipt.method, receipt.store) == ("Big", "distillation", "ollama")
    assert (receipt.server_version, receipt.architecture) == ("0.24.0", "llama")
    steps = [progress.status for progress in rig.seen]
    assert steps.index("hashing file") < steps.index("sending file") < steps.index("success")
    sent = [progress for progress in rig.seen if progress.status == "sending file"]
    assert [progress.completed for progress in sent] == sorted(progress.completed for progress in sent)
    assert sent[-1].completed == sent[-1].total == size_of(model)


async def test_a_second_import_sends_nothing_and_hashes_nothing(rig: Rig, server: BlobServer, model: Path) -> None:
    await rig.run(model)
    rig.seen.clear()
    await rig.run(model, name="other")
    assert server.uploads() == 1
    assert not [progress for progress in rig.seen if progress.status.startswith(("hashing", "sending"))]
    assert len(server.models) == 2


async def test_a_blob_of_this_machine_is_neither_hashed_nor_sent(
    rig: Rig, server: BlobServer, model: Path, tmp_path: Path
) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / digest_of(model).replace(":", "-")).hardlink_to(model)
    server.blobs[digest_of(model)] = b"there"
    rig.changes["blobs"] = (blobs,)
    await rig.run(model)
    assert server.uploads() == 0
    assert not [progress for progress in rig.seen if progress.status.startswith("hashing")]


async def test_a_modelfile_becomes_the_request(rig: Rig, server: BlobServer, model: Path, tmp_path: Path) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        'FROM ./tiny.gguf\nTEMPLATE """<|im_start|>{{ .Prompt }}"""\nSYSTEM Be brief.\nPARAMETER temperature 0.5\n'
        "PARAMETER stop a\nPARAMETER stop b\nLICENSE one\nLICENSE two\nMESSAGE user hi\nREQUIRES v0.14.0\n"
    )
    receipt = await rig.run(modelfile=modelfile)
    body = server.created[0]
    assert body["files"] == {"tiny.gguf": digest_of(model)}
    assert body["template"] == "<|im_start|>{{ .Prompt }}"
    assert (body["system"], body["license"], body["requires"]) == ("Be brief.", ["one", "two"], "0.14.0")
    assert body["parameters"] == {"temperature": 0.5, "stop": ["a", "b"]}
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (receipt.template, receipt.template_source, receipt.template_used) == ("chatml", "modelfile", "chatml")


async def test_without_a_modelfile_one_is_proposed_with_reasons(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    from tests.gguf.forge import small_model

    forge = small_model()
    forge.add_text("tokenizer.chat_template", "<start_of_turn>{{ m }}<end_of_turn>")
    receipt = await rig.run(write_model(tmp_path / "gem.gguf", forge=forge))
    assert "<start_of_turn>" in server.created[0]["template"]
    assert server.created[0]["parameters"] == {"stop": ["<end_of_turn>", "<start_of_turn>"]}
    assert any("Jinja" in reason for reason in receipt.reasons)
    assert receipt.template_used == "gemma"


async def test_a_template_that_the_server_loses_is_warned_of(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    from tests.gguf.forge import small_model

    forge = small_model()
    forge.add_text("tokenizer.chat_template", "<|im_start|>{{ m }}")
    receipt = await rig.run(write_model(tmp_path / "chat.gguf", forge=forge))
    assert any("would lose all their marks" in warning for warning in receipt.warnings)
    assert "<|im_start|>" in server.created[0]["template"]
    assert any("this is the same in Go" in reason for reason in receipt.reasons)


async def test_a_projector_goes_along_and_an_adapter_goes_on_a_base(
    rig: Rig, server: BlobServer, model: Path, tmp_path: Path
) -> None:
    projector, adapter = write_projector(tmp_path / "mmproj.gguf"), write_adapter(tmp_path / "lora.gguf")
    receipt = await rig.run(projector, model, name="seeing")
    assert set(server.created[-1]["files"]) == {"tiny.gguf", "mmproj.gguf"}
    assert [file.kind for file in receipt.files] == ["model", "projector"]
    with pytest.raises(UsageError, match="needs the model"):
        await rig.run(adapter, name="tuned")
    with pytest.raises(NotFound, match="no model nosuch"):
        await rig.run(adapter, name="tuned", base="nosuch")
    receipt = await rig.run(adapter, name="tuned", base="seeing")
    assert server.created[-1]["from"] == "seeing"
    assert server.created[-1]["adapters"] == {"lora.gguf": digest_of(adapter)}
    assert "files" not in server.created[-1]
    assert receipt.base == "seeing"
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM seeing\nADAPTER ./lora.gguf\n")
    await rig.run(modelfile=modelfile, name="tuned:2")
    assert server.created[-1]["adapters"] == {"lora.gguf": digest_of(adapter)}


async def test_shards_go_to_servers_that_join_them(tmp_path: Path, model: Path) -> None:
    from tests.support.shard_sets import write_shards

    shards = write_shards(tmp_path / "set")
    with BlobServer("0.24.0") as old:
        with pytest.raises(EngineFailed, match="3 shards") as failed:
            await Rig(tmp_path / "a", old.host).run(shards[1])
        assert "llama-gguf-split --merge" in (failed.value.hint or "")
        assert old.uploads() == 0
    with BlobServer("0.30.1") as new:
        await Rig(tmp_path / "b", new.host).run(shards[1])
        assert sorted(new.created[0]["files"]) == [shard.name for shard in shards]


async def test_a_folder_of_safetensors_is_sent_with_what_it_needs(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json", "README.md", "training_args.bin"):
        (folder / name).write_bytes(name.encode())
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    await rig.run(folder)
    assert sorted(server.created[0]["files"]) == ["config.json", "model.safetensors", "tokenizer.json"]
    (folder / "config.json").write_text('{"architectures": ["NovelForCausalLM"]}')
    with pytest.raises(EngineFailed, match="does not convert NovelForCausalLM"):
        await rig.run(folder, name="novel")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00002.safetensors"}}')
    with pytest.raises(Unreadable, match="model-00002"):
        await rig.run(folder, name="cut")


@pytest.mark.parametrize(("quant", "words"), [("q5_k_m", "does not quantise"), ("q8_0", "already")])
async def test_what_cannot_be_quantised_is_refused_before_anything_is_sent(
    rig: Rig, server: BlobServer, tmp_path: Path, quant: str, words: str
) -> None:
    from tests.gguf.forge import small_model

    forge = small_model()
    forge.add_number("general.file_type", 7)
    with pytest.raises(UsageError, match=words):
        await rig.run(write_model(tmp_path / "q8.gguf", forge=forge), quantize=quant)
    assert server.uploads() == 0


async def test_an_f16_is_quantised(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    from tests.gguf.forge import small_model

    forge = small_model()
    forge.add_number("general.file_type", 1)
    receipt = await rig.run(write_model(tmp_path / "f16.gguf", forge=forge), quantize="q4_k")
    assert server.created[0]["quantize"] == receipt.quantized_to == "Q4_K_M"


async def test_an_architecture_that_the_era_lacks_is_refused(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    from tests.gguf.forge import Forge

    forge = Forge()
    forge.add_text("general.architecture", "novel\x1b[2J")
    forge.add_number("novel.block_count", 1)
    forge.add_tensor("token_embd.weight", (32, 2), 8, 0)
    with pytest.raises(EngineFailed, match="does not run") as failed:
        await rig.run(write_model(tmp_path / "n.gguf", forge=forge))
    assert "\x1b" not in failed.value.message
    assert server.uploads() == 0


async def test_a_taken_name_is_not_taken(rig: Rig, server: BlobServer, model: Path) -> None:
    await rig.run(model)
    with pytest.raises(UsageError, match="already") as failed:
        await rig.run(model)
    assert "--replace" in (failed.value.hint or "")
    await rig.run(model, replace=True)
    assert len(server.created) == 2


@pytest.mark.parametrize("after", [0, MIB, 2 * MIB + 5])
async def test_a_server_that_dies_during_an_upload_is_tried_again(
    rig: Rig, server: BlobServer, model: Path, after: int
) -> None:
    server.faults["POST"] = [hang_up(after), hang_up(after)]
    await rig.run(model)
    assert server.blobs[digest_of(model)] == content_of(model)
    assert server.uploads() == 3
    assert rig.pauses == [0.5, 1.0]


async def test_a_server_that_dies_again_and_again_is_given_up_and_nothing_is_hashed_twice(
    rig: Rig, server: BlobServer, model: Path
) -> None:
    server.faults["POST"] = [hang_up(9)] * 9
    with pytest.raises(EngineFailed, match="again and again") as failed:
        await rig.run(model)
    assert "not sent twice" in (failed.value.hint or "")
    assert server.uploads() == 6
    assert server.created == []
    rig.seen.clear()
    server.faults.clear()
    await rig.run(model)
    assert not [progress for progress in rig.seen if progress.status.startswith("hashing")]


async def test_a_busy_server_is_waited_for(rig: Rig, server: BlobServer, model: Path) -> None:
    server.faults["POST"] = [refuse(503, "server busy, please try again.")]
    await rig.run(model)
    assert rig.pauses == [0.5]
    server.faults["CREATE"] = [refuse(503, "server busy, please try again.")]
    with pytest.raises(EngineFailed, match="busy"):
        await rig.run(model, name="other")


async def test_a_full_disk_there_is_said_and_not_tried_again(rig: Rig, server: BlobServer, model: Path) -> None:
    full = "write /models/blobs/sha256-1: no space left on device"
    server.faults["POST"] = [refuse(500, full, after=MIB)] * 4
    with pytest.raises(KdmgrError) as failed:
        await rig.run(model)
    # A connection that is reset may swallow the reason.
    assert isinstance(failed.value, StorageFailed) or "again and again" in failed.value.message
    server.faults = {"POST": [refuse(500, full)], "CREATE": []}
    with pytest.raises(StorageFailed, match="server's disk is full"):
        await rig.run(model)
    server.faults["CREATE"] = [refuse(500, full)]
    with pytest.raises(StorageFailed, match="server's disk is full"):
        await rig.run(model)
    assert server.created == []


async def test_a_remembered_digest_that_is_wrong_is_counted_again(rig: Rig, server: BlobServer, model: Path) -> None:
    await rig.run(model)
    (entry,) = (rig.folder / "digests").iterdir()
    entry.write_text(entry.read_text().replace(digest_of(model), "sha256:" + "1" * 64))
    server.blobs.clear()
    receipt = await rig.run(model, name="again")
    assert f"sha256:{receipt.sha256}" == digest_of(model)
    assert server.created[-1]["files"] == {"tiny.gguf": digest_of(model)}


async def test_a_server_that_counts_otherwise_is_believed_no_model(rig: Rig, server: BlobServer, model: Path) -> None:
    wrong = 'digest mismatch, expected "sha256:a", got "sha256:b"'
    server.faults["POST"] = [refuse(400, wrong)]
    with pytest.raises(EngineFailed, match="another digest"):
        await rig.run(model)
    assert server.created == []


async def test_a_file_that_changes_while_it_is_sent_makes_no_model_of_two_halves(
    rig: Rig, server: BlobServer, model: Path
) -> None:
    before = digest_of(model)
    size = size_of(model)

    def change() -> None:
        server.during = lambda: None
        with model.open("r+b") as file:
            file.seek(size - MIB)
            file.write(os.urandom(MIB))

    server.during = change
    receipt: object = None
    with contextlib.suppress(KdmgrError):
        receipt = await rig.run(model)
    if receipt is None:
        assert server.created == []
    else:
        # The blocks that had not been read yet may have been sent before the change was made.
        (digest,) = server.created[0]["files"].values()
        assert digest in (before, digest_of(model))
        assert f"sha256:{hashlib.sha256(server.blobs[digest]).hexdigest()}" == digest


async def test_a_file_that_shrinks_while_it_is_sent_is_said(rig: Rig, server: BlobServer, tmp_path: Path) -> None:
    model = write_model(tmp_path / "large.gguf", 40 * MIB)
    server.during = lambda: os.truncate(model, 21 * MIB)
    with pytest.raises(Unreadable, match=r"shorter|changed"):
        await rig.run(model)
    assert server.created == []


async def test_a_cut_file_is_refused_before_it_is_sent(rig: Rig, server: BlobServer, model: Path) -> None:
    os.truncate(model, 500)
    with pytest.raises(Unreadable):
        await rig.run(model)
    assert server.uploads() == 0


async def test_a_file_that_changes_after_the_check_is_refused(rig: Rig, server: BlobServer, model: Path) -> None:
    async def work(importing: ServerImporting) -> None:
        plan = await importing.prepare(rig.request(model))
        os.truncate(model, size_of(model) + 1)
        await importing.perform(plan, rig.seen.append)

    with pytest.raises(Unreadable, match="changed"):
        await rig.with_engine(work)
    assert server.uploads() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("supplied file was not in GGUF format", "cannot read the file"),
        ('tensor "x" offset+size (9) exceeds file size (8)', "is cut"),
        ("quantization is only supported for F16, BF16 and F32 models", "can be quantised"),
        ('unsupported architecture "X"', "architecture"),
        ("template error: template: :1: unclosed action", "TEMPLATE"),
        ("boom\x1b[2J\nmore", "cannot make m:1b: boom"),
    ],
)
async def test_errors_of_create_are_clear(rig: Rig, server: BlobServer, model: Path, text: str, words: str) -> None:
    for status in (500, 400):
        server.faults["CREATE"] = [refuse(status, text)]
        with pytest.raises(KdmgrError, match=words) as failed:
            await rig.run(model)
        assert failed.value.hint
        assert "\x1b" not in failed.value.message
    assert rig.receipts.find(parse_ollama_name("m:1b")) is None


async def test_a_server_that_dies_while_it_makes_the_model_is_said(rig: Rig, server: BlobServer, model: Path) -> None:
    server.faults["CREATE"] = [hang_up(10**6)]
    with pytest.raises(EngineFailed, match="broke off") as failed:
        await rig.run(model)
    assert "not sent twice" in (failed.value.hint or "")
    await rig.run(model)
    assert server.uploads() == 1


async def test_two_imports_of_one_file_at_once_both_end_well(rig: Rig, server: BlobServer, model: Path) -> None:
    first, second = await asyncio.gather(rig.run(model, name="a"), rig.run(model, name="b"))
    assert first.sha256 == second.sha256
    assert set(server.models) == {"a:latest", "b:latest"}


@pytest.mark.parametrize("step", ["hashing", "sending", "parsing"])
async def test_cancelling_makes_no_model_and_loses_nothing(
    rig: Rig, server: BlobServer, tmp_path: Path, step: str
) -> None:
    model = write_model(tmp_path / "large.gguf", 40 * MIB)
    reached = asyncio.Event()

    def report(progress: Progress) -> None:
        if progress.status.startswith(step):
            reached.set()

    task = asyncio.create_task(rig.run(model, report=report))
    await asyncio.wait_for(reached.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.receipts.find(parse_ollama_name("m:1b")) is None
    assert size_of(model) > 40 * MIB
    await rig.run(model, replace=True)
    assert server.blobs[digest_of(model)] == content_of(model)


async def test_what_a_report_raises_stops_the_work(rig: Rig, server: BlobServer, model: Path) -> None:
    def report(progress: Progress) -> None:
        raise UsageError("enough")

    with pytest.raises(UsageError, match="enough"):
        await rig.run(model, report=report)
    assert server.created == []


async def test_no_server_is_said_before_anything_is_read(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ServerUnreachable):
        await Rig(tmp_path / "data", "127.0.0.1:9").run(model)


async def test_a_receipt_that_cannot_be_saved_is_only_a_warning(rig: Rig, server: BlobServer, model: Path) -> None:
    rig.folder.mkdir()
    (rig.folder / "receipts").write_text("in the way")
    receipt = await rig.run(model)
    assert any("could not be saved" in warning for warning in receipt.warnings)
    assert "m:1b" in server.models
