"""The receipt of an import into a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kdmgr import __version__
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.services.importing import find_template
from kdmgr.services.receipts import ImportReceipt, ReceiptFile
from kdmgr.services.written_lineage import find_base, write_lineage

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.engines.ollama import ShownModel
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.services.import_plan import ImportPlan

_BLOB = re.compile(r"^FROM .*sha256-([0-9a-f]{64})", re.MULTILINE)
NO_TEMPLATE = "{{ .Prompt }}"


@dataclass(frozen=True, slots=True)
class Made:
    """A model that a server made, as it shows it."""

    listing: EngineListing | None
    shown: ShownModel
    header: GgufHeader | None
    """As the server tells it; None where it tells too little."""
    digests: Mapping[str, str]
    """`sha256:<hex>` of the files that were sent, by name."""
    url: str

    @property
    def chats(self) -> bool:
        """Whether the server puts turns into a template."""
        return bool(self.shown.template) and self.shown.template != NO_TEMPLATE

    @property
    def stored_digest(self) -> str | None:
        """The weights' digest in hex, as the server names their blob in its Modelfile."""
        found = _BLOB.search(self.shown.modelfile or "")
        return found[1] if found else None


def write_receipt(plan: ImportPlan, made: Made, catalog: Catalog, now: datetime) -> ImportReceipt:
    """Everything known of the import, but how the model answers."""
    request, files = plan.request, _files(plan, made)
    header = plan.sources.header or made.header
    shape = read_shape(header) if header else None
    template, source = _find_template(plan, header)
    match = _match(header, shape, files, made, catalog)
    main = files[0] if files else None
    return ImportReceipt(
        name=str(request.ref),
        file=main.file if main else f"{plan.sources.base} on {made.url}",
        size=main.size if main else (made.listing.size if made.listing else 0),
        sha256=main.sha256 if main else made.stored_digest or "",
        manifest_digest=made.listing.digest if made.listing else "",
        imported_at=now.isoformat(timespec="seconds"),
        kdmgr_version=__version__,
        architecture=shape.architecture if shape else made.shown.details.family or "?",
        parameters=shape.parameters if shape else 0,
        quant=made.shown.details.quant or (shape.quant if shape else None),
        n_ctx_train=shape.n_ctx_train if shape else None,
        template=_family(template),
        template_source=source,
        modelfile_parameters=dict(made.shown.parameters),
        **write_lineage(match, request.teacher, request.method),
        warnings=(*plan.warnings, *_lost_template(plan, made, template)),
        store="ollama",
        server=made.url,
        server_version=plan.version,
        stored_digest=made.stored_digest,
        files=files,
        base=plan.sources.base or find_base(header),
        quantized_to=plan.quantize,
        template_used=(_family(made.shown.template) or "of no known family") if made.chats else "none",
        reasons=plan.proposal.reasons if plan.proposal and plan.is_proposed else (),
        fit=plan.fit_words,
    )


def _find_template(plan: ImportPlan, header: GgufHeader | None) -> tuple[str | None, str]:
    """The template that the model is to have, and where it is written; a bare prompt is none."""
    if plan.sources.template and not (plan.modelfile and plan.modelfile.template):
        return plan.sources.template, "folder"
    template, source = find_template(header, plan.modelfile) if header else (None, "none")
    return (None, "none") if template is not None and template.strip() == NO_TEMPLATE else (template, source)


def _files(plan: ImportPlan, made: Made) -> tuple[ReceiptFile, ...]:
    ranked = sorted(plan.sources.files, key=lambda file: file.kind.value != "model")
    return tuple(
        ReceiptFile(
            str(file.path.resolve()),
            file.kind.value,
            file.state.size,
            made.digests[file.name].removeprefix("sha256:"),
        )
        for file in ranked
    )


def _lost_template(plan: ImportPlan, made: Made, template: str | None) -> list[str]:
    """The classic failure: the file brings a template, and the server uses none, or one of another family."""
    if template is None:
        return []
    if not made.chats:
        return ["the server uses no chat template, though there is one: answers will be gibberish; give a TEMPLATE"]
    used, wanted = _family(made.shown.template), _family(template)
    if used and wanted and used != wanted:
        return [f"the server uses the template of {used}, the model was made for {wanted}: give a TEMPLATE"]
    return []


def _family(template: str | None) -> str | None:
    from kdmgr.modelfile.templates import detect_family

    family = detect_family(template) if template else None
    return family.name if family else None


def _match(
    header: GgufHeader | None, shape: ModelShape | None, files: tuple[ReceiptFile, ...], made: Made, catalog: Catalog
) -> Match | None:
    if header is None:
        return None
    from kdmgr.catalog.facts import read_facts
    from kdmgr.catalog.match import match_student

    digest = f"sha256:{files[0].sha256}" if files and files[0].kind == "model" else None
    return match_student(read_facts(header, shape, model_digest=digest), catalog)
