"""What a user may type as a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdmgr.errors import UsageError
from kdmgr.refs import FileRef, HubRef, ModelRef, OllamaRef, find_quant, parse_ollama_name, parse_ref


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("phi3", OllamaRef("phi3")),
        ("phi3:mini", OllamaRef("phi3", "mini")),
        ("user/model:tag", OllamaRef("model", "tag", "user")),
        ("localhost:5000/ns/model:tag", OllamaRef("model", "tag", "ns", "localhost:5000")),
        ("registry.ollama.ai/library/phi3:latest", OllamaRef("phi3")),
        ("hf.co/user/repo", HubRef("user", "repo")),
        ("hf.co/user/repo:q4_k_m", HubRef("user", "repo", "Q4_K_M")),
        ("huggingface.co/user/repo-GGUF:sub/file.gguf", HubRef("user", "repo-GGUF", file="sub/file.gguf")),
        ("https://huggingface.co/user/repo/tree/main", HubRef("user", "repo")),
        ("https://huggingface.co/u/r/resolve/main/a.gguf?download=true", HubRef("u", "r", file="a.gguf")),
        ("https://ollama.com/library/phi3:mini", OllamaRef("phi3", "mini")),
        ("model.gguf", FileRef(Path("model.gguf"))),
        ("./phi3", FileRef(Path("phi3"))),
        ("/models/x.GGUF", FileRef(Path("/models/x.GGUF"))),
    ],
)
def test_each_kind_is_told_apart(text: str, ref: ModelRef) -> None:
    assert parse_ref(text) == ref


def test_a_path_that_exists_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    assert parse_ref("weights") == FileRef(Path("weights"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "a/b/c/d",
        "phi3:",
        "-phi3",
        "phi3@sha256:00",
        "ns.x/phi3",
        "ph i3",
        "../..:x/y",
        "x" * 81,
        "hf.co/user/",
        "https://example.com/x",
    ],
)
def test_what_can_be_no_model_is_refused_with_a_hint(text: str) -> None:
    if text.startswith("../"):
        assert isinstance(parse_ref(text), FileRef)
        return
    with pytest.raises(UsageError) as caught:
        parse_ref(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["phi3:mini", "user/model:tag", "localhost:5000/ns/model:tag", "phi3:latest"])
def test_the_short_form_parses_to_the_same_name(text: str) -> None:
    assert str(parse_ollama_name(text)) == text


def test_names_compare_without_case_and_defaults() -> None:
    assert parse_ollama_name("Phi3").key == parse_ollama_name("registry.ollama.ai/library/phi3:LATEST").key


@pytest.mark.parametrize(("name", "cloud"), [("x:cloud", True), ("x:20b-cloud", True), ("x:cloudy", False)])
def test_remote_models_are_known_by_their_tag(name: str, cloud: bool) -> None:
    assert parse_ollama_name(name).is_cloud is cloud


@pytest.mark.parametrize(
    ("text", "quant"),
    [
        ("8b-instruct-q4_K_M", "Q4_K_M"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("model-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("x-IQ2_XXS", "IQ2_XXS"),
        ("x-bf16", "BF16"),
        ("gpt-oss-mxfp4", "MXFP4"),
        ("7b", None),
        ("q4-model", None),
    ],
)
def test_quants_are_found_in_names(text: str, quant: str | None) -> None:
    assert find_quant(text) == quant
