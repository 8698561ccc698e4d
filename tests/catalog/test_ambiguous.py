"""Ambiguous models as real GGUF headers: renamed, re-quantised, fine-tuned, merged, mislabelled, moved, hostile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kdmgr.catalog.facts import ModelFacts, read_facts
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import match_student
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.shape import read_shape
from kdmgr.gguf.source import FileSource
from kdmgr.refs import parse_ref
from tests.support.sparse import RECIPES, quantised, write_sparse

CATALOG = load_catalog()
R1_7B = "deepseek-r1-distill-qwen-7b"
R1_REPO = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
R1_NAME = "DeepSeek R1 Distill Qwen 7B"
OTHER_MANIFEST = "ab" * 32
MOVED = "the tag points elsewhere than listed, so by the name alone its lineage may not hold"


@dataclass(frozen=True)
class Row:
    """A model, and what matching must say of it: (student, relation, certainty) and some evidence, or nothing."""

    weights: str
    name: str | None
    expected: tuple[str, str, str] | None = None
    evidence: str = ""
    ref: str = "model.gguf"
    bases: tuple[str, ...] = ()
    finetune: str | None = None
    quant: str | None = None
    manifest: str | None = None


ROWS: dict[str, Row] = {
    "a renamed file": Row("qwen2.5-7b", R1_NAME, (R1_7B, "itself", "strong"), R1_NAME, ref="x.gguf"),
    "re-quantised": Row(
        "qwen2.5-7b", R1_NAME, (R1_7B, "itself", "strong"), "size agree", quant="Q2_K", bases=(R1_REPO,)
    ),
    "a copy under a name of one's own": Row(
        "qwen2.5-7b", R1_NAME, (R1_7B, "itself", "strong"), R1_NAME, ref="me/r1:mine", manifest=OTHER_MANIFEST
    ),
    "a student's tag on a Llama": Row("llama-3.1-8b", "Meta Llama 3.1 8B Instruct", ref="deepseek-r1:7b"),
    "a student's tag on its own base": Row(
        "qwen2.5-7b", "Qwen2.5 7B Instruct", ref="deepseek-r1:7b", manifest=OTHER_MANIFEST
    ),
    "the same, with no digest to tell": Row(
        "qwen2.5-7b",
        "Qwen2.5 7B Instruct",
        (R1_7B, "itself", "weak"),
        'against it: the header names it "Qwen2.5 7B Instruct"',
        ref="deepseek-r1:7b",
    ),
    "a student's tag on another student": Row(
        "qwen2.5-7b", "OpenThinker 7B", ("openthinker-7b", "itself", "weak"), "against it: ", ref="deepseek-r1:7b"
    ),
    "a tag that has moved, and no name": Row(
        "qwen2.5-7b", None, (R1_7B, "itself", "weak"), MOVED, ref="deepseek-r1:7b", manifest=OTHER_MANIFEST
    ),
    "a tag that has moved, and its name": Row(
        "qwen2.5-7b", R1_NAME, (R1_7B, "itself", "strong"), MOVED, ref="deepseek-r1:7b", manifest=OTHER_MANIFEST
    ),
    "what the tag meant before it moved": Row(
        "llama-3.1-8b",
        "DeepSeek R1 Distill Llama 8B",
        ("deepseek-r1-distill-llama-8b", "itself", "strong"),
        "the header names it",
        ref="deepseek-r1:8b",
        manifest="28f8fd6cdc67" + "0" * 52,
    ),
    "a fine-tune": Row(
        "qwen2.5-7b",
        "Bank Advisor 7B",
        (R1_7B, "derived", "strong"),
        f'made from "{R1_REPO}"',
        bases=(R1_REPO,),
    ),
    "a fine-tune under its parent's tag": Row(
        "qwen2.5-7b",
        "Bank Advisor 7B",
        (R1_7B, "derived", "strong"),
        "made from",
        ref="deepseek-r1:7b",
        bases=(R1_REPO,),
    ),
    "a fine-tune of a copy for trainers": Row(
        "qwen2.5-7b",
        "Bank Advisor 7B",
        (R1_7B, "derived", "weak"),
        'made from "unsloth/',
        bases=("unsloth/deepseek-r1-distill-qwen-7b-unsloth-bnb-4bit",),
    ),
    "abliterated, as its maker says": Row(
        "qwen2.5-7b", f"{R1_NAME} Abliterated", (R1_7B, "derived", "strong"), "made from", bases=(R1_REPO,)
    ),
    "abliterated, by its name alone": Row(
        "qwen2.5-7b", f"{R1_NAME} Abliterated", (R1_7B, "derived", "weak"), "the student, abliterated"
    ),
    "uncensored, under its parent's name": Row(
        "qwen2.5-7b", R1_NAME, (R1_7B, "derived", "weak"), "a fine-tune of its own: uncensored", finetune="uncensored"
    ),
    "a merge of two students": Row("qwen2.5-7b", "Merge 7B", bases=(R1_REPO, "open-thoughts/OpenThinker-7B")),
    "a merge of a student and a base": Row(
        "qwen2.5-7b", "Merge 7B", (R1_7B, "derived", "weak"), "one of 2 models", bases=(R1_REPO, "Qwen/Qwen2.5-7B")
    ),
    "a student of a student": Row(
        "qwen2.5-1.5b",
        "DeepScaleR 1.5B Preview",
        ("deepscaler-1.5b", "itself", "strong"),
        "the header names it",
        bases=("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",),
    ),
    "a fine-tune with the whole chain": Row(
        "qwen2.5-1.5b",
        "Mine",
        ("deepscaler-1.5b", "derived", "weak"),
        "agentica-org/DeepScaleR-1.5B-Preview",
        bases=("agentica-org/DeepScaleR-1.5B-Preview", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"),
    ),
    "the name on another size": Row("qwen2.5-1.5b", R1_NAME),
    "the name on another architecture": Row("llama-3.1-8b", R1_NAME),
    "the base of many students": Row("qwen2.5-7b", "Qwen2.5 7B Instruct", ref="qwen2.5:7b", bases=("Qwen/Qwen2.5-7B",)),
    "Mistral 7B, which nobody taught": Row("mistral-7b-v0.3", "Mistral 7B Instruct v0.3", ref="mistral:7b"),
    "Llama 3.1, a teacher": Row("llama-3.1-8b", "Llama 3.1 8B Instruct", ref="llama3.1:8b"),
    "a pre-trained model beside its student": Row("qwen3-4b", "Qwen3 4B Base"),
    "a later model under a student's tag": Row("qwen3-4b", "Qwen3 4B Thinking 2507", ref="qwen3:4b"),
    "a student that embeds": Row(
        "embeddinggemma-300m", "Embeddinggemma 300m", ("embeddinggemma-300m", "itself", "strong"), "size agree"
    ),
    "embedding models that are no students": Row("bge-large-en-v1.5", "Bge Large En v1.5", ref="bge-large"),
    "one of them under a student's name": Row("bge-large-en-v1.5", "Bge M3", ref="bge-m3", manifest=OTHER_MANIFEST),
    "an uploader's prefix in the header": Row(
        "qwen2.5-7b",
        "Nvidia_OpenReasoning Nemotron 7B",
        ("openreasoning-nemotron-7b", "itself", "strong"),
        "Nvidia_OpenReasoning",
    ),
    "an uploader's prefix in the repository": Row(
        "nemotron-nano-9b-v2",
        None,
        ("nemotron-nano-9b-v2", "itself", "weak"),
        "is named as a copy of nvidia/",
        ref="hf.co/someone/nvidia_NVIDIA-Nemotron-Nano-9B-v2-GGUF",
    ),
    "a larger sibling under the smaller one's tag": Row(
        "phi-4",
        "Phi 4",
        ("phi4-14b", "itself", "strong"),
        "it goes by the name of Phi-4-mini-instruct, which its architecture or size rules out",
        ref="phi4-mini:3.8b",
    ),
    "a variant that the catalog lists as a copy": Row(
        "phi-3-mini-4k",
        "Medical Assistant",
        ("phi3-mini", "derived", "weak"),
        "Phi-3-mini-4k-instruct",
        bases=("microsoft/Phi-3-mini-4k-instruct",),
    ),
    "escape codes in the name": Row("qwen2.5-7b", "DeepSeek R1\x1b[2J Distill\u202e Qwen 7B"),
    "a name that looks like the catalog": Row("qwen2.5-7b", f'","id": "{R1_7B}", "'),
    "escape codes in what it was made from": Row(
        "qwen2.5-7b", "Evil\x1b]0;x\x07", (R1_7B, "derived", "strong"), R1_REPO, bases=(R1_REPO,)
    ),
}


def read_row(row: Row, folder: Path) -> ModelFacts:
    metadata: dict[str, Any] = {"general.base_model.count": len(row.bases)} if row.bases else {}
    for at, repo in enumerate(row.bases):
        metadata[f"general.base_model.{at}.name"] = repo.partition("/")[2].replace("-", " ")
        metadata[f"general.base_model.{at}.repo_url"] = f"https://huggingface.co/{repo}"
    metadata |= {key: text for key, text in (("general.name", row.name), ("general.finetune", row.finetune)) if text}
    recipe = RECIPES[row.weights]
    recipe = quantised(recipe, row.quant) if row.quant else recipe
    path = write_sparse(replace(recipe, metadata={**recipe.metadata, **metadata}), folder)
    with path.open("rb") as file:
        header = read_header(FileSource(file))
    return read_facts(header, read_shape(header), ref=parse_ref(row.ref), manifest_digest=row.manifest)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_what_matching_says_of(row: Row, tmp_path: Path) -> None:
    found = match_student(read_row(row, tmp_path), CATALOG)
    assert (found and (found.student.id, found.relation, found.certainty)) == row.expected
    if found is not None:
        assert any(row.evidence in sentence for sentence in found.evidence), found.evidence
        assert all(sentence.isprintable() for sentence in found.evidence)
        assert ("of its parent" in found.lineage_words) is (found.relation == "derived")
        assert found.student_words.startswith("derived from ") is (found.relation == "derived")
