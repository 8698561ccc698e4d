"""Facts read from headers: of the real models, and of one that names its parents."""

from __future__ import annotations

from pathlib import Path

from kdmgr.catalog.facts import MAX_BASE_MODELS, BaseModel, ModelFacts, read_facts
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import match_student
from kdmgr.gguf.header import GgufHeader, Value
from kdmgr.gguf.reader import read_header
from kdmgr.gguf.shape import read_shape
from kdmgr.gguf.source import FileSource
from kdmgr.refs import FileRef


def read_file(path: Path) -> ModelFacts:
    with path.open("rb") as file:
        header = read_header(FileSource(file))
    return read_facts(header, read_shape(header), ref=FileRef(path))


def forge(metadata: dict[str, Value]) -> GgufHeader:
    return GgufHeader(3, "little", 32, metadata, (), 0)


def test_a_model_that_is_no_student_stays_unknown(smollm_gguf: Path) -> None:
    facts = read_file(smollm_gguf)
    assert (facts.architecture, facts.parameters, facts.n_layer, facts.n_embd) == ("llama", 134_515_008, 30, 576)
    assert facts.finetune == "8k-lc100k-mix1-ep2"
    assert match_student(facts, load_catalog()) is None


def test_a_base_model_whose_name_a_student_shares_is_a_weak_match(gemma_gguf: Path) -> None:
    found = match_student(read_file(gemma_gguf), load_catalog())
    assert found is not None
    assert (found.student.id, found.certainty, found.relation) == ("gemma3-270m", "weak", "itself")
    assert found.student.lineage.grade == "unverified"


def test_parents_are_read_from_hub_links_only() -> None:
    facts = read_facts(
        forge(
            {
                "general.name": "Mine",
                "general.repo_url": "https://huggingface.co/me/Mine",
                "general.base_model.count": 3,
                "general.base_model.0.name": "DeepScaleR 1.5B Preview",
                "general.base_model.0.repo_url": "https://huggingface.co/agentica-org/DeepScaleR-1.5B-Preview",
                "general.base_model.1.repo_url": "https://example.org/agentica-org/DeepScaleR-1.5B-Preview",
                "general.base_model.2.name": 7,
            }
        ),
        model_digest="ab" * 32,
    )
    assert facts.repo == "me/Mine"
    assert facts.base_models == (BaseModel("DeepScaleR 1.5B Preview", "agentica-org/DeepScaleR-1.5B-Preview"),)
    assert facts.parameters is None, "a header without tensors has no size"


def test_a_header_cannot_claim_endless_parents_or_names() -> None:
    names: dict[str, Value] = {f"general.base_model.{index}.name": "x" * 10_000 for index in range(100)}
    facts = read_facts(forge({"general.base_model.count": 1 << 60, "general.name": "y" * 10_000, **names}))
    assert len(facts.base_models) == MAX_BASE_MODELS
    assert len(facts.name or "") == len(facts.base_models[0].name or "") == 300


def test_the_size_of_one_shard_is_not_the_size_of_the_model(smollm_gguf: Path) -> None:
    with smollm_gguf.open("rb") as file:
        whole = read_header(FileSource(file))
    part = GgufHeader(3, "little", 32, {**whole.metadata, "split.count": 2}, whole.tensors, 0)
    assert read_facts(whole).parameters == 134_515_008
    assert read_facts(part).parameters is None
    assert read_facts(part, read_shape(part)).parameters is None
