"""One SQLite file: opened when it is needed, shared by several kdmgr at once, never in the way of the work."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from kdmgr.errors import StorageFailed

T = TypeVar("T")
BUSY_S = 5.0
# Each entry brings the database from the version of its index to the next one.
MIGRATIONS = (
    """
    CREATE TABLE loads (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, machine TEXT NOT NULL, engine TEXT NOT NULL, engine_version TEXT,
        model TEXT NOT NULL, digest TEXT, n_ctx INTEGER, predicted_host INTEGER, predicted_device INTEGER,
        size INTEGER, size_vram INTEGER, process_host INTEGER, process_device INTEGER, load_s REAL
    ) STRICT;
    CREATE INDEX loads_by_model ON loads (model, id);
    CREATE TABLE speeds (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, machine TEXT NOT NULL, engine TEXT NOT NULL, engine_version TEXT,
        model TEXT NOT NULL, digest TEXT, n_ctx INTEGER, n_prompt INTEGER, n_output INTEGER, decode_tok_s REAL NOT NULL
    ) STRICT;
    CREATE INDEX speeds_by_model ON speeds (model, id);
    """,
)


class Database:
    """The file at `path`. `note` is told when a damaged one was moved aside."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str] = MIGRATIONS,
        *,
        name: str = "the history",
        private: bool = False,
        note: Callable[[str], None] = lambda sentence: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`private` keeps the file from other users of the machine."""
        self.path = path
        self._migrations = migrations
        self._name = name
        self._private = private
        self._note = note
        self._now = now

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns; its changes are kept together when it ends well, and dropped otherwise.

        A damaged file is moved aside, and a new one begun. Raises `StorageFailed` when the file cannot be used:
        locked for long, read-only, or of a newer kdmgr.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._run(work)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside()
                return self._run(work)
        except OSError as error:
            raise StorageFailed(f"cannot write to {self.path.parent}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise StorageFailed(
                f"{self._name} at {self.path} cannot be used: {error}", hint="is another kdmgr writing to it for long?"
            ) from error

    def exists(self) -> bool:
        """Whether anything was ever written down."""
        return self.path.exists()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(self._connect()) as connection, connection:
            return work(connection)

    def _connect(self) -> sqlite3.Connection:
        if self._private:
            # SQLite gives its other files the same mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise StorageFailed(f"{self.path} was written by a newer kdmgr", hint="update kdmgr to read it")
        if version == len(self._migrations):
            return
        # Two kdmgr may meet here: the second waits for the first, and finds nothing left to do.
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for number, script in enumerate(self._migrations[version:], version + 1):
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    def _set_aside(self) -> None:
        """Keep what is damaged under another name: somebody may want to mend it."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{self._now():%Y%m%d-%H%M%S}")
        with suppress(FileNotFoundError):  # another kdmgr was faster
            self.path.replace(aside)
            self._note(f"{self._name} was damaged: it is now {aside}, and a new one begins")
        for suffix in ("-wal", "-shm"):
            with suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is no database, or a broken one; and not only locked or of another shape."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
