"""Every failure a user can meet, each with its exit code and a hint.

Expected failures are `KdmgrError`s: one line that says what and why, and a hint that says what to do.
Anything else that escapes is a bug and surfaces as a traceback.
"""

from __future__ import annotations


class KdmgrError(Exception):
    """An expected failure. `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = reason
        """A word for programs, where one kind of failure has several causes: "refused", "timeout", "dns" …"""


class UsageError(KdmgrError):
    """The arguments make no sense."""

    exit_code = 2


class ServerUnreachable(KdmgrError):
    """No server answers at the address."""

    exit_code = 3


class NotFound(KdmgrError):
    """The thing named does not exist."""

    exit_code = 4


class Unreadable(KdmgrError):
    """The thing exists, but cannot be understood."""

    exit_code = 4


class Forbidden(KdmgrError):
    """The thing exists, but is not given to everybody."""

    exit_code = 4


class EngineFailed(KdmgrError):
    """An engine died, refused, or answered with an error."""


class StorageFailed(KdmgrError):
    """A folder cannot be written: full, read-only or locked by another kdmgr."""


class Interrupted(KdmgrError):
    """The user stopped the work."""

    exit_code = 130
