"""Receipts: where a model came from, what its header said, who taught it, and what seemed doubtful."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kdmgr.errors import Unreadable
from kdmgr.files import write_atomically
from kdmgr.models.manifest import hash_bytes
from kdmgr.refs import ModelRef, OllamaRef
from kdmgr.services.pull_receipts import PullReceipt, decode_pull
from kdmgr.units import printable


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """One file of an import. Bytes."""

    file: str
    kind: str
    """"model", "projector" or "adapter"."""
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """A short greedy answer, and how it compares with the embedded engine's to the same prompt."""

    prompt: str
    answer: str
    comparison: str
    """"same", "differs", or "not compared: …"."""
    other: str | None = None
    """The embedded engine's answer."""
    first_difference: int | None = None
    """The character at which the two part."""
    hints: tuple[str, ...] = ()
    """What looks odd about the answer: signs, no verdict."""
    decode_tok_s: float | None = None
    n_ctx: int | None = None


@dataclass(frozen=True, slots=True)
class ImportReceipt:
    """One import. Sizes in bytes; None is unknown."""

    name: str
    file: str
    size: int
    sha256: str
    """Of the file, and so of the stored blob."""
    manifest_digest: str
    imported_at: str
    """UTC, ISO 8601."""
    kdmgr_version: str
    architecture: str
    parameters: int
    quant: str | None
    n_ctx_train: int | None
    template: str | None
    """The family of the chat template that will be used; None when there is none or it is in no known family."""
    template_source: str
    """"modelfile", "gguf", "folder" or "none"."""
    modelfile_parameters: dict[str, object]
    student: str | None
    """Id of the distilled student that the model was recognised as."""
    teacher: str | None
    method: str | None
    warnings: tuple[str, ...] = ()
    store: str = "kdmgr"
    """"kdmgr" or "ollama"."""
    server: str | None = None
    """Address of the server that has the model."""
    server_version: str | None = None
    stored_digest: str | None = None
    """Of the weights as the server keeps them: another than the file's when it rewrites or quantises them."""
    files: tuple[ReceiptFile, ...] = ()
    """Every file that was imported; `file` and `sha256` are of the first."""
    base: str | None = None
    """The model that it was made from: the server's, else as the file names it."""
    quantized_to: str | None = None
    template_used: str | None = None
    """The family of the template that the server says it uses; "of no known family", or "none"."""
    reasons: tuple[str, ...] = ()
    """Why the proposed Modelfile reads as it does; none where the user gave one."""
    fit: str | None = None
    smoke: SmokeResult | None = None
    teacher_from: str | None = None
    """Who says so: "user" at the import, or "catalog"; None in receipts of before."""
    method_from: str | None = None

    @property
    def said(self) -> str | None:
        """What the user said at the import, as such; None for nothing. Safe to print."""
        # Before it was written down, a teacher of no student of the catalog can only have been said.
        of_before = self.teacher_from is None and self.method_from is None and self.student is None
        teacher = f"teacher {self.teacher}" if self.teacher and (of_before or self.teacher_from == "user") else ""
        method = f"method {self.method}" if self.method and (of_before or self.method_from == "user") else ""
        if not teacher and not method:
            return None
        words = ", ".join(filter(None, (teacher, method)))
        return printable(f"{words} (said by you at the import of {self.imported_at[:10]}, not checked)")


Receipt = ImportReceipt | PullReceipt
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_OPTIONAL = (
    "teacher_from",
    "method_from",
    *("store", "server", "server_version", "stored_digest", "base", "quantized_to", "template_used", "fit"),
)


def receipt_object(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON values, as it is kept and shown."""
    kind = "pull" if isinstance(receipt, PullReceipt) else "import"
    return {"schema_version": 1, "kind": kind, **asdict(receipt)}


class Receipts:
    """The receipts below `folder`, one file for each name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, ref: OllamaRef, receipt: Receipt) -> Path:
        """Write the receipt of `ref`, in place of one that it has."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(ref)
        write_atomically(path, json.dumps(receipt_object(receipt), indent=2).encode())
        return path

    def find(self, ref: OllamaRef) -> ImportReceipt | None:
        """The receipt of the import that made `ref`; None when there is none."""
        receipt = self.find_any(ref)
        return receipt if isinstance(receipt, ImportReceipt) else None

    def find_pull(self, ref: OllamaRef, manifest_digest: str | None) -> PullReceipt | None:
        """Where `ref` was pulled from; None when nobody knows, or it has another manifest by now."""
        try:
            receipt = self.find_any(ref)
        except Unreadable:
            return None
        known = isinstance(receipt, PullReceipt) and receipt.manifest_digest
        return receipt if known and known == (manifest_digest or "") else None  # type: ignore[return-value]

    def said_of(self, ref: OllamaRef, manifest_digest: str | None) -> str | None:
        """What the user said at the import of `ref`, in a sentence; None for nothing, and for another model by now."""
        try:
            receipt = self.find(ref)
        except Unreadable:
            return None
        if receipt is None or receipt.manifest_digest not in ("", manifest_digest):
            return None
        return receipt.said

    def origin(self, ref: OllamaRef, manifest_digest: str | None) -> ModelRef:
        """The name that says most of what a model is: the one that it was pulled by, where that is known."""
        pulled = self.find_pull(ref, manifest_digest)
        return (pulled.ref if pulled else None) or ref

    def find_any(self, ref: OllamaRef) -> Receipt | None:
        """The receipt of `ref`, of either kind; `Unreadable` for a damaged one."""
        try:
            return _decode(json.loads(self._path(ref).read_bytes()))
        except FileNotFoundError:
            return None
        except _DAMAGED as error:
            raise Unreadable(f"the receipt of {ref} is damaged", hint=f"remove {self._path(ref)}") from error

    def all(self) -> list[Receipt]:
        """Every receipt, in no order; damaged ones are left out."""
        found = []
        for path in self._folder.glob("*.json"):
            with suppress(*_DAMAGED):
                found.append(_decode(json.loads(path.read_bytes())))
        return found

    def forget(self, ref: OllamaRef) -> None:
        """Remove the receipt of `ref`, if there is one."""
        self._path(ref).unlink(missing_ok=True)

    def _path(self, ref: OllamaRef) -> Path:
        """A name for people, and a hash, since names differ by more than file systems tell apart."""
        short = hash_bytes("/".join(ref.key).encode()).removeprefix("sha256:")[:12]
        return self._folder / f"{ref.model[:60]}-{short}.json"


def _decode(body: dict[str, Any]) -> Receipt:
    """A receipt of any age: what older ones do not have keeps its default."""
    if body.get("kind") == "pull":
        return decode_pull(body)
    required = [field.name for field in fields(ImportReceipt) if field.default is MISSING]
    known = {name: body[name] for name in required}
    known["modelfile_parameters"] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in known["modelfile_parameters"].items()
    }
    known |= {name: tuple(body.get(name, ())) for name in ("warnings", "reasons")}
    known |= {name: body[name] for name in _OPTIONAL if name in body}
    known["files"] = tuple(ReceiptFile(**file) for file in body.get("files", ()))
    smoke = body.get("smoke")
    known["smoke"] = SmokeResult(**{**smoke, "hints": tuple(smoke["hints"])}) if smoke else None
    return ImportReceipt(**known)
