"""Which family of chat templates a text belongs to, Jinja (in a GGUF) or Go (in a Modelfile).

Engines do not understand each other's template languages: llama.cpp reads Jinja or knows a template by
name, Ollama's Modelfiles carry Go. Knowing the family translates between them, and gives the tokens at
which an answer ends.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemplateFamily:
    """A way to mark turns. `llamacpp_name` is llama.cpp's name for it (`--chat-template`)."""

    name: str
    llamacpp_name: str
    stops: tuple[str, ...]
    markers: tuple[str, ...]
    """Texts that all stand in a template of this family; the first family that matches is it."""


# From the most particular to the most general: some families borrow the markers of others.
FAMILIES = (
    TemplateFamily("deepseek-r1", "deepseek3", ("<｜end▁of▁sentence｜>",), ("<｜Assistant｜>", "<｜User｜>")),
    TemplateFamily("phi4", "phi4", ("<|im_end|>",), ("<|im_start|>", "<|im_sep|>")),
    TemplateFamily("chatml", "chatml", ("<|im_start|>", "<|im_end|>"), ("<|im_start|>",)),
    TemplateFamily("llama3", "llama3", ("<|start_header_id|>", "<|eot_id|>"), ("<|start_header_id|>",)),
    TemplateFamily("gemma", "gemma", ("<start_of_turn>", "<end_of_turn>"), ("<start_of_turn>",)),
    TemplateFamily("granite", "granite", ("<|end_of_text|>",), ("<|start_of_role|>",)),
    TemplateFamily("command-r", "command-r", ("<|END_OF_TURN_TOKEN|>",), ("<|START_OF_TURN_TOKEN|>",)),
    TemplateFamily("exaone3", "exaone3", ("[|endofturn|]",), ("[|assistant|]", "[|endofturn|]")),
    TemplateFamily("phi3", "phi3", ("<|end|>", "<|user|>", "<|assistant|>"), ("<|assistant|>", "<|end|>")),
    TemplateFamily("zephyr", "zephyr", ("</s>", "<|user|>", "<|system|>"), ("<|assistant|>",)),
    TemplateFamily("mistral", "mistral-v7", ("[INST]", "[/INST]"), ("[INST]", "[SYSTEM_PROMPT]")),
    TemplateFamily("llama2", "llama2", ("[INST]", "[/INST]"), ("[INST]", "<<SYS>>")),
    TemplateFamily("mistral", "mistral-v1", ("[INST]", "[/INST]"), ("[INST]",)),
    TemplateFamily("openchat", "openchat", ("<|end_of_turn|>",), ("GPT4 Correct",)),
    TemplateFamily("vicuna", "vicuna", ("USER:", "ASSISTANT:"), ("USER:", "ASSISTANT:")),
)


def detect_family(template: str) -> TemplateFamily | None:
    """The family of a Jinja or Go template; None for one that is in none."""
    return next((family for family in FAMILIES if all(marker in template for marker in family.markers)), None)
