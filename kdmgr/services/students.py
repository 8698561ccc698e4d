"""The table of students: what is installed, and what could be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdmgr.errors import KdmgrError
from kdmgr.refs import ModelRef, find_quant, parse_ollama_name, parse_ref
from kdmgr.services.library import InstalledModel, Library
from kdmgr.services.rows import ModelRow

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.catalog.students import Student
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.services.receipts import Receipts


def installed_rows(library: Library, catalog: Catalog, receipts: Receipts) -> list[ModelRow]:
    """One row for each installed model, newest first; headers come from the cache where they can."""
    return [installed_row(model, library, catalog, receipts) for model in library.list_models()[0]]


def catalog_rows(catalog: Catalog, installed: list[ModelRow]) -> list[ModelRow]:
    """One row for each student that is not installed, by name."""
    present = {row.match.student.id for row in installed if row.match and row.match.relation == "itself"}
    rows = [_catalog_row(student) for student in catalog if student.id not in present]
    return sorted(rows, key=lambda row: row.name.casefold())


def server_rows(listings: list[EngineListing], catalog: Catalog) -> list[ModelRow]:
    """One row for each model that a server lists."""
    return [server_row(listing, catalog) for listing in listings]


def match_installed(model: InstalledModel, library: Library, catalog: Catalog, receipts: Receipts) -> Match | None:
    """The student that an installed model is, from where it was pulled, its name, its digests and its header."""
    from kdmgr.catalog.facts import ModelFacts, read_facts
    from kdmgr.catalog.match import match_student

    stored = model.stored
    ref = receipts.origin(stored.ref, stored.digest)
    known = {"ref": ref, "manifest_digest": stored.digest, "model_digest": stored.model_digest}
    try:
        from kdmgr.gguf.shape import read_shape

        header = library.header(model)
        facts = read_facts(
            header,
            read_shape(header),
            ref=ref,
            manifest_digest=stored.digest,
            model_digest=stored.model_digest,
        )
    except KdmgrError:
        facts = ModelFacts(**known)  # type: ignore[arg-type]
    return match_student(facts, catalog)


def installed_row(model: InstalledModel, library: Library, catalog: Catalog, receipts: Receipts) -> ModelRow:
    """What can be said of one installed model."""
    parameters = quant = n_ctx_train = None
    try:
        from kdmgr.gguf.shape import read_shape

        shape = read_shape(library.header(model))
        parameters, quant, n_ctx_train = shape.parameters, shape.quant, shape.n_ctx_train
    except KdmgrError:
        # A damaged model is still listed; opening it says what is wrong.
        pass
    return ModelRow(
        key=f"{model.store}/{model.name}",
        name=model.name,
        ref=model.stored.ref,
        origin=model.store,
        size_bytes=model.size,
        parameters=parameters,
        quant=quant,
        n_ctx_train=n_ctx_train,
        match=match_installed(model, library, catalog, receipts),
    )


def _catalog_row(student: Student) -> ModelRow:
    from kdmgr.catalog.match import Certainty, Match

    tag = next(iter(student.ollama), None)
    return ModelRow(
        key=f"catalog/{student.id}",
        name=student.name,
        ref=_catalog_ref(student),
        origin="catalog",
        size_bytes=tag.size_bytes if tag else None,
        parameters=student.parameters,
        quant=find_quant(tag.tag) if tag else None,
        n_ctx_train=student.context_length,
        match=Match(student, ("it is this student's entry in the catalog",), Certainty.EXACT, "itself"),
    )


def _catalog_ref(student: Student) -> ModelRef | None:
    """What it is pulled by: a tag of Ollama's library, else a repository with GGUF files."""
    from kdmgr.services.sizing import pull_name

    name = pull_name(student)
    return parse_ref(name) if name else None


def server_row(listing: EngineListing, catalog: Catalog) -> ModelRow:
    """What can be said of a model that a server lists."""
    from kdmgr.catalog.facts import ModelFacts
    from kdmgr.catalog.match import match_student

    try:
        ref = parse_ollama_name(listing.name)
    except KdmgrError:
        ref = None
    facts = ModelFacts(ref=ref, manifest_digest=listing.digest, architecture=listing.family)
    return ModelRow(
        key=f"server/{listing.name}",
        name=listing.name,
        ref=ref,
        origin="server",
        size_bytes=listing.size,
        parameters=None,
        quant=listing.quant,
        n_ctx_train=None,
        match=match_student(facts, catalog),
    )
