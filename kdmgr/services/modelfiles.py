"""Modelfiles: those that come with kdmgr, and new ones with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.modelfile.propose import Proposal, propose_modelfile
from kdmgr.modelfile.shipped import read_shipped, shipped_names
from kdmgr.refs import FileRef, parse_ref

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.services.app import Services
    from kdmgr.services.finding import FoundModel

__all__ = ["new_modelfile", "read_shipped", "shipped_names"]


def new_modelfile(services: Services, text: str, version: str | None) -> Proposal:
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


def modelfile_of(student: Student) -> str | None:
    """The name of the shipped Modelfile for the student; None where its family has none."""
    return student.family if student.family in shipped_names() else None
