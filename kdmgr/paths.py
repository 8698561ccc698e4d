"""The folders kdmgr reads and writes. Nothing is created until something is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are. `ollama_models` is read; only pruning removes from it, what is left over and after asking."""

    data: Path
    config: Path
    cache: Path
    ollama_models: Path

    @property
    def store(self) -> Path:
        """kdmgr's own model store, in Ollama's layout."""
        return self.data / "models"

    @property
    def headers(self) -> Path:
        """Parsed GGUF headers, by digest or file identity."""
        return self.cache / "headers"

    @property
    def copies(self) -> Path:
        """Manifests and listings as they were last fetched."""
        return self.cache / "copies"

    @property
    def digests(self) -> Path:
        """Digests of files that were hashed, by path."""
        return self.data / "digests"

    @property
    def history(self) -> Path:
        """The database of what was loaded, and how fast it ran."""
        return self.data / "history.db"

    @property
    def chats(self) -> Path:
        """The database of saved chats."""
        return self.data / "chats.db"

    @property
    def receipts(self) -> Path:
        """One JSON file per import."""
        return self.data / "receipts"


def expand_home(path: str) -> Path:
    """`~/x` and `~user/x` in full; where there is no such user, that is the name of a folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_folder(path: Path) -> bool:
    """Whether it is one; False too where nobody may look, or for a name longer than any file's."""
    try:
        return path.is_dir()
    except OSError:
        return False


def default_paths(env: Mapping[str, str] = os.environ) -> Paths:
    """The platform's folders; `KDMGR_DATA_DIR` moves data and cache together, `OLLAMA_MODELS` Ollama's store."""
    models = env.get("OLLAMA_MODELS", "").strip().strip("\"'")
    ollama_models = Path(models) if models else Path.home() / ".ollama" / "models"
    override = env.get("KDMGR_DATA_DIR", "").strip()
    if override:
        data = expand_home(override)
        return Paths(data, _config_folder(env), data / "cache", ollama_models)
    import platformdirs

    return Paths(
        data=Path(platformdirs.user_data_dir("kdmgr", appauthor=False)),
        config=_config_folder(env),
        cache=Path(platformdirs.user_cache_dir("kdmgr", appauthor=False)),
        ollama_models=ollama_models,
    )


def _config_folder(env: Mapping[str, str]) -> Path:
    override = env.get("KDMGR_CONFIG_DIR", "").strip()
    if override:
        return expand_home(override)
    import platformdirs

    return Path(platformdirs.user_config_dir("kdmgr", appauthor=False))
