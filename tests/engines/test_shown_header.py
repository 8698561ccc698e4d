"""A header put together from what a server shows: what it takes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from kdmgr.engines.ollama import OllamaEngine
from kdmgr.engines.ollama.shown_header import build_header, is_complete
from kdmgr.errors import KdmgrError
from kdmgr.gguf.header import LongArray
from kdmgr.gguf.shape import read_shape
from tests.engines.scripted import Exchange, ScriptedServer, json_reply


def shown(**changes: Any) -> dict[str, Any]:
    info = {
        "general.architecture": "llama",
        "general.parameter_count": 4096,
        "general.languages": None,
        "llama.block_count": 2,
        "llama.context_length": 4096,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": [4, 2],
        "llama.rope.freq_base": 1e06,
        "tokenizer.ggml.tokens": None,
    }
    tensors = [
        {"name": "token_embd.weight", "type": "Q8_0", "shape": [64, 100]},
        {"name": "blk.0.attn_q.weight", "type": "q4_K", "shape": [256, 64]},
        {"name": "blk.1.attn_norm.weight", "type": "F32", "shape": [63]},
    ]
    return {"model_info": info, "tensors": tensors, **changes}


def test_sizes_follow_from_types_and_shapes() -> None:
    header = build_header("m", shown())
    assert [row.n_bytes for row in header.tensors] == [6800, 9216, 252]
    assert [row.offset for row in header.tensors] == [0, 6816, 16032]
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray(8, 100)
    shape = read_shape(header)
    assert (shape.n_layer, shape.n_vocab, shape.parameters) == (2, 100, 6400 + 16384 + 63)
    assert shape.attention is not None
    assert shape.attention.n_head_kv == (4, 2)


def test_all_tokens_are_asked_for_only_where_an_array_of_the_model_is_left_out() -> None:
    assert is_complete(shown())
    assert not is_complete(shown(tensors=None))
    assert not is_complete(shown(model_info={"llama.attention.head_count_kv": None}))


async def test_the_verbose_answer_is_the_second_question() -> None:
    brief = shown()
    brief["model_info"] = {**brief["model_info"], "llama.attention.head_count_kv": None}
    exchanges = [
        Exchange("POST", "/api/show", [json_reply(**brief)], {"model": "m"}),
        Exchange("POST", "/api/show", [json_reply(**shown())], {"model": "m", "verbose": True}),
    ]
    with ScriptedServer(exchanges) as server:
        engine = OllamaEngine(server.host, {})
        header = await engine.header("m")
        await engine.close()
    assert header.metadata["llama.attention.head_count_kv"] == (4, 2)


@pytest.mark.parametrize(
    "tensors",
    [
        None,
        [],
        7,
        [7],
        [{"name": "a", "type": "Q8_0"}],
        [{"name": "a", "type": "Q8_0", "shape": []}],
        [{"name": "a", "type": "Q8_0", "shape": [1, 1, 1, 1, 1]}],
        [{"name": "a", "type": "Q8_0", "shape": [-1]}],
        [{"name": "a", "type": "Q8_0", "shape": [1 << 62]}],
        [{"name": "a", "type": "Q8_0", "shape": ["64"]}],
        [{"name": "a", "type": "Q99\x1b[2J", "shape": [64]}],
        [{"name": "a", "type": 8, "shape": [64]}],
    ],
)
def test_what_no_server_would_show_is_refused(tensors: Any) -> None:
    with pytest.raises(KdmgrError) as failed:
        build_header("m", shown(tensors=tensors))
    assert "\x1b" not in failed.value.message
    assert failed.value.hint
