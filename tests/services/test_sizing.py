"""What a student takes: planned where a header is at hand, estimated where not, and said which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdmgr.catalog.students import Student
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.gguf.quantising import bits_per_weight
from kdmgr.history.records import SpeedRecord
from kdmgr.models.layout import blob_path
from kdmgr.models.manifest import LAYER_PREFIX, Layer, Manifest, hash_bytes
from kdmgr.refs import parse_ollama_name
from kdmgr.services.app import Services
from kdmgr.services.learning import machine_key
from kdmgr.services.size_estimates import Basis, estimate
from kdmgr.services.sizing import Sizer
from kdmgr.services.students import catalog_rows
from kdmgr.units import GIB
from tests.services.choosing_rig import machine, services_in
from tests.support.shapes import shape
from tests.support.sparse import RECIPES, write_sparse

R1_7B = "deepseek-r1-distill-qwen-7b"
OPTIONS = RunOptions(n_ctx=8192)


def get(services: Services, student_id: str) -> Student:
    student = services.catalog.get(student_id)
    assert student is not None
    return student


def test_without_a_header_the_published_shape_is_planned(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, R1_7B))
    assert (sized.basis, sized.planned, sized.read, sized.quant) == (Basis.SHAPE, True, False, "Q4_K_M")
    assert sized.size_bytes == pytest.approx(4_700_000_000, rel=0.01), "as the library lists it"
    plan = services.assess(shape("qwen2.5-7b"), "file", "x", machine(12), OPTIONS).plan
    assert sized.memory_bytes == pytest.approx(plan.components.total, rel=0.05), "whose mix is a little finer"
    assert sized.words.startswith("planned from ")
    assert (sized.verdict, sized.pull) == (Verdict.FITS, "deepseek-r1:7b")
    finer = Sizer(services, machine(12), OPTIONS, "Q8_0").size(get(services, R1_7B))
    assert finer.quant == "Q8_0"
    assert (finer.memory_bytes or 0) > 1.5 * (sized.memory_bytes or 0)


def test_without_a_shape_the_listed_size_is_what_there_is(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, "olmo-3-7b-think"))
    assert (sized.basis, sized.planned, sized.size_bytes) == (Basis.LISTED, False, 4_500_000_000)
    assert sized.words == "estimated from the size listed for olmo-3:7b"
    assert sized.verdict is Verdict.FITS
    assert sized.speed is not None
    assert (sized.speed.decode_tok_s, sized.speed.grade) == (None, "bound")
    assert sized.speed.high_tok_s == pytest.approx(300e9 / 4.5e9)


def test_a_share_of_unknown_parameters_bounds_no_speed_by_itself(tmp_path: Path) -> None:
    student = replace(get(services_in(tmp_path), R1_7B), parameters=None, active_parameters=2_000_000_000)
    speed = estimate(student, machine(12), OPTIONS).speed
    assert speed is not None
    assert speed.high_tok_s == pytest.approx(300e9 / 4.7e9)


def test_without_a_listed_size_one_is_assumed_and_without_parameters_nothing_is(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    openr1 = get(services, "openr1-distill-7b")
    sized = estimate(openr1, machine(12), OPTIONS)
    assert sized.basis is Basis.ASSUMED
    assert sized.size_bytes == pytest.approx(7e9 * bits_per_weight("Q4_K_M") / 8)
    unknown = estimate(replace(openr1, parameters=None), machine(12), OPTIONS)
    assert (unknown.basis, unknown.size_bytes, unknown.memory_bytes) == (Basis.UNKNOWN, None, None)
    assert unknown.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("gpus", "host_gib", "verdict"),
    [
        ((24.0,), 32, Verdict.FITS),
        ((6.3,), 32, Verdict.TIGHT),
        ((4.0,), 32, Verdict.PARTIAL),
        ((2.0,), 2, Verdict.TOO_BIG),
        ((2.0,), None, Verdict.UNKNOWN),
        ((), 32, Verdict.CPU),
        ((), 4, Verdict.TOO_BIG),
        ((), None, Verdict.UNKNOWN),
        ((4.0, 4.0), 32, Verdict.TIGHT),
    ],
)
def test_a_guessed_verdict_follows_the_words_of_a_planned_one(
    tmp_path: Path, gpus: tuple[float, ...], host_gib: float | None, verdict: Verdict
) -> None:
    student = get(services_in(tmp_path), R1_7B)
    sized = estimate(student, machine(*gpus, host_gib=host_gib), OPTIONS)
    assert sized.verdict is verdict, sized.memory_bytes
    assert (sized.speed is None) is (verdict in (Verdict.PARTIAL, Verdict.TOO_BIG, Verdict.UNKNOWN))


def test_a_context_beyond_what_it_was_trained_for_is_not_sized(tmp_path: Path) -> None:
    sized = estimate(get(services_in(tmp_path), "gemma2-9b"), machine(24), RunOptions(n_ctx=131072))
    assert sized.n_ctx == 8192


@pytest.mark.parametrize(
    ("name", "student_id"),
    [
        ("qwen2.5-7b", R1_7B),
        ("llama-3.1-8b", "deepseek-r1-distill-llama-8b"),
        ("llama-3.2-3b", "llama3.2-3b"),
        ("qwen3-4b", "qwen3-4b"),
        ("qwen3-8b", "qwen3-8b"),
        ("qwen2.5-32b", "deepseek-r1-distill-qwen-32b"),
        ("gemma-3-12b", "gemma3-12b"),
    ],
)
def test_estimates_are_near_the_plans_of_real_shapes(tmp_path: Path, name: str, student_id: str) -> None:
    """Within a quarter: enough to tell who is worth a plan."""
    services, place = services_in(tmp_path), machine(80)
    guessed = estimate(get(services, student_id), place, OPTIONS).memory_bytes
    planned = services.assess(shape(name), "file", "x", place, OPTIONS).plan.components.total
    assert guessed == pytest.approx(planned, rel=0.25)


def write_student(folder: Path, **metadata: Any) -> Path:
    recipe = RECIPES["qwen2.5-1.5b"]
    named = {"general.name": "DeepSeek R1 Distill Qwen 1.5B", **metadata}
    return write_sparse(replace(recipe, metadata={**recipe.metadata, **named}), folder)


def install(services: Services, folder: Path, name: str, **metadata: Any) -> None:
    """A file of a gigabyte that takes no room, put where its digest would be: nobody hashes it."""
    path, store = write_student(folder, **metadata), services.library.own
    with store.locked():
        config = store.add_layer("config", b"{}")
        weights = Layer(f"{LAYER_PREFIX}model", hash_bytes(name.encode()), path.stat().st_size)
        path.rename(blob_path(store.root / "blobs", weights.digest))
        store.write_manifest(parse_ollama_name(name), Manifest(config, (weights,)))


def test_an_installed_student_is_planned_from_its_header(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    install(services, tmp_path, "mine:1b")
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, "deepseek-r1-distill-qwen-1.5b"))
    assert (sized.basis, sized.planned, sized.installed) == (Basis.INSTALLED, True, ("mine:1b",))
    assert sized.words == "planned for mine:1b, installed"
    plan = services.assess(shape("qwen2.5-1.5b"), "file", "x", machine(12), OPTIONS).plan
    assert sized.memory_bytes == plan.components.total
    assert sized.n_ctx == 8192


def test_a_fine_tune_is_not_the_student_installed(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    install(services, tmp_path, "tuned:1b", **{"general.finetune": "bank"})
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, "deepseek-r1-distill-qwen-1.5b"))
    assert (sized.installed, sized.basis) == ((), Basis.SHAPE)


def test_a_weak_match_is_not_the_student_installed(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    install(services, tmp_path, "deepseek-r1:1.5b", **{"general.name": "Models"})
    [row] = services.installed_rows()
    assert row.match is not None
    assert row.match.certainty == "weak", "the tag points elsewhere than listed"
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, "deepseek-r1-distill-qwen-1.5b"))
    assert (sized.installed, sized.basis) == ((), Basis.SHAPE)


def test_what_answered_here_is_the_speed(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    install(services, tmp_path, "mine:1b")
    here = replace(machine(12), declared=False)
    for speed in (10.0, 40.0, 20.0):
        row = SpeedRecord("2026-01-01", machine_key(here), "ollama", None, "mine:1b", None, 8192, 10, 10, speed)
        services.history.add_speed(row)
    student = get(services, "deepseek-r1-distill-qwen-1.5b")
    sized = Sizer(services, here, OPTIONS).size(student)
    assert sized.speed is not None
    assert (sized.speed.decode_tok_s, sized.speed.grade) == (20.0, "measured")
    declared = Sizer(services, machine(12), OPTIONS).size(student).speed
    assert declared is None or declared.grade != "measured", "another machine was not measured"


def test_without_a_machine_only_the_file_has_a_size(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    sized = Sizer(services, None, OPTIONS).size(get(services, R1_7B))
    assert (sized.size_bytes, sized.memory_bytes, sized.n_ctx) == (4_700_000_000, None, None)
    assert sized.verdict is Verdict.UNKNOWN
    assert sized.size_bytes < 5 * GIB


def test_a_listed_size_tells_a_quant_that_no_tag_names(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    sized = Sizer(services, machine(12), OPTIONS).size(get(services, "deepscaler-1.5b"))
    assert (sized.quant, sized.basis) == ("F16", Basis.SHAPE), "3.6 GB for 1.5B parameters"
    assert sized.size_bytes == pytest.approx(3_600_000_000, rel=0.02)


def test_a_row_of_the_catalog_is_pulled_by_its_tag_or_else_its_repository(tmp_path: Path) -> None:
    services = services_in(tmp_path)
    rows = {row.match.student.id: row.ref for row in catalog_rows(services.catalog, []) if row.match}
    assert str(rows[R1_7B]) == "deepseek-r1:7b"
    assert str(rows["acereason-nemotron-14b"]) == "hf.co/bartowski/nvidia_AceReason-Nemotron-14B-GGUF"
    for student in services.catalog:
        assert (rows[student.id] is None) is not bool(student.ollama or student.gguf_repos), student.id
