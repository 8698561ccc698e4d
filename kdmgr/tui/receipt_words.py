"""What an import's receipt says, as facts for a panel. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.tui.widgets.facts import Fact
from kdmgr.units import format_bytes, format_count, format_parameters, format_rate

if TYPE_CHECKING:
    from kdmgr.services.receipts import ImportReceipt


def receipt_facts(receipt: ImportReceipt) -> list[Fact]:
    """The lines of a receipt; what is not known is left out, but for the teacher."""
    model = (receipt.architecture, format_parameters(receipt.parameters), receipt.quant or "?")
    template = f"{receipt.template or 'of no known family'} (from the {receipt.template_source})"
    facts = {
        "name": receipt.name,
        "model": f"{' · '.join(model)} · {format_count(receipt.n_ctx_train)} trained context",
        "file": f"{receipt.file} ({format_bytes(receipt.size)})",
        "sha256": receipt.sha256,
        "from": receipt.base or "",
        "quant": f"made {receipt.quantized_to}" if receipt.quantized_to else "",
        "template": "none" if receipt.template_source == "none" else template,
        "used": f"template {receipt.template_used}" if receipt.template_used else "",
        "settings": ", ".join(f"{key} {value}" for key, value in receipt.modelfile_parameters.items()),
        "teacher": _teacher(receipt),
        "fit": receipt.fit or "",
        **_trial(receipt),
    }
    shown = [Fact(label, text) for label, text in facts.items() if text]
    return [*shown, *(Fact("warning", sentence, "$warning") for sentence in receipt.warnings)]


def _teacher(receipt: ImportReceipt) -> str:
    if receipt.teacher is None:
        return "unknown"
    return f"{receipt.teacher} ({receipt.method})" if receipt.method else receipt.teacher


def _trial(receipt: ImportReceipt) -> dict[str, str]:
    smoke = receipt.smoke
    if smoke is None:
        return {}
    speed = f" · {format_rate(smoke.decode_tok_s)}" if smoke.decode_tok_s else ""
    return {
        "asked": smoke.prompt,
        "answered": f"{smoke.answer}{speed}" if smoke.prompt else "",
        "embedded": smoke.comparison,
        "odd": "; ".join(smoke.hints),
    }
