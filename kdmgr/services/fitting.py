"""Fit and the lists of models: what a model is, what it would take, and who taught it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.refs import HubRef, ModelRef, OllamaRef, parse_ref
from kdmgr.services.foundation import Foundation
from kdmgr.services.opening import OpenedModel, open_model

if TYPE_CHECKING:
    from kdmgr.catalog.match import Match
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.services.finding import FoundModel
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.rows import Assessment, ModelRow
    from kdmgr.services.teachers import TeacherFit


class Fitting(Foundation):
    """The use cases around plans."""

    def open(self, ref: ModelRef) -> OpenedModel:
        """A model whose file is on this machine."""
        return open_model(ref, self.headers, lambda: self.library)

    def find(self, ref: ModelRef) -> FoundModel:
        """The header of a model, wherever it is. Blocks on the network; not for a running event loop."""
        from kdmgr.services.finding import find_model

        return find_model(self, ref)

    def find_published(self, ref: OllamaRef | HubRef) -> FoundModel:
        """The header of a model where it is published, also of one that is installed. Blocks on the network."""
        from kdmgr.services.finding import find_published

        return find_published(self, ref)

    def open_shape(self, row_or_ref: ModelRow | ModelRef) -> tuple[ModelShape, str]:
        """The shape of a model and its source: "file", "store", or "server" for a server's row. May block."""
        from kdmgr.gguf.shape import read_shape
        from kdmgr.services.planning import server_shape
        from kdmgr.services.rows import ModelRow, require_ref

        if isinstance(row_or_ref, ModelRow) and row_or_ref.origin == "server":
            return server_shape(self, row_or_ref)
        ref = require_ref(row_or_ref) if isinstance(row_or_ref, ModelRow) else row_or_ref
        opened = self.open(ref)
        return read_shape(opened.header), opened.source

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        """Plan and judge; pure arithmetic."""
        from kdmgr.fit.assess import assess
        from kdmgr.services.planning import without_devices

        report = assess(shape, machine, options, ref=ref, source=source)
        return report if machine.devices_known else without_devices(report, self.host)

    def fit(self, text: str, machine: Machine | None, options: RunOptions) -> Assessment:
        """The whole answer to `kdmgr fit`: the report, and the student that the model is.

        Without a machine it is the one that would run the model.
        """
        return self.assess_found(self.find(parse_ref(text)), machine, options)

    def assess_found(self, found: FoundModel, machine: Machine | None, options: RunOptions) -> Assessment:
        """The answer for a model whose header is at hand."""
        from dataclasses import replace

        from kdmgr.gguf.shape import read_shape
        from kdmgr.services.rows import Assessment

        shape = read_shape(found.header)
        machine = machine or self.machine_of(found.source)
        options = self._for_engine(found, machine, options)
        if not options.projector_bytes:
            options = replace(options, projector_bytes=found.projector_bytes)
        report = self.assess(shape, found.source, str(found.ref), machine, options)
        return Assessment(report, self._match(found, shape), found)

    def advise(self, assessment: Assessment, options: RunOptions) -> Assessment:
        """The same with what else could be done: unload another model, get a larger card."""
        from dataclasses import replace

        from kdmgr.services.advice import with_advice

        report = assessment.report
        planned = report.options
        options = replace(options, projector_bytes=planned.projector_bytes, engine_build=planned.engine_build)
        loaded = () if report.machine.declared or not report.machine.devices else self._loaded()
        return replace(assessment, report=with_advice(report, options, loaded))

    def fit_teacher(self, assessment: Assessment) -> TeacherFit | None:
        """The teacher of the student that was assessed, on the same machine; None for what is no student."""
        if assessment.match is None:
            return None
        from kdmgr.services.teachers import fit_teacher, options_of

        report = assessment.report
        return fit_teacher(assessment.match.student, report.machine, options_of(report))

    def _for_engine(self, found: FoundModel, machine: Machine, options: RunOptions) -> RunOptions:
        """The options with the build of an older server that has the model, where none was asked for."""
        from kdmgr.services.server_build import with_server_build

        return with_server_build(options, found, machine, self.server_models.version)

    def _loaded(self) -> list[tuple[str, int]]:
        """What a server on this machine holds on its devices; nothing when none answers."""
        return self.server_models.loaded()

    def fit_quants(self, ref: HubRef, machine: Machine | None, options: RunOptions) -> Ladder:
        """The answer for every quant of a repository."""
        from kdmgr.services.ladder import assess_quants

        return assess_quants(self, ref, machine, options)

    def installed_rows(self) -> list[ModelRow]:
        """The installed models, newest first."""
        from kdmgr.services.students import installed_rows

        return installed_rows(self.library, self.catalog, self.receipts)

    def model_rows(self) -> list[ModelRow]:
        """Installed models first, then the students of the catalog."""
        from kdmgr.services.students import catalog_rows

        installed = self.installed_rows()
        return [*installed, *catalog_rows(self.catalog, installed)]

    async def server_rows(self) -> list[ModelRow]:
        """Models of the Ollama server; none when no server answers."""
        import asyncio

        # What is read for the first time here must not keep a screen from being drawn.
        engine = await asyncio.to_thread(self.ollama_engine)
        try:
            if not (await engine.status()).usable:
                return []
            return await asyncio.to_thread(self._match_served, await engine.list_models())
        finally:
            await engine.close()

    def _match_served(self, listings: list[EngineListing]) -> list[ModelRow]:
        from kdmgr.services.students import server_rows

        return server_rows(listings, self.catalog)

    def default_options(self) -> RunOptions:
        """How models are run where nobody asks for anything else: as the settings say."""
        from kdmgr.services.preferences import default_options

        return default_options(self.settings)

    def _match(self, found: FoundModel, shape: ModelShape) -> Match | None:
        from kdmgr.catalog.facts import read_facts
        from kdmgr.catalog.match import match_student

        facts = read_facts(
            found.header,
            shape,
            ref=found.origin or found.ref,
            manifest_digest=found.manifest_digest,
            model_digest=found.model_digest,
        )
        return match_student(facts, self.catalog)
