"""What is wrong with a TEMPLATE, found by running it over chats."""

from __future__ import annotations

from dataclasses import dataclass

from kdmgr.modelfile.go_template.chat import ChatTemplate, read_chat_template, render_chat
from kdmgr.modelfile.go_template.nodes import TemplateError, UnsupportedTemplate

SYSTEM, USER, ANSWER, LAST = "s7Yq-system", "u2Kd-question", "a9Bz-answer", "u5Wm-question"
"""Texts that no template holds by itself."""


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """One fault. `line` is that of the template's text, from 1; `severity` is "error", "warning" or "note"."""

    code: str
    severity: str
    sentence: str
    line: int = 1


def find_faults(template: str) -> list[TemplateFault]:
    """All faults of a TEMPLATE; what cannot be judged here is only noted."""
    try:
        chat = read_chat_template(template)
        return [*_find_losses(chat), *_find_habits(template, chat)]
    except UnsupportedTemplate as error:
        return [TemplateFault("template-unjudged", "note", f"cannot be judged here: {error.reason}", error.line)]
    except TemplateError as error:
        return [TemplateFault("template-fails", "error", f"Ollama refuses it: {error.reason}", error.line)]


def _find_losses(chat: ChatTemplate) -> list[TemplateFault]:
    """What a chat loses on its way through."""
    faults = []
    alone = render_chat(chat, [("user", USER)])
    whole = render_chat(chat, [("system", SYSTEM), ("user", USER), ("assistant", ANSWER), ("user", LAST)])
    if USER not in alone:
        faults.append(TemplateFault("loses-user", "error", "what the user says does not reach the model"))
        return faults
    if LAST not in whole:
        faults.append(TemplateFault("loses-user", "error", "of several questions, the last does not reach the model"))
    if SYSTEM not in whole:
        faults.append(TemplateFault("loses-system", "warning", "the system prompt does not reach the model"))
    elif whole.count(SYSTEM) > 1:
        faults.append(TemplateFault("repeats-system", "warning", "the system prompt is given twice"))
    if USER not in whole or ANSWER not in whole:
        faults.append(TemplateFault("loses-history", "warning", "earlier turns do not reach the model"))
    elif not whole.index(USER) < whole.index(ANSWER) < whole.index(LAST):
        faults.append(TemplateFault("wrong-order", "error", "the turns reach the model in the wrong order"))
    if "<no value>" in alone + whole:
        sentence = "it prints <no value>: it asks for something that no chat has"
        faults.append(TemplateFault("no-value", "warning", sentence))
    if alone.strip() == USER:
        faults.append(TemplateFault("no-marks", "warning", "nothing marks who speaks: the model goes on with the text"))
    return faults


def _find_habits(template: str, chat: ChatTemplate) -> list[TemplateFault]:
    """What works, but hardly as it was meant."""
    faults = []
    if "{%" in template:
        sentence = "it looks like Jinja, the language of GGUF files: a TEMPLATE is written in Go's template language"
        faults.append(TemplateFault("looks-like-jinja", "error", sentence))
    if any(mark in template for mark in ("<|begin_of_text|>", "<bos>", "<｜begin▁of▁sentence｜>")):
        sentence = "it begins a text with the token that the engine puts there anyway: the model sees it twice"
        faults.append(TemplateFault("double-bos", "warning", sentence))
    if "tools" in chat.variables and not chat.takes_messages:
        sentence = "tools reach only templates that go over .Messages"
        faults.append(TemplateFault("unreachable-tools", "warning", sentence))
    return faults
