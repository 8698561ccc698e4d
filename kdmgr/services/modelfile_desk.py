"""A Modelfile on the desk: shown, linted while it is written, compared, and made into a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import UsageError
from kdmgr.modelfile.difference import Difference, compare
from kdmgr.modelfile.lint import Finding, apply_fixes, lint_modelfile
from kdmgr.modelfile.parse import parse
from kdmgr.refs import parse_ollama_name
from kdmgr.services.model_parts import OWN, SERVER, ShownModelfile, show_modelfile
from kdmgr.services.modelfile_apply import apply_to_own_store, apply_to_server, is_taken
from kdmgr.services.modelfile_edit import write_text_draft
from kdmgr.services.modelfile_lint import surroundings_of
from kdmgr.services.threads import in_thread

if TYPE_CHECKING:
    from kdmgr.models.progress import Report
    from kdmgr.services.bringing import Bringing


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What applying a text would mean. `taken` is whether a model of the name is there."""

    name: str
    target: str
    """"server" or "own"."""
    difference: Difference
    taken: bool


class ModelfileDesk:
    """Works on the Modelfiles of installed models, in the folder where drafts are kept."""

    def __init__(self, services: Bringing) -> None:
        self._services = services
        self.folder = services.paths.data / "drafts"
        """From where a draft's paths are looked for."""

    async def show(self, name: str) -> ShownModelfile:
        """The Modelfile of an installed model. Raises `NotFound`, or `ServerUnreachable` for a named server."""
        return await show_modelfile(self._services, name)

    def lint(self, text: str, folder: Path | None = None) -> tuple[Finding, ...]:
        """Everything against `text`; what it names is looked for. Blocks on disk and server."""
        return lint_modelfile(text, surroundings_of(self._services, folder or self.folder))

    def mend(self, text: str) -> str:
        """`text` with what can be mended without losing anything."""
        return apply_fixes(text, self.lint(text))[0]

    async def review(self, shown: ShownModelfile, text: str, name: str) -> Reviewed:
        """How the model would differ. Raises `ModelfileError` for what Ollama would refuse, `UsageError` for a name."""
        difference = compare(shown.composed.modelfile, parse(text), (shown.name, "the draft"))
        ref, target = parse_ollama_name(name), target_of(shown)
        return Reviewed(str(ref), target, difference, await is_taken(self._services, str(ref), target))

    async def apply(self, reviewed: Reviewed, text: str, report: Report) -> None:
        """Make the model. Cancelling stops at once, and makes none. The draft is kept until it is made."""
        if reviewed.difference.is_empty and reviewed.taken:
            raise UsageError("nothing has changed", hint="change the Modelfile, or apply it as another name")
        draft = self.keep(reviewed.name, text)
        modelfile, ref = parse(text), parse_ollama_name(reviewed.name)
        if reviewed.target == "own":
            services = self._services
            await in_thread(lambda tell: apply_to_own_store(services, modelfile, self.folder, ref, tell), report)
        else:
            await apply_to_server(self._services, modelfile, self.folder, ref, report)
        draft.unlink(missing_ok=True)

    def keep(self, name: str, text: str) -> Path:
        """A file with `text` among the drafts."""
        return write_text_draft(self._services, name, text)


def target_of(shown: ShownModelfile) -> str:
    """Where the edited model goes: to where it is. A store of Ollama's is its server's."""
    return "own" if shown.place == OWN else SERVER
