"""Settings and what is kept of the app, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomlkit

from kdmgr.config import CONFIG_FILE, Settings, parse_settings
from kdmgr.errors import KdmgrError
from kdmgr.fit.options import RunOptions
from kdmgr.services.preferences import PreferenceValue, default_options, read_preferences
from kdmgr.services.ui_state import Part, UiState


class FakeUiState(UiState):
    """Nothing on disk."""

    def __init__(self, parts: dict[str, Part] | None = None) -> None:
        super().__init__(Path("nowhere"))
        self.kept = parts or {}
        self.n_flushed = 0

    def _read(self) -> dict[str, Part]:
        return self.kept

    def flush(self) -> None:
        self.n_flushed += 1


@dataclass
class FakePreferences:
    """Texts by key; what parsing refuses is refused."""

    texts: dict[str, str] = field(default_factory=dict)
    own_keys: dict[str, str] = field(default_factory=dict)
    error: KdmgrError | None = None

    @property
    def settings(self) -> Settings:
        document = tomlkit.document()
        document.update({key: int(text) if text.isdigit() else text for key, text in self.texts.items()})
        return parse_settings(tomlkit.dumps(document), Path(CONFIG_FILE))

    def values(self) -> list[PreferenceValue]:
        return read_preferences(self.settings, {})

    def keys(self) -> Mapping[str, str]:
        return self.own_keys

    def folders(self) -> list[tuple[str, Path]]:
        return [("config", Path("/home/somebody/.config/kdmgr/config.toml")), ("data", Path("/data/kdmgr"))]

    def set(self, key: str, text: str) -> None:
        if self.error is not None:
            raise self.error
        before = dict(self.texts)
        where = self.own_keys if key.startswith("keys.") else self.texts
        where.pop(key.removeprefix("keys."), None)
        if text:
            where[key.removeprefix("keys.")] = text
        try:
            self.settings  # noqa: B018  (raises what parsing refuses)
        except KdmgrError:
            self.texts = before
            raise


@dataclass
class FakeSettingsPlace:
    """What the settings place, and remembering, need."""

    preferences: FakePreferences = field(default_factory=FakePreferences)
    ui_state: FakeUiState = field(default_factory=FakeUiState)

    def default_options(self) -> RunOptions:
        return default_options(self.preferences.settings)
