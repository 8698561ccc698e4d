"""What HTTP statuses of refusal mean to a user."""

from __future__ import annotations

from http import HTTPStatus

from kdmgr.errors import KdmgrError, ServerUnreachable
from kdmgr.units import printable


class Busy(ServerUnreachable):
    """A place that does not want to be asked now. `retry_after_s` is what it says of when; None where it does not."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


def describe_status(status: int) -> str:
    """`404 Not Found`; the number alone where it has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def busy(host: str, status: int, retry_after: str | None) -> KdmgrError | None:
    """The failure of a place that does not want to be asked now; None for other statuses."""
    seconds = read_retry_after(retry_after)
    if status == 429:
        wait = "later" if seconds is None else f"in {seconds:.0f} s"
        return Busy(f"{printable(host)} is asked too often (429)", hint=f"try again {wait}", retry_after_s=seconds)
    if status >= 500:
        return Busy(
            f"{printable(host)} has trouble: HTTP {describe_status(status)}",
            hint="try again in a few minutes",
            retry_after_s=seconds,
        )
    return None


def read_retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None for anything else."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 6:
        return float(text)
    if len(text) > 40 or not text.endswith("GMT"):
        return None
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
