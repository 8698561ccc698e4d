"""Lineage that is written down when a model comes: by whom it was said, and that it stays with the model."""

from __future__ import annotations

import pytest

from kdmgr.catalog.load import load_catalog
from kdmgr.catalog.match import Certainty, Match
from kdmgr.errors import UsageError
from kdmgr.services.written_lineage import require_method, write_lineage


def match() -> Match:
    student = load_catalog().get("deepseek-r1-distill-qwen-7b")
    assert student is not None
    return Match(student, ("a name",), Certainty.STRONG, "itself")


def test_what_the_catalog_knows_is_written_as_the_catalog_s() -> None:
    written = write_lineage(match(), None, None)
    assert (written["student"], written["teacher"]) == ("deepseek-r1-distill-qwen-7b", "DeepSeek-R1")
    assert (written["method"], written["teacher_from"], written["method_from"]) == (
        "sequence-level",
        "catalog",
        "catalog",
    )


def test_what_the_user_says_goes_first_and_bears_no_method_of_another_teacher() -> None:
    written = write_lineage(match(), "Somebody", None)
    assert (written["teacher"], written["teacher_from"]) == ("Somebody", "user")
    assert (written["method"], written["method_from"]) == (None, None)
    assert written["student"] == "deepseek-r1-distill-qwen-7b"


def test_a_method_alone_is_of_the_teacher_that_is_known() -> None:
    written = write_lineage(match(), None, "on-policy")
    assert (written["teacher"], written["teacher_from"]) == ("DeepSeek-R1", "catalog")
    assert (written["method"], written["method_from"]) == ("on-policy", "user")


def test_nothing_known_is_nothing_written() -> None:
    assert set(write_lineage(None, None, None).values()) == {None}


def test_a_method_is_one_of_the_list() -> None:
    require_method(None)
    require_method("prune+logits")
    with pytest.raises(UsageError, match="no such method: 'osmosis'"):
        require_method("osmosis")
