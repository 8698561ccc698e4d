"""Where a pulled model came from: written down when it has come, so that it is known under any name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kdmgr import __version__
from kdmgr.errors import KdmgrError
from kdmgr.refs import DEFAULT_HOST, FileRef, HubRef, OllamaRef, parse_ref

if TYPE_CHECKING:
    from kdmgr.services.bringing import Bringing
    from kdmgr.services.pull_plan import PullPlan

HUB, REGISTRY = "huggingface", "registry"


@dataclass(frozen=True, slots=True)
class PullReceipt:
    """One pull. None is unknown."""

    name: str
    """Of the model; another than `source` once it has been copied or renamed."""
    source: str
    """What was pulled, as it was named: `hf.co/user/repo:Q4_K_M`, `phi3:mini`, `registry.example/ns/model:tag`."""
    place: str
    """"huggingface" or "registry"."""
    address: str
    """Of the Hub, or the registry's host."""
    file: str | None
    """Of a repository, the file in it."""
    revision: str | None
    """The commit that the repository was at."""
    manifest_digest: str | None
    """In hex: as the store or the server has it."""
    pulled_at: str
    """UTC, ISO 8601."""
    kdmgr_version: str
    store: str = "kdmgr"
    """"kdmgr" or "ollama"."""
    server: str | None = None
    """Address of the server that pulled it."""

    @property
    def ref(self) -> HubRef | OllamaRef | None:
        """What was pulled, as a reference; None for a receipt that somebody has written over."""
        try:
            found = parse_ref(self.source)
        except KdmgrError:
            return None
        return None if isinstance(found, FileRef) else found

    @property
    def words(self) -> str:
        """`hf.co/user/repo:Q4_K_M, file x.gguf, revision 0123456789ab, pulled on 2026-01-31`."""
        usual = self.address in ("https://huggingface.co", DEFAULT_HOST) or self.source.startswith(self.address)
        host = "" if usual else f" of {self.address}"
        parts = (
            f"{self.source}{host}",
            f"file {self.file}" if self.file else "",
            f"revision {self.revision[:12]}" if self.revision else "",
            f"manifest {self.manifest_digest[:12]}" if self.place == REGISTRY and self.manifest_digest else "",
            f"pulled on {self.pulled_at[:10]}",
        )
        return ", ".join(part for part in parts if part)


def decode_pull(body: dict[str, Any]) -> PullReceipt:
    """A receipt as it was saved; raises `KeyError` or `TypeError` for what is none."""
    values = {name: body[name] for name in PullReceipt.__dataclass_fields__ if name in body}
    if not all(value is None or isinstance(value, str) for value in values.values()):
        raise TypeError("a field is no text")
    return PullReceipt(**values)


def write_pull(services: Bringing, plan: PullPlan, manifest_digest: str | None) -> PullReceipt:
    """Everything known of a pull that has just ended."""
    ref, through_server = plan.ref, plan.engine == "ollama"
    revision = None
    if isinstance(ref, HubRef):
        # Without it the file's digest still says what was pulled.
        with suppress(KdmgrError):
            revision = services.hub.revision(ref)
    return PullReceipt(
        name=str(ref),
        source=str(ref),
        place=HUB if isinstance(ref, HubRef) else REGISTRY,
        address=_address(services, ref),
        file=plan.source.file if plan.source else None,
        revision=revision,
        manifest_digest=manifest_digest,
        pulled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        kdmgr_version=__version__,
        store="ollama" if through_server else "kdmgr",
        server=plan.where if through_server else None,
    )


def _address(services: Bringing, ref: OllamaRef | HubRef) -> str:
    if isinstance(ref, OllamaRef):
        return ref.host
    try:
        return services.hub.endpoint
    except KdmgrError:
        return "https://huggingface.co"
