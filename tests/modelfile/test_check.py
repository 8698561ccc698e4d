"""Which template Ollama will use for a file, era by era, and the Modelfile that is proposed for it."""

from __future__ import annotations

import pytest

from kdmgr.gguf.header import GgufHeader, Value
from kdmgr.modelfile.check import check_template
from kdmgr.modelfile.difference import compare
from kdmgr.modelfile.lint import lint_modelfile
from kdmgr.modelfile.parse import parse
from kdmgr.modelfile.propose import propose_modelfile
from tests.modelfile.test_templates import SMOLLM

QWEN3 = (
    "{%- if tools %}{{- '<|im_start|>system' }}{% endif %}{% if enable_thinking %}<think>{% endif %}" + "{# x #}" * 400
)
STRANGE = "{% for m in messages %}@@@{{ m.content }}{% endfor %}" + "{# y #}" * 400


def header(template: str | None = None, architecture: str = "llama", **metadata: Value) -> GgufHeader:
    values: dict[str, Value] = {"general.architecture": architecture}
    values |= {key.replace("__", "."): value for key, value in metadata.items()}
    if template is not None:
        values["tokenizer.chat_template"] = template
    return GgufHeader(3, "little", 32, values, (), 0)


@pytest.mark.parametrize("era", ["A", "B1", "B2", "C", None])
def test_a_template_that_ollama_knows_is_sound_in_every_era(era: str | None) -> None:
    check = check_template(header(SMOLLM), None, era)
    assert (check.source, check.is_sound, check.template) == ("ollama", True, None)
    assert check.stops == ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize(
    ("era", "source", "severity"), [("A", "none", "error"), ("B2", "none", "error"), (None, "gguf", "warning")]
)
def test_one_that_it_does_not_know_is_lost_before_era_c(era: str | None, source: str, severity: str) -> None:
    check = check_template(header(QWEN3), None, era)
    assert check.source == source
    assert [(problem.code, problem.severity) for problem in check.problems] == [("template-lost", severity)]
    assert check.family is not None
    assert (check.family.name, check.template) == ("qwen3", check.family.template)


def test_era_c_runs_the_files_own() -> None:
    check = check_template(header(QWEN3), None, "C")
    assert (check.source, check.is_sound, check.template) == ("gguf", True, None)


def test_one_of_no_known_family_cannot_be_translated() -> None:
    check = check_template(header(STRANGE), None, "B2")
    assert [problem.code for problem in check.problems] == ["template-lost", "unknown-family"]
    assert check.template is None


@pytest.mark.parametrize(
    ("facts", "family", "reason"),
    [
        ({"general__name": "My DeepSeek-R1 Distill Qwen 7B"}, "deepseek-r1", "general.name"),
        ({"general__finetune": "instruct", "general__basename": "Phi-4-mini"}, "phi4-mini", "general.basename"),
        (
            {
                "general__name": "tuned thing sft",
                "general__base_model__count": 1,
                "general__base_model__0__repo_url": "https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct",
            },
            "llama3",
            "general.base_model.0.repo_url",
        ),
        ({"tokenizer__ggml__pre": "llama-bpe", "tokenizer__ggml__eos_token_id": 128009}, "llama3", "token 128009"),
        ({"tokenizer__ggml__pre": "qwen2", "tokenizer__ggml__eos_token_id": 151645}, "qwen2.5", "token 151645"),
    ],
)
def test_a_fine_tune_that_lost_its_template_is_given_one(facts: dict[str, Value], family: str, reason: str) -> None:
    check = check_template(header(**facts), None, "B2")
    assert check.family is not None
    assert check.family.name == family
    assert [(problem.code, problem.severity) for problem in check.problems] == [("template-missing", "error")]
    assert reason in check.reasons[0]
    assert (check.template, check.stops) == (check.family.template, check.family.stops)


def test_a_base_model_is_left_a_base_model() -> None:
    check = check_template(header(architecture="gemma3", general__name="Gemma 3 270m"), None, "B2")
    assert check.is_sound
    assert [problem.code for problem in check.problems] == ["base-model"]
    assert check.template is None


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    check = check_template(header(general__name="Xylo Chat"), None, "B2")
    assert (check.family, check.template, [problem.code for problem in check.problems]) == (None, None, ["no-template"])


@pytest.mark.parametrize(
    ("architecture", "modelfile", "source"),
    [
        ("gpt-oss", None, "renderer"),
        ("gemma4", None, "renderer"),
        ("llama", "FROM x\nRENDERER qwen3-coder", "renderer"),
        ("bert", None, "none"),
        ("llama", "FROM x\nTEMPLATE <|im_start|>{{ .System }}{{ .Prompt }}\nPARAMETER stop <|im_end|>", "modelfile"),
    ],
)
def test_what_comes_before_the_files_template(architecture: str, modelfile: str | None, source: str) -> None:
    check = check_template(header(architecture=architecture), parse(modelfile) if modelfile else None, "B2")
    assert (check.source, check.is_sound) == (source, True)


def test_a_written_template_is_held_against_the_files_own() -> None:
    written = parse("FROM x\nTEMPLATE [INST] {{ .System }} {{ .Prompt }} [/INST]")
    check = check_template(header(QWEN3), written, "B2")
    assert {problem.code for problem in check.problems} == {"other-family", "no-stop"}
    assert check.template is not None
    assert "<|im_start|>" in check.template


@pytest.mark.parametrize("template", [None, SMOLLM, QWEN3, STRANGE])
@pytest.mark.parametrize("era", ["A", "C", None])
def test_a_proposal_is_sound_itself_and_mends_what_was_wrong(template: str | None, era: str | None) -> None:
    facts: dict[str, Value] = {
        "general__name": "SmolLM2 Instruct\x1b[2J\nFROM evil",
        "general__sampling__temp": 0.6000000238418579,
        "general__sampling__top_k": 20,
    }
    gguf = header(template, **facts)
    proposal = propose_modelfile(gguf, "./m.gguf", era)
    assert compare(parse(proposal.text), proposal.modelfile).is_empty
    assert not [finding for finding in lint_modelfile(proposal.text) if finding.severity != "note"]
    assert proposal.modelfile.sources == ("./m.gguf",)
    assert proposal.modelfile.parameters["temperature"] == 0.6
    assert proposal.modelfile.parameters["top_k"] == 20
    assert "\x1b" not in proposal.text
    if proposal.check.template:
        assert check_template(gguf, proposal.modelfile, era).is_sound
    assert len(proposal.reasons) == len(proposal.parts)
