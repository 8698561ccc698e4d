"""A receipt, and what is known beside it: whether the model is still there, and of which student it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.catalog.facts import ModelFacts
from kdmgr.catalog.match import Match, match_student
from kdmgr.errors import KdmgrError
from kdmgr.refs import parse_ollama_name
from kdmgr.services.finding import installed_name
from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipt_words import receipt_fields

if TYPE_CHECKING:
    from kdmgr.refs import OllamaRef
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.receipts import Receipt


@dataclass(frozen=True, slots=True)
class ReceiptStory:
    """What there is to tell."""

    receipt: Receipt
    match: Match | None
    """The student that a pulled model was recognised as, by what it was pulled as."""
    now: str
    """What has become of it, in words."""

    @property
    def fields(self) -> dict[str, str]:
        """All of it, by label."""
        match = self.match
        lineage = {"student": match.student_words, "taught by": match.lineage_words} if match else {}
        return {**receipt_fields(self.receipt), **lineage, "now": self.now}


def tell_receipt(services: Bringing, receipt: Receipt) -> ReceiptStory:
    """Look at the disk, and into the catalog; asks nobody over the network."""
    return ReceiptStory(receipt, _match(services, receipt), _describe_now(services, receipt))


def _match(services: Bringing, receipt: Receipt) -> Match | None:
    """Of an import the receipt tells it itself."""
    ref = receipt.ref if isinstance(receipt, PullReceipt) else None
    if ref is None:
        return None
    return match_student(ModelFacts(ref=ref, manifest_digest=receipt.manifest_digest), services.catalog)


def _describe_now(services: Bringing, receipt: Receipt) -> str:
    name = _name_of(receipt)
    try:
        model = services.library.find(name) if name else None
    except (KdmgrError, OSError):
        return "the model of this name cannot be read"
    if model is not None and model.digest == receipt.manifest_digest:
        return "installed, unchanged"
    if receipt.server is not None:
        return f"ask the server: kdmgr show {receipt.name}"
    return "another model has this name" if model is not None else "not installed any more"


def _name_of(receipt: Receipt) -> OllamaRef | None:
    """The name that the stores know it by; None for one that somebody has written over."""
    try:
        if isinstance(receipt, PullReceipt) and receipt.name == receipt.source:
            return installed_name(receipt.ref) if receipt.ref else None
        return parse_ollama_name(receipt.name)
    except KdmgrError:
        return None
