"""The installed models: kdmgr's own store, and Ollama's, which is only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kdmgr.errors import NotFound
from kdmgr.models.own_store import OwnStore
from kdmgr.models.store import ModelStore, StoredModel
from kdmgr.refs import OllamaRef

if TYPE_CHECKING:
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.models.headers import HeaderCache

OWN, OLLAMA = "kdmgr", "ollama"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in one of the stores."""

    stored: StoredModel
    store: str
    """"kdmgr" or "ollama"."""

    @property
    def ref(self) -> OllamaRef:
        """Its name."""
        return self.stored.ref

    @property
    def name(self) -> str:
        """The short form with its tag."""
        return str(self.stored.ref)

    @property
    def digest(self) -> str:
        """sha256 of its manifest, in hex: the ID that Ollama lists."""
        return self.stored.digest

    @property
    def size(self) -> int:
        """Bytes of all its blobs."""
        return self.stored.size

    @property
    def modified_at(self) -> datetime:
        """When its manifest was written."""
        return self.stored.modified_at


class Library:
    """Both stores, as one list."""

    def __init__(self, own: OwnStore, ollama: ModelStore, headers: HeaderCache) -> None:
        self.own = own
        self.ollama = ollama
        self._headers = headers

    def list_models(self) -> tuple[list[InstalledModel], list[str]]:
        """Every installed model, newest first, and a sentence for each that cannot be read."""
        found: list[InstalledModel] = []
        problems: list[str] = []
        for name, store in self._stores():
            models, broken = store.models()
            found += [InstalledModel(model, name) for model in models]
            problems += [f"{store.root}: {sentence}" for sentence in broken]
        return sorted(found, key=lambda model: model.modified_at, reverse=True), problems

    def find(self, ref: OllamaRef) -> InstalledModel | None:
        """The model of this name; kdmgr's own store first."""
        for name, store in self._stores():
            stored = store.find(ref)
            if stored is not None:
                return InstalledModel(stored, name)
        return None

    def require(self, ref: OllamaRef) -> InstalledModel:
        """The model of this name; `NotFound` with the closest names when there is none."""
        found = self.find(ref)
        if found is None:
            raise NotFound(f"no model named {ref} is installed", hint=self._suggest(ref))
        return found

    def header(self, model: InstalledModel) -> GgufHeader:
        """The header of its weights, from the cache where it has been read before."""
        return self._headers.read(model.stored.model_path, model.stored.model_digest)

    def _stores(self) -> list[tuple[str, ModelStore]]:
        """kdmgr's store and Ollama's; once where OLLAMA_MODELS is kdmgr's own."""
        own: tuple[str, ModelStore] = (OWN, self.own)
        return [own] if self.own.root.resolve() == self.ollama.root.resolve() else [own, (OLLAMA, self.ollama)]

    def _suggest(self, ref: OllamaRef) -> str:
        import difflib

        names = [model.name for model in self.list_models()[0]]
        close = difflib.get_close_matches(str(ref), names, 1, 0.5)
        if close:
            return f"did you mean {close[0]}?"
        return "`kdmgr ls` shows what is installed" if names else "import one: kdmgr import model.gguf NAME"
