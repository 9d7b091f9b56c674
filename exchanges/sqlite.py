"""A typed door to apsw, and one owner to a file: the few calls that state files need.

apsw's own stubs leave parameter types partly unknown; that ends here. Knows no schema.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

Value = str | bytes | int | float | None
Row = tuple[Value, ...]
Error = apsw.Error

_CACHE_KIB = 16_384
"""Holds an index of a million records: checking it at a start takes half as long."""


class Database:
    """One connection. *Raises*: `Error`, apsw's root, from every method."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        flags = apsw.SQLITE_OPEN_READONLY
        if not read_only:
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._connection = apsw.Connection(str(path), flags=flags)

    def run(self, sql: str, values: Sequence[Value] = ()) -> None:
        """Run one or more statements that return nothing of interest."""
        for _ in self._connection.execute(sql, tuple(values)):
            pass

    def run_many(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement once for each row of values."""
        self._connection.executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Yield the rows a query finds."""
        try:
            for row in self._connection.execute(sql, tuple(values)):
                yield tuple(row)
        except UnicodeDecodeError as error:  # SQLite hands on whatever bytes it finds
            raise apsw.CorruptError(f"text that is not UTF-8 (byte {error.start})") from error

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make what runs inside durable as a whole, or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            # A full disk has rolled back already, and to do it twice would hide why.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def open_durable(path: Path, ours: Collection[str]) -> Database:
    """Open a file to write: WAL, and every commit on the disk before it returns.

    One whose tables are not ``ours`` is left as it is: the caller refuses it.
    """
    database = Database(path)
    tables = {row[0] for row in database.rows("SELECT name FROM sqlite_master WHERE type='table'")}
    if not tables or tables.issuperset(ours):
        database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        database.run(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return database


def remove(path: Path) -> None:
    """Remove a database file and what SQLite keeps beside it, if they are there."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class Held(Exception):
    """Another process holds the file; ``owner`` is its id as text."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        super().__init__(owner)


def hold(path: Path) -> int:
    """Hold the lock file beside a state file until `let_go`; the kernel lets it go when we die.

    Beside it, as closing any handle on the file itself would drop SQLite's own locks. *Raises*:
    Held; OSError when there can be no lock file.
    """
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 64).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise Held(owner) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def let_go(handle: int) -> None:
    """Let another process hold the file."""
    os.close(handle)
