"""Getting models: pulls, imports, what was left over, and Modelfiles."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.refs import OllamaRef
from kdmgr.services.fitting import Fitting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.engines.ollama import OllamaEngine
    from kdmgr.models.fetch_model import ModelFetcher
    from kdmgr.services.import_form import ImportForm
    from kdmgr.services.importing import Importing
    from kdmgr.services.leftovers import Leftover
    from kdmgr.services.modelfile_desk import ModelfileDesk
    from kdmgr.services.pull_notes import PullNotes
    from kdmgr.services.pull_plan import PullOptions, PullPlan
    from kdmgr.services.server_importing import ImportTools, ServerImporting
    from kdmgr.services.transfer_history import TransferHistory
    from kdmgr.services.transfer_log import TransferLog
    from kdmgr.services.transfer_queue import TransferQueue


class Bringing(Fitting):
    """The use cases that bring models."""

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
    def model_fetcher(self) -> ModelFetcher:
        """Downloads into kdmgr's own store."""
        from kdmgr.models.fetch_model import ModelFetcher

        return ModelFetcher(self.library.own, self.transfer_web)

    @cached_property
    def pull_notes(self) -> PullNotes:
        """Pulls that have begun."""
        from kdmgr.services.pull_notes import PullNotes

        return PullNotes(self.paths.data / "pulls")

    @cached_property
    def import_form(self) -> ImportForm:
        """Guided imports."""
        from kdmgr.services.import_form import ImportForm

        return ImportForm(self)

    @cached_property
    def modelfile_desk(self) -> ModelfileDesk:
        """Modelfiles being edited."""
        from kdmgr.services.modelfile_desk import ModelfileDesk

        return ModelfileDesk(self)

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

    def transfer_queue(self, n_parallel: int | None = None) -> TransferQueue:
        """A queue of pulls and imports; so many at a time, or as many as the settings say."""
        from kdmgr.services.transferring import make_queue

        return make_queue(self, n_parallel)

    @cached_property
    def transfers(self) -> TransferQueue:
        """The one queue of an app that stays open."""
        return self.transfer_queue()

    @cached_property
    def transfer_log(self) -> TransferLog:
        """Pulls and imports that have ended."""
        from kdmgr.services.transfer_log import TransferLog

        return TransferLog(self.paths.data / "transfers.jsonl")

    @cached_property
    def transfer_history(self) -> TransferHistory:
        """The same, with the receipts of what came."""
        from kdmgr.services.transfer_history import TransferHistory

        return TransferHistory(self)
