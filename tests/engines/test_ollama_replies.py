"""Small parts of the Ollama client: lines, parameters, versions, proxies."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kdmgr.engines.ollama.lines import LineSplitter
from kdmgr.engines.ollama.shown import read_parameters, read_shown
from kdmgr.engines.ollama.versions import describe, era
from kdmgr.errors import EngineFailed


def test_lines_come_out_however_they_are_cut() -> None:
    text = "α\u0085\r\n\n \nβ\u2028\nrest"
    whole = text.encode()
    for size in range(1, len(whole) + 1):
        splitter = LineSplitter()
        lines = [line for at in range(0, len(whole), size) for line in splitter.feed(whole[at : at + size])]
        assert [line.decode() for line in [*lines, splitter.rest()]] == ["α\u0085", "β\u2028", "rest"]
        assert splitter.rest() == b""


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    splitter = LineSplitter(limit=1 << 20)
    assert splitter.feed(b"x" * (1 << 20) + b"\n") == [b"x" * (1 << 20)]
    splitter.feed(b"x" * (1 << 20))
    with pytest.raises(EngineFailed, match="more than 1 MiB"):
        splitter.feed(b"x")


@pytest.mark.parametrize(
    ("lines", "parameters"),
    [
        ("num_ctx                        4096", {"num_ctx": 4096}),
        ("num_ctx                        1e+06", {"num_ctx": 1_000_000}),
        ("temperature                    1", {"temperature": 1.0}),
        ("min_p 0.05\nuse_mmap false", {"min_p": 0.05, "use_mmap": False}),
        ('stop "a"\nseed 7\nstop "b"', {"stop": ("a", "b"), "seed": 7}),
        (r'stop "\"\\\n\t\x1b\u0085\U0001f600é"', {"stop": ('"\\\n\t\x1b\u0085😀é',)}),
        (r'stop "\q\ud800"', {"stop": ("\\q\ufffd",)}),
        ("stop <|im_end|>", {"stop": ("<|im_end|>",)}),
        ("odd [1 2]\nname\n\n  ", {"odd": "[1 2]"}),
        ("num_ctx inf\nnum_gpu nan", {"num_ctx": "inf", "num_gpu": "nan"}),
        ("", {}),
    ],
)
def test_parameters_are_read_in_gos_notation(lines: str, parameters: dict[str, Any]) -> None:
    found = read_parameters(lines)
    assert found == parameters
    assert {name: type(value) for name, value in found.items()} == {n: type(v) for n, v in parameters.items()}


def test_wrong_types_in_a_description_count_as_missing() -> None:
    shown = read_shown(
        {"details": [], "model_info": 3, "template": "", "parameters": {}, "capabilities": ["a", 1, None], "license": 0}
    )
    assert shown.details.family is None
    assert shown.details.families == ()
    assert (shown.model_info, shown.parameters) == ({}, {})
    assert (shown.template, shown.license, shown.modelfile, shown.modified_at) == (None, None, None, None)
    assert shown.capabilities == ("a",)


@pytest.mark.parametrize(
    ("version", "letter"),
    [
        ("0.1.10", "A"), ("0.11.4", "A"), ("0.11.5", "B1"), ("0.11.10", "B1"), ("0.11.11", "B2"), ("0.24.0", "B2"),
        ("0.30.0", "C"), ("v0.33.0-rc2", "C"), ("1.0.0+x", "C"), ("0.0.0", None), ("", None), (None, None),
        ("0.24", None), ("a.b.c", None), ("0." + "9" * 5000 + ".1", None),
    ],
)  # fmt: skip
def test_a_version_tells_the_era(version: str | None, letter: str | None) -> None:
    assert era(version) == letter
    assert describe(version)


def test_importing_the_engine_loads_no_http_client() -> None:
    code = "import sys, kdmgr.engines.ollama; sys.exit('httpx' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
