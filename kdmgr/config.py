"""Settings: `config.toml` in the config folder, under the environment, under the command line.

engine = "auto"              # or "ollama", "llamacpp"
host = "gpu-box"             # one of [hosts.…], or an address
ctx_size = "8k"
cache_type = "q8_0"
theme = "kdmgr-dark"
parallel_items = 2           # pulls at the same time
reserve = "1GiB"             # what plans leave free on each GPU

[hosts.gpu-box]
url = "http://192.168.1.20:11434"
gpus = ["RTX 3060 12GB"]     # what fit plans for
memory = "64GiB"             # of the host; optional

[keys]                       # of the terminal app; `kdmgr config keys` lists them
"students.filter" = "ctrl+s"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kdmgr.errors import UsageError
from kdmgr.units import parse_bytes, parse_count

ENGINES = ("auto", "ollama", "llamacpp")
CONFIG_FILE = "config.toml"


@dataclass(frozen=True, slots=True)
class NamedHost:
    """A server that the user gave a name."""

    name: str
    url: str
    gpus: tuple[str, ...] = ()
    """Its GPUs as `--gpu` takes them; empty where they were not declared."""
    memory_bytes: int | None = None
    """Of its host memory."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set for good; None leaves the choice to kdmgr."""

    engine: str = "auto"
    host: str | None = None
    """The name of one of `hosts`, or an address."""
    n_ctx: int | None = None
    cache_type: str | None = None
    theme: str | None = None
    parallel_items: int | None = None
    reserve_bytes: int | None = None
    """What plans leave free on each device."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of the terminal app by the id of what they do; several with commas between."""
    hosts: tuple[NamedHost, ...] = ()

    def find_host(self, name: str | None) -> NamedHost | None:
        """The host of this name, compared without case."""
        return next((host for host in self.hosts if name and host.name.lower() == name.strip().lower()), None)


KEYS = ("engine", "host", "ctx_size", "cache_type", "theme", "parallel_items", "reserve")
_TABLES = ("hosts", "keys")
_HOST_KEYS = ("url", "gpus", "memory")


def load_settings(folder: Path) -> Settings:
    """The settings of `folder`/config.toml; the defaults where there is none.

    Raises `UsageError` for a file that is no TOML, a key that does not exist or a value of the wrong type.
    """
    path = folder / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="mend or remove the file") from error
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """The settings that `text` holds; `path` is only named in errors."""
    import tomllib

    try:
        return _check(tomllib.loads(text), path)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint="mend the line that it names") from error


def _check(values: Mapping[str, object], path: Path) -> Settings:
    unknown = sorted(set(values) - {*KEYS, *_TABLES})
    if unknown:
        raise UsageError(
            f"{path}: no such setting: {unknown[0]}", hint=f"the settings are {', '.join((*KEYS, *_TABLES))}"
        )
    texts = {key: _text(values, key, path) for key in KEYS if key not in ("ctx_size", "parallel_items")}
    if texts["engine"] not in (None, *ENGINES):
        raise UsageError(f"{path}: engine is {texts['engine']!r}", hint=f"one of {', '.join(ENGINES)}")
    ctx_size, reserve = values.get("ctx_size"), texts["reserve"]
    return Settings(
        engine=texts["engine"] or "auto",
        host=texts["host"],
        n_ctx=None if ctx_size is None else parse_count(str(ctx_size)),
        cache_type=texts["cache_type"],
        theme=texts["theme"],
        parallel_items=_count(values, "parallel_items", path),
        reserve_bytes=None if reserve is None else parse_bytes(reserve),
        keys=dict(_read_keys(values.get("keys"), path)),
        hosts=_read_hosts(values.get("hosts"), path),
    )


def _read_keys(value: object, path: Path, above: str = "") -> Iterator[tuple[str, str]]:
    """Ids with dots in them may be quoted, or be tables in tables: both mean the same."""
    if value is not None and not isinstance(value, Mapping):
        raise UsageError(f"{path}: keys is no table", hint='write [keys] and below it "students.filter" = "ctrl+s"')
    for name, keys in (value or {}).items():
        if isinstance(keys, Mapping):
            yield from _read_keys(keys, path, f"{above}{name}.")
        elif isinstance(keys, str) and keys.strip():
            yield f"{above}{name}", keys
        else:
            raise UsageError(f"{path}: keys.{above}{name} is {keys!r}", hint='write a key like "f" or "ctrl+s,f"')


def _read_hosts(value: object, path: Path) -> tuple[NamedHost, ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not all(isinstance(entry, Mapping) for entry in value.values()):
        raise UsageError(f"{path}: hosts holds no tables", hint='write [hosts.NAME] and below it url = "…"')
    return tuple(_read_host(name, entry, path) for name, entry in value.items())


def _read_host(name: str, entry: Mapping[str, object], path: Path) -> NamedHost:
    where = f"{path}: hosts.{name}"
    unknown = sorted(set(entry) - set(_HOST_KEYS))
    if unknown:
        raise UsageError(f"{where}: no such setting: {unknown[0]}", hint=f"a host has {', '.join(_HOST_KEYS)}")
    url, gpus, memory = entry.get("url"), entry.get("gpus", []), entry.get("memory")
    if not isinstance(url, str) or not url.strip():
        raise UsageError(f"{where} has no url", hint='write url = "http://192.168.1.20:11434"')
    if not isinstance(gpus, list) or not all(isinstance(gpu, str) for gpu in gpus):
        raise UsageError(f"{where}: gpus is {gpus!r}, not a list of names", hint='write gpus = ["RTX 3060 12GB"]')
    if memory is not None and not isinstance(memory, str):
        raise UsageError(f"{where}: memory is {memory!r}, not a text", hint='write memory = "64GiB"')
    return NamedHost(name, url, tuple(gpus), None if memory is None else parse_bytes(memory))


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
