"""`kdmgr duel --json`: the contract. Unknown numbers are null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdmgr.services.agreement import Agreement
from kdmgr.services.duel import Side
from kdmgr.services.duel_rounds import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.services.difference import Difference
    from kdmgr.services.duel import Duel, DuelOptions
    from kdmgr.services.duel_answer import DuelAnswer
    from kdmgr.services.duel_rounds import Round

SCHEMA_VERSION = 1


def duel_object(duel: Duel, options: DuelOptions, rounds: Sequence[Round]) -> dict[str, Any]:
    """A duel as plain JSON values."""
    summary = summarize(rounds)
    return {
        "schema_version": SCHEMA_VERSION,
        "left": _fighter(duel, Side.LEFT),
        "right": _fighter(duel, Side.RIGHT),
        "options": {
            "seed": options.seed,
            "temperature": options.temperature,
            "system": options.system,
            "n_predict": options.n_predict,
        },
        "together": duel.schedule.together,
        "schedule_reason": duel.schedule.reason,
        "rounds": [_round(one) for one in rounds],
        "summary": {
            "n_rounds": summary.n_rounds,
            "n_identical": summary.n_identical,
            "n_failed": summary.n_failed,
            "n_places": summary.n_places,
            "n_same_top": summary.n_same_top,
            "kl_at_least_nats": summary.kl,
        },
    }


def _fighter(duel: Duel, side: Side) -> dict[str, Any]:
    fighter = duel.fighter(side)
    return {
        "model": fighter.model_name,
        "engine": fighter.engine_name,
        "engine_reason": fighter.reason,
        "n_ctx": fighter.n_ctx,
        "warnings": list(fighter.warnings),
    }


def _round(one: Round) -> dict[str, Any]:
    return {
        "prompt": one.prompt,
        "left": _answer(one.left),
        "right": _answer(one.right),
        "difference": None if one.outcome is None else _difference(one.outcome.difference),
        "agreement": None if one.outcome is None else _agreement(one.outcome.agreement),
        "forced": None if one.forced is None else _agreement(one.forced),
    }


def _answer(answer: DuelAnswer) -> dict[str, Any]:
    stats = answer.stats
    return {
        "text": answer.text,
        "thinking": answer.thinking or None,
        "error": answer.error.message if answer.error else None,
        "n_prompt": stats.n_prompt if stats else None,
        "n_cached": stats.n_cached if stats else None,
        "n_output": stats.n_output if stats else None,
        "ttft_ms": stats.ttft_s * 1000 if stats and stats.ttft_s is not None else None,
        "prefill_tok_s": stats.prefill_tok_s if stats else None,
        "decode_tok_s": stats.decode_tok_s if stats else None,
        "load_s": stats.load_s if stats else None,
        "total_s": stats.total_s if stats else None,
        "stop_reason": stats.stop_reason if stats else None,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "identical": difference.identical,
        "shared_characters": difference.shared,
        "shared_share": difference.share,
        "left_at": None if difference.identical else difference.left_at,
        "right_at": None if difference.identical else difference.right_at,
        "word": difference.word,
        "left_word": difference.left_word or None,
        "right_word": difference.right_word or None,
    }


def _agreement(agreement: Agreement | str) -> dict[str, Any]:
    if isinstance(agreement, str):
        return {"measured": False, "reason": agreement}
    return {
        "measured": True,
        "n_places": agreement.n_places,
        "n_same_top": agreement.n_same_top,
        "same_top_share": agreement.share,
        "kl_at_least_nats": agreement.kl,
        "n_top": agreement.n_top,
        "until": agreement.ended,
    }
