"""The journal: what happened, which row was taken, what was sent; appended before it is sent.

SQLite through apsw, WAL, ``synchronous=FULL``; one writer per state file, held by ``flock``. Each
record carries a hash of itself and of the one before it; the hashes, and SQLite's own books, are
checked when the file is opened to write. A file comes into being whole, so one that is empty has
been emptied. After a failure nothing more is accepted: the file says what is known. Reading is open
to anybody while a controller runs. Knows nothing of tables or venues. *Source*: RELIABILITY §3.1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from exchanges import sqlite
from exchanges.sqlite import Database, open_durable
from machines.errors import RungkeeperError

SCHEMA_VERSION = 3
"""Since 2 the hash covers every column; since 3 decisions and what rules remember are kept."""
_SCHEMA = """
CREATE TABLE meta (schema INTEGER NOT NULL) STRICT;
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    stream TEXT NOT NULL,
    ladder TEXT NOT NULL,
    ver INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT,
    chain BLOB NOT NULL,
    UNIQUE (stream, ver)
) STRICT;
CREATE TABLE decision (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    body TEXT NOT NULL,
    standing TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE memory (
    position TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE INDEX states ON journal (stream, seq) WHERE state IS NOT NULL;
"""
_TABLES = {"meta", "journal", "decision", "memory"}
_DECIDE = """
INSERT INTO decision VALUES (?,?,?,?,?)
ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, state = excluded.state
"""
_REMEMBER = """
INSERT INTO memory VALUES (?,?,?) ON CONFLICT (position) DO UPDATE SET state = excluded.state
"""
_DECISIONS = """
SELECT * FROM decision
WHERE account = ? AND standing IN (SELECT value FROM json_each(?)) ORDER BY rowid
"""
_INSERT = "INSERT INTO journal VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_ADVICE = "Keep the file, restore a copy, or name another and adopt what is open"


class JournalError(RungkeeperError):
    """The journal cannot be trusted or written: nothing more is sent (RELIABILITY S25)."""


class JournalBusy(RungkeeperError):
    """Another controller holds the state file; the message names it."""


class Draft(msgspec.Struct, frozen=True):
    """A record to be appended. ``state`` is the resulting ladder, encoded."""

    at_ms: int
    account: str
    position: str
    ladder: str
    kind: str
    data: dict[str, object]
    state: bytes | None = None


class Decided(msgspec.Struct, frozen=True):
    """A decision as it is kept for ever: its body never changes, its state does."""

    id: str
    account: str
    body: str
    standing: str
    state: str


class Remembered(msgspec.Struct, frozen=True):
    """What the rules remember of a position, encoded; only the last is kept."""

    position: str
    account: str
    state: str


class Record(msgspec.Struct, frozen=True):
    """A record as read back; ``data`` is ready for JSON, money as text."""

    seq: int
    at_ms: int
    account: str
    position: str
    ladder: str
    kind: str
    data: dict[str, object]


class Saved(msgspec.Struct, frozen=True):
    """A ladder as its last record left it, encoded."""

    position: str
    at_ms: int
    state: bytes


class Journal:
    """The one writer of a state file.

    *Raises*: JournalBusy when another controller holds it; JournalError when it is not ours or
    cannot be written.
    """

    def __init__(self, path: Path, *, epoch: int = 1, fresh: bool = False) -> None:
        self._path = path
        self._epoch = epoch
        self._failed = ""
        self._lock = _lock(path)
        try:
            if fresh or not os.path.lexists(path):
                _begin(path)
            self._db = _open(path)
            self._seq, self._chain = verify(self._db, path)
            self._vers = {str(s): _int(v) for s, v in self._db.rows(_LAST_VERS)}
        except (sqlite.Error, OSError) as error:
            sqlite.let_go(self._lock)
            raise JournalError(
                f"state {path}: cannot be opened: {error}; nothing was sent. {_ADVICE}"
            ) from error
        except JournalError:
            sqlite.let_go(self._lock)
            raise

    @property
    def records(self) -> int:
        """Return the sequence number of the last record."""
        return self._seq

    def append(
        self,
        drafts: Sequence[Draft],
        boot_ms: int = 0,
        decisions: Sequence[Decided] = (),
        memories: Sequence[Remembered] = (),
    ) -> None:
        """Make every draft and the new state of decisions and memories durable, all or none.

        *Raises*: JournalError; nothing may be sent after it.
        """
        if not drafts and not decisions and not memories:
            return
        if self._failed:
            raise JournalError(self._failed)
        seq, chain, vers = self._seq, self._chain, dict[str, int]()
        rows: list[sqlite.Row] = []
        for draft in drafts:
            seq += 1
            ver = vers.get(draft.position, self._vers.get(draft.position, 0)) + 1
            vers[draft.position] = ver
            body = msgspec.json.encode(draft.data).decode()
            state = None if draft.state is None else draft.state.decode()
            row = (
                draft.account, draft.position, draft.ladder, ver, self._epoch, draft.at_ms,
                boot_ms, draft.kind, body,
            )  # fmt: skip
            chain = link(chain, text_of((*row, state or "")))
            rows.append((seq, *row, state, chain))
        try:
            with self._db.transaction():
                self._db.run_many(_INSERT, rows)
                self._db.run_many(_DECIDE, [msgspec.structs.astuple(one) for one in decisions])
                self._db.run_many(_REMEMBER, [msgspec.structs.astuple(one) for one in memories])
        except sqlite.Error as error:
            self._failed = (
                f"state {self._path}: cannot be written: {error}; nothing more is sent. What rests "
                "at the venues stays; free the disk or repair it and start again"
            )
            raise JournalError(self._failed) from error
        self._seq, self._chain = seq, chain
        self._vers.update(vers)

    def latest(self) -> Iterator[Saved]:
        """Return each ladder as its last record left it, in the order they were opened."""
        return _latest(self._db)

    def find(self, kind: str, text: str) -> Iterator[Record]:
        """Yield the records of a kind whose body contains ``text``, in order."""
        sql = f"{_SELECT} WHERE kind = ? AND instr(body, ?) ORDER BY seq"
        return (_record(row) for row in self._db.rows(sql, (kind, text)))

    def last_ms(self, account: str) -> int:
        """Return the time of an account's last record; zero when there is none."""
        sql = "SELECT coalesce(max(wall_ms), 0) FROM journal WHERE account = ?"
        return _int(next(self._db.rows(sql, (account,)))[0])

    def decision(self, decision_id: str) -> Decided | None:
        """Return a decision by its id, however long ago it ended."""
        rows = self._db.rows("SELECT * FROM decision WHERE id = ?", (decision_id,))
        found = next(rows, None)
        return None if found is None else Decided(*map(str, found))

    def decisions(self, account: str, standings: Sequence[str]) -> list[Decided]:
        """Return an account's decisions of some standings, oldest first."""
        wanted = msgspec.json.encode(list(standings)).decode()
        return [Decided(*map(str, row)) for row in self._db.rows(_DECISIONS, (account, wanted))]

    def memories(self, account: str) -> list[Remembered]:
        """Return what rules remember of an account's positions, closed ones too."""
        rows = self._db.rows("SELECT * FROM memory WHERE account = ?", (account,))
        return [Remembered(*map(str, row)) for row in rows]

    def close(self) -> None:
        """Close the file and let it go. *Raises*: JournalError when that fails first of all."""
        try:
            self._db.close()
        except sqlite.Error as error:  # while tidying up: what was appended is durable
            if not self._failed:
                raise JournalError(f"state {self._path}: cannot be tidied up: {error}") from error
        finally:
            sqlite.let_go(self._lock)


_SELECT = "SELECT seq, wall_ms, account, stream, ladder, kind, body FROM journal"
_LATEST = """
SELECT stream, wall_ms, state FROM journal
WHERE seq IN (SELECT max(seq) FROM journal WHERE state IS NOT NULL GROUP BY stream)
ORDER BY (SELECT j.seq FROM journal j WHERE j.stream = journal.stream AND j.ver = 1)
"""
_CHAIN = """
SELECT seq, chain, CAST(
    concat_ws(x'00', account, stream, ladder, ver, epoch, wall_ms, boot_ms, kind, body,
        coalesce(state, '')) AS BLOB)
FROM journal ORDER BY seq
"""
"""The columns as `text_of` joins them: SQLite does it in half the time."""
_TEXT = "\0".join(["%s"] * 10)
_LAST_VERS = "SELECT stream, max(ver) FROM journal GROUP BY stream"


def _int(value: sqlite.Value) -> int:
    assert isinstance(value, int)
    return value


def verify(db: Database, path: Path) -> tuple[int, bytes]:
    """Check SQLite's books, then every record against the one before it.

    Return the last number and hash. *Raises*: JournalError naming the first record that does not
    follow.
    """
    for (found,) in db.rows("PRAGMA integrity_check(1)"):
        if found != "ok":  # an index may lead astray though every record is as it was written
            raise JournalError(f"state {path}: is damaged ({found}); nothing was sent. {_ADVICE}")
    seq, chain = 0, b""
    for at, linked, text in db.rows(_CHAIN):
        assert isinstance(text, bytes)
        chain = link(chain, text)
        seq += 1
        if at != seq or linked != chain:
            raise JournalError(
                f"state {path}: record {seq} was altered or is missing; nothing was sent. {_ADVICE}"
            )
    return seq, chain


def text_of(row: sqlite.Row) -> bytes:
    """Return a record as one text: all its columns but number and hash.

    *Shape*: ``row`` from the account to the state, as `_CHAIN` reads it.
    """
    return (_TEXT % row).encode()


def link(chain: bytes, text: bytes) -> bytes:
    """Return the hash that ties a record's text to the hash of the one before."""
    return hashlib.blake2b(chain + text, digest_size=16).digest()


def _lock(path: Path) -> int:
    try:
        return sqlite.hold(path)
    except OSError as error:
        raise JournalError(f"state {path}: cannot be locked: {error.strerror}") from error
    except sqlite.Held as held:
        raise JournalBusy(
            f"state {path}: held by another controller (process {held.owner}); one owner at a time"
        ) from None


def _begin(path: Path) -> None:
    """Put an empty journal in place, whole or not at all."""
    made = path.with_name(path.name + ".new")
    sqlite.remove(made)  # of a start that was killed here
    db = open_durable(made, _TABLES)
    with db.transaction():
        db.run(_SCHEMA)
        db.run("INSERT INTO meta VALUES (?)", (SCHEMA_VERSION,))
    db.close()
    sqlite.remove(path)  # and what lay beside a file that is gone: SQLite would read it into ours
    made.replace(path)


def _open(path: Path) -> Database:
    if path.is_file() and not path.stat().st_size:  # SQLite would take it for a new one
        raise JournalError(
            f"state {path}: is empty, all its records are gone; nothing was sent. {_ADVICE}"
        )
    db = open_durable(path, _TABLES)
    tables = {row[0] for row in db.rows("SELECT name FROM sqlite_master WHERE type='table'")}
    if not tables >= _TABLES:
        raise JournalError(f"state {path}: not a Rungkeeper state file")
    found = next(db.rows("SELECT schema FROM meta"), (None,))[0]
    if found != SCHEMA_VERSION:
        raise JournalError(f"state {path}: has schema {found}; this version reads {SCHEMA_VERSION}")
    return db


def _latest(db: Database) -> Iterator[Saved]:
    for stream, at_ms, state in db.rows(_LATEST):
        yield Saved(str(stream), _int(at_ms), str(state).encode())


def read_latest(path: Path) -> list[Saved]:
    """Read each ladder as its last record left it, without disturbing a running controller.

    *Raises*: JournalError when there is no such file or it is not a journal.
    """
    if not path.is_file():
        raise JournalError(f"state {path}: no such file; `rungkeeper run` writes it")
    try:
        return list(_latest(Database(path, read_only=True)))
    except sqlite.Error as error:
        raise JournalError(f"state {path}: cannot be read: {error}") from error


def read_decisions(path: Path) -> list[Decided]:
    """Read every decision, oldest first, without disturbing a running controller.

    *Raises*: JournalError when it is not a journal.
    """
    try:
        rows = Database(path, read_only=True).rows("SELECT * FROM decision ORDER BY rowid")
        return [Decided(*map(str, row)) for row in rows]
    except sqlite.Error as error:
        raise JournalError(f"state {path}: cannot be read: {error}") from error


def read(path: Path, positions: Iterable[str] = ()) -> Iterator[Record]:
    """Read the records in order, without disturbing a running controller.

    *Raises*: JournalError when there is no such file or it is not a journal.
    """
    if not path.is_file():
        raise JournalError(f"state {path}: no such file; `rungkeeper run` writes it")
    sql = _SELECT
    names = list(positions)
    if names:
        sql += f" WHERE stream IN ({','.join('?' * len(names))})"
    try:
        for row in Database(path, read_only=True).rows(sql + " ORDER BY seq", names):
            yield _record(row)
    except (sqlite.Error, msgspec.DecodeError) as error:
        raise JournalError(f"state {path}: cannot be read: {error}") from error


def _record(row: sqlite.Row) -> Record:
    seq, at_ms, account, stream, ladder, kind, body = row
    data = msgspec.json.decode(str(body), type=dict[str, object])
    return Record(_int(seq), _int(at_ms), str(account), str(stream), str(ladder), str(kind), data)
