"""Which student is this? Names count whole, numbers rule out, and unknown stays unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.catalog.facts import BaseModel, ModelFacts
from kdmgr.catalog.load import Catalog, load_catalog
from kdmgr.catalog.match import Match, match_student
from kdmgr.refs import FileRef, HubRef, parse_ollama_name, parse_ref

CATALOG = load_catalog()
R1_7B = "deepseek-r1-distill-qwen-7b"
R1_7B_MANIFEST = "755ced02ce7b" + "0" * 52
QWEN_7B = ModelFacts(name="DeepSeek R1 Distill Qwen 7B", architecture="qwen2", parameters=7_615_616_512)
LLAMA_8B = ModelFacts(architecture="llama", parameters=8_030_261_312)


def match(facts: ModelFacts, catalog: Catalog = CATALOG) -> Match:
    found = match_student(facts, catalog)
    assert found is not None
    return found


def summary(found: Match | None) -> tuple[str, str, str] | None:
    return (found.student.id, found.certainty, found.relation) if found else None


def test_the_listed_manifest_is_the_student_whatever_it_is_called() -> None:
    for digest in (R1_7B_MANIFEST, "755ced02ce7b", f"sha256:{R1_7B_MANIFEST.upper()}"):
        found = match(ModelFacts(ref=parse_ollama_name("my-copy"), manifest_digest=digest))
        assert summary(found) == (R1_7B, "exact", "itself")
        assert found.evidence == ("its manifest 755ced02ce7b is listed as deepseek-r1:7b",)


@pytest.mark.parametrize("digest", ["755ced02ce7c" + "0" * 52, "755ced02ce", "", "sha256:", "not a digest at all", '"'])
def test_another_or_a_short_digest_proves_nothing(digest: str) -> None:
    assert match_student(ModelFacts(manifest_digest=digest, model_digest=digest), CATALOG) is None


def test_a_name_in_ollamas_library_is_found_whole_and_without_case() -> None:
    for name in ("deepseek-r1:7b", "DeepSeek-R1:7B", "library/deepseek-r1:7b", "deepseek-r1:7b-qwen-distill-q4_K_M"):
        assert summary(match(ModelFacts(ref=parse_ollama_name(name)))) == (R1_7B, "strong", "itself")
    assert match(ModelFacts(ref=parse_ollama_name("phi3"))).student.id == "phi3-mini"
    for name in ("deepseek-r1:671b", "deepseek-r1:7", "someone/deepseek-r1:7b", "registry.example/library/phi3", "phi"):
        assert match_student(ModelFacts(ref=parse_ollama_name(name)), CATALOG) is None


def test_a_moved_tag_is_told_by_its_architecture_and_found_by_its_name() -> None:
    old = replace(LLAMA_8B, ref=parse_ollama_name("deepseek-r1:8b"), manifest_digest="28f8fd6cdc67" + "1" * 52)
    assert match_student(old, CATALOG) is None, "deepseek-r1:8b is a Qwen 3 by now"
    named = match(replace(old, name="DeepSeek R1 Distill Llama 8B"))
    assert summary(named) == ("deepseek-r1-distill-llama-8b", "strong", "itself")


def test_a_tag_with_another_manifest_is_a_weak_sign_until_the_header_names_the_student_too() -> None:
    moved = replace(QWEN_7B, ref=parse_ollama_name("deepseek-r1:7b"), manifest_digest="0a8c26691023", name=None)
    found = match(moved)
    assert summary(found) == (R1_7B, "weak", "itself")
    assert "as manifest 755ced02ce7b, and here it is 0a8c26691023" in found.evidence[0]
    assert summary(match(replace(moved, name=QWEN_7B.name))) == (R1_7B, "strong", "itself")


def test_a_tag_that_was_refreshed_is_not_its_quantised_predecessor() -> None:
    assert match(ModelFacts(ref=parse_ollama_name("qwen3:4b-q4_K_M"))).student.id == "qwen3-4b"
    assert match_student(ModelFacts(ref=parse_ollama_name("qwen3:4b")), CATALOG) is None


def test_a_wrong_tag_on_another_students_file_does_not_hide_it() -> None:
    found = match(replace(QWEN_7B, ref=parse_ollama_name("deepseek-r1:7b"), name="OpenThinker 7B"))
    assert summary(found) == ("openthinker-7b", "weak", "itself")
    assert found.evidence[-1] == (
        "against it: Ollama's library lists it as deepseek-r1:7b (DeepSeek-R1-Distill-Qwen-7B)"
    )


def test_a_wrong_tag_on_another_size_is_no_match() -> None:
    facts = ModelFacts(ref=parse_ollama_name("gemma3:27b"), architecture="gemma3", parameters=3_880_099_328)
    assert match_student(facts, CATALOG) is None


def test_a_requantised_tag_keeps_its_student() -> None:
    facts = ModelFacts(ref=parse_ollama_name("deepseek-r1:7b-qwen-distill-q8_0"))
    assert summary(match(facts)) == (R1_7B, "weak", "itself")
    full = replace(QWEN_7B, ref=facts.ref, name=None)
    assert summary(match(full)) == (R1_7B, "strong", "itself")
    assert match_student(ModelFacts(ref=parse_ollama_name("deepseek-r1:q8_0")), CATALOG) is None


def test_a_requantised_file_names_its_original_as_its_base_and_is_itself() -> None:
    base = BaseModel("DeepSeek R1 Distill Qwen 7B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    found = match(replace(QWEN_7B, base_models=(base,)))
    assert summary(found) == (R1_7B, "strong", "itself")
    assert len(found.evidence) == 3


def test_a_renamed_file_is_known_by_its_header_and_never_by_its_name() -> None:
    renamed = replace(QWEN_7B, ref=FileRef(Path("x.gguf")))
    assert summary(match(renamed)) == (R1_7B, "strong", "itself")
    disguised = ModelFacts(ref=FileRef(Path("DeepSeek-R1-Distill-Qwen-7B.gguf")), name="Qwen2.5 7B Instruct")
    assert match_student(disguised, CATALOG) is None


@pytest.mark.parametrize(
    "text",
    [
        "hf.co/deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
        "hf.co/bartowski/deepseek-r1-distill-qwen-7b-gguf:Q6_K",
        "https://huggingface.co/unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF",
    ],
)
def test_a_listed_hub_repository_is_the_student(text: str) -> None:
    assert summary(match(ModelFacts(ref=parse_ref(text)))) == (R1_7B, "strong", "itself")


def test_a_hub_model_in_ollamas_store_is_found_too() -> None:
    ref = parse_ollama_name("hf.co/bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF:Q4_K_M")
    assert summary(match(ModelFacts(ref=ref))) == (R1_7B, "strong", "itself")


def test_a_repository_listed_under_another_name_is_a_weak_sign() -> None:
    found = match(ModelFacts(ref=HubRef("bartowski", "allenai_Olmo-3.1-32B-Think-GGUF")))
    assert summary(found) == ("olmo-3-32b-think", "weak", "itself")
    assert "under another name" in found.evidence[0]


def test_an_unlisted_repository_is_unknown_however_alike_its_name() -> None:
    for repo in ("DeepSeek-R1-Distill-Qwen-7B", "DeepSeek-R1-Distill-Qwen-7B-abliterated-GGUF"):
        assert match_student(ModelFacts(ref=HubRef("someone", repo)), CATALOG) is None


def test_a_fine_tune_is_derived_and_says_from_what() -> None:
    base = BaseModel("DeepSeek R1 Distill Qwen 7B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    found = match(replace(QWEN_7B, name="Bank Advisor 7B", base_models=(base,)))
    assert summary(found) == (R1_7B, "strong", "derived")
    assert found.evidence[0] == 'the header says that it was made from "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"'
    unsized = replace(QWEN_7B, name="Bank Advisor", base_models=(base,), parameters=None)
    assert summary(match(unsized)) == (R1_7B, "weak", "derived")
    pruned = replace(QWEN_7B, name="Bank Advisor", base_models=(base,), parameters=1_777_088_000)
    assert match_student(pruned, CATALOG) is None


def test_a_fine_tune_that_kept_its_parents_name_is_derived() -> None:
    found = match(replace(QWEN_7B, finetune="uncensored-v2"))
    assert summary(found) == (R1_7B, "weak", "derived")
    assert "the header adds a fine-tune of its own: uncensored v2" in found.evidence
    gemma = ModelFacts(name="Gemma 3 4b It", finetune="it", architecture="gemma3", parameters=3_880_099_328)
    assert summary(match(gemma)) == ("gemma3-4b", "strong", "itself")


def test_a_student_made_from_a_student_is_itself() -> None:
    base = BaseModel("DeepSeek R1 Distill Qwen 1.5B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B")
    facts = ModelFacts(
        name="DeepScaleR 1.5B Preview", architecture="qwen2", parameters=1_777_088_000, base_models=(base,)
    )
    assert summary(match(facts)) == ("deepscaler-1.5b", "strong", "itself")


def test_a_merge_of_two_students_is_neither() -> None:
    bases = (
        BaseModel("A", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"),
        BaseModel("B", "open-thoughts/OpenThinker-7B"),
    )
    assert match_student(replace(QWEN_7B, name="Merge", base_models=bases), CATALOG) is None
    one = replace(QWEN_7B, name="Merge", base_models=(bases[0], BaseModel("C", "someone/Else-7B")))
    assert summary(match(one)) == (R1_7B, "weak", "derived")


@pytest.mark.parametrize(
    "name",
    [
        "Qwen3 4B Base",
        "Qwen3 4B Instruct 2507",
        "Qwen3",
        "Qwen2.5 7B Instruct",
        "DeepSeek R1",
        "DeepSeek R1 Distill Qwen",
        "7B",
        "Models",
        "",
        " - ",
        "gguf",
        "Q4_K_M",
    ],
)
def test_a_base_model_or_a_part_of_a_name_is_no_student(name: str) -> None:
    for architecture, parameters in (("qwen3", 4_022_468_096), ("qwen2", 7_615_616_512), (None, None)):
        facts = ModelFacts(name=name, architecture=architecture, parameters=parameters)
        assert match_student(facts, CATALOG) is None


def test_the_same_name_in_another_size_is_another_model() -> None:
    facts = ModelFacts(name="Gemma 3 4b It", architecture="gemma3", parameters=11_765_788_416)
    assert match_student(facts, CATALOG) is None
    assert match_student(replace(QWEN_7B, parameters=1_777_088_000), CATALOG) is None
    assert match_student(replace(QWEN_7B, architecture="llama"), CATALOG) is None


def test_a_family_that_the_catalog_lacks_stays_unknown() -> None:
    facts = ModelFacts(name="SmolLM2 135M Instruct", architecture="llama", parameters=134_515_008)
    assert match_student(facts, CATALOG) is None
    assert match_student(ModelFacts(), CATALOG) is None
    assert match_student(LLAMA_8B, CATALOG) is None


def test_a_name_alone_is_weak_and_a_name_shared_by_base_and_instruct_is_too() -> None:
    assert summary(match(ModelFacts(name="DeepSeek R1 Distill Qwen 7B"))) == (R1_7B, "weak", "itself")
    base = ModelFacts(name="Gemma 3 270m", architecture="gemma3", parameters=268_098_176)
    assert summary(match(base)) == ("gemma3-270m", "weak", "itself")


def test_without_a_name_its_parts_are_a_weak_one() -> None:
    parts = replace(QWEN_7B, name=None, basename="DeepSeek-R1-Distill-Qwen", size_label="7B")
    assert summary(match(parts)) == (R1_7B, "weak", "itself")
    assert match_student(replace(parts, basename=None), CATALOG) is None
    assert match_student(replace(parts, finetune="medical"), CATALOG) is None


def test_ollamas_own_architecture_names_are_understood() -> None:
    facts = ModelFacts(name="embeddinggemma 300m", architecture="gemma3", parameters=302_863_104)
    assert summary(match(facts)) == ("embeddinggemma-300m", "strong", "itself")


def test_hostile_facts_are_harmless() -> None:
    hostile = "DeepSeek\x1b\x07 R1\nDistill\u202e [Qwen] 7B"
    found = match(replace(QWEN_7B, name=hostile))
    assert summary(found) == (R1_7B, "strong", "itself")
    assert all(sentence.isprintable() for sentence in found.evidence)
    for name in ("\x00" * 1000, "a " * 100_000, "\ud800", '","id":"', "../../etc/passwd"):
        facts = ModelFacts(name=name, finetune=name, basename=name, size_label=name, repo=name, architecture=name)
        assert match_student(replace(facts, base_models=(BaseModel(name, name),)), CATALOG) is None


def test_every_listed_sign_leads_to_its_own_student() -> None:
    for student in CATALOG:
        for tag in student.ollama:
            assert match(ModelFacts(manifest_digest=tag.digest)).student is student
            assert match(ModelFacts(ref=parse_ollama_name(tag.tag))).student is student
        for repo in filter(None, (student.hf_repo, *student.gguf_repos)):
            assert match(ModelFacts(ref=HubRef(*repo.split("/")))).student is student
        if student.hf_repo:
            name = student.hf_repo.partition("/")[2].replace("-", " ")
            facts = ModelFacts(name=name, architecture=student.architecture, parameters=student.parameters)
            assert match(facts).student is student
