"""Imports: a GGUF file, with or without a Modelfile, becomes a model of kdmgr's own store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr import __version__
from kdmgr.errors import NotFound, UsageError
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.models.headers import read_file_header
from kdmgr.models.ingest import ingest_file
from kdmgr.models.manifest import CONFIG_TYPE, Layer, Manifest, encode_config
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress
from kdmgr.refs import OllamaRef
from kdmgr.services.receipts import ImportReceipt, Receipts
from kdmgr.units import format_parameters

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.models.store import StoredModel

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Source:
    """What is about to be imported, checked."""

    path: Path
    header: GgufHeader
    shape: ModelShape
    modelfile: Modelfile | None


class Importing:
    """Imports into one store."""

    def __init__(self, store: OwnStore, receipts: Receipts, catalog: Callable[[], Catalog]) -> None:
        self._store = store
        self._receipts = receipts
        self._catalog = catalog

    def import_model(
        self, path: Path, ref: OllamaRef, report: Report, *, modelfile: Path | None = None, replace: bool = False
    ) -> ImportReceipt:
        """Check everything that can be checked, copy, and write the manifest last.

        `report` is called after each block; what it raises cancels, and leaves nothing behind. Raises
        `UsageError` when the name is taken and `replace` is not set.
        """
        source = self._check(path, modelfile)
        if self._store.find(ref) is not None and not replace:
            raise UsageError(f"{ref} exists already", hint=f"another name, or kdmgr import --replace {path} {ref}")
        with self._store.locked():
            weights = ingest_file(self._store, source.path, "model", report)
            report(Progress("writing manifest", weights.digest, weights.size, weights.size))
            stored = self._store.write_manifest(ref, self._manifest(source, weights))
        receipt = self._receipt(source, stored, weights)
        self._receipts.save(ref, receipt)
        return receipt

    def _check(self, path: Path, modelfile_path: Path | None) -> _Source:
        """Refuse whatever would fail later, before a byte is copied."""
        header = read_file_header(path)
        shape = read_shape(header)
        modelfile = None
        if modelfile_path is not None:
            modelfile = read_modelfile(modelfile_path)
            _require_same_file(modelfile, modelfile_path, path)
        return _Source(path, header, shape, modelfile)

    def _manifest(self, source: _Source, weights: Layer) -> Manifest:
        layers = [weights, *self._modelfile_layers(source.modelfile)]
        config = encode_config(
            family=source.shape.architecture,
            parameter_size=format_parameters(source.shape.parameters),
            quant=source.shape.quant or "unknown",
            digests=[layer.digest for layer in layers],
        )
        return Manifest(self._store.add_layer("config", config, media_type=CONFIG_TYPE), tuple(layers))

    def _modelfile_layers(self, modelfile: Modelfile | None) -> list[Layer]:
        """The layers that Ollama's create would make of the commands."""
        if modelfile is None:
            return []
        texts = [("license", text) for text in modelfile.licenses]
        texts += [(kind, text) for kind in ("template", "system") if (text := modelfile.last(kind)) is not None]
        if modelfile.messages:
            turns = [{"role": role, "content": content} for role, content in modelfile.messages]
            texts.append(("messages", json.dumps(turns)))
        if modelfile.parameters:
            texts.append(("params", json.dumps(modelfile.parameters)))
        return [self._store.add_layer(kind, text.encode()) for kind, text in texts]

    def _receipt(self, source: _Source, stored: StoredModel, weights: Layer) -> ImportReceipt:
        template, template_source = find_template(source.header, source.modelfile)
        match = self._match(source, weights)
        return ImportReceipt(
            name=str(stored.ref),
            file=str(source.path.resolve()),
            size=weights.size,
            sha256=weights.digest.removeprefix("sha256:"),
            manifest_digest=stored.digest,
            imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
            kdmgr_version=__version__,
            architecture=source.shape.architecture,
            parameters=source.shape.parameters,
            quant=source.shape.quant,
            n_ctx_train=source.shape.n_ctx_train,
            template=_family_name(template),
            template_source=template_source,
            modelfile_parameters=dict(source.modelfile.parameters) if source.modelfile else {},
            student=match.student.id if match else None,
            teacher=match.student.lineage.teacher.name if match else None,
            method=match.student.lineage.method if match else None,
            warnings=_warnings(source, template, template_source),
        )

    def _match(self, source: _Source, weights: Layer) -> Match | None:
        from kdmgr.catalog.facts import read_facts
        from kdmgr.catalog.match import match_student

        return match_student(read_facts(source.header, source.shape, model_digest=weights.digest), self._catalog())


def read_modelfile(path: Path) -> Modelfile:
    """Read and parse a Modelfile."""
    from kdmgr.modelfile.parse import parse

    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"no such Modelfile: {path}", hint="`kdmgr modelfile list` names the ones kdmgr has") from error
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror or error}") from error


def find_template(header: GgufHeader, modelfile: Modelfile | None) -> tuple[str | None, str]:
    """The template that chats will use, and where it comes from: "modelfile", "gguf" or "none"."""
    if modelfile is not None and modelfile.template:
        return modelfile.template, "modelfile"
    in_file = header.text("tokenizer.chat_template")
    return (in_file, "gguf") if in_file else (None, "none")


def _family_name(template: str | None) -> str | None:
    from kdmgr.modelfile.templates import detect_family

    family = detect_family(template) if template else None
    return family.name if family else None


def _require_same_file(modelfile: Modelfile, modelfile_path: Path, path: Path) -> None:
    """FROM must mean the file that was given; anything else would import something unexpected."""
    sources = modelfile.sources
    if len(sources) > 1 or modelfile.values("adapter"):
        raise UsageError(
            f"{modelfile_path} names more than one file",
            hint="projectors and adapters cannot be imported yet; leave one FROM and no ADAPTER",
        )
    named = (modelfile_path.parent / Path(sources[0]).expanduser()).resolve()
    placeholder = sources[0] in ("./model.gguf", "model.gguf") and not named.exists()
    if named != path.resolve() and not placeholder:
        raise UsageError(f"{modelfile_path} is FROM {sources[0]}, not {path}", hint=f"write FROM {path.resolve()}")


def _warnings(source: _Source, template: str | None, template_source: str) -> tuple[str, ...]:
    found = [f"the header is odd: {problem}" for problem in source.header.problems]
    if source.modelfile is not None:
        found += [f"Modelfile: {warning}" for warning in source.modelfile.warnings]
    if template is None:
        found.append("no chat template, in the file or the Modelfile: the model completes texts, it does not chat")
    elif template_source == "modelfile" and _family_name(template) is None:
        found.append("the TEMPLATE is of no known family: the embedded engine will complete texts without it")
    return tuple(found)
