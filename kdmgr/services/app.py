"""All services of one run, each made when it is first needed."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.config import Settings, load_settings
from kdmgr.models.headers import HeaderCache
from kdmgr.paths import Paths, default_paths
from kdmgr.refs import HubRef, ModelRef, OllamaRef, parse_ref
from kdmgr.services.opening import OpenedModel, open_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.protocol import Engine, EngineStatus, ParameterValue
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.history.history import History
    from kdmgr.models.fetch_model import ModelFetcher
    from kdmgr.models.hub import Hub
    from kdmgr.models.ollama_registry import OllamaRegistry
    from kdmgr.models.web import Web
    from kdmgr.services.chatting import ChatSession
    from kdmgr.services.diagnosis import Finding
    from kdmgr.services.finding import FoundModel
    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.importing import Importing
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.library import Library
    from kdmgr.services.pull_notes import PullNotes
    from kdmgr.services.pull_plan import PullOptions, PullPlan
    from kdmgr.services.pulls import PullQueue
    from kdmgr.services.receipts import Receipts
    from kdmgr.services.recording import Recorder
    from kdmgr.services.rows import Assessment, ModelRow
    from kdmgr.services.server_importing import ImportTools, ServerImporting
    from kdmgr.services.server_models import ServerModels
    from kdmgr.services.student_desk import StudentDesk
    from kdmgr.services.teachers import TeacherFit


class Services:
    """The use cases, with their collaborators injected."""

    def __init__(self, paths: Paths, settings: Settings, env: Mapping[str, str], host: str | None = None) -> None:
        self.paths = paths
        self.settings = settings
        self.host_is_named = host is not None
        """Whether the server was named for this run, and not only where one may be found."""
        self._asked_host = host
        self.history_notes: list[str] = []
        """What became of a history that was damaged."""
        self._env = env
        self._declared: tuple[tuple[str, ...], str | None] = ((), None)

    @classmethod
    def create(cls, env: Mapping[str, str] = os.environ, *, host: str | None = None) -> Services:
        """Services on the platform's folders. Raises `UsageError` for a bad config.toml."""
        paths = default_paths(env)
        return cls(paths, load_settings(paths.config), env, host)

    def close(self) -> None:
        """Close the connections that were opened; idempotent."""
        for name in ("web", "transfer_web"):
            if name in self.__dict__:
                self.__dict__[name].close()

    @cached_property
    def host(self) -> ChosenHost:
        """The Ollama server of this run."""
        from kdmgr.services.hosts import choose_host

        return choose_host(self.settings, self._env, self._asked_host)

    @cached_property
    def headers(self) -> HeaderCache:
        """Parsed headers."""
        return HeaderCache(self.paths.headers)

    @cached_property
    def library(self) -> Library:
        """Installed models."""
        from kdmgr.models.own_store import OwnStore
        from kdmgr.models.store import ModelStore
        from kdmgr.services.library import Library

        return Library(OwnStore(self.paths.store), ModelStore(self.paths.ollama_models), self.headers)

    @cached_property
    def catalog(self) -> Catalog:
        """The students."""
        from kdmgr.catalog.load import load_catalog

        return load_catalog(self.paths.config)

    @cached_property
    def receipts(self) -> Receipts:
        """What was imported."""
        from kdmgr.services.receipts import Receipts

        return Receipts(self.paths.receipts)

    @cached_property
    def student_desk(self) -> StudentDesk:
        """What the table of students asks."""
        from kdmgr.services.student_desk import StudentDesk

        return StudentDesk(self)

    @cached_property
    def importing(self) -> Importing:
        """Imports into kdmgr's own store."""
        from kdmgr.services.importing import Importing

        return Importing(self.library.own, self.receipts, lambda: self.catalog)

    @cached_property
    def import_tools(self) -> ImportTools:
        """What imports into a server work with."""
        from kdmgr.models.digests import DigestMemory
        from kdmgr.services.server_importing import ImportTools
        from kdmgr.services.trying import Trial

        blobs = (self.paths.ollama_models / "blobs", self.paths.store / "blobs")
        return ImportTools(
            headers=self.headers,
            digests=DigestMemory(self.paths.digests),
            receipts=self.receipts,
            catalog=lambda: self.catalog,
            machine=self.detect_machine,
            blobs=blobs,
            trial=Trial(self.embedded_engine, self.detect_machine, blobs, self.observed),
        )

    def suggest_import_name(self, sources: tuple[Path, ...], modelfile: Path | None) -> OllamaRef:
        """A name for an import without one."""
        from kdmgr.services.import_plan import ImportRequest, check_sources, suggest_name

        unnamed = ImportRequest(sources, OllamaRef("unnamed"), modelfile)
        return suggest_name(check_sources(unnamed, None, self.headers)[0], sources[0] if sources else Path("model"))

    def server_importing(self, engine: OllamaEngine) -> ServerImporting:
        """Imports into the server of `engine`, which stays the caller's."""
        from kdmgr.services.server_importing import ServerImporting

        return ServerImporting(engine, self.import_tools)

    @cached_property
    def web(self) -> Web:
        """Requests to places where models are published; it counts them."""
        from kdmgr.models.web import Web

        return Web()

    @cached_property
    def registry(self) -> OllamaRegistry:
        """Tags that are not pulled."""
        from kdmgr.models.copies import Copies
        from kdmgr.models.ollama_registry import OllamaRegistry

        return OllamaRegistry(self.web, Copies(self.paths.copies), self.headers)

    @cached_property
    def hub(self) -> Hub:
        """The Hugging Face Hub. Raises `UsageError` for an HF_ENDPOINT that is no address."""
        from kdmgr.models.copies import Copies
        from kdmgr.models.hub import Hub
        from kdmgr.models.hub_access import hub_access

        return Hub(self.web, Copies(self.paths.copies), self.headers, hub_access(self._env))

    @cached_property
    def server_models(self) -> ServerModels:
        """Models of the running server, for planning."""
        from kdmgr.services.server_models import ServerModels

        return ServerModels(self.ollama_engine, self.headers, required=self.host_is_named)

    def plan_for(self, gpus: Sequence[str], vram: str | None) -> None:
        """From now on, `detect_machine` answers with these devices instead of this machine's, if any are named."""
        self._declared = (tuple(gpus), vram)

    def detect_machine(self) -> Machine:
        """This machine, or the one to plan for. The host's bandwidth is measured at the first time, and remembered."""
        return self.machine(*self._declared)

    def machine(self, gpus: Sequence[str] = (), vram: str | None = None) -> Machine:
        """A declared machine when devices are named, else this one."""
        from kdmgr.services.machines import declare, detect

        if not gpus and vram is None:
            return self._with_learned(detect(self.paths, self._env))
        return declare(self.paths, gpus, vram)

    def _with_learned(self, machine: Machine) -> Machine:
        """`machine` with the overheads that loads on it showed; a history that cannot be read teaches nothing."""
        from kdmgr.errors import KdmgrError
        from kdmgr.services.learning import machine_key, with_learned

        if not self.paths.history.exists():
            return machine
        try:
            return with_learned(machine, self.history.loads(machine=machine_key(machine)))
        except KdmgrError:
            return machine

    @cached_property
    def history(self) -> History:
        """What was loaded, and how fast it ran."""
        from kdmgr.history.history import History

        return History(self.paths.history, note=self.history_notes.append)

    @cached_property
    def recorder(self) -> Recorder:
        """Writes into the history."""
        from kdmgr.hardware.runners import find_runner
        from kdmgr.services.machines import detect
        from kdmgr.services.recording import Recorder

        return Recorder(self.history, self.server_models, lambda: detect(self.paths, self._env), find_runner)

    def observed(self, engine: Engine) -> Engine:
        """The same engine; what it loads and how fast it answers is written down."""
        from kdmgr.services.recording import ObservedEngine

        return ObservedEngine(engine, self.recorder)

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

    @cached_property
    def model_fetcher(self) -> ModelFetcher:
        """Downloads into kdmgr's own store."""
        from kdmgr.models.fetch_model import ModelFetcher

        return ModelFetcher(self.library.own, self.transfer_web)

    @cached_property
    def transfer_web(self) -> Web:
        """Requests for gigabytes: a piece may take its time, a connection that brings nothing may not."""
        from kdmgr.models.web import Waits, Web

        return Web(waits=Waits(read_s=30.0, whole_s=900.0))

    @cached_property
    def pull_notes(self) -> PullNotes:
        """Pulls that have begun."""
        from kdmgr.services.pull_notes import PullNotes

        return PullNotes(self.paths.data / "pulls")

    def plan_pull(self, text: str, options: PullOptions) -> PullPlan:
        """What a pull would do. Blocks on the network; not for a running event loop."""
        from kdmgr.services.pull_plan import plan_pull

        return plan_pull(self, text, options)

    def leftovers(self) -> list[Leftover]:
        """What interrupted pulls have left, here and in the models folder of a server on this machine."""
        from kdmgr.services.leftovers import list_leftovers

        return list_leftovers(self)

    def remove_leftovers(self, leftovers: Sequence[Leftover]) -> None:
        """Remove what `leftovers` stand for. `StorageFailed` for one that is being downloaded."""
        from kdmgr.services.leftovers import remove_leftovers

        remove_leftovers(self, leftovers)

    def pull_queue(self, n_parallel: int | None = None) -> PullQueue:
        """A queue of pulls; so many at a time, or as many as the settings say."""
        from kdmgr.services.pulling import pull
        from kdmgr.services.pulls import PARALLEL, PullQueue

        return PullQueue(
            lambda plan, report: pull(self, plan, report), n_parallel or self.settings.parallel_items or PARALLEL
        )

    def open_shape(self, row_or_ref: ModelRow | ModelRef) -> tuple[ModelShape, str]:
        """The shape of a model and its source ("file" or "store")."""
        from kdmgr.gguf.shape import read_shape
        from kdmgr.services.rows import ModelRow, require_ref

        ref = require_ref(row_or_ref) if isinstance(row_or_ref, ModelRow) else row_or_ref
        opened = self.open(ref)
        return read_shape(opened.header), opened.source

    def assess(self, shape: ModelShape, source: str, ref: str, machine: Machine, options: RunOptions) -> FitReport:
        """Plan and judge; pure arithmetic."""
        from kdmgr.fit.assess import assess
        from kdmgr.services.planning import without_devices

        report = assess(shape, machine, options, ref=ref, source=source)
        return report if machine.devices_known else without_devices(report, self.host)

    def machine_of(self, source: str) -> Machine:
        """The machine that would run a model found in `source`, unless `plan_for` named one.

        A server on another computer is planned for by what the config declares of it, never by what is here.
        """
        from kdmgr.services.machines import declare
        from kdmgr.services.planning import remote_machine, runs_on_server

        there = remote_machine(self.host) if runs_on_server(source, self.host, named=self.host_is_named) else None
        if self._declared != ((), None):
            return declare(self.paths, *self._declared, host=there.host if there else None)
        return there or self._this_machine

    @cached_property
    def _this_machine(self) -> Machine:
        """This machine as it was when it was first planned for: several models are judged by one state of it."""
        return self.machine()

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

        return installed_rows(self.library, self.catalog)

    def model_rows(self) -> list[ModelRow]:
        """Installed models first, then the students of the catalog."""
        from kdmgr.services.students import catalog_rows

        installed = self.installed_rows()
        return [*installed, *catalog_rows(self.catalog, installed)]

    async def server_rows(self) -> list[ModelRow]:
        """Models of the Ollama server; none when no server answers."""
        from kdmgr.services.students import server_rows

        engine = self.ollama_engine()
        try:
            if not (await engine.status()).usable:
                return []
            return server_rows(await engine.list_models(), self.catalog)
        finally:
            await engine.close()

    async def open_chat(
        self,
        ref: ModelRef | str,
        *,
        engine: str = "auto",
        n_ctx: int | None = None,
        cache_type: str | None = None,
        system: str | None = None,
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> ChatSession:
        """A conversation, on the engine that serves the model best."""
        from kdmgr.services.conversations import open_chat

        return await open_chat(
            self,
            parse_ref(ref) if isinstance(ref, str) else ref,
            engine=self.settings.engine if engine == "auto" else engine,
            n_ctx=n_ctx or self.settings.n_ctx,
            cache_type=cache_type or self.settings.cache_type,
            system=system,
            parameters=parameters or {},
        )

    def ollama_engine(self) -> OllamaEngine:
        """A client of the Ollama server."""
        from kdmgr.engines.ollama import OllamaEngine

        return OllamaEngine(self.host.address.url, self._env)

    def engine_at(self, host: ChosenHost) -> OllamaEngine:
        """A client of one of several servers."""
        from kdmgr.engines.ollama import OllamaEngine

        return OllamaEngine(host.address.url, self._env)

    def embedded_engine(self) -> Engine:
        """llama.cpp in a worker process."""
        from kdmgr.engines.llamacpp import LlamaCppEngine

        return LlamaCppEngine()

    async def engine_statuses(self) -> list[EngineStatus]:
        """Whether each engine can be used."""
        import asyncio

        engines = (self.ollama_engine(), self.embedded_engine())
        statuses = await asyncio.gather(*(engine.status() for engine in engines))
        for engine in engines:
            await engine.close()
        return list(statuses)

    def diagnose(self) -> list[Finding]:
        """What works here and what does not."""
        import asyncio

        from kdmgr.services.diagnosis import diagnose

        engines = asyncio.run(self.engine_statuses())
        return diagnose(self.paths, self.detect_machine(), engines, self.host, self.catalog)

    def _match(self, found: FoundModel, shape: ModelShape) -> Match | None:
        from kdmgr.catalog.facts import read_facts
        from kdmgr.catalog.match import match_student

        facts = read_facts(
            found.header,
            shape,
            ref=found.ref,
            manifest_digest=found.manifest_digest,
            model_digest=found.model_digest,
        )
        return match_student(facts, self.catalog)
