"""Which engine a model would run in, as far as the server that has it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.services.finding import FoundModel


def with_server_build(
    options: RunOptions, found: FoundModel, machine: Machine, ask_version: Callable[[], str | None]
) -> RunOptions:
    """`options` for a server up to 0.11.4, which estimates; unchanged for any other, or when a build was asked for.

    `ask_version` is called for a model of Ollama's store on this machine only, where its GPUs are planned for.
    """
    if options.engine_build is not None:
        return options
    version = found.server_version
    if version is None and _is_in_ollamas_store(found) and machine.devices and not machine.declared:
        version = ask_version()
    if version is None:
        return options
    from kdmgr.engines.ollama.versions import era
    from kdmgr.fit.options import EngineBuild

    return replace(options, engine_build=EngineBuild.OLLAMA_011) if era(version) == "A" else options


def _is_in_ollamas_store(found: FoundModel) -> bool:
    installed = found.opened.installed if found.opened else None
    return installed is not None and installed.store == "ollama"
