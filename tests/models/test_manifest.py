"""Manifests and configurations: Ollama's bytes, and hostile ones."""

from __future__ import annotations

import json

import pytest

from kdmgr.errors import Unreadable
from kdmgr.models.go_json import encode_json, encode_map
from kdmgr.models.manifest import (
    CONFIG_TYPE,
    LAYER_PREFIX,
    MAX_MANIFEST,
    Layer,
    Manifest,
    decode_manifest,
    encode_manifest,
    normalise_digest,
)
from kdmgr.models.model_config import ModelConfig, encode_config, format_model_type

HEX = "0123456789abcdef" * 4
# As Ollama 0.24 wrote it; `from` is where the blob lay on that machine.
WRITTEN_BY_OLLAMA = (
    '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":'
    '"application/vnd.docker.container.image.v1+json","digest":"sha256:HEX","size":778},"layers":[{"mediaType":'
    '"application/vnd.ollama.image.model","digest":"sha256:HEX","size":98362432,"from":"/models/blobs/sha256-1"},'
    '{"mediaType":"application/vnd.ollama.image.params","digest":"sha256:HEX","size":173}]}\n'
).replace("HEX", HEX)


def layer(size: object = 1, digest: object = f"sha256:{HEX}", media_type: object = "x") -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def test_what_ollama_writes_is_read_and_written_alike() -> None:
    manifest = decode_manifest(WRITTEN_BY_OLLAMA.encode())
    assert [found.kind for found in manifest.layers] == ["model", "params"]
    assert manifest.size == 778 + 98362432 + 173
    assert encode_manifest(manifest).decode() == WRITTEN_BY_OLLAMA.replace(',"from":"/models/blobs/sha256-1"', "")


def test_the_last_layer_of_a_kind_counts_and_prompts_are_templates() -> None:
    kinds = (("template", 1), ("prompt", 2))
    first, second = (Layer(LAYER_PREFIX + kind, f"sha256:{HEX}", size) for kind, size in kinds)
    manifest = Manifest(Layer(CONFIG_TYPE, f"sha256:{HEX}", 0), (first, second))
    assert manifest.find("template") == second
    assert manifest.find("system") is None


def test_layers_may_be_null() -> None:
    assert decode_manifest(json.dumps({"config": layer(), "layers": None}).encode()).layers == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"layers": []}', "missing"),
        (json.dumps({"config": layer(), "layers": {}}).encode()[:-1] + b', "layers": "x"}', "no list"),
        (json.dumps({"config": layer(), "layers": [3]}).encode(), "missing"),
        (json.dumps({"config": layer(media_type=7)}).encode(), "media type"),
        (json.dumps({"config": layer(digest="sha256:../../etc/passwd")}).encode(), "digest"),
        (json.dumps({"config": layer(digest=f"sha256:{HEX}/x")}).encode(), "digest"),
        (json.dumps({"config": layer(digest=None)}).encode(), "digest"),
        *[(json.dumps({"config": layer(size)}).encode(), "size") for size in (-1, 1 << 60, 1.5, True, "1", None)],
        (b'{"config": {"mediaType": "x", "digest": "sha256:' + HEX.encode() + b'", "size": 1e999}}', "size"),
        (b" " * (MAX_MANIFEST + 1), "larger"),
    ],
)
def test_hostile_manifests_are_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        decode_manifest(body)
    assert len(caught.value.message) < 200


def test_digests_are_normalised() -> None:
    assert normalise_digest(f"SHA256-{HEX.upper()}") == f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.7, "0.7"),
        (1.0, "1"),
        (100.0, "100"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (0.1234567891, "0.12345679"),
        (1e-5, "0.00001"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (3e38, "3e+38"),
        (16777216.0, "16777216"),
        (True, "true"),
        (1 << 60, "1152921504606846976"),
        (("a", "b"), '["a","b"]'),
    ],
)
def test_parameters_are_written_as_go_writes_them(number: object, written: str) -> None:
    assert encode_map({"x": number}).decode() == f'{{"x":{written}}}\n'


def test_keys_are_sorted_and_html_is_escaped() -> None:
    assert encode_map({"b": "<|é&|>\u2028", "a": 1}).decode() == '{"a":1,"b":"\\u003c|é\\u0026|\\u003e\\u2028"}\n'
    assert encode_json([{"role": "user", "content": "\x01\t"}]).decode() == (
        '[{"role":"user","content":"\\u0001\\t"}]\n'
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        encode_map({"x": number})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (268098176, "268.10M"),
        (134515008, "134.52M"),
        (7_000_000_000, "7B"),
        (7_615_616_512, "7.6B"),
        (671_026_419_200, "671.0B"),
        (2_000_000, "2M"),
        (999_400, "999K"),
        (96, "96"),
    ],
)
def test_sizes_are_worded_as_ollama_does(parameters: int, words: str) -> None:
    assert format_model_type(parameters) == words


def test_a_configuration_has_ollamas_fields_in_ollamas_order() -> None:
    config = json.loads(encode_config(ModelConfig("llama", 96, None, parser="p"), ["sha256:1"]))
    assert list(config) == [
        "model_format", "model_family", "model_families", "model_type", "file_type",
        "parser", "architecture", "os", "rootfs",
    ]  # fmt: skip
    assert config["file_type"] == "unknown"
    assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:1"]}
