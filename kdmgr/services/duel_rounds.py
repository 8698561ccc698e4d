"""Several questions of one duel: where they come from, and what came of all of them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kdmgr.errors import UsageError
from kdmgr.services.agreement import Agreement
from kdmgr.services.duel import Outcome
from kdmgr.services.duel_answer import DuelAnswer


@dataclass(frozen=True, slots=True)
class Round:
    """One question and both answers. `outcome` is None where a side gave no answer."""

    prompt: str
    left: DuelAnswer
    right: DuelAnswer
    outcome: Outcome | None
    forced: Agreement | str | None = None
    """Of the right model reading the left one's answer; None where that was not asked for."""

    @property
    def failed(self) -> bool:
        """Whether a side gave an error."""
        return self.left.error is not None or self.right.error is not None

    @property
    def agreement(self) -> Agreement | str | None:
        """The more telling one: over the whole answer where that was measured."""
        if isinstance(self.forced, Agreement) or self.outcome is None:
            return self.forced
        return self.outcome.agreement


@dataclass(frozen=True, slots=True)
class Summary:
    """All rounds together."""

    n_rounds: int
    n_identical: int
    n_failed: int
    n_places: int
    n_same_top: int
    kl: float | None
    """The mean over places, as far as known, of `Agreement.kl`."""


def summarize(rounds: Sequence[Round]) -> Summary:
    """The totals; each place of each answer counts alike."""
    agreements = [found for one in rounds if isinstance(found := one.agreement, Agreement)]
    known = [found for found in agreements if found.kl is not None]
    n_known = sum(found.n_places for found in known)
    return Summary(
        n_rounds=len(rounds),
        n_identical=sum(one.outcome is not None and one.outcome.difference.identical for one in rounds),
        n_failed=sum(one.failed for one in rounds),
        n_places=sum(found.n_places for found in agreements),
        n_same_top=sum(found.n_same_top for found in agreements),
        kl=sum((found.kl or 0.0) * found.n_places for found in known) / n_known if n_known else None,
    )


def read_prompts(text: str) -> list[str]:
    """One question a line: as it stands, as a JSON string, or as a JSON object with a "prompt".

    Empty lines and those that begin with `#` are passed over. `UsageError` where none is left.
    """
    lines = [line.strip() for line in text.splitlines()]
    prompts = [_read_line(line) for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise UsageError("the file holds no prompt", hint='one a line, as text or as {"prompt": "…"}')
    return prompts


def _read_line(line: str) -> str:
    if line[0] not in '{"':
        return line
    try:
        value = json.loads(line)
    except ValueError:
        return line
    prompt = value.get("prompt") if isinstance(value, dict) else value
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    raise UsageError(f'a line of the file is JSON without a "prompt": {line[:60]}')
