"""How to start an Ollama server, by how it is installed on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.ollama.host import ServerAddress

UNITS = tuple(Path(folder) / "ollama.service" for folder in ("/etc/systemd/system", "/usr/lib/systemd/system"))
MAC_APP = Path("/Applications/Ollama.app")
DOWNLOAD = "https://ollama.com/download"


@dataclass(frozen=True, slots=True)
class Installation:
    """What there is of Ollama on this machine."""

    platform: str
    """As `sys.platform` names it."""
    has_command: bool
    has_unit: bool
    """Whether systemd runs it."""
    has_app: bool
    """Whether the app for macOS is there."""


def find_installation(platform: str, exists: Callable[[Path], bool] = Path.exists) -> Installation:
    """Look for the command, the systemd unit and the app."""
    import shutil

    return Installation(
        platform=platform,
        has_command=shutil.which("ollama") is not None,
        has_unit=platform.startswith("linux") and any(map(exists, UNITS)),
        has_app=platform == "darwin" and exists(MAC_APP),
    )


def start_hint(address: ServerAddress, here: Installation) -> str:
    """How to start a server at `address`."""
    from kdmgr.engines.ollama.host import DEFAULT_PORT

    if not address.is_loopback:
        return f"is Ollama running on {printable(address.host)}, started with OLLAMA_HOST=0.0.0.0:{address.port}?"
    hint = _start_elsewhere(address, here) if address.port != DEFAULT_PORT else _start(here)
    if here.has_command or here.has_unit or here.has_app:
        return hint
    return f"{hint} (no Ollama is found here: {DOWNLOAD})"


def _start(here: Installation) -> str:
    if here.has_unit:
        return "start it: sudo systemctl start ollama; why it stopped: journalctl -u ollama -e"
    if here.platform == "darwin":
        return "start it: open the Ollama app, or ollama serve"
    if here.platform == "win32":
        return "start it: Ollama in the Start menu, or ollama serve"
    return "start it: ollama serve"


def _start_elsewhere(address: ServerAddress, here: Installation) -> str:
    """A port that is not the usual one: nothing that starts by itself listens there."""
    if here.platform == "win32":
        return f"set OLLAMA_HOST to {address.netloc}, then start it: ollama serve"
    command = f"OLLAMA_HOST={address.netloc} ollama serve"
    return f"start it: open the Ollama app, or {command}" if here.platform == "darwin" else f"start it: {command}"
