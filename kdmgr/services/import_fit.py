"""Whether what is about to be imported will run, in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.versions import era
from kdmgr.errors import KdmgrError
from kdmgr.services.import_sources import Kind, Sources
from kdmgr.units import format_bytes, format_count

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import EngineBuild
    from kdmgr.fit.plan import FitReport
    from kdmgr.modelfile.commands import Modelfile


def engine_build(version: str | None) -> EngineBuild:
    """How a server of `version` sizes its buffers; an unknown one is taken for a new one."""
    from kdmgr.fit.options import EngineBuild

    return EngineBuild.OLLAMA_030 if era(version) in ("C", None) else EngineBuild.OLLAMA_024


def fit_import(
    sources: Sources, modelfile: Modelfile | None, version: str | None, machine: Callable[[], Machine] | None
) -> FitReport | None:
    """The plan on this machine; None for a server elsewhere, and for what has no header to plan from."""
    if machine is None or sources.header is None:
        return None
    from kdmgr.fit.assess import assess
    from kdmgr.fit.options import RunOptions
    from kdmgr.gguf.shape import read_shape

    asked = modelfile.parameters.get("num_ctx") if modelfile else None
    beside = {kind: sum(f.state.size for f in sources.files if f.kind is kind) for kind in Kind}
    try:
        options = RunOptions(
            n_ctx=asked if isinstance(asked, int) and asked > 0 else None,
            engine_build=engine_build(version),
            projector_bytes=beside[Kind.PROJECTOR],
            extra_bytes=beside[Kind.ADAPTER],
        )
        return assess(read_shape(sources.header), machine(), options, ref=str(sources.path), source="file")
    except KdmgrError:
        return None


def describe_fit(report: FitReport | None, quantize: str | None, *, local: bool) -> str:
    """`fits: 3.10 GiB with a context of 4096, 8.20 GiB left on …`."""
    if report is None:
        return "not known: no header to plan from" if local else "not known: the server is on another computer"
    known, total = report.plan.components.known, report.plan.components.total
    size = format_bytes(known) if total is not None else f"at least {format_bytes(known)}"
    before = f", before it is quantised to {quantize}" if quantize else ""
    context = format_count(report.options.n_ctx)
    return f"{report.verdict.value}: {size} with a context of {context}{before}; {report.reason}"
