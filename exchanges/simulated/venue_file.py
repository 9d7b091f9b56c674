"""A simulated venue's own file: every input that took effect, durable before it is acknowledged.

SQLite through apsw, WAL, ``synchronous=FULL``, one owner. The engine is deterministic, so its
settings, its feeds and the inputs are the whole truth: a state is the log played again. Slices of
the state (``checkpoint``) only shorten that. Every row carries a hash of the one before it, so a
row that was changed, dropped or put in is seen at opening. Knows nothing of matching.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from exchanges import sqlite
from exchanges.errors import VenueFileBusy, VenueFileError
from exchanges.feeds.bars import Feed
from exchanges.simulated.acts import Act
from exchanges.simulated.checkpoint import Slice, join
from exchanges.simulated.settings import SimulatedSettings
from exchanges.simulated.state import Account
from exchanges.sqlite import Database, open_durable
from machines.words import Mutation

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (schema INTEGER NOT NULL, identity TEXT NOT NULL) STRICT;
CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    inputs TEXT NOT NULL,
    after TEXT NOT NULL,
    chain BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, slice TEXT NOT NULL, chain BLOB NOT NULL) STRICT;
CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
"""
_TABLES = {"meta", "log", "checkpoint", "counter"}

_SMALLEST = 4096
"""Bytes of one page: what is shorter holds not even the first."""

Input = Mutation | Act


class Entry(msgspec.Struct, frozen=True):
    """Inputs that took effect together; the market had moved up to ``at_ms`` before them.

    ``after`` sums up the state that they led to, so that a replay that differs is noticed.
    """

    seq: int
    at_ms: int
    inputs: list[Input]
    after: str


class FeedMark(msgspec.Struct, frozen=True):
    """What a feed is known by."""

    bars: int
    first_ms: int
    last_ms: int
    digest: str


class Identity(msgspec.Struct, frozen=True):
    """What a log is worthless without."""

    settings: SimulatedSettings
    feeds: dict[str, FeedMark]


def identity(settings: SimulatedSettings, feeds: Mapping[str, Feed]) -> Identity:
    """Name the settings and feeds that a log belongs to."""
    return Identity(settings, {symbol: _mark(feed) for symbol, feed in sorted(feeds.items())})


class VenueFile:
    """The one owner of a venue's file; begins it where there is none.

    ``fresh`` begins it anew. *Raises*: VenueFileBusy when another process holds it;
    VenueFileError when it is another venue's, damaged, or cannot be read or written.
    """

    def __init__(self, path: Path, who: Identity, *, fresh: bool = False) -> None:
        self.name = f"venue file {path}"
        self._lock = _hold(path)
        self._db: Database | None = None
        with ExitStack() as opened:
            opened.callback(self._give_up)
            try:
                if fresh:
                    sqlite.remove(path)
                if 0 < _size(path) < _SMALLEST:  # SQLite would take it for an empty one
                    raise VenueFileError(f"{self.name}: is cut short; restore it from a copy")
                self._db = open_durable(path, _TABLES)
                self.settings = self._begin(self._db, who)
                """The settings as they were first written, where nothing but zeros may differ."""
                self._seq, self._chain = self._verify(self._db)
            except (sqlite.Error, OSError, ValueError, msgspec.MsgspecError) as error:
                raise VenueFileError(f"{self.name}: cannot be opened: {error}") from error
            opened.pop_all()

    def _give_up(self) -> None:
        with suppress(VenueFileError):  # why it could not be opened is told
            self.close()

    # -------------------------------------------------------------------------------- reading

    def account(self) -> Account | None:
        """Return the account as it stood at the last checkpoint; None before the first."""
        return join(
            msgspec.json.decode(str(text), type=Slice)
            for (text,) in self._rows("SELECT slice FROM checkpoint ORDER BY seq")
        )

    def entries(self, *, whole: bool = False) -> Iterator[Entry]:
        """Yield what came after the last checkpoint, oldest first; ``whole``: everything."""
        start = "0" if whole else "coalesce((SELECT max(seq) FROM checkpoint), 0)"
        sql = f"SELECT seq, at_ms, inputs, after FROM log WHERE seq > {start} ORDER BY seq"  # noqa: S608 - both are constants
        for seq, at_ms, inputs, after in self._rows(sql):
            yield Entry(_int(seq), _int(at_ms), _INPUTS.decode(str(inputs)), str(after))

    def counters(self) -> dict[str, int]:
        """Return every counter as it was last written."""
        return {str(name): _int(n) for name, n in self._rows("SELECT name, n FROM counter")}

    def _rows(self, sql: str) -> Iterator[sqlite.Row]:
        assert self._db is not None, "an open file"
        try:
            yield from self._db.rows(sql)
        except sqlite.Error as error:
            raise VenueFileError(f"{self.name}: cannot be read: {error}") from error

    # -------------------------------------------------------------------------------- writing

    def append(
        self,
        at_ms: int,
        inputs: Sequence[Input],
        after: str,
        counters: Mapping[str, int],
        part: Slice | None = None,
    ) -> None:
        """Make one entry durable, with ``part`` as a checkpoint of the state it led to.

        *Raises*: VenueFileError; nothing of it is written then.
        """
        text = _ENCODER.encode(inputs).decode()
        seq, chain = self._seq + 1, link(self._chain, f"{at_ms}\0{text}\0{after}")
        rows: list[tuple[str, sqlite.Row]] = [(_LOG, (seq, at_ms, text, after, chain))]
        if part is not None:
            whole = _ENCODER.encode(part).decode()
            rows.append((_CHECKPOINT, (seq, whole, link(chain, whole))))
        self._write(rows, counters)
        self._seq, self._chain = seq, chain

    def count(self, counters: Mapping[str, int]) -> None:
        """Make counters durable without an entry. *Raises*: VenueFileError."""
        self._write([], counters)

    def _write(self, rows: list[tuple[str, sqlite.Row]], counters: Mapping[str, int]) -> None:
        assert self._db is not None, "an open file"
        try:
            with self._db.transaction():
                for sql, row in rows:
                    self._db.run(sql, row)
                if counters:
                    self._db.run_many(_COUNTER, counters.items())
        except sqlite.Error as error:
            raise VenueFileError(
                f"{self.name}: cannot be written: {error}; what was acknowledged "
                "before is kept, the venue answers no more"
            ) from error

    def close(self) -> None:
        """Close the file and let it go; a second time does nothing. *Raises*: VenueFileError."""
        db, self._db = self._db, None
        try:
            if db is not None:
                db.close()
        except sqlite.Error as error:  # while tidying up: all entries are durable
            raise VenueFileError(f"{self.name}: cannot be tidied up: {error}") from error
        finally:
            lock, self._lock = self._lock, None
            if lock is not None:
                sqlite.let_go(lock)

    # ------------------------------------------------------------------------------- checking

    def _begin(self, db: Database, who: Identity) -> SimulatedSettings:
        """Write the tables, or see that they are this venue's."""
        where = self.name
        tables = {row[0] for row in db.rows("SELECT name FROM sqlite_master WHERE type='table'")}
        if not tables:
            with db.transaction():
                db.run(_SCHEMA)
                db.run(
                    "INSERT INTO meta VALUES (?, ?)",
                    (SCHEMA_VERSION, _ENCODER.encode(who).decode()),
                )
            return who.settings
        if not tables >= _TABLES:
            raise VenueFileError(f"{where}: is not a simulated venue's file; name another one")
        for (found,) in db.rows("PRAGMA quick_check(1)"):
            if found != "ok":
                raise VenueFileError(f"{where}: is damaged ({found}); restore it from a copy")
        meta = list(db.rows("SELECT schema, identity FROM meta"))
        if len(meta) != 1 or meta[0][0] != SCHEMA_VERSION:
            found = meta[0][0] if meta else None
            text = f"has schema {found}; this version reads {SCHEMA_VERSION}"
            raise VenueFileError(f"{where}: {text}")
        begun = msgspec.json.decode(str(meta[0][1]), type=Identity)
        faults = list(_differences(begun, who))
        if faults:
            raise VenueFileError(
                f"{where}: was begun with other settings or feeds: {'; '.join(faults)}; "
                "set them back, or name another file"
            )
        return begun.settings

    def _verify(self, db: Database) -> tuple[int, bytes]:
        """See that no row was changed, dropped or put in; return the last one's number and hash."""
        (who,) = next(db.rows("SELECT identity FROM meta"))
        seq, chain = 0, link(b"", str(who))
        parts = {
            _int(at): (str(text), found)
            for at, text, found in db.rows("SELECT seq, slice, chain FROM checkpoint")
        }
        for at, at_ms, inputs, after, found in db.rows("SELECT * FROM log ORDER BY seq"):
            seq, chain = seq + 1, link(chain, f"{at_ms}\0{inputs}\0{after}")
            if at != seq or found != chain:
                raise self._altered(f"entry {at}")
            part = parts.pop(seq, None)
            if part is not None and part[1] != link(chain, part[0]):
                raise self._altered(f"the checkpoint at entry {seq}")
        if parts:
            raise self._altered(f"the checkpoint at entry {min(parts)}")
        return seq, chain

    def _altered(self, what: str) -> VenueFileError:
        return VenueFileError(
            f"{self.name}: {what} is not as it was written; restore it from a copy"
        )


_LOG = "INSERT INTO log VALUES (?, ?, ?, ?, ?)"
_CHECKPOINT = "INSERT INTO checkpoint VALUES (?, ?, ?)"
_COUNTER = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = excluded.n"
_ENCODER = msgspec.json.Encoder()
_INPUTS = msgspec.json.Decoder(list[Input])


def link(chain: bytes, text: str) -> bytes:
    """Return the hash that ties a row to the one before it."""
    return hashlib.blake2b(chain + text.encode(), digest_size=16).digest()


def _hold(path: Path) -> int | None:
    try:
        return sqlite.hold(path)
    except OSError as error:
        raise VenueFileError(f"venue file {path}: cannot be locked: {error.strerror}") from error
    except sqlite.Held as held:
        text = f"held by another process ({held.owner}); one at a time"
        raise VenueFileBusy(f"venue file {path}: {text}") from None


def _size(path: Path) -> int:
    """Return the size of a file, 0 where there is none; a folder has none that means anything."""
    return path.stat().st_size if path.is_file() else 0


def _int(value: sqlite.Value) -> int:
    assert isinstance(value, int)
    return value


def _mark(feed: Feed) -> FeedMark:
    count = 1 if feed.grows else len(feed)
    digest = hashlib.blake2b(str(feed.bar_ms).encode(), digest_size=16)
    for column in (feed.times, feed.opens, feed.highs, feed.lows, feed.closes):
        digest.update(_bytes(column[:count]))
    digest.update(",".join(feed.volumes[:count]).encode())
    if feed.ticks is not None:
        for column in (feed.ticks.traded_ms, feed.ticks.bids, feed.ticks.asks):
            digest.update(_bytes(column[:count]))
    return FeedMark(count, feed.times[0], feed.times[count - 1], digest.hexdigest())


def _bytes(column: list[int]) -> bytes:
    try:
        return array("q", column).tobytes()
    except OverflowError:  # a price above 900 million
        return repr(column).encode()


def _differences(then: Identity, now: Identity) -> Iterable[str]:
    for field in SimulatedSettings.__struct_fields__:
        was, is_now = getattr(then.settings, field), getattr(now.settings, field)
        if was != is_now:
            yield f"{field} was {_shown(was)}, is {_shown(is_now)}"
    for symbol, mark in now.feeds.items():
        was = then.feeds.get(symbol)
        if was is not None and was != mark:
            yield f"the feed of {symbol} had {was.bars} bars, {was.digest}; " + (
                f"has {mark.bars}, {mark.digest}"
            )


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
