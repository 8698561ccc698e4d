"""Editing an installed model's Modelfile: a draft that nothing can lose, an editor, what it changed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError, StorageFailed, UsageError
from kdmgr.files import write_atomically
from kdmgr.modelfile.difference import Difference, compare
from kdmgr.services.model_parts import ShownModelfile
from kdmgr.services.modelfile_lint import Linted, lint_file, read_source

if TYPE_CHECKING:
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.services.bringing import Bringing

_FALLBACKS = {"win32": ("notepad",)}
_UNIX = ("sensible-editor", "nano", "vim", "vi")

RunEditor = Callable[[list[str]], int]
"""Runs a command in the terminal and waits for it; its exit code."""


class EditorFailed(KdmgrError):
    """The editor could not be started, or said that it failed."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What came out of an editor. `modelfile` and `difference` are None while there are errors."""

    draft: Path
    linted: Linted
    modelfile: Modelfile | None
    difference: Difference | None

    @property
    def is_unchanged(self) -> bool:
        """Whether it would make the same model."""
        return self.difference is not None and self.difference.is_empty


def write_draft(services: Bringing, shown: ShownModelfile, now: datetime | None = None) -> Path:
    """A new file below kdmgr's data folder, with the Modelfile in it."""
    notes = [f"# The Modelfile of {shown.name}. Save and close to go on; nothing is applied without asking."]
    notes += [f"# Not in here: {sentence}" for sentence in shown.composed.lost]
    return write_text_draft(services, shown.name, "\n".join(notes) + "\n\n" + shown.composed.text, now)


def write_text_draft(services: Bringing, model: str, text: str, now: datetime | None = None) -> Path:
    """A new file below kdmgr's data folder, with `text` in it."""
    folder = services.paths.data / "drafts"
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S-%f")
    name = "".join(char if char.isalnum() or char in "-." else "-" for char in model)[:80]
    path = folder / f"{name}-{stamp}.Modelfile"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror or error}", hint="set KDMGR_DATA_DIR") from error
    return path


def find_editor(env: Mapping[str, str], platform: str = sys.platform) -> list[str]:
    """The words of $VISUAL or $EDITOR, else an editor that is there; `UsageError` when none is."""
    for name in ("VISUAL", "EDITOR"):
        if value := env.get(name, "").strip():
            try:
                return shlex.split(value, posix=platform != "win32")
            except ValueError as error:
                raise UsageError(f"{name} cannot be read: {value!r:.80}", hint=f"set {name} to an editor") from error
    for command in _FALLBACKS.get(platform, _UNIX):
        if shutil.which(command, path=env.get("PATH")):
            return [command]
    raise UsageError("no editor was found", hint="set EDITOR to one, like EDITOR=nano")


def run_editor(command: list[str]) -> int:
    """Run it in this terminal. Ctrl-C is the editor's own while it runs."""
    return subprocess.run(command, check=False).returncode


def edit_draft(
    services: Bringing, shown: ShownModelfile, draft: Path, *, env: Mapping[str, str] = os.environ,
    run: RunEditor = run_editor,
) -> Edited:  # fmt: skip
    """Open the draft in the editor, then read it again. The draft stays whatever happens; errors say where it is."""
    command = find_editor(env)
    kept = f"your draft is kept: {draft}"
    try:
        code = run([*command, str(draft)])
    except OSError as error:
        reason = f"the editor {command[0]!r:.60} cannot be started: {error.strerror or error}"
        raise EditorFailed(reason, hint=f"{kept}; set EDITOR to another one") from error
    if code != 0:
        raise EditorFailed(f"the editor {command[0]!r:.60} ended with code {code}", hint=kept)
    return read_draft(services, shown, draft)


def read_draft(services: Bringing, shown: ShownModelfile, draft: Path) -> Edited:
    """Lint the draft and compare it with what the model was."""
    from kdmgr.modelfile.parse import parse

    linted = lint_file(services, draft)
    if linted.has_errors:
        return Edited(draft, linted, None, None)
    modelfile = parse(read_source(draft))
    names = (shown.name, "the draft")
    return Edited(draft, linted, modelfile, compare(shown.composed.modelfile, modelfile, names))


def discard_draft(draft: Path) -> None:
    """Remove a draft that holds nothing new, or has become a model."""
    draft.unlink(missing_ok=True)
