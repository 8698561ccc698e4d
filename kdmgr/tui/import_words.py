"""What an import would be, as facts for a form. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.wording import MARKS
from kdmgr.tui.transfer_words import describe_target
from kdmgr.tui.widgets.facts import Fact
from kdmgr.tui.words import COLORS
from kdmgr.units import format_bytes, format_count, format_parameters

if TYPE_CHECKING:
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.import_form import ImportPreview


def preview_facts(preview: ImportPreview) -> list[Fact]:
    """Header, template, fit and target; then what is doubtful."""
    mark = f"{MARKS[preview.fit]} " if preview.fit else ""
    facts = [
        Fact("name", str(preview.request.ref)),
        Fact("header", _describe_shape(preview.shape)),
        Fact("files", f"{', '.join(preview.files)} · {format_bytes(preview.size)}"),
        Fact("template", preview.template),
        Fact("fit", f"{mark}{preview.fit_words}", f"${COLORS[preview.fit]}" if preview.fit else ""),
        Fact("to", describe_target(preview.engine, preview.where)),
    ]
    return [*facts, *(Fact("warning", sentence, "$warning", "$warning") for sentence in preview.warnings)]


def _describe_shape(shape: ModelShape | None) -> str:
    if shape is None:
        return "none here to read: the server will"
    words = (shape.architecture, format_parameters(shape.parameters), shape.quant or "?")
    return f"{' · '.join(words)} · trained for a context of {format_count(shape.n_ctx_train)}"
