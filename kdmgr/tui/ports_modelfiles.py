"""What imports and the Modelfile editor need of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kdmgr.modelfile.lint import Finding
    from kdmgr.models.progress import Report
    from kdmgr.refs import OllamaRef
    from kdmgr.services.import_form import ImportPreview
    from kdmgr.services.import_plan import ImportRequest
    from kdmgr.services.import_transfer import ImportTransfer
    from kdmgr.services.model_parts import ShownModelfile
    from kdmgr.services.modelfile_desk import Reviewed


class FormOfImports(Protocol):
    """Guided imports. All raise `KdmgrError` for what a user can meet."""

    def suggest_name(self, sources: Sequence[Path]) -> OllamaRef:
        """A name for a model that the user gave none."""

    def preview(self, request: ImportRequest, engine: str = "auto") -> ImportPreview:
        """Check everything that can be checked; blocks on disk and server."""

    def transfer(self, preview: ImportPreview, text: str) -> ImportTransfer:
        """The import as a transfer, with `text` as its Modelfile."""


class DeskOfModelfiles(Protocol):
    """Modelfiles being edited. All raise `KdmgrError` for what a user can meet."""

    async def show(self, name: str) -> ShownModelfile:
        """The Modelfile of an installed model."""

    def lint(self, text: str, folder: Path | None = None) -> tuple[Finding, ...]:
        """Everything against a text; blocks on disk and server."""

    def mend(self, text: str) -> str:
        """A text with what can be mended without losing anything; blocks as `lint` does."""

    async def review(self, shown: ShownModelfile, text: str, name: str) -> Reviewed:
        """What applying a text as `name` would mean."""

    async def apply(self, reviewed: Reviewed, text: str, report: Report) -> None:
        """Make the model; cancelling makes none."""

    def keep(self, name: str, text: str) -> Path:
        """A file with a text among the drafts."""


class ModelfileServices(Protocol):
    """Imports and Modelfiles."""

    @property
    def import_form(self) -> FormOfImports:
        """Guided imports."""

    @property
    def modelfile_desk(self) -> DeskOfModelfiles:
        """Modelfiles being edited."""
