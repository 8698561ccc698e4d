"""Whether the embedded engine is installed, found out without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from kdmgr.engines.protocol import EngineStatus

INSTALL_HINT = "pip install 'kdmgr[llamacpp]'"


def read_status(package: str = "xllamacpp") -> EngineStatus:
    """Looks for the package and its version. xllamacpp itself takes 25 ms to import, and may fail."""
    if find_spec(package) is None:
        return EngineStatus("llamacpp", False, f"{package} is not installed", hint=INSTALL_HINT)
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(package)
    except PackageNotFoundError:
        return EngineStatus("llamacpp", True, f"llama.cpp embedded ({package}, version unknown)")
    return EngineStatus("llamacpp", True, f"llama.cpp embedded ({package} {found})", version=found)
