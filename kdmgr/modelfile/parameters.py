"""The parameters of a Modelfile: names and types as Ollama checks them (api/types.go, FormatParams)."""

from __future__ import annotations

import re

from kdmgr.modelfile.commands import Command, ModelfileError, ParameterValue

INTEGERS = (
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n",
)  # fmt: skip
FLOATS = (
    "temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip
BOOLEANS = ("use_mmap",)
LISTS = ("stop",)
KNOWN = (*INTEGERS, *FLOATS, *BOOLEANS, *LISTS)
DEPRECATED = (
    "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only",
    "use_mlock", "mirostat", "mirostat_tau", "mirostat_eta",
)  # fmt: skip

# Go's strconv: ParseInt in base 10, ParseFloat (decimal, hexadecimal with exponent, names), ParseBool.
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DIGITS = "[0-9]+(_[0-9]+)*"
_DECIMAL = re.compile(rf"[+-]?({_DIGITS}\.?({_DIGITS})?|\.{_DIGITS})([eE][+-]?{_DIGITS})?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_NAMED = re.compile(r"[+-]?(inf|infinity)|nan", re.IGNORECASE)
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_MAX_FLOAT32 = 3.4028235677973366e38


def collect_parameters(commands: tuple[Command, ...]) -> tuple[dict[str, ParameterValue], list[str]]:
    """The typed parameters (later ones win, `stop` collects), and warnings about dropped ones."""
    found: dict[str, ParameterValue] = {}
    warnings: list[str] = []
    for command in commands:
        name = command.argument
        if command.name != "parameter" or name is None:
            continue
        if name in DEPRECATED:
            warnings.append(f"line {command.line}: the parameter {name} is deprecated and ignored")
        elif name in LISTS:
            before = found.get(name, ())
            assert isinstance(before, tuple)
            found[name] = (*before, command.value)
        else:
            found[name] = read_value(name, command.value, command.line)
    return found, warnings


def read_value(name: str, text: str, line: int | None = None) -> ParameterValue:
    """`text` as the type of parameter `name`; `ModelfileError` when it is unknown or the text is no such value."""
    if name in LISTS:
        return (text,)
    if name in INTEGERS:
        return _read_integer(name, text, line)
    if name in FLOATS:
        return _read_float(name, text, line)
    if name in BOOLEANS:
        if text in _TRUE + _FALSE:
            return text in _TRUE
        raise ModelfileError(
            f"{name} {text!r} is neither true nor false", line=line, hint=f"{name} true", code="bad-bool"
        )
    import difflib

    close = difflib.get_close_matches(name.lower(), KNOWN, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"Ollama knows {', '.join(sorted(KNOWN))}"
    raise ModelfileError(f"unknown parameter {name!r}", line=line, hint=hint, code="unknown-parameter")


def _read_integer(name: str, text: str, line: int | None) -> int:
    if _INTEGER.fullmatch(text) and -(1 << 63) <= (number := int(text)) < 1 << 63:
        return number
    hint = f"like {name} 42, without a point"
    raise ModelfileError(f"{name} {text!r} is not a whole number", line=line, hint=hint, code="bad-integer")


def _read_float(name: str, text: str, line: int | None) -> float:
    number: float | None = None
    if _DECIMAL.fullmatch(text) or _NAMED.fullmatch(text):
        number = float(text)
    elif _HEXADECIMAL.fullmatch(text):
        number = float.fromhex(text)
    overflows = number is not None and abs(number) >= _MAX_FLOAT32 and not _NAMED.fullmatch(text)
    if number is None or overflows:
        hint = f"like {name} 0.7, with a point"
        raise ModelfileError(f"{name} {text!r} is not a number", line=line, hint=hint, code="bad-number")
    return number
