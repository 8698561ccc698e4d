"""What a receipt says, as facts for a panel or a screen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.receipt_words import receipt_fields, receipt_warnings
from kdmgr.tui.widgets.facts import Fact

if TYPE_CHECKING:
    from kdmgr.services.receipt_story import ReceiptStory
    from kdmgr.services.receipts import Receipt

LABEL_WIDTH = 12
_DIGEST = 64
_SHOWN = 16
"""Characters of a digest that a panel shows; the receipt's own screen shows all."""


def receipt_facts(receipt: Receipt) -> list[Fact]:
    """In brief, for a panel."""
    fields = {label: _shorten(text) for label, text in receipt_fields(receipt).items()}
    return [*_facts(fields), *_warnings(receipt)]


def story_facts(story: ReceiptStory) -> list[Fact]:
    """All of it, with what is known beside it."""
    return [*_facts(story.fields), *_warnings(story.receipt)]


def _facts(fields: dict[str, str]) -> list[Fact]:
    return [Fact(label, text) for label, text in fields.items()]


def _warnings(receipt: Receipt) -> list[Fact]:
    return [Fact("warning", sentence, "$warning") for sentence in receipt_warnings(receipt)]


def _shorten(text: str) -> str:
    first, comma, rest = text.partition(",")
    is_digest = len(first) == _DIGEST and not set(first) - set("0123456789abcdef")
    return f"{first[:_SHOWN]}…{comma}{rest}" if is_digest else text
