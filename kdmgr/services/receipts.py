"""Receipts: what was imported from where, what its header said, and what seemed doubtful."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from kdmgr.errors import Unreadable
from kdmgr.files import write_atomically
from kdmgr.models.manifest import hash_bytes
from kdmgr.refs import OllamaRef


@dataclass(frozen=True, slots=True)
class ImportReceipt:
    """One import. Sizes in bytes; None is unknown."""

    name: str
    file: str
    size: int
    sha256: str
    """Of the file, and so of the stored blob."""
    manifest_digest: str
    imported_at: str
    """UTC, ISO 8601."""
    kdmgr_version: str
    architecture: str
    parameters: int
    quant: str | None
    n_ctx_train: int | None
    template: str | None
    """The family of the chat template that will be used; None when there is none or it is in no known family."""
    template_source: str
    """"modelfile", "gguf" or "none"."""
    modelfile_parameters: dict[str, object]
    student: str | None
    """Id of the distilled student that the model was recognised as."""
    teacher: str | None
    method: str | None
    warnings: tuple[str, ...] = ()


class Receipts:
    """The receipts below `folder`, one file for each name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, ref: OllamaRef, receipt: ImportReceipt) -> Path:
        """Write (or replace) the receipt of `ref`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(ref)
        write_atomically(path, json.dumps({"schema_version": 1, **asdict(receipt)}, indent=2).encode())
        return path

    def find(self, ref: OllamaRef) -> ImportReceipt | None:
        """The receipt of `ref`; None when there is none."""
        try:
            body = json.loads(self._path(ref).read_bytes())
            known = {field.name: body[field.name] for field in fields(ImportReceipt)}
            parameters = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in known["modelfile_parameters"].items()
            }
            return ImportReceipt(**{**known, "warnings": tuple(known["warnings"]), "modelfile_parameters": parameters})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreadable(f"the receipt of {ref} is damaged", hint=f"remove {self._path(ref)}") from error

    def forget(self, ref: OllamaRef) -> None:
        """Remove the receipt of `ref`, if there is one."""
        self._path(ref).unlink(missing_ok=True)

    def _path(self, ref: OllamaRef) -> Path:
        """A name for people, and a hash, since names differ by more than file systems tell apart."""
        short = hash_bytes("/".join(ref.key).encode()).removeprefix("sha256:")[:12]
        return self._folder / f"{ref.model[:60]}-{short}.json"
