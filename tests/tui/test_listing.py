"""Which rows are shown, in what order, and what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.style import Style

from kdmgr.catalog.tasks import chats
from kdmgr.errors import KdmgrError, NotFound
from kdmgr.fit.plan import FitReport, Verdict
from kdmgr.services.facets import Facet
from kdmgr.services.rows import ModelRow
from kdmgr.services.size_estimates import estimate
from kdmgr.tui.hints import describe_missing, name_to_pull
from kdmgr.tui.listing import Listing
from kdmgr.tui.merging import merge
from kdmgr.tui.plans import Plans, Problem, context_of
from kdmgr.tui.queries import narrows, read_words
from kdmgr.tui.views import SORTS, View
from kdmgr.tui.widgets.columns import GAP, Column, Line, choose_columns, draw_cell
from kdmgr.tui.widgets.context_slider import context_steps, step_from
from tests.support.machines import gpu, machine
from tests.support.shapes import shape
from tests.tui.conftest import make_services
from tests.tui.fakes import RTX_3060, catalog_rows, installed

GIB = 1 << 30


def listing_of(rows: list[ModelRow], plans: Plans) -> Listing:
    listing = Listing(plans.judge)
    listing.set_rows(rows)
    return listing


def arrange(rows: list[ModelRow], view: View, plans: Plans) -> list[ModelRow]:
    return listing_of(rows, plans).arrange(view)


def names(rows: list[ModelRow]) -> list[str]:
    return [row.name for row in rows]


@pytest.fixture
def plans() -> Plans:
    services = make_services()
    plans = Plans(services.assess)
    plans.set_machine(RTX_3060)
    for key, found in services.shapes.items():
        plans.add_shape(key, found, "store")
    return plans


@pytest.mark.parametrize("sort", SORTS)
def test_installed_models_come_first_in_every_order(sort: str, plans: Plans) -> None:
    shown = arrange(make_services().rows, View(sort=sort), plans)
    assert [row.installed for row in shown] == sorted((row.installed for row in shown), reverse=True)
    assert len(shown) == 14


def test_sorting_by_speed_puts_the_fastest_first_and_unknown_last(plans: Plans) -> None:
    broken = installed("aaa-broken")
    shown = arrange([broken, *make_services().rows], View(sort="speed", installed_only=True), plans)
    assert names(shown) == ["small", "large", "aaa-broken"]


def test_the_best_come_first_by_the_rule_that_recommends_and_what_does_not_chat_last() -> None:
    rows = catalog_rows(136)
    plans = Plans(make_services().assess)
    plans.set_machine(RTX_3060)
    students = [row.match.student for row in rows if row.match]
    plans.add_sized(plans.version, {one.id: estimate(one, RTX_3060, plans.options) for one in students})
    listing = listing_of(rows, plans)
    shown = listing.arrange(View(sort="best"))
    ranks = [listing.best_rank(row) for row in shown]
    assert ranks == sorted(ranks)
    answering = [row.match is not None and chats(row.match.student) for row in shown]
    assert answering == sorted(answering, reverse=True) and 0 < sum(answering) < 136
    verdicts = [plans.judge(row).verdict for row in shown if row.match and chats(row.match.student)]  # type: ignore[union-attr]
    assert verdicts[0] is Verdict.FITS and verdicts[-1] is Verdict.TOO_BIG
    assert listing.arrange(View(sort="best", reverse=True))[0] == shown[-1]


def test_every_word_of_the_filter_must_match_something(plans: Plans) -> None:
    rows = make_services().rows
    assert names(arrange(rows, View("LARGE q4_k"), plans)) == ["large"]
    assert names(arrange(rows, View("large fits"), plans)) == ["large"]
    assert names(arrange(rows, View("large nonsense"), plans)) == []


def test_a_served_model_is_listed_once() -> None:
    stored = installed("a:latest", origin="ollama")
    served = [installed("a:latest", origin="server"), installed("b:latest", origin="server", student="gemma3-1b")]
    catalog = [row for row in catalog_rows() if row.name.startswith("Gemma 3")]
    merged = merge([stored, *catalog], served)
    assert [row.key for row in merged if row.installed] == ["server:b:latest", "ollama:a:latest"]
    assert "gemma3-1b" not in {row.match.student.id for row in merged if row.match and not row.installed}


def test_a_student_that_is_not_installed_is_judged_as_it_is_sized(plans: Plans) -> None:
    row = catalog_rows(1)[0]
    assert plans.judge(row) is None
    assert row.match is not None
    sized = estimate(row.match.student, RTX_3060, plans.options)
    plans.add_sized(plans.version - 1, {sized.student.id: sized})
    assert plans.judge(row) is None
    plans.add_sized(plans.version, {sized.student.id: sized})
    assert plans.judge(row) == sized
    plans.ask(n_ctx=8192, cache_type="f16")
    assert plans.judge(row) is None


def test_without_a_machine_every_row_says_why(plans: Plans) -> None:
    plans = Plans(make_services().assess)
    plans.miss_machine(KdmgrError("no /proc here"))
    judged = plans.look_up(catalog_rows(1)[0])
    assert isinstance(judged, Problem) and "no /proc here" in judged.reason


def test_words_of_the_query_may_name_a_group(plans: Plans) -> None:
    rows = catalog_rows()
    listing = listing_of(rows, plans)
    found = listing.arrange(View("teacher:deepseek method:sequence"))
    assert 1 < len(found) < len(rows)
    for row in found:
        assert row.match is not None
        assert "deepseek" in row.match.student.lineage.teacher.name.casefold()
        assert any("sequence" in method for method in row.match.student.lineage.methods)
    assert listing.arrange(View("licence:open")) == listing.arrange(View("license:open"))


def test_facets_of_one_group_widen_and_groups_narrow(plans: Plans) -> None:
    listing = listing_of(catalog_rows(), plans)
    maths, code, is_open = Facet("task", "maths"), Facet("task", "code"), Facet("licence", "open")

    def count(*facets: Facet) -> int:
        return len(listing.arrange(View(facets=frozenset(facets))))

    assert max(count(maths), count(code)) < count(maths, code)
    assert count(maths, is_open) < min(count(maths), count(is_open))
    counts = listing.count_facets(View(facets=frozenset({maths})))
    assert counts[maths] == count(maths)
    assert counts[is_open] == count(maths, is_open)
    assert counts[code] == count(code)


def test_retention_goes_by_one_benchmark_and_only_for_the_student_itself(plans: Plans) -> None:
    rows = catalog_rows()
    listing = listing_of(rows, plans)
    shown = listing.arrange(View(sort="kept"))
    assert listing.benchmark is not None
    shares = [listing.kept(row) for row in shown]
    known = [share for share in shares if share is not None]
    assert len(known) > 5
    assert shares[: len(known)] == sorted(known, reverse=True)
    best = shown[0]
    assert best.match is not None
    assert listing.kept(replace(best, match=replace(best.match, relation="derived"))) is None


def test_an_order_by_fit_follows_the_plans(plans: Plans) -> None:
    listing = listing_of(make_services().rows, plans)
    first = listing.arrange(View(sort="fit", installed_only=True))
    assert {row.name for row in first} == {"small", "large"}
    plans.set_machine(machine(gpu(2, total_gib=2), available_gib=24))
    listing.outdate()
    assert names(listing.arrange(View(sort="fit", installed_only=True)))[0] == "small"


def test_another_question_changes_every_plan(plans: Plans) -> None:
    large = make_services().rows[1]
    before = plans.judge(large)
    plans.ask(n_ctx=32768, cache_type="q8_0")
    after = plans.judge(large)
    assert isinstance(before, FitReport) and isinstance(after, FitReport)
    assert (after.options.n_ctx, after.options.type_k, after.options.type_v) == (32768, "q8_0", "q8_0")
    assert after.plan.components.kv_cache != before.plan.components.kv_cache


def test_a_stale_plan_is_dropped(plans: Plans) -> None:
    large = make_services().rows[1]
    stale, version = plans.judge(large), plans.version
    assert isinstance(stale, FitReport)
    plans.ask(n_ctx=8192, cache_type="f16")
    plans.add_report(large.key, version, stale)
    assert plans.look_up(large) is None


def test_a_header_that_cannot_be_read_keeps_its_reason(plans: Plans) -> None:
    row = installed("broken")
    assert plans.judge(row) is None
    plans.add_problem(row.key, KdmgrError("the blob is gone", hint="import it again"))
    assert plans.judge(row) == Problem("the blob is gone", "import it again")
    plans.add_problem(row.key, NotFound("no model named x is installed"), on_server=True)
    judged = plans.judge(row)
    assert isinstance(judged, Problem)
    assert "server" in judged.reason


def test_another_computers_model_is_planned_there_and_not_here(plans: Plans) -> None:
    row = installed("theirs", shape("llama-3.1-8b"), origin="server")
    there = replace(machine(gpu(4)), owner="gpu-box")
    plans.add_shape(row.key, shape("llama-3.1-8b"), "server", there)
    report = plans.judge(row)
    assert isinstance(report, FitReport) and report.machine.owner == "gpu-box"
    here = plans.judge(make_services().rows[1])
    assert isinstance(here, FitReport) and here.machine.owner is None
    plans.ask(n_ctx=8192, cache_type="f16")
    assert {key: at.owner for key, _, _, at in plans.waiting()}[row.key] == "gpu-box"
    plans.machine = None
    assert isinstance(plans.judge(row), FitReport), "it does not wait for this machine"


def test_models_of_another_computer_stand_beside_those_of_this_disk() -> None:
    mine, theirs = installed("m", origin="ollama"), installed("m", origin="server")
    assert merge([mine], [theirs]) == [mine]
    assert merge([mine], [theirs], same_disk=False) == [theirs, mine]


def test_the_trained_context_is_the_headers_where_none_is_listed(plans: Plans) -> None:
    rows = [replace(row, n_ctx_train=None) for row in make_services().rows if row.installed]
    assert [context_of(row, plans.judge(row)) for row in rows] == [131072, 131072]
    assert context_of(rows[0], None) is None
    listed = replace(rows[0], n_ctx_train=8192)
    assert context_of(listed, plans.judge(listed)) == 8192
    shown = arrange([rows[0], replace(rows[1], n_ctx_train=4096)], View(sort="context"), plans)
    assert [row.n_ctx_train for row in shown] == [None, 4096]


def test_context_steps_end_at_the_trained_context() -> None:
    assert context_steps(40960) == (2048, 4096, 8192, 16384, 32768, 40960)
    assert context_steps(512) == (512,)
    assert step_from(4096, 1, 40960) == 8192
    assert step_from(5000, -1, 40960) == 4096
    assert step_from(40960, 1, 40960) == 40960
    assert step_from(2048, -1, 40960) == 2048


def test_a_missing_student_says_how_it_can_be_had() -> None:
    with_tag = next(row for row in catalog_rows() if row.ref is not None)
    assert name_to_pull(with_tag) == str(with_tag.ref)
    unpublished = replace(with_tag, ref=None)
    assert name_to_pull(unpublished) == ""
    assert "press i to import" in describe_missing(unpublished)


def cell_text(row: ModelRow, column: Column, width: int) -> str:
    return "".join(text for text, _ in draw_cell(column, width, Line(row, None, None), lambda name: Style()))


def test_columns_fit_and_figures_are_never_cut() -> None:
    for width in range(24, 220):
        chosen = choose_columns(width)
        assert sum(given + GAP for _, given in chosen) <= max(width, 36)
        assert [column.key for column, _ in chosen][:2] == ["name", "fit"]
    row = replace(catalog_rows(1)[0], size_bytes=int(228.17 * GIB), n_ctx_train=10 << 20)
    cells = {column.key: cell_text(row, column, width) for column, width in choose_columns(200)}
    assert len(cells) == 9
    assert cells["size"].strip() == "228.17 GiB"
    assert cells["context"].strip() == "10240k"


def test_long_names_keep_their_end() -> None:
    row = installed("deepseek-r1-distill-qwen-1.5b-instruct:q4_K_M")
    column, width = choose_columns(71)[0]
    text = cell_text(row, column, width)
    assert len(text) == width and "…" in text and text.endswith("q4_K_M")


def test_typing_on_finds_what_the_whole_query_finds(plans: Plans) -> None:
    rows = [*make_services().rows, *catalog_rows()]
    listing = listing_of(rows, plans)
    for query in ("teacher:deepseek method:sequence", "large fits", "fits qwen", "installed 4", "fit:tight"):
        for end in range(1, len(query) + 1):
            typed = View(query[:end])
            assert listing.arrange(typed) == arrange(rows, typed, plans), typed.query
    assert listing.arrange(View("q")) == arrange(rows, View("q"), plans), "and going back"


def test_words_that_ask_for_more_narrow() -> None:
    def grows(before: str, after: str) -> bool:
        return narrows(read_words(after), read_words(before))

    assert grows("", "q") and grows("q", "qw") and grows("qw", "qw 4b") and grows("teacher:d", "teacher:de")
    assert not grows("qw", "q"), "taken back"
    assert not grows("teacher", "teacher:"), "a word of the name before, a facet now"
    assert not grows("fit", "fits"), "a verdict's word before, every verdict that is good now"
    assert not grows("4b qw", "4b")
