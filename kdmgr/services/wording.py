"""Plans in words, the same in both front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.fit.plan import FitReport, PromptSpeed, Speed, Verdict
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.fit.estimator import Estimate

MARKS = {
    Verdict.FITS: "✔",
    Verdict.TIGHT: "◐",
    Verdict.PARTIAL: "◑",
    Verdict.CPU: "○",
    Verdict.TOO_BIG: "✘",
    Verdict.UNKNOWN: "?",
}
"""One character a verdict, beside its word."""


def short_speed(speed: Speed | None) -> str:
    """`104`, `~23` for a rough figure, `≤70` for a bound, `slow` where there are words only, `?`."""
    if speed is None:
        return "?"
    if speed.words is not None:
        return speed.words.partition(":")[0]
    if speed.decode_tok_s is None:
        high = speed.high_tok_s or 0.0
        return f"≤{high:.0f}" if high >= 1 else "<1"
    return f"{'~' if speed.rough else ''}{speed.decode_tok_s:.0f}"


def describe_speed(speed: Speed | None) -> str:
    """The figure with its band, grade and basis; words where no figure can be trusted."""
    if speed is None:
        return "unknown"
    if speed.words is not None:
        return f"{speed.words} · too little is measured for a figure · {speed.basis}"
    if speed.decode_tok_s is None:
        return f"at most {speed.high_tok_s:.0f} tok/s · {speed.basis}"
    roughly = "roughly " if speed.rough else ""
    band = f"{speed.low_tok_s:.0f}–{speed.high_tok_s:.0f}"
    return f"{roughly}{speed.decode_tok_s:.0f} tok/s ({band}, grade {speed.grade}) · {speed.basis}"


def describe_prompt(prompt: PromptSpeed) -> str:
    """The range for reading a prompt, and its basis."""
    return f"{prompt} to read a prompt · {prompt.basis}"


def describe_context(report: FitReport) -> str:
    """The context planned for, and the largest that would do as well."""
    options, trained = report.options, format_count(report.shape.n_ctx_train)
    cache = options.type_k if options.type_k == options.type_v else f"{options.type_k}/{options.type_v}"
    slots = f" × {options.n_parallel} slots" if options.n_parallel > 1 else ""
    planned = f"{format_count(options.n_ctx)}{slots} ({options.n_ctx_basis}), {cache} KV"
    return f"{planned} · {_largest(report)} · trained for {trained}"


def describe_estimate(found: Estimate) -> str:
    """What an Ollama that estimates believes, beside what would really be allocated."""
    on_gpu = f", {format_bytes(found.vram_bytes)} of it on the GPU," if found.n_layers else ""
    return (
        f"Ollama ≤ 0.11.4 estimates {format_bytes(found.total_bytes)}{on_gpu} and offloads "
        f"{found.n_layers} of {found.n_model_layers} layers"
    )


def _largest(report: FitReport) -> str:
    if report.max_n_ctx is not None:
        return f"up to {format_count(report.max_n_ctx)} would do"
    known = report.verdict is Verdict.TOO_BIG and report.shape.attention
    return "none would do" if known else "largest unknown"
