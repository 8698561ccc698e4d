"""What the settings place, and what the app keeps from one run to the next, need of the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kdmgr.fit.options import RunOptions
    from kdmgr.services.preferences import PreferenceValue
    from kdmgr.services.ui_state import Part, Value


class PreferenceKeeping(Protocol):
    """The settings. All raise `KdmgrError` for what a user can meet."""

    def values(self) -> list[PreferenceValue]:
        """All settings as they are now."""

    def keys(self) -> Mapping[str, str]:
        """The user's keys, by the ids of what they do."""

    def folders(self) -> list[tuple[str, Path]]:
        """Where kdmgr keeps things."""

    def set(self, key: str, text: str, /) -> None:
        """Change one; an empty text lets the default hold again."""


class StateKeeping(Protocol):
    """How the app was left."""

    def part(self, name: str, /) -> Part:
        """What is kept of one part."""

    def text(self, part: str, key: str, among: tuple[str, ...] | None = None) -> str | None:
        """A text, if it is one (and one of `among`)."""

    def remember(self, name: str, values: Mapping[str, Value], /) -> bool:
        """Keep these values of a part; whether that changes anything."""

    def flush(self) -> None:
        """Write what has changed; blocks."""


class SettingsServices(Protocol):
    """The three together."""

    @property
    def preferences(self) -> PreferenceKeeping:
        """The settings."""

    @property
    def ui_state(self) -> StateKeeping:
        """How the app was left."""

    def default_options(self) -> RunOptions:
        """What plans are made with where the user does not say."""
