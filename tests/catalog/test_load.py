"""The catalog is read fast: lines are found undecoded, and decoded once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import kdmgr.catalog
from kdmgr.catalog.facts import ModelFacts
from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import match_student
from kdmgr.refs import parse_ollama_name

SHIPPED = Path(kdmgr.catalog.__file__).with_name("students.jsonl")


def best_of(runs: int, work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        for _ in range(5):
            work()
        seconds.append(time.process_time() - started)
    return min(seconds)


def parse_plainly() -> list[object]:
    return [json.loads(line) for line in SHIPPED.read_bytes().splitlines()]


def test_loading_all_costs_little_more_than_parsing_the_json() -> None:
    assert best_of(9, lambda: list(load_catalog())) < 6 * best_of(9, parse_plainly)


def test_finding_one_student_costs_a_part_of_decoding_all() -> None:
    facts = ModelFacts(ref=parse_ollama_name("deepseek-r1:7b"), name="DeepSeek R1 Distill Qwen 7B")
    assert match_student(facts, load_catalog()) is not None
    assert 1.5 * best_of(9, lambda: match_student(facts, load_catalog())) < best_of(9, lambda: list(load_catalog()))


def test_ids_find_their_student_and_nothing_else_does() -> None:
    catalog = load_catalog()
    students = list(catalog)
    assert len(students) == len(catalog) == 136
    assert all(catalog.get(student.id) is student for student in students)
    for unknown in ("", "deepseek-r1", "DeepSeek-R1-Distill-Qwen-7B", "qwen2", '"', "sequence-level", "\ud800"):
        assert catalog.get(unknown) is None


def test_importing_the_catalog_reads_nothing_and_stays_light() -> None:
    script = (
        "import sys; import kdmgr.catalog.match, kdmgr.catalog.load; "
        "print([name for name in ('httpx', 'textual', 'asyncio', 'importlib.resources', 'json', 'kdmgr.gguf.reader')"
        " if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"
