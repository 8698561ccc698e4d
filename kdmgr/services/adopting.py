"""A find on the Hub, made an entry of the user's own catalog: claimed at most, and each word with its source."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kdmgr.errors import ServerUnreachable, UsageError
from kdmgr.refs import FileRef, HubRef, OllamaRef, parse_ref
from kdmgr.services.discovery import Find, describe_entry
from kdmgr.services.own_students import require_entry
from kdmgr.services.written_lineage import require_method
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.catalog.students import Student
    from kdmgr.services.bringing import Bringing

NOT_NAMED = "not named"
_CONVERTED = re.compile(r"[-_.](?:i1[-_.])?gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """What the user knows of the student; None leaves it to what is found."""

    student_id: str | None = None
    name: str | None = None
    teacher: str | None = None
    method: str | None = None
    """One of `METHODS`."""
    evidence: str | None = None
    """The address of a page that says so."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """An entry to write, and why somebody should be asked first."""

    entry: dict[str, Any]
    objections: tuple[str, ...]
    notes: tuple[str, ...]
    """What could not be found out."""


def adopt(services: Bringing, text: str, said: Said, tell: Callable[[str], None], today: date) -> Adoption:
    """The entry for the model that `text` names: of a repository with what the Hub knows and its card claims.

    Raises `UsageError` for what can be no entry; as the Hub does where nothing is known without it.
    """
    ref = parse_ref(text)
    if isinstance(ref, FileRef):
        raise UsageError(f"{ref} is a file", hint="name where it was published: hf.co/user/repo, or an Ollama name")
    require_method(said.method)
    if isinstance(ref, OllamaRef):
        if said.teacher is None:
            raise UsageError(
                f"nothing says who taught {ref}", hint="--teacher NAME; for the Hub, write hf.co/user/repo"
            )
        return _with_objections(services, _entry_of_tag(ref, said, today), None, ())
    find, notes = _look_up(services, ref, said, tell)
    return _with_objections(services, _entry_of_find(find, said, today), find, (*notes, *find.problems))


def _look_up(services: Bringing, ref: HubRef, said: Said, tell: Callable[[str], None]) -> tuple[Find, tuple[str, ...]]:
    from kdmgr.models.hub_index import HubEntry
    from kdmgr.services.card_evidence import CardReader

    repo = f"{ref.user}/{ref.repo}"
    index = services.hub_index(tell)
    try:
        find = describe_entry(index.find(repo), services.catalog)
    except ServerUnreachable as error:
        if said.teacher is None:
            raise
        note = f"the Hub was not asked ({error.message}): size, context and licence are unknown"
        return describe_entry(HubEntry(repo), services.catalog), (note,)
    return CardReader(index).with_evidence(find), tuple(index.reader.notes)


def _entry_of_find(find: Find, said: Said, today: date) -> dict[str, Any]:
    hub, has_gguf = find.entry, find.entry.architecture is not None or _CONVERTED.search(find.entry.repo)
    weights = find.original or (None if has_gguf else hub.repo)
    publisher, _, written = (weights or hub.repo).partition("/")
    name = said.name or _CONVERTED.sub("", written)
    entry = {
        "id": said.student_id or make_id(name),
        "name": name,
        "publisher": publisher,
        "architecture": hub.architecture,
        "parameters": hub.parameters,
        "context_length": hub.n_ctx_train,
        "licence": hub.licence,
        "hf_repo": weights,
        "gguf_repos": [hub.repo] if has_gguf else [],
        "notes": f"Kept from hf.co/{hub.repo} on {today.isoformat()}. {_describe_signs(find)}",
    }
    return {**{key: value for key, value in entry.items() if value}, **_lineage(said, find)}


def _entry_of_tag(ref: OllamaRef, said: Said, today: date) -> dict[str, Any]:
    name = said.name or str(ref)
    return {
        "id": said.student_id or make_id(name),
        "name": name,
        "ollama": [{"tag": str(ref)}],
        "notes": f"Kept on {today.isoformat()}.",
        **_lineage(said, None),
    }


def _lineage(said: Said, find: Find | None) -> dict[str, Any]:
    """Who taught it and how do we know. A page that was not checked makes a claim, no more."""
    evidence = find.evidence if find else None
    read: dict[str, Any] = {"confidence": "low"}
    if said.evidence is not None:
        read = {"url": said.evidence, "where": "given by the user, not checked", "confidence": "medium"}
    elif evidence is not None:
        read = {"url": evidence.url, "where": f"model card: “{evidence.claim.quote}”", "confidence": "medium"}
    own_word = said.evidence is None
    doubts = [field for field, word in (("teacher.name", said.teacher), ("method", said.method)) if word and own_word]
    return {
        "teacher": {"name": said.teacher or NOT_NAMED},
        "method": said.method or "unknown",
        "evidence": read,
        "unverified": doubts,
    }


def make_id(name: str) -> str:
    """An id made of a name; `UsageError` where nothing of it is left."""
    made = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:96]
    if not made:
        raise UsageError(f"no id can be made of {name!r:.60}", hint="give one: --id my-student")
    return made


def _describe_signs(find: Find) -> str:
    sentences = "; ".join(sign.sentence for sign in find.signs)
    return f"Suggested by: {sentences}." if sentences else "Nothing on the Hub suggests that it was distilled."


def _with_objections(services: Bringing, entry: dict[str, Any], find: Find | None, notes: tuple[str, ...]) -> Adoption:
    """Why to ask: a line of the user's would go, or an entry of the catalog be hidden."""
    known = services.catalog.get(require_entry(entry))
    objections = [_object_to(known)] if known else []
    match = find.match if find else None
    if match and match.relation == "itself" and match.student.id != entry["id"] and not match.student.from_user:
        grade = match.student.lineage.grade.value
        objections.append(f"the catalog has it as {match.student.id} ({grade}); your entry would come before that one")
    return Adoption(entry, tuple(objections), tuple(printable(note) for note in notes))


def _object_to(known: Student) -> str:
    if known.from_user:
        return f"your students have a {known.id} already: {known.name}, taught by {known.lineage.teacher.name}"
    return f"the catalog has a {known.id} ({known.lineage.grade.value}), which your entry would hide"
