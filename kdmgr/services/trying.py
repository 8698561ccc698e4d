"""Whether and how a model that was just made is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.engines.protocol import Engine, EngineModel
from kdmgr.errors import KdmgrError
from kdmgr.fit.plan import Verdict
from kdmgr.services.import_sources import Kind
from kdmgr.services.receipts import SmokeResult
from kdmgr.services.smoke import try_model

if TYPE_CHECKING:
    from kdmgr.fit.machine import Machine
    from kdmgr.services.import_plan import ImportPlan
    from kdmgr.services.server_receipt import Made

Observe = Callable[[Engine], Engine]
"""Makes an engine of another one that writes down what it loads."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Tries models: `embedded` makes the engine to compare with, `observe` records what the server loads."""

    embedded: Callable[[], Engine]
    machine: Callable[[], Machine]
    blobs: tuple[Path, ...] = ()
    observe: Observe = lambda engine: engine

    async def run(self, server: Engine, plan: ImportPlan, made: Made) -> SmokeResult:
        """The result; a trial that fails is one too, for the model is there all the same."""
        name = str(plan.request.ref)
        if plan.fit is not None and plan.fit.verdict is Verdict.TOO_BIG:
            return _untried(f"not tried: {plan.fit.reason}")
        if made.shown.capabilities and "completion" not in made.shown.capabilities:
            return _untried(f"not tried: it does not generate text ({', '.join(made.shown.capabilities)})")
        try:
            return await try_model(self.observe(server), name, await self._other(plan, made), chats=made.chats)
        except KdmgrError as error:
            return _untried(f"the server could not run it: {error.message}")

    async def _other(self, plan: ImportPlan, made: Made) -> tuple[Engine, EngineModel] | str:
        """The embedded engine and what it is to run, or why there is nothing to compare with."""
        path = self._weights(plan, made)
        if path is None:
            return "the weights that the server uses are not on this machine"
        if any(file.kind is not Kind.MODEL for file in plan.sources.files):
            return "projectors and adapters are not compared"
        if plan.modelfile is not None and plan.modelfile.messages:
            return "the conversation of its MESSAGE lines comes before every prompt"
        engine = self.embedded()
        status = await engine.status()
        if not status.usable:
            return status.detail
        free = self.machine().host.available_bytes
        size = path.stat().st_size
        if free is not None and size > free // 2:
            return "both engines together need more memory than is free"
        return engine, self._embedded_model(path, plan, made)

    def _weights(self, plan: ImportPlan, made: Made) -> Path | None:
        """The file that was sent, where the server keeps it as it is; else its own blob, if it is here."""
        if plan.quantize is None and plan.sources.header is not None:
            return plan.sources.path
        digest = made.stored_digest
        found = (blobs / f"sha256-{digest}" for blobs in self.blobs if digest)
        return next((path for path in found if path.is_file()), None)

    def _embedded_model(self, path: Path, plan: ImportPlan, made: Made) -> EngineModel:
        from kdmgr.modelfile.templates import detect_family

        in_file = plan.sources.header.text("tokenizer.chat_template") if plan.sources.header else None
        used = detect_family(made.shown.template or "") if made.chats else None
        own = detect_family(in_file) if in_file else None
        template: str | None = ""
        if used is not None:
            template = None if own is used else used.llamacpp_name
        return EngineModel(path.name, path, chat_template=template, system=made.shown.system if made.chats else None)


def _untried(why: str) -> SmokeResult:
    return SmokeResult(prompt="", answer="", comparison=why)
