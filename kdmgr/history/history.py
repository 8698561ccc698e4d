"""The two tables: writing a row, reading the newest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from kdmgr.history.database import Database
from kdmgr.history.records import LoadRecord, SpeedRecord

MAX_ROWS = 5000

Record = TypeVar("Record", LoadRecord, SpeedRecord)


class History:
    """Loads and speeds in one file. Raises `StorageFailed` where it cannot be used."""

    def __init__(self, path: Path, *, note: Callable[[str], None] = lambda sentence: None) -> None:
        self._database = Database(path, note=note)

    def add_load(self, record: LoadRecord) -> None:
        """Write down a load."""
        self._add("loads", record)

    def add_speed(self, record: SpeedRecord) -> None:
        """Write down the speed of an answer."""
        self._add("speeds", record)

    def loads(self, model: str | None = None, *, machine: str | None = None, limit: int = 100) -> list[LoadRecord]:
        """The newest loads first; those of one model or machine where it is named."""
        return self._read("loads", LoadRecord, model, machine, limit)

    def speeds(self, model: str | None = None, *, machine: str | None = None, limit: int = 100) -> list[SpeedRecord]:
        """The newest speeds first."""
        return self._read("speeds", SpeedRecord, model, machine, limit)

    def _add(self, table: str, record: LoadRecord | SpeedRecord) -> None:
        names = [field.name for field in fields(record)]
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"

        def write(connection: Connection) -> None:
            row = connection.execute(insert, astuple(record)).lastrowid or 0
            connection.execute(f"DELETE FROM {table} WHERE id <= ?", (row - MAX_ROWS,))

        self._database.run(write)

    def _read(self, table: str, kind: type[Record], model: str | None, machine: str | None, limit: int) -> list[Record]:
        # Nothing is made by looking.
        if not self._database.exists():
            return []
        names = ", ".join(field.name for field in fields(kind))
        where = "(?1 IS NULL OR model = ?1 COLLATE NOCASE) AND (?2 IS NULL OR machine = ?2)"
        query = f"SELECT {names} FROM {table} WHERE {where} ORDER BY id DESC LIMIT ?3"
        rows = self._database.run(lambda connection: connection.execute(query, (model, machine, limit)).fetchall())
        return [kind(*row) for row in rows]
