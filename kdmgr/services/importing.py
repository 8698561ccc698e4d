"""Imports: a GGUF file, with or without a Modelfile, becomes a model of kdmgr's own store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr import __version__
from kdmgr.errors import NotFound, Unreadable, UsageError
from kdmgr.gguf.shape import ModelShape, read_shape
from kdmgr.models.headers import read_file_header
from kdmgr.models.ingest import ingest_file
from kdmgr.models.manifest import CONFIG_TYPE, Layer, Manifest
from kdmgr.models.model_config import encode_config
from kdmgr.models.own_store import OwnStore
from kdmgr.models.progress import Progress, Report
from kdmgr.models.source_file import FileState, read_state
from kdmgr.refs import OllamaRef
from kdmgr.services.import_checks import require_importable, require_usable_name, require_whole_model
from kdmgr.services.model_layers import model_config, modelfile_layers
from kdmgr.services.receipts import ImportReceipt, Receipts
from kdmgr.services.written_lineage import find_base, write_lineage

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.match import Match
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.models.store import StoredModel
    from kdmgr.services.written_lineage import Written


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """What is about to be imported, checked."""

    path: Path
    state: FileState
    header: GgufHeader
    shape: ModelShape
    modelfile: Modelfile | None
    catalog: Catalog


class Importing:
    """Imports into one store."""

    def __init__(
        self,
        store: OwnStore,
        receipts: Receipts,
        catalog: Callable[[], Catalog],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._receipts = receipts
        self._catalog = catalog
        self._now = now

    def import_model(
        self,
        path: Path,
        ref: OllamaRef,
        report: Report,
        *,
        modelfile: Path | None = None,
        replace: bool = False,
        teacher: str | None = None,
        method: str | None = None,
    ) -> ImportReceipt:
        """Check everything that can be checked, copy, and write the manifest last.

        `report` is called after each block; what it raises cancels, and leaves nothing behind. `teacher` and
        `method` are for the receipt. Raises `UsageError` when the name is taken and `replace` is not set.
        """
        source = self.check(path, ref, modelfile=modelfile, replace=replace)
        with self._store.locked(f"importing {ref}", lambda sentence: report(Progress(f"waiting: {sentence}"))):
            self._require_free(path, ref, replace)
            weights = ingest_file(self._store, path, "model", report, since=source.state)
            report(Progress("writing manifest", weights.digest, weights.size, weights.size))
            stored = self._store.write_manifest(ref, self._add_layers(source, weights))
            receipt = self._receipt(source, stored, weights, write_lineage(_match(source, weights), teacher, method))
            return self._keep_receipt(stored, receipt)

    def check(
        self, path: Path, ref: OllamaRef, *, modelfile: Path | None = None, replace: bool = False
    ) -> CheckedSource:
        """Refuse whatever would fail later; nothing is copied."""
        require_usable_name(ref)
        self._require_free(path, ref, replace)
        return self._check(path, modelfile)

    def _require_free(self, path: Path, ref: OllamaRef, replace: bool) -> None:
        """Asked twice: before the work, and when nobody else can take the name any more."""
        if not replace and self._store.find(ref) is not None:
            raise UsageError(f"{ref} exists already", hint=f"another name, or kdmgr import --replace {path} {ref}")

    def _check(self, path: Path, modelfile_path: Path | None) -> CheckedSource:
        """Refuse whatever would fail later, before a byte is copied."""
        state = read_state(path)
        header = read_file_header(path)
        require_whole_model(path, header)
        shape = read_shape(header)
        modelfile = None
        if modelfile_path is not None:
            modelfile = read_modelfile(modelfile_path)
            require_importable(modelfile, modelfile_path, path)
        return CheckedSource(path, state, header, shape, modelfile, self._catalog())

    def _add_layers(self, source: CheckedSource, weights: Layer) -> Manifest:
        """Store what the Modelfile says, and the configuration."""
        texts = modelfile_layers(source.modelfile)
        layers = (weights, *(self._store.add_layer(kind, content) for kind, content in texts))
        config = encode_config(model_config(source.shape, source.modelfile), [layer.digest for layer in layers])
        return Manifest(self._store.add_layer("config", config, media_type=CONFIG_TYPE), layers)

    def _receipt(self, source: CheckedSource, stored: StoredModel, weights: Layer, lineage: Written) -> ImportReceipt:
        template, template_source = find_template(source.header, source.modelfile)
        return ImportReceipt(
            name=str(stored.ref),
            file=str(source.path.resolve()),
            size=weights.size,
            sha256=weights.digest.removeprefix("sha256:"),
            manifest_digest=stored.digest,
            imported_at=self._now().isoformat(timespec="seconds"),
            kdmgr_version=__version__,
            architecture=source.shape.architecture,
            parameters=source.shape.parameters,
            quant=source.shape.quant,
            n_ctx_train=source.shape.n_ctx_train,
            template=_family_name(template),
            template_source=template_source,
            modelfile_parameters=dict(source.modelfile.parameters) if source.modelfile else {},
            base=find_base(source.header),
            **lineage,
            warnings=_warnings(source, template, template_source),
        )

    def _keep_receipt(self, stored: StoredModel, receipt: ImportReceipt) -> ImportReceipt:
        """Save it. The model is complete without one: a receipt that cannot be saved is only a warning."""
        try:
            self._receipts.save(stored.ref, receipt)
        except OSError as error:
            warning = f"the receipt could not be saved: {error.strerror or error}"
            return replace(receipt, warnings=(*receipt.warnings, warning))
        return receipt


def read_modelfile(path: Path) -> Modelfile:
    """Read and parse a Modelfile."""
    from kdmgr.modelfile.parse import MAX_BYTES, parse

    try:
        with path.open("rb") as file:
            return parse(file.read(MAX_BYTES + 1))
    except FileNotFoundError as error:
        raise NotFound(f"no such Modelfile: {path}", hint="`kdmgr modelfile list` names the ones kdmgr has") from error
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror or error}", hint="-f takes a Modelfile") from error


def find_template(header: GgufHeader, modelfile: Modelfile | None) -> tuple[str | None, str]:
    """The template that chats will use, and where it comes from: "modelfile", "gguf" or "none"."""
    if modelfile is not None and modelfile.template:
        return modelfile.template, "modelfile"
    in_file = header.text("tokenizer.chat_template")
    return (in_file, "gguf") if in_file else (None, "none")


def _match(source: CheckedSource, weights: Layer) -> Match | None:
    from kdmgr.catalog.facts import read_facts
    from kdmgr.catalog.match import match_student

    return match_student(read_facts(source.header, source.shape, model_digest=weights.digest), source.catalog)


def _family_name(template: str | None) -> str | None:
    from kdmgr.modelfile.templates import detect_family

    family = detect_family(template) if template else None
    return family.name if family else None


def _warnings(source: CheckedSource, template: str | None, template_source: str) -> tuple[str, ...]:
    found = [f"the header is odd: {problem}" for problem in source.header.problems]
    if source.modelfile is not None:
        found += [f"Modelfile: {warning}" for warning in source.modelfile.warnings]
    if template is None:
        found.append("no chat template, in the file or the Modelfile: the model completes texts, it does not chat")
    elif template_source == "modelfile" and _family_name(template) is None:
        found.append("the TEMPLATE is of no known family: the embedded engine will complete texts without it")
    return tuple(found)
