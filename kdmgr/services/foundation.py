"""What all use cases stand on: folders, stores, servers, the network, the machine; each made when first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakSet

from kdmgr.config import Settings
from kdmgr.models.headers import HeaderCache
from kdmgr.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kdmgr.catalog.load import Catalog
    from kdmgr.engines.llamacpp import LlamaCppEngine
    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.engines.protocol import Engine
    from kdmgr.fit.machine import Machine
    from kdmgr.history.history import History
    from kdmgr.models.hub import Hub
    from kdmgr.models.hub_index import HubIndex
    from kdmgr.models.ollama_registry import OllamaRegistry
    from kdmgr.models.web import Web
    from kdmgr.services.hosts import ChosenHost
    from kdmgr.services.library import Library
    from kdmgr.services.receipts import Receipts
    from kdmgr.services.recording import Recorder
    from kdmgr.services.server_models import ServerModels


class Foundation:
    """Collaborators of one run, injected or made."""

    def __init__(self, paths: Paths, settings: Settings, env: Mapping[str, str], host: str | None = None) -> None:
        self.paths = paths
        self.settings = settings
        self.host_is_named = host is not None
        """Whether the server was named for this run, and not only where one may be found."""
        self._asked_host = host
        self.history_notes: list[str] = []
        """What became of a history that was damaged."""
        self._env = env
        self.embedded_engines: WeakSet[LlamaCppEngine] = WeakSet()
        """Those that were started, for as long as somebody has them."""
        self._declared: tuple[tuple[str, ...], str | None] = ((), None)

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
    def web(self) -> Web:
        """Requests to places where models are published; it counts them."""
        from kdmgr.models.web import Web

        return Web()

    @cached_property
    def transfer_web(self) -> Web:
        """Requests for gigabytes: a piece may take its time, a connection that brings nothing may not."""
        from kdmgr.models.web import Waits, Web

        return Web(waits=Waits(read_s=30.0, whole_s=900.0))

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

    def hub_index(self, tell: Callable[[str], None]) -> HubIndex:
        """The Hub's listings; `tell` is told of every wait. Raises `UsageError` as `hub` does."""
        from kdmgr.models.copies import Copies
        from kdmgr.models.hub_access import hub_access
        from kdmgr.models.hub_index import HubIndex
        from kdmgr.models.hub_reader import HubReader

        return HubIndex(HubReader(self.web, Copies(self.paths.copies), hub_access(self._env), tell))

    @cached_property
    def server_models(self) -> ServerModels:
        """Models of the running server, for planning."""
        from kdmgr.services.server_models import ServerModels

        return ServerModels(self.ollama_engine, self.headers, required=self.host_is_named)

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

        engine = LlamaCppEngine()
        self.embedded_engines.add(engine)
        return engine

    def plan_for(self, gpus: Sequence[str], vram: str | None) -> None:
        """From now on, `detect_machine` answers with these devices instead of this machine's, if any are named."""
        self._declared = (tuple(gpus), vram)

    def machine(self, gpus: Sequence[str] = (), vram: str | None = None) -> Machine:
        """A declared machine when devices are named, else this one."""
        from kdmgr.services.machines import declare, detect

        if not gpus and vram is None:
            return self._with_learned(detect(self.paths, self._env))
        return declare(self.paths, gpus, vram)

    def detect_machine(self) -> Machine:
        """This machine, or the one to plan for. The host's bandwidth is measured at the first time, and remembered."""
        return self.machine(*self._declared)

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

    def machine_elsewhere(self, source: str) -> Machine | None:
        """The other computer that would run a model found in `source`; None where it would run here."""
        from kdmgr.services.planning import runs_on_server

        there = runs_on_server(source, self.host, named=self.host_is_named)
        return self.machine_of(source) if there else None

    @cached_property
    def _this_machine(self) -> Machine:
        """This machine as it was when it was first planned for: several models are judged by one state of it."""
        return self.machine()
