"""What probes raise when there is nothing to find."""

from __future__ import annotations


class Absent(Exception):
    """No device of this kind here: an answer, not a failure. The text says how that was seen."""
