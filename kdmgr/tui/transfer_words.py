"""One transfer in full, line by line: what the panel beside the table says. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from kdmgr.services.leftovers import Leftover
from kdmgr.services.transfer_log import PastTransfer
from kdmgr.services.transfer_state import IMPORT, PULL, LayerState, Phase, TransferState
from kdmgr.tui.bars import share_bar
from kdmgr.tui.receipt_words import LABEL_WIDTH, receipt_facts
from kdmgr.tui.transfer_rows import TransferRow
from kdmgr.tui.widgets.drawn import MUTED, spread
from kdmgr.tui.widgets.facts import Fact, draw_facts
from kdmgr.tui.words import one_line
from kdmgr.units import format_bytes, format_duration, format_speed

if TYPE_CHECKING:
    from kdmgr.errors import KdmgrError
    from kdmgr.services.receipts import Receipt

_MOST_LAYERS = 24
_KIND_WIDTH = 10


def draw_row(row: TransferRow, width: int) -> list[Content]:
    """Everything known of it."""
    lines = [_draw_head(row), *_draw_bar(row, width), Content("")]
    if isinstance(row.item, TransferState):
        lines += _draw_state(row.item, width)
    elif isinstance(row.item, Leftover):
        lines += draw_facts(_leftover_facts(row.item), width)
    else:
        lines += draw_facts(_past_facts(row.item), width)
    hint = Content.styled(describe_keys(row), MUTED).wrap(width)
    receipt = _draw_receipt(row.receipt, width) if row.receipt is not None else []
    return [*lines, Content(""), *hint, *receipt]


def _draw_head(row: TransferRow) -> Content:
    mark, color = row.mark
    status = row.state.status if row.state else ""
    told = f"  {one_line(status)}" if status and status != row.word else ""
    return Content.assemble((f"{mark} {row.word}", f"bold ${color}"), told)


def _draw_bar(row: TransferRow, width: int) -> Iterator[Content]:
    share = row.share
    if share is None:
        yield Content.styled(format_bytes(row.completed), MUTED)
        return
    percent = f" {share:4.0%}"
    full, rest = share_bar(share, max(width - len(percent), 4))
    yield Content.assemble((full, f"${row.mark[1]}"), (rest, MUTED), percent)


def _draw_state(state: TransferState, width: int) -> list[Content]:
    lines = draw_facts(_state_facts(state), width)
    if state.layers:
        title = "steps" if state.kind == IMPORT else "layers"
        lines += [Content(""), Content.styled(title, MUTED), *_draw_layers(state, width)]
    return lines


def _draw_receipt(receipt: Receipt, width: int) -> list[Content]:
    title = Content.styled("receipt", MUTED)
    return [Content(""), title, *draw_facts(receipt_facts(receipt), width, LABEL_WIDTH)]


def _state_facts(state: TransferState) -> list[Fact]:
    facts = [Fact("bytes", describe_amount(state.completed, state.total))]
    if state.phase is Phase.RUNNING:
        facts.append(Fact("speed", f"{format_speed(state.bytes_s)} · {format_duration(state.eta_s)} left"))
    elif state.seconds >= 1:
        facts.append(Fact("took", format_duration(state.seconds)))
    if state.left_over:
        facts.append(Fact("of it", f"{format_bytes(state.left_over)} from an interrupted pull"))
    facts.append(Fact("to", describe_target(state.engine, state.where)))
    return [*facts, *_error_facts(state.error)]


def _error_facts(error: KdmgrError | None) -> list[Fact]:
    if error is None:
        return []
    hint = [Fact("hint", error.hint)] if error.hint else []
    return [Fact("error", error.message, "$error"), *hint]


def _leftover_facts(entry: Leftover) -> list[Fact]:
    owner = [] if entry.name else [Fact("whose", "of a pull that kdmgr knows nothing of")]
    digests = [Fact("blobs" if number == 0 else "", digest[:26] + "…") for number, digest in enumerate(entry.digests)]
    return [
        Fact("here", describe_amount(entry.completed, entry.total)),
        Fact("in", describe_target(entry.engine, entry.where)),
        *owner,
        *digests[:_MOST_LAYERS],
    ]


def _past_facts(past: PastTransfer) -> list[Fact]:
    facts = [
        Fact("what", f"{past.kind} of {past.name}"),
        Fact("when", describe_time(past.at)),
        Fact("bytes", describe_amount(past.completed, past.total)),
        Fact("took", f"{format_duration(past.seconds)}{_describe_average(past)}"),
        Fact("to", describe_target(past.engine, past.where)),
    ]
    return [*facts, Fact("error", past.error, "$error")] if past.error else facts


def _describe_average(past: PastTransfer) -> str:
    """Only of a pull that is done and took its time; imports go through a file more than once."""
    if past.kind == IMPORT or past.phase != Phase.DONE or past.completed is None or (past.seconds or 0) < 1:
        return ""
    return f" · {format_speed(past.completed / (past.seconds or 1))} on average"


def _draw_layers(state: TransferState, width: int) -> Iterator[Content]:
    for layer in state.layers[:_MOST_LAYERS]:
        yield _draw_layer(layer, state, width)
    more = len(state.layers) - _MOST_LAYERS
    if more > 0:
        yield Content.styled(f"… and {more} more", MUTED)


def _draw_layer(layer: LayerState, state: TransferState, width: int) -> Content:
    is_step = state.kind == IMPORT
    name = one_line(layer.digest) if is_step else _describe_kind(layer)
    name_width = 19 if is_step else _KIND_WIDTH
    share = min(layer.completed / layer.size, 1.0) if layer.size else None
    size = format_bytes(layer.size)
    bar_width = max(min(width - name_width - 21, 40), 4)
    full, rest = share_bar(share or 0.0, bar_width)
    mark, color = ("✔", "$success") if share == 1.0 else (" ", "$primary")
    percent = "?" if share is None else f"{share:.0%}"
    left = Content.assemble((name[:name_width].ljust(name_width + 1)), (full, color), (rest, MUTED))
    return spread(left, Content.assemble((mark, color), f" {percent:>4} {size:>10}"), width)


def _describe_kind(layer: LayerState) -> str:
    if layer.kind.startswith("application/"):
        return "config"
    return one_line(layer.kind) or layer.digest[7:17]


def describe_amount(completed: int | None, total: int | None) -> str:
    """`1.10 GiB of 2.03 GiB`; one figure where both are the same."""
    if completed == total or completed is None:
        return format_bytes(total)
    return f"{format_bytes(completed)} of {format_bytes(total)}"


def describe_target(engine: str, where: str) -> str:
    """The server, or kdmgr's own store, and where that is."""
    return f"Ollama at {where}" if engine == "ollama" else f"kdmgr's own store, {where}"


def describe_time(at: str) -> str:
    """A time of the log, in the local zone: `24 Nov 16:03`."""
    return f"{datetime.fromisoformat(at).astimezone():%d %b %H:%M}"


def describe_keys(row: TransferRow) -> str:
    """What can be done with it now."""
    kept = "nothing of it is kept" if row.kind == IMPORT else "what has come is kept"
    texts = {
        None: "Enter goes on with it, d removes it.",
        Phase.RUNNING: f"Space pauses, x cancels: {kept}.",
        Phase.QUEUED: "Waiting for another to end. Space holds it back, x cancels.",
        Phase.PAUSED: f"Space goes on, x cancels: {kept}.",
        Phase.FAILED: "Enter tries again, d removes the line.",
        Phase.CANCELLED: "Enter goes on with it, d removes the line.",
        Phase.DONE: f"Enter shows the model, {'v its receipt, ' if row.receipt else ''}d removes the line.",
    }
    if isinstance(row.item, PastTransfer):
        return _describe_past_keys(row)
    if isinstance(row.item, Leftover) and row.item.name is None:
        return "d removes it."
    return texts[row.phase]


def _describe_past_keys(row: TransferRow) -> str:
    if row.receipt is not None:
        return "Enter opens the receipt, d forgets the line."
    if row.phase is Phase.DONE:
        return "Its model is gone, or was brought anew: there is no receipt. d forgets the line."
    return "Enter pulls it again, d forgets the line." if row.kind == PULL else "d forgets the line."
