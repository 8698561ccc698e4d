"""An answer's figures in words: the same in chats and duels, on the command line and in the terminal app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.units import format_duration, format_rate

if TYPE_CHECKING:
    from kdmgr.engines.protocol import ChatStats
    from kdmgr.services.rate import RateMeter

_ENDS = {"length": "cut at the length limit", "cancelled": "stopped"}


def describe_stats(stats: ChatStats | None, *, context: bool = False) -> str:
    """Speeds, time to first token, tokens in and out, how it ended; with `context`, how full that is."""
    if stats is None:
        return "no figures: it did not end"
    cached = f" ({stats.n_cached} cached)" if stats.n_cached else ""
    facts = [
        f"{format_rate(stats.decode_tok_s)} decode",
        f"{format_rate(stats.prefill_tok_s)} prefill",
        f"TTFT {'?' if stats.ttft_s is None else f'{stats.ttft_s * 1000:.0f} ms'}",
        f"{_count(stats.n_prompt)} in{cached}",
        f"{_count(stats.n_output)} out",
        format_duration(stats.total_s),
    ]
    if context and stats.n_ctx and stats.n_prompt is not None and stats.n_output is not None:
        facts.append(f"context {stats.n_prompt + stats.n_output} of {stats.n_ctx}")
    return " · ".join(facts + ([_ENDS[stats.stop_reason]] if stats.stop_reason in _ENDS else []))


def describe_meter(meter: RateMeter) -> str:
    """The speed of the last second and what has come so far; pieces are not called tokens."""
    if meter.counted:
        return f"{format_rate(meter.tok_s)} · {meter.n_tokens} tokens"
    rate = meter.tok_s
    return f"{'?' if rate is None else f'{rate:.1f}'} pieces/s · {meter.n_tokens} pieces"


def describe_loading(fraction: float | None) -> str:
    """How far the engine is with the model."""
    return "loading the model …" if fraction is None else f"loading the model … {fraction:.0%}"


def describe_break(n_tokens: int, *, counted: bool, failed: bool = False) -> str:
    """An answer that ended before its figures came: the user stopped it, or it failed."""
    ending = "broke off" if failed else "stopped"
    if not n_tokens:
        return "failed" if failed else ending
    unit = "token" if counted else "piece"
    return f"{ending} after {n_tokens} {unit}{'' if n_tokens == 1 else 's'}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)
