"""One side's answer in a duel, as it comes in."""

from __future__ import annotations

from dataclasses import dataclass, field

from kdmgr.engines.protocol import ChatDelta, ChatEvent, ChatStats, ModelLoading, WrittenToken
from kdmgr.errors import KdmgrError
from kdmgr.services.agreement import TokenStream
from kdmgr.services.rate import RateMeter


@dataclass(slots=True)
class DuelAnswer:
    """What has come so far. `text` is what was said, `output` all that was written, thinking included."""

    text: str = ""
    thinking: str = ""
    output: str = ""
    tokens: list[WrittenToken] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """For each token, the length of `output` after the piece it came in."""
    stats: ChatStats | None = None
    error: KdmgrError | None = None
    loading: ModelLoading | None = None
    """The engine loads the model, and has got so far."""
    meter: RateMeter = field(default_factory=RateMeter)

    def take(self, event: ChatEvent) -> None:
        """One more event of the stream."""
        self.loading = event if isinstance(event, ModelLoading) else None
        if isinstance(event, ChatDelta):
            self._add(event)
        elif isinstance(event, ChatStats):
            self.stats = event

    @property
    def stream(self) -> TokenStream:
        """Its tokens, for comparing."""
        return TokenStream(self.tokens, self.ends, self.output)

    def _add(self, delta: ChatDelta) -> None:
        self.thinking += delta.thinking
        self.text += delta.text
        self.output += delta.thinking + delta.text
        self.tokens += delta.tokens
        self.ends += [len(self.output)] * len(delta.tokens)
        self.meter.add(delta.n_tokens)
