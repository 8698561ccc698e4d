"""An import into a server, before anything is sent: everything checked, and said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdmgr.engines.ollama.abilities import ADAPTED, QUANTS, UNQUANTISED, converts, joins_shards, quant_to_make, runs
from kdmgr.engines.ollama.versions import era
from kdmgr.errors import EngineFailed, NotFound, Unreadable, UsageError
from kdmgr.refs import OllamaRef
from kdmgr.services.import_sources import Kind, Sources, gather
from kdmgr.units import printable

if TYPE_CHECKING:
    from kdmgr.engines.protocol import EngineListing
    from kdmgr.fit.plan import FitReport
    from kdmgr.gguf.header import GgufHeader
    from kdmgr.modelfile.commands import Modelfile
    from kdmgr.modelfile.propose import Proposal
    from kdmgr.models.headers import HeaderCache

ProposeModelfile = Callable[["GgufHeader", Path, "str | None"], "Proposal"]
"""From a header, the file it was read from, and the server's era ("A", "B1", "B2", "C"; None is unknown)."""
# Names of files that say nothing of the model.
_NAMELESS = ("model", "ggml-model", "ggml-model-f16", "unsloth", "adapter", "lora")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What a user asks for. `sources` may be empty where the Modelfile names them."""

    sources: tuple[Path, ...]
    ref: OllamaRef
    modelfile: Path | None = None
    base: str | None = None
    quantize: str | None = None
    replace: bool = False
    smoke: bool = True
    teacher: str | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A request that can be carried out."""

    request: ImportRequest
    sources: Sources
    version: str | None
    """The server's."""
    modelfile: Modelfile | None
    """The user's, else the proposed one; None where nothing is to be said beside the files."""
    proposal: Proposal | None
    """None for what has no header to judge by."""
    quantize: str | None
    base_quant: str | None
    taken: bool
    """Whether a model of this name is there."""
    fit: FitReport | None
    fit_words: str
    warnings: tuple[str, ...]

    @property
    def is_proposed(self) -> bool:
        """Whether the Modelfile is kdmgr's."""
        return self.request.modelfile is None and self.modelfile is not None


def check_sources(
    request: ImportRequest, version: str | None, headers: HeaderCache
) -> tuple[Sources, Modelfile | None]:
    """The files, and the user's Modelfile; refuses what this server would refuse later."""
    modelfile = None
    if request.modelfile is not None:
        from kdmgr.services.import_checks import require_sane_values
        from kdmgr.services.importing import read_modelfile

        modelfile = read_modelfile(request.modelfile)
        require_sane_values(modelfile, request.modelfile)
    sources = gather(request.sources, modelfile, request.modelfile, request.base, headers)
    if sources.n_shards > 1 and joins_shards(version) is False:
        raise EngineFailed(
            f"the model comes in {sources.n_shards} shards, which a server before 0.30 does not take",
            hint="join them first: llama-gguf-split --merge FIRST-SHARD.gguf whole.gguf",
        )
    return sources, modelfile


def check_architecture(sources: Sources, version: str | None) -> tuple[str, ...]:
    """What to be warned of; `EngineFailed` for an architecture that this server surely does not know."""
    if sources.converted is not None:
        name, known, verb = sources.converted, converts(sources.converted, version), "convert"
    elif sources.header is not None:
        name = sources.header.text("general.architecture") or "?"
        known, verb = runs(name, version), "run"
    else:
        return ()
    name = printable(name)[:60]
    if known is False:
        other = "" if verb == "run" else "; or convert the folder to GGUF with llama.cpp first"
        raise EngineFailed(
            f"Ollama {printable(version or '')} does not {verb} {name}",
            hint=f"a newer Ollama may; kdmgr's own engine too: kdmgr import --to own{other}",
        )
    return () if known else (f"whether this server can {verb} {name} is not known; it will tell",)


def check_quantize(request: ImportRequest, sources: Sources, base: EngineListing | None) -> str | None:
    """The quant to make; `UsageError` for one that the server does not make, or a source it does not take."""
    if request.quantize is None:
        return None
    wanted = quant_to_make(request.quantize)
    if wanted is None:
        raise UsageError(f"Ollama does not quantise to {request.quantize!r:.40}", hint=f"it makes {', '.join(QUANTS)}")
    quant = base.quant if base else _quant(sources.header)
    if quant is not None and quant not in UNQUANTISED:
        raise UsageError(
            f"the model is {printable(quant)} already: only F16, BF16 and F32 are quantised",
            hint="take it as it is, without -q, or start from the unquantised file",
        )
    if sources.header is None and base is None and sources.folder is None:
        raise UsageError("there is nothing to quantise", hint="leave -q away")
    return wanted


def check_adapter(sources: Sources, base: EngineListing | None) -> None:
    """`EngineFailed` for a safetensors adapter on a base that Ollama converts none for."""
    adapters = [file for file in sources.files if file.kind is Kind.ADAPTER]
    if not adapters or sources.folder is None or base is None or base.family is None:
        return
    if base.family not in ADAPTED:
        raise EngineFailed(
            f"Ollama converts adapters for {' and '.join(ADAPTED)} only, not for {printable(base.family)}",
            hint="convert it to GGUF first: llama.cpp's convert_lora_to_gguf.py",
        )


def propose(sources: Sources, version: str | None, propose_for: ProposeModelfile) -> Proposal | None:
    """kdmgr's Modelfile for a GGUF; None for a folder or a base, which have no header here."""
    if sources.header is None or sources.path is None:
        return None
    return propose_for(sources.header, sources.path, era(version))


def template_warnings(user: Modelfile | None, proposal: Proposal | None, sources: Sources) -> tuple[str, ...]:
    """What the chat-template check has to say, beside the proposal's own problems."""
    if proposal is None:
        if sources.converted is not None and not sources.template and not (user and user.template):
            return ("the folder brings no chat template: the model completes texts, it does not chat",)
        return ()
    if user is None:
        return proposal.problems
    if user.template:
        return ()
    missing = "the Modelfile has no TEMPLATE: "
    if proposal.modelfile.template:
        reasons = "; ".join(proposal.reasons)
        return (f"{missing}kdmgr would give one ({reasons}): see kdmgr import --dry-run without -f",)
    return tuple(f"{missing}{problem}" for problem in proposal.problems)


def suggest_name(sources: Sources, first: Path) -> OllamaRef:
    """A name for a model that the user gave none: its file's (or its own, where that says nothing) and its quant."""
    stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", (sources.path or first).name, flags=re.IGNORECASE)
    written = sources.header.text("general.name") if sources.header else None
    words = written if written and stem.lower() in _NAMELESS else stem
    quant = _quant(sources.header)
    name = words.lower()
    if quant:
        name = re.sub(rf"[-_. ]*{re.escape(quant.lower())}$", "", name)
    name = re.sub(r"[^a-z0-9._-]+", "-", name).strip("-._")[:80]
    if not name:
        raise UsageError(f"no name can be made of {first}", hint="give one: kdmgr import FILE NAME")
    return OllamaRef(name, re.sub(r"[^a-z0-9._-]+", "-", quant.lower()) if quant else "latest")


def require_base(name: str, listing: EngineListing | None) -> EngineListing:
    """The base on the server: one that is not there would be pulled unasked."""
    if listing is None:
        raise NotFound(
            f"the server has no model {printable(name)} to start from", hint=f"kdmgr pull {printable(name)} first"
        )
    if listing.is_remote:
        raise UsageError(f"{printable(name)} runs on another computer", hint="name a model that is installed")
    return listing


def _quant(header: GgufHeader | None) -> str | None:
    from kdmgr.gguf.shape import read_shape

    try:
        return read_shape(header).quant if header else None
    except Unreadable:
        return None
