"""The linter: every edge case found where it is, with a reason, and mended where nothing can be lost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kdmgr.gguf.header import GgufHeader
from kdmgr.modelfile.commands import ModelfileError
from kdmgr.modelfile.lint import Finding, SourceFacts, Surroundings, apply_fixes, lint_modelfile
from kdmgr.modelfile.parse import parse

OUTCOMES = json.loads((Path(__file__).parent / "real_outcomes.json").read_text(encoding="utf-8"))
# Errors of what Ollama's parser takes, and the model cannot work with.
BEYOND_PARSER = {
    "comment-in-value", "empty-value", "not-finite", "bad-version", "template-fails", "loses-user", "wrong-order",
    "looks-like-jinja", "not-utf8",
}  # fmt: skip
MENDING = {
    "dropped-character", "comment-in-value", "single-quotes", "carriage-return", "empty-value", "repeated-stop",
}  # fmt: skip
CHATML = (
    'FROM m:1\nTEMPLATE """{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}'
    '<|im_start|>assistant\n"""\nPARAMETER stop <|im_end|>\n'
)


def find(text: str | bytes, code: str, surroundings: Surroundings | None = None) -> Finding:
    findings = lint_modelfile(text, surroundings or Surroundings())
    found = [finding for finding in findings if finding.code == code]
    assert found, f"{code} is not among {[finding.code for finding in findings]}"
    return found[0]


def fixed(text: str) -> str:
    return apply_fixes(text, lint_modelfile(text))[0]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=range(len(OUTCOMES)))
def test_errors_are_reported_where_and_only_where_the_real_parser_has_one(outcome: dict[str, object]) -> None:
    text = str(outcome["input"])
    findings = lint_modelfile(text)
    refused = [finding for finding in findings if finding.severity == "error" and finding.code not in BEYOND_PARSER]
    assert bool(refused) is bool(outcome["error"])
    lines = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert all(1 <= finding.line <= lines and finding.column >= 1 and finding.message for finding in findings)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=range(len(OUTCOMES)))
def test_fixing_comes_to_an_end_and_changes_no_parameter_unasked(outcome: dict[str, object]) -> None:
    text = str(outcome["input"])
    codes: set[str] = set()
    for _ in range(10):
        findings = lint_modelfile(text)
        codes |= {finding.code for finding in findings if finding.fix}
        mended, _ = apply_fixes(text, findings)
        if mended == text:
            break
        text = mended
    else:
        pytest.fail("fixes go on without end")
    if not outcome["error"] and not codes & MENDING:
        # As text, since nan differs from itself.
        assert str(parse(text).parameters) == str(parse(str(outcome["input"])).parameters)


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "mended"),
    [
        ("FROM x\nPARAMETR top_k 3", "unknown-command", 2, 1, "FROM x\nPARAMETER top_k 3"),
        ("FROM x\n  PARAMETER tempature 1", "unknown-parameter", 2, 3, "FROM x\n  PARAMETER temperature 1"),
        ("FROM x\nPARAMETER top-k 3", "bad-name", 2, 14, "FROM x\nPARAMETER top_k 3"),
        ("FROM x\nPARAMETER  top_k 3", "two-spaces", 2, 1, "FROM x\nPARAMETER top_k 3"),
        ("FROM x\nPARAMETER num_ctx 4096.0", "bad-integer", 2, 1, "FROM x\nPARAMETER num_ctx 4096"),
        ("FROM x\nPARAMETER num_ctx 1.048576e+06", "bad-integer", 2, 1, "FROM x\nPARAMETER num_ctx 1048576"),
        ("FROM x\nPARAMETER num_ctx 8k", "bad-integer", 2, 1, "FROM x\nPARAMETER num_ctx 8192"),
        ("FROM x\nPARAMETER use_mmap yes", "bad-bool", 2, 1, "FROM x\nPARAMETER use_mmap true"),
        ("FROM x\nPARAMETER temperature 0,7", "bad-number", 2, 1, "FROM x\nPARAMETER temperature 0.7"),
        ("FROM x\nPARAMETER mirostat 1\nSYSTEM a", "deprecated", 2, 1, "FROM x\nSYSTEM a"),
        ("FROM x\nPARAMETER numa true\nSYSTEM a", "removed", 2, 1, "FROM x\nSYSTEM a"),
        ("FROM x\nPARAMETER stop \nSYSTEM a", "empty-value", 2, 16, "FROM x\nSYSTEM a"),
        ("FROM x\nMESSAGE User hi", "bad-role", 2, 1, "FROM x\nMESSAGE user hi"),
        ("FROM x\nMESSAGE user: hi", "bad-name", 2, 13, "FROM x\nMESSAGE user hi"),
        ('FROM x\nSYSTEM"""a"""', "no-space", 2, 1, 'FROM x\nSYSTEM """a"""'),
        ('FROM x\nSYSTEM\n"""a"""', "no-space", 2, 1, 'FROM x\nSYSTEM """a"""'),
        ("FROM: x", "no-space", 1, 1, "FROM x"),
        ("```dockerfile\nFROM x\n```\n", "code-fence", 1, 1, "FROM x\n"),
        ("FROM x # mine", "comment-in-value", 1, 7, "FROM x"),
        ("FROM x\nSYSTEM a\nSYSTEM b", "overridden", 2, 1, "FROM x\nSYSTEM b"),
        ("FROM x\nPARAMETER top_k 1\nPARAMETER top_k 2", "overridden", 2, 1, "FROM x\nPARAMETER top_k 2"),
        ("FROM x\nPARAMETER stop a\nPARAMETER stop a", "repeated-stop", 3, 1, "FROM x\nPARAMETER stop a\n"),
        ("FROM x\nPARAMETER stop 'a'", "single-quotes", 2, 16, 'FROM x\nPARAMETER stop "a"'),
        ("FROM x\nSYSTEM a\u00a0b", "dropped-character", 2, 9, "FROM x\nSYSTEM a b"),
        ("FROM x\nSYSTEM a\u200bb", "dropped-character", 2, 9, "FROM x\nSYSTEM ab"),
        ('FROM x\r\nSYSTEM """a\r\nb"""\r\n', "carriage-return", 2, 12, 'FROM x\r\nSYSTEM """a\nb"""\r\n'),
    ],
)
def test_a_finding_has_its_place_and_its_fix(text: str, code: str, line: int, column: int, mended: str) -> None:
    finding = find(text, code)
    assert (finding.line, finding.column) == (line, column)
    assert finding.reason
    assert fixed(text) == mended


@pytest.mark.parametrize(
    ("text", "code", "severity", "line"),
    [
        ("", "no-from", "error", 1),
        ("GGUF\0\0", "is-a-model", "error", 1),
        (b"FROM x" + bytes(5 << 20), "too-large", "error", 1),
        (b"FROM x\nSYSTEM \xff", "not-utf8", "error", 2),
        ('FROM x\nSYSTEM """a\nPARAMETER top_k 3', "unclosed-quote", "error", 2),
        ('FROM x\nSYSTEM """"', "unclosed-quote", "error", 2),
        ("FROM x\nSYSTEM a\nsecond line", "unknown-command", "error", 3),
        ("FROM x\nEMBED a.txt", "unknown-command", "error", 2),
        ("FROM x\nPARAMETER temperature", "no-value", "error", 2),
        ("FROM x\nPARAMETER temperature ", "bad-number", "error", 2),
        ("FROM x\nPARAMETER temperature nan", "not-finite", "error", 2),
        ("FROM x\nREQUIRES soon", "bad-version", "error", 2),
        ("FROM x\nTEMPLATE {{ .Prompt", "template-fails", "error", 2),
        ("FROM x\nTEMPLATE {% for m in messages %}", "looks-like-jinja", "error", 2),
        ("FROM x\nTEMPLATE {{ .System }}", "loses-user", "error", 2),
        ("FROM \nSYSTEM a", "empty-from", "warning", 1),
        ('FROM x\nSYSTEM "abc" def\nTEMPLATE "x"', "swallowed-command", "warning", 3),
        ("FROM x\nTEMPLATE <u>{{ .Prompt }}<a>", "loses-system", "warning", 2),
        ("FROM x\nTEMPLATE {{ .Prompt }}", "loses-system", "warning", 2),
        ("FROM x\nTEMPLATE {{ .Prompt }}", "no-marks", "warning", 2),
        ("FROM x\nPARAMETER temperature 7", "out-of-range", "warning", 2),
        ("FROM x\nPARAMETER top_p 1.5", "out-of-range", "warning", 2),
        ("FROM x\nPARAMETER num_ctx 1", "out-of-range", "warning", 2),
        ('FROM x\nPARAMETER stop "\\n"', "escape", "warning", 2),
        ('FROM x\nPARAMETER stop """\n"""', "blank-stop", "warning", 2),
        ("FROM x\nSYSTEM a \\", "continuation", "warning", 2),
        ("FROM $MODEL", "no-expansion", "warning", 1),
        ("FROM x\nFROM ./p.gguf", "name-and-file", "warning", 1),
        ("FROM x\nFROM y", "overridden", "warning", 1),
        (CHATML.replace("PARAMETER stop <|im_end|>", ""), "no-stop", "warning", 2),
        (CHATML + "PARAMETER stop <|eot_id|>", "foreign-stop", "note", 7),
    ],
)
def test_what_cannot_be_mended_is_still_found(text: str | bytes, code: str, severity: str, line: int) -> None:
    finding = find(text, code)
    assert (finding.severity, finding.line, finding.fix) == (severity, line, None)
    assert finding.reason


def test_all_errors_are_found_at_once() -> None:
    text = "FROM x\nPARAMETER tempature 1\nFOO bar\nMESSAGE tool x\nPARAMETER top_k 1.5\nSYSTEM ok"
    assert [finding.line for finding in lint_modelfile(text)] == [2, 3, 4, 5]


def test_what_follows_an_open_quote_is_judged_by_itself() -> None:
    codes = [finding.code for finding in lint_modelfile('FROM x\nSYSTEM """a\nb c d\nPARAMETER tempature 1\n')]
    assert codes == ["unclosed-quote", "unknown-parameter"]


def test_a_sound_modelfile_has_no_findings() -> None:
    assert lint_modelfile(CHATML) == ()


@pytest.mark.parametrize(
    ("text", "facts", "code", "severity"),
    [
        ("FROM ./gone.gguf", SourceFacts("missing"), "missing-source", "error"),
        ("FROM smolm2", SourceFacts("missing", suggestion="smollm2:latest"), "missing-source", "warning"),
        ("FROM y\nADAPTER ./a.gguf", SourceFacts("missing"), "missing-source", "error"),
        ("FROM x\nPARAMETER num_ctx 9000", SourceFacts("model", n_ctx_train=8192), "long-context", "warning"),
    ],
)
def test_sources_are_looked_at(text: str, facts: SourceFacts, code: str, severity: str) -> None:
    finding = find(text, code, Surroundings(look=lambda command, value: None if value == "y" else facts))
    assert finding.severity == severity
    assert facts.suggestion is None or facts.suggestion in finding.reason


def test_commands_are_judged_by_the_version_of_the_server() -> None:
    text = "FROM x\nREQUIRES 0.14.0\n"
    assert find(text, "too-new", Surroundings(version=(0, 13, 5))).line == 2
    assert lint_modelfile(text, Surroundings(version=(0, 14, 0))) == ()
    assert lint_modelfile(text) == ()


def test_fixes_that_overlap_wait_for_the_next_round() -> None:
    text = "FROM x\nPARAMETER top-k 3\nPARAMETER top_k\u00a04\n"
    with pytest.raises(ModelfileError):
        parse(text)
    assert parse(fixed(fixed(text))).parameters == {"top_k": 4}


@pytest.mark.parametrize(
    ("version", "codes"), [((0, 24, 0), ["template-lost"]), ((0, 30, 0), []), (None, ["template-lost"])]
)
def test_a_template_that_would_be_lost_is_told(version: tuple[int, ...] | None, codes: list[str]) -> None:
    jinja = "{%- if tools %}{{- '<|im_start|>system' }}{% endif %}{% if enable_thinking %}{% endif %}" * 20
    facts = SourceFacts("file", header=GgufHeader(3, "little", 32, {"tokenizer.chat_template": jinja}, (), 0))
    findings = lint_modelfile("FROM ./m.gguf", Surroundings(look=lambda command, value: facts, version=version))
    assert [finding.code for finding in findings] == codes


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\n" + "PARAMETER top_k 1\n" * 30_000,
        "FROM x\n" + "nonsense line\n" * 30_000,
        "FROM x\nSYSTEM " + '"' * 200_000,
        'FROM x\nSYSTEM """' + '\n"""x' * 30_000,
        "FROM x\nTEMPLATE " + "{{ if .System }}" * 20_000,
        "FROM x\nTEMPLATE " + "{{ range .Messages }}{{ end }}" * 20_000,
        "\u00a0" * 300_000,
        "FROM" + " " * 300_000,
        "# c\n" * 200_000,
    ],
)
def test_hostile_files_are_judged_in_time(text: str) -> None:
    started = time.monotonic()
    findings = lint_modelfile(text)
    apply_fixes(text, findings)
    assert time.monotonic() - started < 5
