"""Imports into a running Ollama server: check, hash, send what it lacks, make the model, try it, write it down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.creating import CreateRequest
from kdmgr.engines.ollama.uploading import Upload, WrongDigest
from kdmgr.errors import KdmgrError, ServerUnreachable, Unreadable, UsageError
from kdmgr.modelfile.propose import propose_modelfile
from kdmgr.models.digests import DigestMemory, blob_digest
from kdmgr.models.progress import Progress, Report
from kdmgr.models.source_file import read_state
from kdmgr.services.import_checks import require_usable_name
from kdmgr.services.import_fit import describe_fit, fit_import
from kdmgr.services.import_plan import (
    ImportPlan,
    ImportRequest,
    ProposeModelfile,
    check_adapter,
    check_architecture,
    check_quantize,
    check_sources,
    propose,
    require_base,
    template_warnings,
)
from kdmgr.services.import_sources import ImportFile, Kind
from kdmgr.services.receipts import ImportReceipt, Receipts
from kdmgr.services.server_receipt import Made, write_receipt
from kdmgr.services.threads import in_thread
from kdmgr.services.trying import Trial

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.fit.machine import Machine
    from kdmgr.models.headers import HeaderCache


@dataclass(frozen=True, slots=True)
class ImportTools:
    """What an import into a server works with."""

    headers: HeaderCache
    digests: DigestMemory
    receipts: Receipts
    catalog: Callable[[], Catalog]
    machine: Callable[[], Machine]
    blobs: tuple[Path, ...] = ()
    """Folders of blobs on this machine, whose names are digests."""
    trial: Trial | None = None
    """How a model is tried; None never tries one."""
    propose: ProposeModelfile = propose_modelfile
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class ServerImporting:
    """Imports into one server. The engine stays the caller's, who closes it."""

    def __init__(self, engine: OllamaEngine, tools: ImportTools) -> None:
        self._engine = engine
        self._tools = tools

    async def prepare(self, request: ImportRequest) -> ImportPlan:
        """Refuse whatever would fail later, before a byte is sent; nothing is changed anywhere.

        Raises `ServerUnreachable`, `NotFound`, `Unreadable`, `UsageError`, or `EngineFailed` for what this
        server cannot do.
        """
        require_usable_name(request.ref)
        status = await self._engine.status()
        if not status.usable:
            raise ServerUnreachable(status.detail, hint=status.hint)
        sources, user = check_sources(request, status.version, self._tools.headers)
        base = None
        if sources.base is not None:
            base = require_base(sources.base, await self._engine.find(sources.base))
        check_adapter(sources, base)
        doubts = check_architecture(sources, status.version)
        quantize = check_quantize(request, sources, base)
        proposal = propose(sources, status.version, self._tools.propose)
        modelfile = user or (proposal.modelfile if proposal else None)
        machine = self._tools.machine if self._engine.address.is_loopback else None
        fit = fit_import(sources, modelfile, status.version, machine)
        odd = sources.header.problems if sources.header else ()
        return ImportPlan(
            request=request,
            sources=sources,
            version=status.version,
            modelfile=modelfile,
            proposal=proposal,
            quantize=quantize,
            base_quant=base.quant if base else None,
            taken=await self._engine.find(str(request.ref)) is not None,
            fit=fit,
            fit_words=describe_fit(fit, quantize, local=machine is not None),
            warnings=(
                *(f"the header is odd: {problem}" for problem in odd),
                *(f"Modelfile: {warning}" for warning in (user.warnings if user else ())),
                *doubts,
                *template_warnings(user, proposal, sources),
            ),
        )

    async def perform(self, plan: ImportPlan, report: Report) -> ImportReceipt:
        """Carry out a plan. Cancelling stops at once: what the server has complete it keeps, no model is made.

        Raises `UsageError` when the name is taken and not to be replaced, and what hashing, sending and making
        can raise. A model that is made stays, whatever happens to its trial or its receipt.
        """
        request = plan.request
        await self._require_free(request)
        digests: dict[str, str] = {}
        for number, file in enumerate(plan.sources.files, 1):
            what = f"{file.kind} {number} of {len(plan.sources.files)}" if len(plan.sources.files) > 1 else "file"
            digests[file.name] = await self._deliver(file, what, report)
        await self._require_free(request)
        async for step in self._engine.create(_create_request(plan, digests)):
            report(Progress(step.status, None, step.completed, step.total))
        made = await self._look_at(plan, digests)
        receipt = write_receipt(plan, made, self._tools.catalog(), self._tools.now())
        if request.smoke and self._tools.trial is not None:
            report(Progress("trying the model"))
            receipt = replace(receipt, smoke=await self._tools.trial.run(self._engine, plan, made))
        return self._keep(receipt, request)

    async def _require_free(self, request: ImportRequest) -> None:
        """Asked twice: before the work, and right before the name is taken."""
        if not request.replace and await self._engine.find(str(request.ref)) is not None:
            raise UsageError(f"the server has a model {request.ref} already", hint="another name, or --replace")

    async def _deliver(self, file: ImportFile, what: str, report: Report) -> str:
        """Make the server have `file`; its digest. A remembered digest that proves wrong is counted again once."""
        digest = await self._digest(file, what, report)
        try:
            await self._send(file, digest, what, report)
        except WrongDigest:
            self._tools.digests.forget(file.path)
            again = await self._hash(file, what, report)
            if again == digest:
                raise
            await self._send(file, again, what, report)
            return again
        return digest

    async def _digest(self, file: ImportFile, what: str, report: Report) -> str:
        if read_state(file.path) != file.state:
            raise Unreadable(f"{file.path} changed after it was checked", hint="import it when it is complete")
        return blob_digest(file.path, self._tools.blobs) or await self._hash(file, what, report)

    async def _hash(self, file: ImportFile, what: str, report: Report) -> str:
        def tell(progress: Progress) -> None:
            report(replace(progress, status=f"hashing {what}"))

        return await in_thread(lambda inner: self._tools.digests.hash(file.path, inner, since=file.state), tell)

    async def _send(self, file: ImportFile, digest: str, what: str, report: Report) -> None:
        def tell(sent: int) -> None:
            report(Progress(f"sending {what}", digest, sent, file.state.size))

        was_sent = await self._engine.uploads.send(Upload(file.path, digest, file.state.size), tell)
        if not was_sent:
            report(Progress(f"the server has {what} already", digest, file.state.size, file.state.size))
        elif read_state(file.path) != file.state:
            report(Progress(f"{what} changed after it was sent: what was hashed is what counts"))

    async def _look_at(self, plan: ImportPlan, digests: dict[str, str]) -> Made:
        """What the server says of the model that it made."""
        name = str(plan.request.ref)
        listing = await self._engine.find(name)
        shown = await self._engine.show(name)
        try:
            header = await self._engine.header(name)
        except KdmgrError:
            header = None
        return Made(listing, shown, header, digests, self._engine.address.url)

    def _keep(self, receipt: ImportReceipt, request: ImportRequest) -> ImportReceipt:
        try:
            self._tools.receipts.save(request.ref, receipt)
        except OSError as error:
            warning = f"the receipt could not be saved: {error.strerror or error}"
            return replace(receipt, warnings=(*receipt.warnings, warning))
        return receipt


def _create_request(plan: ImportPlan, digests: dict[str, str]) -> CreateRequest:
    modelfile, files = plan.modelfile, plan.sources.files

    def last(name: str) -> str | None:
        return modelfile.last(name) if modelfile else None

    return CreateRequest(
        model=str(plan.request.ref),
        base=plan.sources.base,
        files={file.name: digests[file.name] for file in files if file.kind is not Kind.ADAPTER},
        adapters={file.name: digests[file.name] for file in files if file.kind is Kind.ADAPTER},
        template=last("template"),
        system=last("system"),
        parameters=modelfile.parameters if modelfile else {},
        messages=modelfile.messages if modelfile else (),
        licenses=modelfile.licenses if modelfile else (),
        quantize=plan.quantize,
        renderer=last("renderer"),
        parser=last("parser"),
        requires=(last("requires") or "").removeprefix("v") or None,
    )
