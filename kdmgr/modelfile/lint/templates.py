"""The TEMPLATE of a Modelfile: whether it works, is the model's own, and whether its stops end an answer."""

from __future__ import annotations

from collections.abc import Iterator

from kdmgr.modelfile.check import check_template
from kdmgr.modelfile.commands import Command, Modelfile
from kdmgr.modelfile.guess import guess_family
from kdmgr.modelfile.lint.findings import NOTE, WARNING, Finding, Text
from kdmgr.modelfile.lint.sources import SourceFacts
from kdmgr.modelfile.template_faults import find_faults
from kdmgr.modelfile.templates import TemplateFamily, detect_family


def find_bad_templates(
    text: Text, commands: list[Command], source: SourceFacts | None, era: str | None
) -> Iterator[Finding]:
    """Faults of the TEMPLATE that counts, seen together with the stops and the model."""
    template = next((command for command in reversed(commands) if command.name == "template"), None)
    if template is None or not template.value:
        yield from _find_lost_template(text, commands, source, era)
        return
    for fault in find_faults(template.value):
        at = _place(text, template, fault.line)
        yield text.finding(fault.code, fault.severity, at, f"TEMPLATE: {fault.sentence}", _REASONS.get(fault.code, ""))
    family = detect_family(template.value)
    yield from _find_missing_stops(text, template, commands, family)
    yield from _find_other_family(text, template, family, source)


def _find_lost_template(
    text: Text, commands: list[Command], source: SourceFacts | None, era: str | None
) -> Iterator[Finding]:
    """Without a TEMPLATE, the file's own may get lost on the way."""
    if source is None or source.header is None or source.template:
        return
    written = Modelfile(tuple(commands), {})
    origin = next((command for command in commands if command.name == "from"), None)
    if origin is None:
        return
    for problem in check_template(source.header, written, era).problems:
        reason = "kdmgr modelfile new proposes one" if problem.severity != "note" else "it may be meant so"
        severity = NOTE if problem.severity == "note" else WARNING
        yield text.finding(problem.code, severity, origin.start, f"no TEMPLATE: {problem.sentence}", reason)


def _find_missing_stops(
    text: Text, template: Command, commands: list[Command], family: TemplateFamily | None
) -> Iterator[Finding]:
    if family is None:
        return
    stops = {command.value for command in commands if command.argument == "stop"}
    if not stops & set(family.stops):
        wanted = ", ".join(family.stops)
        message = f"no PARAMETER stop ends an answer of {family.title}"
        reason = f"if the file does not name its closing token, answers run on; the family's are {wanted}"
        yield text.finding("no-stop", WARNING, template.start, message, reason)
    for command in commands:
        if command.argument == "stop" and _is_foreign(command.value, family):
            message = f"{command.value!r:.60} is a mark of another template family"
            yield text.finding("foreign-stop", NOTE, command.start, message, f"{family.title} never says it")


def _is_foreign(stop: str, family: TemplateFamily) -> bool:
    """Whether the text is a special token that neither the family's stops nor its chats hold."""
    special = stop.startswith(("<|", "[", "<start_", "<end_")) and stop.endswith(("|>", "]", "_turn>"))
    from kdmgr.modelfile.templates import families

    known = any(stop in other.stops for other in families())
    return special and known and stop not in family.stops and stop not in family.example


def _find_other_family(
    text: Text, template: Command, family: TemplateFamily | None, source: SourceFacts | None
) -> Iterator[Finding]:
    """The model was taught with another template."""
    if family is None or source is None:
        return
    own = None
    if source.header is not None:
        jinja = source.header.text("tokenizer.chat_template")
        guess = None if jinja else guess_family(source.header)
        own = detect_family(jinja) if jinja else guess.family if guess else None
    if own is not None and not set(own.stops) & set(family.stops):
        message = f"the TEMPLATE is {family.title}'s, the model's own is {own.title}'s"
        reason = "a model understands the marks it was taught with, and takes others for text"
        yield text.finding("other-family", WARNING, template.start, message, reason)


def _place(text: Text, template: Command, line: int) -> int:
    """Where in the file a line of the template begins."""
    at = template.value_at
    for _ in range(line - 1):
        at = text.next_line(at)
    return min(at, max(template.end - 1, template.value_at))


_REASONS = {
    "template-fails": "the server answers 400, template error",
    "loses-user": "go over .Messages, or use .Prompt",
    "loses-system": "use .System, or mark the messages of the role system too",
    "no-marks": "right for a base model, which completes texts; every other needs its marks",
    "looks-like-jinja": "leave TEMPLATE out to let Ollama v0.30 use the file's own Jinja",
    "double-bos": "leave it out",
    "no-value": "it will stand in the prompt as it is printed",
}
