"""A guided import: what the files are, what would be made of them, and whether it will run; before a byte is copied."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.gguf.shape import read_shape
from kdmgr.modelfile.propose import propose_modelfile
from kdmgr.modelfile.render import render
from kdmgr.modelfile.templates import detect_family
from kdmgr.refs import OllamaRef
from kdmgr.services.import_fit import describe_fit
from kdmgr.services.import_transfer import ImportTransfer, require_one_file, where_of
from kdmgr.services.importing import find_template
from kdmgr.services.modelfile_edit import write_text_draft
from kdmgr.services.pull_plan import EMBEDDED, OLLAMA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kdmgr.fit.plan import FitReport, Verdict
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.import_plan import ImportPlan, ImportRequest


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would be. Sizes in bytes; None is unknown."""

    request: ImportRequest
    engine: str
    """"ollama" or "llamacpp": what "auto" has come to."""
    where: str
    size: int
    files: tuple[str, ...]
    """What each is for, and its name."""
    shape: ModelShape | None
    """None for what has no header: a folder to convert, a base."""
    text: str
    """The Modelfile: proposed, or the user's own."""
    template: str
    """The chat template in words, and where it is from."""
    fit: Verdict | None
    fit_words: str
    taken: bool
    warnings: tuple[str, ...]


class ImportForm:
    """Previews imports, and turns them into transfers."""

    def __init__(self, services: Bringing) -> None:
        self._services = services

    def suggest_name(self, sources: Sequence[Path]) -> OllamaRef:
        """A name made of the file's, or of the model's own."""
        return self._services.suggest_import_name(tuple(sources), None)

    def preview(self, request: ImportRequest, engine: str = "auto") -> ImportPreview:
        """Check everything that can be checked. Blocks on disk and server; not for a running event loop.

        Raises what importing would raise, but not for a name that is taken: that is told.
        """
        if engine == "auto":
            engine = OLLAMA if asyncio.run(self._server_answers()) else EMBEDDED
        # A name that is taken is not refused here.
        request = replace(request, replace=True)
        return self._preview_own(request) if engine == EMBEDDED else asyncio.run(self._preview_server(request))

    def transfer(self, preview: ImportPreview, text: str) -> ImportTransfer:
        """The import as a transfer, with `text` as its Modelfile; it replaces a model of its name."""
        request, draft = replace(preview.request, replace=True), None
        if preview.text and (text != preview.text or (preview.engine == EMBEDDED and request.modelfile is None)):
            draft = write_text_draft(self._services, str(request.ref), text)
            request = replace(request, modelfile=draft)
        where = where_of(self._services, preview.engine)
        return ImportTransfer(request, preview.engine, where, preview.size, draft=draft)

    async def _server_answers(self) -> bool:
        engine = self._services.ollama_engine()
        try:
            return (await engine.status()).usable
        finally:
            await engine.close()

    async def _preview_server(self, request: ImportRequest) -> ImportPreview:
        engine = self._services.ollama_engine()
        try:
            plan = await self._services.server_importing(engine).prepare(request)
        finally:
            await engine.close()
        header = plan.sources.header
        return ImportPreview(
            request=request,
            engine=OLLAMA,
            where=engine.address.url,
            size=plan.sources.size,
            files=tuple(f"{file.kind.value}: {file.path.name}" for file in plan.sources.files),
            shape=_shape(header),
            text=_text_of(plan),
            template=_describe_template(header, plan.modelfile),
            fit=plan.fit.verdict if plan.fit else None,
            fit_words=plan.fit_words,
            taken=plan.taken,
            warnings=plan.warnings,
        )

    def _preview_own(self, request: ImportRequest) -> ImportPreview:
        services, path = self._services, require_one_file(request)
        source = services.importing.check(path, request.ref, modelfile=request.modelfile, replace=True)
        proposal = propose_modelfile(source.header, str(path), None)
        modelfile = source.modelfile or proposal.modelfile
        report = self._assess(request, source.shape)
        problems = proposal.problems if source.modelfile is None else source.modelfile.warnings
        return ImportPreview(
            request=request,
            engine=EMBEDDED,
            where=where_of(services, EMBEDDED),
            size=source.state.size,
            files=(f"model: {path.name}",),
            shape=source.shape,
            text=render(source.modelfile) if source.modelfile else proposal.text,
            template=_describe_template(source.header, modelfile),
            fit=report.verdict if report else None,
            fit_words=describe_fit(report, None, local=True),
            taken=services.library.own.find(request.ref) is not None,
            warnings=(*(f"the header is odd: {problem}" for problem in source.header.problems), *problems),
        )

    def _assess(self, request: ImportRequest, shape: ModelShape) -> FitReport | None:
        from kdmgr.fit.options import RunOptions

        try:
            machine = self._services.detect_machine()
            options = RunOptions(n_ctx=self._services.settings.n_ctx)
            return self._services.assess(shape, "file", str(request.sources[0]), machine, options)
        except KdmgrError:
            return None  # not knowing is no reason not to import


def _text_of(plan: ImportPlan) -> str:
    if plan.is_proposed and plan.proposal is not None:
        return plan.proposal.text
    return render(plan.modelfile) if plan.modelfile else ""


def _shape(header: GgufHeader | None) -> ModelShape | None:
    try:
        return read_shape(header) if header else None
    except KdmgrError:
        return None


def _describe_template(header: GgufHeader | None, modelfile: Modelfile | None) -> str:
    if header is None:
        return "the folder's own, as the server converts it"
    template, source = find_template(header, modelfile)
    if template is None:
        return "none: the model completes texts, it does not chat"
    family = detect_family(template)
    places = {"gguf": "in the file", "modelfile": "of the Modelfile"}
    return f"{family.name if family else 'of no known family'}, {places.get(source, source)}"
