"""Template families: recognised in Jinja and in Go, each with a template that makes the prompt it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
from kdmgr.modelfile.ollama_match import match_template
from kdmgr.modelfile.template_faults import find_faults
from kdmgr.modelfile.templates import EXAMPLE_CHAT, TemplateFamily, detect_family, families, find_family

# What llama.cpp's templates of these names make of the example (src/llama-chat.cpp, llama_chat_apply_template).
LLAMACPP = json.loads((Path(__file__).parent / "llamacpp_prompts.json").read_text(encoding="utf-8"))
# Where llama.cpp knows the family only roughly.
ROUGH = {
    "harmony": "it leaves out the system turn that names the channels",
    "deepseek-r1": "it has no thinking, and two line ends after the system prompt that R1 was not taught with",
    "qwen3-thinking": "it has no thinking",
    "exaone4": "it has no thinking, and leaves out the line ends",
    "falcon3": "it leaves out the closing token of an answer",
    "zephyr": "it closes turns with <|endoftext|>, as StableLM's variant does",
    "llama2": "it leaves out the blank before an answer",
    "mistral-v1": "it puts a blank before the first mark, which the tokenizer adds",
}
SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
by_family = pytest.mark.parametrize("family", families(), ids=lambda family: family.name)


@by_family
def test_the_template_makes_the_prompt_it_should(family: TemplateFamily) -> None:
    chat = read_chat_template(family.template)
    assert render_chat(chat, EXAMPLE_CHAT) == family.example
    assert find_faults(family.template) == []


@by_family
def test_an_answer_that_was_begun_is_gone_on_with(family: TemplateFamily) -> None:
    assert render_chat(read_chat_template(family.template), EXAMPLE_CHAT[:3]).endswith("Hello!")


@by_family
def test_the_family_is_known_by_its_own_template_and_by_its_marks(family: TemplateFamily) -> None:
    assert detect_family(family.template) is family
    assert detect_family(" ".join(family.markers)) is family
    assert family.stops
    assert find_family(family.name) is family


@pytest.mark.parametrize("family", [family for family in families() if family.llamacpp_name], ids=lambda f: f.name)
def test_the_prompt_is_that_of_llamacpp(family: TemplateFamily) -> None:
    same = LLAMACPP[family.llamacpp_name] == family.example
    assert same is (family.name not in ROUGH)


@pytest.mark.parametrize(
    "template",
    [
        "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ if .Prompt }}<|im_start|>user\n"
        "{{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>\n",
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n",
    ],
)
def test_a_go_template_is_known_by_what_it_makes(template: str) -> None:
    found = detect_family(template)
    assert found is not None
    assert found.name == "chatml"


def test_an_unknown_template_has_no_family() -> None:
    assert detect_family("{{ .Prompt }}") is None
    assert detect_family("") is None


def test_ollama_knows_this_template_by_its_text() -> None:
    match = match_template(SMOLLM)
    assert match is not None
    assert (match.name, match.is_certain) == ("chatml", True)
    edited = match_template(SMOLLM.replace("Hugging Face", "my own hands"))
    assert edited is not None
    assert (edited.name, edited.is_certain) == ("chatml", True)


@pytest.mark.parametrize("other", ["", "{{ x }}" * 900, "a" * 300, SMOLLM + "{# a comment that goes on #}" * 40])
def test_ollama_does_not_know_others(other: str) -> None:
    assert match_template(other) is None


def test_what_the_bounds_leave_open_is_said_to_be_open() -> None:
    match = match_template(SMOLLM[:-90] + "".join(f"{{{{ q{number} }}}}" for number in range(10)))
    assert match is not None
    assert not match.is_certain
