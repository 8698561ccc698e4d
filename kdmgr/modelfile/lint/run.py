"""The linter: every check over one text."""

from __future__ import annotations

from kdmgr.modelfile.commands import Command, ModelfileError
from kdmgr.modelfile.lint.findings import ERROR, WARNING, Finding, Surroundings, Text
from kdmgr.modelfile.lint.parameters import find_bad_parameters, find_overridden
from kdmgr.modelfile.lint.sources import SourceFacts, find_bad_sources, find_source
from kdmgr.modelfile.lint.syntax import read_all
from kdmgr.modelfile.lint.templates import find_bad_templates
from kdmgr.modelfile.lint.values import find_surprises, find_undecodable
from kdmgr.modelfile.parse import decode

_ORDER = {"error": 0, "warning": 1, "note": 2}
_NOTHING = Surroundings()


def lint_modelfile(source: str | bytes, surroundings: Surroundings = _NOTHING) -> tuple[Finding, ...]:
    """Every finding, by place. An empty result means that nothing is known against the Modelfile."""
    try:
        text = Text(decode(source))
    except ModelfileError as error:
        return (Finding(error.code, ERROR, 1, 1, error.problem, error.hint or ""),)
    if text.text.startswith("GGUF"):
        return (Finding("is-a-model", ERROR, 1, 1, "this is a model, not a Modelfile", "name it after FROM"),)
    commands, findings = read_all(text)
    weights = find_source(commands, surroundings)
    findings += find_undecodable(text, source)
    findings += find_surprises(text, commands)
    findings += find_bad_parameters(text, commands)
    findings += find_overridden(text, commands)
    findings += find_bad_sources(text, commands, surroundings)
    findings += find_bad_templates(text, commands, weights, surroundings.era)
    findings += _find_long_context(text, commands, weights)
    return tuple(sorted(findings, key=lambda finding: (finding.line, finding.column, _ORDER[finding.severity])))


def _find_long_context(text: Text, commands: list[Command], weights: SourceFacts | None) -> list[Finding]:
    if weights is None or weights.n_ctx_train is None:
        return []
    return [
        text.finding(
            "long-context",
            WARNING,
            command.start,
            f"num_ctx {command.value} is more than the {weights.n_ctx_train} the model was taught with",
            "Ollama cuts it back to that",
        )
        for command in commands
        if command.argument == "num_ctx" and command.value.isdecimal() and int(command.value) > weights.n_ctx_train
    ]
