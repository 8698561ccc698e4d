"""The known families of chat templates, and which one a text belongs to: Jinja (in a GGUF) or Go (in a Modelfile).

Engines do not understand each other's template languages: llama.cpp reads Jinja or knows a template by
name, Ollama's Modelfiles carry Go. Knowing the family translates between them, and gives the tokens at
which an answer ends. The data is in chat_families/; the examples there agree with what llama.cpp's own
templates make of the same chat (tests/modelfile/test_families.py lists where they do not, and why).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

EXAMPLE_CHAT = (("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Why?"))


@dataclass(frozen=True, slots=True)
class TemplateFamily:
    """A way to mark turns."""

    name: str
    title: str
    """For people: whose models use it."""
    llamacpp_name: str | None
    """llama.cpp's name for it (`--chat-template`); None where it has none."""
    markers: tuple[str, ...]
    """Texts that all stand in a template of this family; the first family that matches is it."""
    absent: tuple[str, ...]
    """Texts of which none does."""
    stops: tuple[str, ...]
    """Where an answer ends."""
    ollama_names: tuple[str, ...]
    """What Ollama's own list of templates calls it."""
    names: tuple[str, ...]
    """Words in a model's name that tell the family."""
    architectures: tuple[str, ...]
    """Whose instruct models all use it."""
    signs: tuple[str, ...]
    """Tokenizers (`tokenizer.ggml.pre`) that tell it, alone or as `NAME:ID` with the id of the closing token."""
    note: str | None
    example: str
    """What the template makes of `EXAMPLE_CHAT`."""

    @property
    def template(self) -> str:
        """For a Modelfile, in Go's template language."""
        return _read(f"{self.name}.gotmpl")


@cache
def families() -> tuple[TemplateFamily, ...]:
    """All families, from the most particular to the most general."""
    import json

    return tuple(_read_family(entry) for entry in json.loads(_read("index.json")))


def find_family(name: str) -> TemplateFamily | None:
    """The family of this name."""
    return next((family for family in families() if family.name == name), None)


def detect_family(template: str) -> TemplateFamily | None:
    """The family of a Jinja or Go template; None for one that is in none.

    A Go template is known by what it makes of a chat; every other text by the marks in it.
    """
    rendered = _render_example(template)
    alike = [family for family in families() if rendered and family.example.strip() == rendered.strip()]
    if alike:
        # Some differ only in what they add to a chat: then the text decides, else the most general one.
        return next((family for family in alike if family.template.strip() == template.strip()), alike[-1])
    return next((family for family in families() if _matches(family, template)), None)


def _render_example(template: str) -> str | None:
    """What a Go template makes of the example; None for what is no Go template, or fails."""
    if not any(name in template for name in (".Messages", ".Prompt")):
        return None
    from kdmgr.modelfile.go_template.chat import read_chat_template, render_chat
    from kdmgr.modelfile.go_template.nodes import TemplateError

    try:
        return render_chat(read_chat_template(template), EXAMPLE_CHAT)
    except TemplateError:
        return None


def _matches(family: TemplateFamily, template: str) -> bool:
    return all(marker in template for marker in family.markers) and not any(
        marker in template for marker in family.absent
    )


def _read(name: str) -> str:
    return (Path(__file__).parent / "chat_families" / name).read_text(encoding="utf-8")


def _read_family(entry: Mapping[str, Any]) -> TemplateFamily:
    return TemplateFamily(
        name=entry["name"],
        title=entry["title"],
        llamacpp_name=entry.get("llamacpp"),
        markers=tuple(entry["markers"]),
        absent=tuple(entry.get("absent", ())),
        stops=tuple(entry["stops"]),
        ollama_names=tuple(entry.get("ollama", ())),
        names=tuple(entry.get("names", ())),
        architectures=tuple(entry.get("architectures", ())),
        signs=tuple(entry.get("signs", ())),
        note=entry.get("note"),
        example=entry["example"],
    )
