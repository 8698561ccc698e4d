"""A server with models: it lists, copies, deletes and loads what lies in a folder, as Ollama's does."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kdmgr.models.store import ModelStore
from kdmgr.models.stored_model import StoredModel
from kdmgr.refs import parse_ollama_name
from tests.engines.scripted import Asked, Reply, ScriptedServer, json_reply
from tests.engines.test_shown_header import shown


class ModelServer(ScriptedServer):
    """Serves the models below `root`; what is scripted with `on` comes before what it would do itself."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.store = ModelStore(root)
        self.loaded: dict[str, datetime] = {}
        self.told_root = root
        """Where it says that its files are."""

    def next_reply(self, asked: Asked) -> Reply:
        scripted = super().next_reply(asked)
        if scripted.status != 404 or scripted.content_type != "text/plain":
            return scripted
        body = asked.body or {}
        match asked.method, asked.path:
            case "GET", "/api/version":
                return json_reply(version="0.24.0")
            case "GET", "/api/tags":
                return json_reply(models=[_listing(model) for model in self.store.models()[0]])
            case "GET", "/api/ps":
                return json_reply(models=[self._loaded(name, until) for name, until in self.loaded.items()])
            case "POST", "/api/show":
                return self._show(body)
            case "POST", "/api/copy":
                return self._copy(body["source"], body["destination"])
            case "DELETE", "/api/delete":
                return self._delete(body["model"])
            case "POST", "/api/generate":
                return self._generate(body)
        return scripted

    def _find(self, name: str) -> StoredModel | None:
        return self.store.find(parse_ollama_name(name))

    def _show(self, body: dict[str, Any]) -> Reply:
        model = self._find(body["model"])
        if model is None:
            return _missing(body["model"])
        digest = str(model.model_digest).replace(":", "-")
        modelfile = f"# Modelfile\nFROM {self.told_root}/blobs/{digest}\nTEMPLATE x\n"
        return json_reply(**{**shown(), "modelfile": modelfile, "capabilities": ["completion"], "license": "MIT\nmore"})

    def _copy(self, source: str, destination: str) -> Reply:
        model = self._find(source)
        if model is None:
            return _missing(source)
        target = self.store.manifest_path(parse_ollama_name(destination))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.store.manifest_path(model.ref), target)
        return Reply()

    def _delete(self, name: str) -> Reply:
        model = self._find(name)
        if model is None:
            return _missing(name)
        self.store.manifest_path(model.ref).unlink()
        needed = set().union(*(other.manifest.digests for other in self.store.models()[0]))
        for digest in model.manifest.digests - needed:
            (self.store.blobs / digest.replace(":", "-")).unlink()
        return Reply()

    def _generate(self, body: dict[str, Any]) -> Reply:
        model = self._find(body["model"])
        if model is None:
            return _missing(body["model"])
        name, seconds = str(model.ref), body["keep_alive"]
        if seconds == 0:
            self.loaded.pop(name, None)
            return json_reply(done=True, done_reason="unload")
        self.loaded[name] = datetime.now(UTC) + timedelta(seconds=seconds if seconds > 0 else 9_200_000_000)
        return json_reply(done=True, done_reason="load")

    def _loaded(self, name: str, until: datetime) -> dict[str, Any]:
        gpu = {"size": 4 << 30, "size_vram": 3 << 30, "context_length": 4096}
        return {"name": name, "model": name, "expires_at": until.isoformat(), **gpu}


def _listing(model: StoredModel) -> dict[str, Any]:
    return {
        "name": str(model.ref),
        "model": str(model.ref),
        "size": model.size,
        "digest": model.digest,
        "modified_at": model.modified_at.isoformat(),
        "details": {"family": "llama", "parameter_size": "1B", "quantization_level": "Q4_K_M"},
    }


def _missing(name: str) -> Reply:
    return json_reply(404, error=f"model '{name}' not found")
