"""What a user can set for good: which settings there are, what they are now, and changing one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kdmgr.config import CONFIG_FILE, ENGINES, Settings, load_settings
from kdmgr.errors import NotFound, UsageError
from kdmgr.fit.options import CACHE_TYPES, MARGIN, RunOptions
from kdmgr.services.config_file import edit_config, put_value
from kdmgr.units import format_bytes, format_count, parse_bytes, parse_count

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

    from kdmgr.services.app import Services

THEMES = ("kdmgr-dark", "kdmgr-light", "kdmgr-contrast", "kdmgr-terminal")
KEY_PREFIX = "keys."
_KEY_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+")


class Preference(NamedTuple):
    """One setting. `choices` are all there are, unless it is `open`."""

    key: str
    summary: str
    default: str
    """What holds without it, in words."""
    choices: tuple[str, ...] = ()
    open: bool = False


PREFERENCES = (
    Preference("theme", "colours of the terminal app", "kdmgr-dark", THEMES, open=True),
    Preference("engine", "what chats run on", "auto", ENGINES),
    Preference("host", "the Ollama server: a name of `kdmgr hosts`, or an address", "this machine, port 11434"),
    Preference("ctx_size", "context to plan and chat with", "as the engine chooses"),
    Preference("cache_type", "type of the KV cache", "f16", CACHE_TYPES),
    Preference("reserve", "memory that plans leave free on each GPU", "1.00 GiB"),
    Preference("parallel_items", "pulls at the same time", "2"),
)


@dataclass(frozen=True, slots=True)
class PreferenceValue:
    """A setting as it is. `value` is None where the default holds."""

    preference: Preference
    value: str | None
    overruled_by: str | None = None
    """What of the environment wins over it."""


def read_preferences(settings: Settings, env: Mapping[str, str]) -> list[PreferenceValue]:
    """All settings, in the order in which they are shown."""
    reserve, n_ctx, parallel = settings.reserve_bytes, settings.n_ctx, settings.parallel_items
    values = {
        "theme": settings.theme,
        "engine": None if settings.engine == "auto" else settings.engine,
        "host": settings.host,
        "ctx_size": None if n_ctx is None else format_count(n_ctx),
        "cache_type": settings.cache_type,
        "reserve": None if reserve is None else format_bytes(reserve),
        "parallel_items": None if parallel is None else str(parallel),
    }
    above = {"host": "OLLAMA_HOST"} if env.get("OLLAMA_HOST", "").strip() else {}
    return [PreferenceValue(one, values[one.key], above.get(one.key)) for one in PREFERENCES]


class PreferenceBook:
    """The settings of one run: what is changed here holds from now on, as far as it can."""

    def __init__(self, services: Services, env: Mapping[str, str]) -> None:
        self._services, self._env = services, env

    @property
    def config_file(self) -> Path:
        """Where they are written."""
        return self._services.paths.config / CONFIG_FILE

    def folders(self) -> list[tuple[str, Path]]:
        """Where kdmgr keeps things, by what they are."""
        paths = self._services.paths
        return [
            ("config", self.config_file),
            ("data", paths.data),
            ("own models", paths.store),
            ("Ollama's models", paths.ollama_models),
            ("cache", paths.cache),
        ]

    def values(self) -> list[PreferenceValue]:
        """All settings as they are now."""
        return read_preferences(self._services.settings, self._env)

    def keys(self) -> Mapping[str, str]:
        """The user's keys of the terminal app, by the ids of what they do."""
        return self._services.settings.keys

    def set(self, key: str, text: str) -> None:
        """Change one; an empty text lets the default hold again."""
        folder = self._services.paths.config
        if text.strip():
            set_preference(folder, key, text)
        else:
            unset_preference(folder, key)
        self._services.settings = load_settings(folder)


def default_options(settings: Settings) -> RunOptions:
    """What plans are made with where the user does not say."""
    cache_type = settings.cache_type if settings.cache_type in CACHE_TYPES else "f16"
    margin = MARGIN if settings.reserve_bytes is None else settings.reserve_bytes
    return RunOptions(n_ctx=settings.n_ctx, type_k=cache_type, type_v=cache_type, margin_bytes=margin)


def find_preference(key: str) -> Preference:
    """The setting of this name; `NotFound` with the names there are."""
    found = next((one for one in PREFERENCES if one.key == key), None)
    if found is None:
        names = ", ".join(one.key for one in PREFERENCES)
        raise NotFound(f"no such setting: {key}", hint=f"the settings are {names}, and {KEY_PREFIX}ID for a key")
    return found


def set_preference(folder: Path, key: str, text: str) -> None:
    """Write one setting. `UsageError` for a value that it cannot have; the file is as it was then."""
    if key.startswith(KEY_PREFIX):
        _set_key(folder, key.removeprefix(KEY_PREFIX), text.strip())
        return
    value = _read_value(find_preference(key), text.strip())

    def change(document: TOMLDocument, settings: Settings) -> None:
        if key == "host":
            _check_host(str(value), settings)
        put_value(document, key, value)

    edit_config(folder, change)


def unset_preference(folder: Path, key: str) -> None:
    """Let the default hold again."""
    if not key.startswith(KEY_PREFIX):
        find_preference(key)

    def change(document: TOMLDocument, settings: Settings) -> None:
        if key.startswith(KEY_PREFIX):
            _remove_key(document.get("keys", {}), key.removeprefix(KEY_PREFIX))
        else:
            document.pop(key, None)

    edit_config(folder, change)


def _read_value(preference: Preference, text: str) -> str | int:
    """The value as the file holds it."""
    if not text:
        raise UsageError(f"{preference.key} without a value", hint=f"kdmgr config unset {preference.key}")
    if preference.choices and not preference.open and text not in preference.choices:
        raise UsageError(f"{preference.key} cannot be {text!r}", hint=f"one of {', '.join(preference.choices)}")
    if preference.key == "ctx_size":
        parse_count(text)
    elif preference.key == "reserve":
        parse_bytes(text)
    elif preference.key == "parallel_items":
        if not text.isdigit():
            raise UsageError(f"parallel_items cannot be {text!r}", hint="give a number from 1 to 16")
        return int(text)
    return text


def _check_host(text: str, settings: Settings) -> None:
    from kdmgr.engines.ollama.host import parse_host

    if settings.find_host(text) is None and not re.fullmatch(r"[\w.:%-]+", parse_host(text).host):
        raise UsageError(f"not the address of a server: {text!r}", hint="like 192.168.1.20, or a name of kdmgr hosts")


def _set_key(folder: Path, name: str, text: str) -> None:
    if not _KEY_NAME.fullmatch(name):
        raise UsageError(f"not the id of a key: {name!r}", hint="kdmgr config keys lists them")
    if not text:
        raise UsageError(f"{KEY_PREFIX}{name} without a key", hint=f"kdmgr config unset {KEY_PREFIX}{name}")

    def change(document: TOMLDocument, settings: Settings) -> None:
        import tomlkit

        keys = document.setdefault("keys", tomlkit.table())
        _remove_key(keys, name)
        keys[name] = text

    edit_config(folder, change)


def _remove_key(table: object, name: str) -> None:
    """Whether it was written quoted, or as a table in a table."""
    if not hasattr(table, "pop"):
        return
    table.pop(name, None)
    head, dot, rest = name.partition(".")
    if dot and head in table:  # type: ignore[operator]
        _remove_key(table[head], rest)  # type: ignore[index]
