"""What HTTP statuses of refusal mean to a user."""

from __future__ import annotations

from http import HTTPStatus

from kdmgr.errors import KdmgrError, ServerUnreachable
from kdmgr.units import printable


def describe_status(status: int) -> str:
    """`404 Not Found`; the number alone where it has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def busy(host: str, status: int, retry_after: str | None) -> KdmgrError | None:
    """The failure of a place that does not want to be asked now; None for other statuses."""
    if status == 429:
        wait = f"in {retry_after} s" if retry_after and retry_after.isdecimal() and len(retry_after) < 6 else "later"
        return ServerUnreachable(f"{printable(host)} is asked too often (429)", hint=f"try again {wait}")
    if status >= 500:
        return ServerUnreachable(
            f"{printable(host)} has trouble: HTTP {describe_status(status)}", hint="try again in a few minutes"
        )
    return None
