"""Settings: `config.toml` in the config folder, under the environment, under the command line.

engine = "auto"              # or "ollama", "llamacpp"
host = "http://127.0.0.1:11434"
ctx_size = "8k"
cache_type = "q8_0"
theme = "textual-dark"
parallel_items = 2           # pulls at the same time
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.units import parse_count

ENGINES = ("auto", "ollama", "llamacpp")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set for good; None leaves the choice to kdmgr."""

    engine: str = "auto"
    host: str | None = None
    n_ctx: int | None = None
    cache_type: str | None = None
    theme: str | None = None
    parallel_items: int | None = None


_KEYS = ("engine", "host", "ctx_size", "cache_type", "theme", "parallel_items")


def load_settings(folder: Path) -> Settings:
    """The settings of `folder`/config.toml; the defaults where there is none.

    Raises `UsageError` for a file that is no TOML, a key that does not exist or a value of the wrong type.
    """
    path = folder / "config.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="mend or remove the file") from error
    import tomllib

    try:
        return _check(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}", hint="mend the line that it names") from error


def _check(values: Mapping[str, object], path: Path) -> Settings:
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise UsageError(f"{path}: no such setting: {unknown[0]}", hint=f"the settings are {', '.join(_KEYS)}")
    texts = {key: _text(values, key, path) for key in _KEYS if key not in ("ctx_size", "parallel_items")}
    if texts["engine"] not in (None, *ENGINES):
        raise UsageError(f"{path}: engine is {texts['engine']!r}", hint=f"one of {', '.join(ENGINES)}")
    ctx_size = values.get("ctx_size")
    return Settings(
        engine=texts["engine"] or "auto",
        host=texts["host"],
        n_ctx=None if ctx_size is None else parse_count(str(ctx_size)),
        cache_type=texts["cache_type"],
        theme=texts["theme"],
        parallel_items=_count(values, "parallel_items", path),
    )


def _count(values: Mapping[str, object], key: str, path: Path) -> int | None:
    value = values.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 16):
        return value
    raise UsageError(f"{path}: {key} is {value!r}", hint="give a number from 1 to 16")


def _text(values: Mapping[str, object], key: str, path: Path) -> str | None:
    value = values.get(key)
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"{path}: {key} is {value!r}, not a text", hint=f'write {key} = "…"')
