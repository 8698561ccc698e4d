"""An import as one of the queue's transfers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import UsageError
from kdmgr.models.progress import Progress, Report
from kdmgr.paths import is_folder
from kdmgr.services.pull_plan import EMBEDDED, OLLAMA
from kdmgr.services.threads import in_thread
from kdmgr.services.transfer_state import IMPORT

if TYPE_CHECKING:
    from kdmgr.models.manifest import Layer
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.import_plan import ImportRequest
    from kdmgr.services.receipts import ImportReceipt


@dataclass(frozen=True, slots=True)
class ImportTransfer:
    """A request, and where to. Sizes in bytes."""

    request: ImportRequest
    engine: str
    """"ollama" (the server), or "llamacpp" (kdmgr's own store)."""
    where: str
    total: int | None
    """Bytes of all files."""
    layers: tuple[Layer, ...] = ()
    """Not known before the files are hashed."""
    here: int = 0
    left_over: int = 0
    draft: Path | None = None
    """A Modelfile that was written for this import; removed when it is done."""

    @property
    def kind(self) -> str:
        """It is an import."""
        return IMPORT

    @property
    def name(self) -> str:
        """The model that it makes."""
        return str(self.request.ref)


async def run_import(services: Bringing, transfer: ImportTransfer, report: Report) -> ImportReceipt:
    """Check once more, and import; cancelling leaves no model behind."""
    receipt = await _import(services, transfer, report)
    if transfer.draft is not None:
        transfer.draft.unlink(missing_ok=True)
    return receipt


async def _import(services: Bringing, transfer: ImportTransfer, report: Report) -> ImportReceipt:
    if transfer.engine == EMBEDDED:
        return await _import_into_store(services, transfer.request, report)
    engine = services.ollama_engine()
    try:
        importing = services.server_importing(engine)
        report(Progress("checking"))
        plan = await importing.prepare(transfer.request)
        return await importing.perform(plan, _by_step(report))
    finally:
        await engine.close()


async def _import_into_store(services: Bringing, request: ImportRequest, report: Report) -> ImportReceipt:
    source = require_one_file(request)
    importing = services.importing

    def work(tell: Report) -> ImportReceipt:
        return importing.import_model(
            source,
            request.ref,
            tell,
            modelfile=request.modelfile,
            replace=request.replace,
            teacher=request.teacher,
            method=request.method,
        )

    return await in_thread(work, _by_step(report))


def require_one_file(request: ImportRequest) -> Path:
    """The file that kdmgr's own store takes; `UsageError` for what only a server takes."""
    if request.quantize or request.base:
        raise UsageError("only an Ollama server quantises and adapts", hint="import into it: --to ollama")
    if len(request.sources) != 1 or is_folder(request.sources[0]):
        raise UsageError(
            "kdmgr's own store takes one GGUF file", hint="import several files or a folder into Ollama: --to ollama"
        )
    return request.sources[0]


def where_of(services: Bringing, engine: str) -> str:
    """The server's address, or the folder of kdmgr's own store."""
    return services.ollama_engine().address.url if engine == OLLAMA else str(services.library.own.root)


def _by_step(report: Report) -> Report:
    """A file is gone through more than once: each step has a progress of its own."""

    def tell(progress: Progress) -> None:
        report(progress if progress.total is None else replace(progress, digest=progress.status))

    return tell
