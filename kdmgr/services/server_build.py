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
    """`options` for a server up to 0.24; unchanged for a newer one, or when a build was asked for.

    `ask_version` is called for a model of the server, and for one of Ollama's store where this machine is planned
    for: elsewhere nobody said that a server will run the model.
    """
    if options.engine_build is not None:
        return options
    here = _is_in_ollamas_store(found) and not machine.declared
    if found.source != "server" and not here:
        return options
    from kdmgr.engines.ollama.versions import era
    from kdmgr.fit.options import EngineBuild

    builds = {"A": EngineBuild.OLLAMA_011, "B1": EngineBuild.OLLAMA_024, "B2": EngineBuild.OLLAMA_024}
    build = builds.get(era(ask_version()) or "")
    return options if build is None else replace(options, engine_build=build)


def _is_in_ollamas_store(found: FoundModel) -> bool:
    installed = found.opened.installed if found.opened else None
    return installed is not None and installed.store == "ollama"
