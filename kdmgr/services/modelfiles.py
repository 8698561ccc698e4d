"""Modelfiles: those that come with kdmgr, and new ones with their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.modelfile.propose import Proposal, propose_modelfile
from kdmgr.modelfile.shipped import index_students, read_shipped, shipped_names
from kdmgr.refs import FileRef, OllamaRef, parse_ref

if TYPE_CHECKING:
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.finding import FoundModel

__all__ = ["index_students", "new_modelfile", "read_shipped", "shipped_names", "student_modelfile"]


def new_modelfile(services: Bringing, text: str, version: str | None) -> Proposal:
    """A Modelfile for the model `text` names, for an Ollama of `version` (None: any). Blocks on the network."""
    from kdmgr.engines.ollama.versions import era

    ref = parse_ref(text)
    found = services.find(ref)
    source = str(ref.path.resolve()) if isinstance(ref, FileRef) else str(ref)
    return propose_modelfile(found.header, source, era(version), existing=_existing(found))


def _existing(found: FoundModel) -> Modelfile | None:
    """What an installed model brings along, and a Modelfile FROM its name inherits."""
    if found.opened is None or found.opened.installed is None:
        return None
    from kdmgr.modelfile.compose import compose
    from kdmgr.services.model_parts import parts_of_stored

    return compose(parts_of_stored(found.opened.installed.stored)).modelfile


def student_modelfile(services: Bringing, text: str) -> str | None:
    """The shipped Modelfile of the student with the id `text`, FROM what it can be pulled by.

    None for another text, for what is a file or installed, and for a student that has no Modelfile.
    """
    from kdmgr.services.sizing import pull_name

    student = services.catalog.get(text)
    name = index_students().get(text) if student is not None and not student.from_user else None
    if student is None or name is None or Path(text).exists() or services.library.find(OllamaRef(text)):
        return None
    shipped, source = read_shipped(name), pull_name(student)
    return shipped.replace("FROM ./model.gguf", f"FROM {source}", 1) if source else shipped
