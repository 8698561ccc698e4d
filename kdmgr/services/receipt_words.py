"""Receipts in words, field by field, the same in both front ends."""

from __future__ import annotations

from kdmgr.services.pull_receipts import PullReceipt
from kdmgr.services.receipts import ImportReceipt, Receipt
from kdmgr.units import format_bytes, format_parameters, format_rate


def receipt_fields(receipt: Receipt) -> dict[str, str]:
    """What it says, by label; what is not known is left out, but for a teacher. Foreign texts are not made safe."""
    fields = _pull_fields(receipt) if isinstance(receipt, PullReceipt) else _import_fields(receipt)
    return {label: text for label, text in fields.items() if text}


def receipt_warnings(receipt: Receipt) -> tuple[str, ...]:
    """What seemed doubtful at an import."""
    return receipt.warnings if isinstance(receipt, ImportReceipt) else ()


def _pull_fields(receipt: PullReceipt) -> dict[str, str]:
    through_server = receipt.store == "ollama"
    return {
        "name": receipt.name,
        "store": f"Ollama at {receipt.server}" if receipt.server else receipt.store,
        "pulled": receipt.source,
        "from": receipt.address,
        "file": receipt.file or "",
        "revision": receipt.revision or "",
        "manifest": receipt.manifest_digest or "",
        "verified": "by the server" if through_server else "every file by its sha256, when it had come",
        "on": receipt.pulled_at,
    }


def _import_fields(receipt: ImportReceipt) -> dict[str, str]:
    template = f"{receipt.template or 'of no known family'} (from the {receipt.template_source})"
    return {
        "name": receipt.name,
        "store": _store(receipt),
        "file": receipt.file,
        "size": format_bytes(receipt.size),
        "sha256": receipt.sha256,
        **_other_files(receipt),
        "stored as": _stored(receipt),
        "manifest": receipt.manifest_digest,
        "made from": receipt.base or "",
        "model": f"{receipt.architecture} · {format_parameters(receipt.parameters)} · {receipt.quant or '?'}",
        "template": "none" if receipt.template_source == "none" else template,
        "server uses": f"template {receipt.template_used}" if receipt.template_used else "",
        "parameters": ", ".join(f"{key} {value}" for key, value in receipt.modelfile_parameters.items()),
        "teacher": _teacher(receipt),
        "fit": receipt.fit or "",
        "imported": receipt.imported_at,
        **_smoke(receipt),
    }


def _teacher(receipt: ImportReceipt) -> str:
    """Who taught it and how, each as the catalog has it or as the user said."""
    said = receipt.said
    is_said = receipt.teacher_from == "user" or (receipt.teacher_from is None and said is not None)
    if receipt.teacher is None or is_said:
        return said.removeprefix("teacher ") if said else "unknown"
    method = f" ({receipt.method})" if receipt.method and receipt.method_from != "user" else ""
    source = ", as the catalog has it" if receipt.teacher_from == "catalog" else ""
    known = f"{receipt.teacher}{method}{source}"
    return f"{known}; {said}" if said else known


def _store(receipt: ImportReceipt) -> str:
    if receipt.server is None:
        return receipt.store
    return f"Ollama {receipt.server_version or ''} at {receipt.server}"


def _stored(receipt: ImportReceipt) -> str:
    """Only where the server keeps something else than the file."""
    if receipt.stored_digest in (None, receipt.sha256):
        return ""
    if receipt.quantized_to:
        return f"{receipt.stored_digest}, quantised to {receipt.quantized_to}"
    made_of_base = not any(file.kind == "model" for file in receipt.files)
    how = "the weights of its base" if made_of_base else "as the server rewrote it"
    return f"{receipt.stored_digest}, {how}"


def _other_files(receipt: ImportReceipt) -> dict[str, str]:
    shown = {}
    for number, file in enumerate(receipt.files[1:], 2):
        label = "file" if file.kind == "model" else file.kind
        shown[f"{label} {number}"] = f"{file.file} ({format_bytes(file.size)}, sha256 {file.sha256[:12]})"
    return shown


def _smoke(receipt: ImportReceipt) -> dict[str, str]:
    smoke = receipt.smoke
    if smoke is None:
        return {}
    at = "" if smoke.first_difference is None else f" from character {smoke.first_difference} on: {smoke.other!r}"
    speed = f" · {format_rate(smoke.decode_tok_s)}" if smoke.decode_tok_s else ""
    compared = smoke.comparison
    return {
        "asked": smoke.prompt,
        "answered": f"{smoke.answer!r}{speed}" if smoke.prompt else "",
        "embedded": f"{compared}{at}"
        if compared.startswith(("not", "the"))
        else f"the embedded engine: {compared}{at}",
        "looks odd": "; ".join(smoke.hints),
    }
