"""Which chat template Ollama will use for a GGUF, and whether that is the model's own.

The failure that this is for: a fine-tune answers gibberish, because its template did not survive. Up to era B
Ollama runs only Go templates, and takes one of its own for the Jinja in the file if it knows that very text; else
nothing marks the turns, and nothing says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.modelfile.guess import Guess, guess_family
from kdmgr.modelfile.ollama_match import OllamaMatch, match_template
from kdmgr.modelfile.template_faults import find_faults
from kdmgr.modelfile.templates import TemplateFamily, detect_family

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile

JINJA_ERAS = ("C",)
"""Eras of Ollama in which the Jinja of the file can be run."""
_HARMONY = ("gptoss", "gpt-oss")
_RENDERED = ("gemma4", "laguna", "nemotron_h", "nemotron_h_moe", "nemotron_h_omni")
"""Architectures for which every Ollama that can run them sets a renderer of its own (server/create.go)."""
_ENCODERS = ("bert", "nomic-bert", "nomic-bert-moe", "modern-bert", "jina-bert-v2", "t5encoder", "gemma-embedding")


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """Something wrong with the template that will be used. `severity` is "error", "warning" or "note"."""

    code: str
    severity: str
    sentence: str


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """What will mark the turns of a chat."""

    family: TemplateFamily | None
    """The model's own: by its Jinja, else by the signs in its header; None when it is in no known one."""
    source: str
    """What Ollama will use: "renderer", "modelfile", "ollama" (one of its own), "gguf" (the Jinja) or "none"."""
    used: str
    """The same in words."""
    problems: tuple[TemplateProblem, ...]
    template: str | None
    """A TEMPLATE to write into the Modelfile; None when there is nothing to mend, or nothing is known."""
    stops: tuple[str, ...]
    """The stop texts that belong to it, or to what is used."""
    reasons: tuple[str, ...]
    """Why the template is proposed."""

    @property
    def is_sound(self) -> bool:
        """Whether chats will work as the model expects."""
        return all(problem.severity == "note" for problem in self.problems)


def check_template(header: GgufHeader, modelfile: Modelfile | None, era: str | None) -> TemplateCheck:
    """Check the template of `header`, imported with `modelfile`, for an Ollama of `era` ("A" to "C"; None: unknown)."""
    jinja = header.text("tokenizer.chat_template") or None
    guess = None if jinja else guess_family(header)
    family = detect_family(jinja) if jinja else guess.family if guess else None
    architecture = header.text("general.architecture") or ""
    if is_encoder(header):
        return TemplateCheck(None, "none", "nothing: the model embeds texts, it does not chat", (), None, (), ())
    if modelfile is not None and (renderer := modelfile.last("renderer")):
        return _sound(family, "renderer", f"its renderer {renderer}")
    if architecture in _HARMONY:
        return _sound(family, "renderer", "harmony, which it renders itself for gpt-oss")
    if architecture in _RENDERED:
        return _sound(family, "renderer", f"its renderer for {architecture}")
    if modelfile is not None and modelfile.template:
        return _check_written(modelfile, family, era)
    if jinja:
        return _check_jinja(jinja, family, era)
    return _check_lost(guess)


def is_encoder(header: GgufHeader) -> bool:
    """Whether the model turns texts into vectors, and so has no use for a template."""
    architecture = header.text("general.architecture") or ""
    return architecture in _ENCODERS or f"{architecture}.pooling_type" in header.metadata


def _sound(family: TemplateFamily | None, source: str, used: str) -> TemplateCheck:
    return TemplateCheck(family, source, used, (), None, family.stops if family else (), ())


def _check_written(modelfile: Modelfile, family: TemplateFamily | None, era: str | None) -> TemplateCheck:
    """The Modelfile's TEMPLATE: does it work, is it of the model's family, and do its stops stop it?"""
    template = modelfile.template or ""
    written = detect_family(template)
    problems = [TemplateProblem(fault.code, fault.severity, fault.sentence) for fault in find_faults(template)]
    if family and written and family.example != written.example and not _are_alike(family, written):
        sentence = f"the TEMPLATE is {written.title}'s, but the model's own is {family.title}'s"
        problems.append(TemplateProblem("other-family", "warning", sentence))
    stops = modelfile.parameters.get("stop", ())
    own = written or family
    if own and not set(own.stops) & set(stops if isinstance(stops, tuple) else (str(stops),)):
        sentence = f"no PARAMETER stop ends an answer of {own.title}, which ends with {own.stops[0]}"
        problems.append(TemplateProblem("no-stop", "warning", sentence))
    needs = family is not None and any(problem.severity != "note" for problem in problems)
    return TemplateCheck(
        family=own,
        source="modelfile",
        used=f"the Modelfile's TEMPLATE ({written.title if written else 'of no known family'})",
        problems=tuple(problems),
        template=family.template if family and needs else None,
        stops=own.stops if own else (),
        reasons=(f"the file's own template is {family.title}'s",) if family and needs else (),
    )


def _check_jinja(jinja: str, family: TemplateFamily | None, era: str | None) -> TemplateCheck:
    match = match_template(jinja)
    if match is not None and match.is_certain:
        return _check_match(match, family)
    if era in JINJA_ERAS:
        return _sound(family, "gguf", "the file's own Jinja template")
    if match is not None:
        sentence = (
            f"the file's template is near to Ollama's {match.name}, but perhaps not near enough to be taken for it"
        )
        problem = TemplateProblem("perhaps-lost", "warning", sentence)
        used = f"perhaps its own template {match.name}, perhaps none"
    else:
        text = "it runs only Go templates, and knows none for the Jinja in this file: chats would lose all their marks"
        severity = "error" if era else "warning"
        problem = TemplateProblem("template-lost", severity, text if era else f"before v0.30, {text}")
        used = "none: what is typed goes to the model bare" if era else "the file's own from v0.30 on, none before"
    problems = [problem] if family else [problem, _unknown_family()]
    reasons = (f"the file's Jinja template is {family.title}'s; this is the same in Go",) if family else ()
    source = "none" if era or match else "gguf"
    return TemplateCheck(
        family,
        source,
        used,
        tuple(problems),
        family.template if family else None,
        family.stops if family else (),
        reasons,
    )


def _check_match(match: OllamaMatch, family: TemplateFamily | None) -> TemplateCheck:
    """One of Ollama's own templates will be used, with the stops that come with it."""
    used = f"its own template {match.name}, which it knows the file's by"
    problems = []
    if family and match.stops and not set(match.stops) & set(family.stops):
        sentence = f"Ollama's stops for {match.name} are {', '.join(match.stops)}, which {family.title} never says"
        problems.append(TemplateProblem("foreign-stops", "warning", sentence))
    stops = family.stops if problems and family else match.stops
    reasons = ("the stops that Ollama adds by itself are another family's",) if problems else ()
    return TemplateCheck(family, "ollama", used, tuple(problems), None, stops, reasons)


def _check_lost(guess: Guess | None) -> TemplateCheck:
    used = "none: what is typed goes to the model bare"
    if guess is None:
        sentence = "the file has no chat template, and nothing in it tells which one the model was taught with"
        return TemplateCheck(None, "none", used, (TemplateProblem("no-template", "warning", sentence),), None, (), ())
    if not guess.is_tuned:
        sentence = "the file has no chat template, and by its name it is a base model: it completes texts"
        note = TemplateProblem("base-model", "note", sentence)
        return TemplateCheck(guess.family, "none", used, (note,), None, (), ())
    sentence = f"the file has lost its chat template; it should be {guess.family.title}'s, since {guess.reason}"
    return TemplateCheck(
        family=guess.family,
        source="none",
        used=used,
        problems=(TemplateProblem("template-missing", "error", sentence),),
        template=guess.family.template,
        stops=guess.family.stops,
        reasons=(f"{guess.reason}, so the template is {guess.family.title}'s",),
    )


def _are_alike(one: TemplateFamily, other: TemplateFamily) -> bool:
    """Whether they differ in details only: ChatML with and without tools, Phi-3 with and without line ends."""
    return bool(set(one.stops) & set(other.stops))


def _unknown_family() -> TemplateProblem:
    sentence = "its template is in no known family, so it cannot be written in Go here: use Ollama v0.30 or later"
    return TemplateProblem("unknown-family", "warning", sentence)
