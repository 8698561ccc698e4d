"""Receipts for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.services.receipt_words import receipt_fields, receipt_warnings

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.receipt_story import ReceiptStory
    from kdmgr.services.receipts import Receipt


def print_receipt(receipt: Receipt, console: Console) -> None:
    """What it says, and what seemed doubtful."""
    console.fields(receipt_fields(receipt))
    for warning in receipt_warnings(receipt):
        console.note(f"warning: {warning}")


def print_story(story: ReceiptStory, console: Console) -> None:
    """The same, and what is known beside it."""
    console.fields(story.fields)
    for warning in receipt_warnings(story.receipt):
        console.note(f"warning: {warning}")
