"""Paper trading: the simulated venue on a live venue's public prices, in real time.

Every price is in a file beside the venue's own before anything is told of it, so that a restart
finds the market as it was. Knows one source of prices. Sends nothing to anybody.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import msgspec

from controller.accounts import simulated_settings
from controller.clock import Clock
from controller.config_accounts import AccountSettings
from exchanges.errors import VenueFileError
from exchanges.feeds.bars import MINUTE_MS, UNITS, Bar, Feed, Ticks
from exchanges.simulated import SimulatedVenue
from exchanges.venue import VenueProxy
from machines.words import (
    Quote,
    Snapshot,
)

VOLUME = "1000000000"
"""Public prices say nothing of how much could be had: as much as a plan wants."""


class Tick(msgspec.Struct, frozen=True, array_like=True):
    """One price as it is recorded. *Units*: UTC ms; bid and ask as far as they are known."""

    symbol: str
    at_ms: int
    last: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None


class Record:
    """The prices that were seen, one JSON array a line, in a file that outlives us.

    *Raises*: VenueFileError when it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        try:
            self.ticks = [] if not path.exists() else list(_read(path))
            self._file = path.open("ab")
        except (OSError, msgspec.DecodeError) as error:
            raise VenueFileError(f"prices {path}: cannot be read: {error}") from error

    def keep(self, ticks: Iterable[Tick]) -> None:
        """Make ticks durable."""
        assert self._file is not None, "an open file"
        try:
            self._file.write(b"".join(msgspec.json.encode(tick) + b"\n" for tick in ticks))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise VenueFileError(f"prices {self._path}: cannot be written: {error}") from error

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _read(path: Path) -> Iterable[Tick]:
    """Read what was recorded; a last line that was cut had not been told of."""
    *whole, _ = path.read_bytes().split(b"\n")
    return [msgspec.json.decode(line, type=Tick) for line in whole]


def prices_file(settings: AccountSettings) -> Path:
    """Name the file of an account's prices: beside the venue's own."""
    return settings.book.with_name(f"{settings.book.stem}.prices.jsonl")


def feed_of(symbol: str, ticks: Iterable[Tick]) -> Feed:
    """Make a feed that grows of what was recorded of one symbol."""
    feed = Feed(symbol, 0, [], [], [], [], [], [], Ticks([], [], [], {}, 0, 0), grows=True)
    for tick in ticks:
        if tick.symbol == symbol:
            grow(feed, tick)
    return feed


def grow(feed: Feed, tick: Tick) -> None:
    """Add a price to a feed. Time does not go back: a tick is not before the last one."""
    assert feed.ticks is not None, "a feed of ticks"
    px, at_ms = int(tick.last * UNITS), max([tick.at_ms, *feed.times[-1:]])
    before = feed.closes[-1] if feed.closes else px
    feed.opens.append(before)  # it has gone through all that lies between
    feed.highs.append(max(before, px))
    feed.lows.append(min(before, px))
    feed.closes.append(px)
    feed.volumes.append(VOLUME)
    feed.times.append(at_ms)
    feed.ticks.traded_ms.append(at_ms - feed.times[0])
    feed.ticks.bids.append(int((tick.bid or 0) * UNITS))
    feed.ticks.asks.append(int((tick.ask or 0) * UNITS))


class PaperVenue(VenueProxy[SimulatedVenue]):
    """One paper account. Made by `open_paper`."""

    def __init__(
        self, venue: SimulatedVenue, feeds: dict[str, Feed], watch: Watch, record: Record
    ) -> None:
        super().__init__(venue)
        self._feeds = feeds
        self._watch = watch
        self._record = record

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Let happen what has traded since the last look, then read. *Raises*: VenueUnavailable."""
        ticks = await self._watch.look()
        self._record.keep(ticks)
        for tick in ticks:
            grow(self._feeds[tick.symbol], tick)
        self.inner.advance(self._watch.clock.now_ms())
        return await super().snapshot(since_ms)

    async def candles(self, symbol: str, length_ms: int, since_ms: int) -> list[Bar]:
        """Return the closed candles of the market it trades on. *Raises*: VenueUnavailable."""
        return await self._watch.candles(symbol, length_ms, since_ms)

    def close(self) -> None:
        """Let the files and the connections go."""
        self._watch.close()
        self._record.close()
        self.inner.close()


class Watch:
    """Looks at the public prices of an account's symbols."""

    def __init__(self, settings: AccountSettings, clock: Clock) -> None:
        from exchanges.bybit.public import PublicPrices  # loads pybit, which no other run needs

        self.clock = clock
        self._symbols = tuple(settings.feeds)
        self._prices = PublicPrices.open(settings.url, clock)

    def resume(self, ticks: Sequence[Tick]) -> None:
        """Go on after what was recorded: what has traded since is looked up."""
        for symbol in self._symbols:
            mine = [tick for tick in ticks if tick.symbol == symbol]
            if mine:
                last_ms = mine[-1].at_ms
                began_ms = last_ms // MINUTE_MS * MINUTE_MS
                seen = [tick.last for tick in mine if tick.at_ms >= began_ms]
                self._prices.resume(symbol, last_ms, seen)

    async def candles(self, symbol: str, length_ms: int, since_ms: int) -> list[Bar]:
        """Return a symbol's closed candles. *Raises*: VenueUnavailable."""
        return await self._prices.bars(symbol, length_ms, since_ms)

    async def look(self) -> list[Tick]:
        """Return what has traded since the last look. *Raises*: VenueUnavailable."""
        found: list[Tick] = []
        for symbol in self._symbols:
            seen = await self._prices.look(symbol)
            at_ms = self.clock.now_ms()
            found += [Tick(symbol, at_ms, px) for px in seen.path]
            found.append(_tick(seen.quote, at_ms))
        return found

    def close(self) -> None:
        """Let the connections go."""
        self._prices.close()


def _tick(quote: Quote, at_ms: int) -> Tick:
    return Tick(quote.symbol, at_ms, quote.last, quote.bid, quote.ask)


async def open_paper(settings: AccountSettings, clock: Clock) -> PaperVenue:
    """Open a paper account where it left off; a new one begins at the price of now.

    *Raises*: InvalidSpec; VenueUnavailable; VenueFileBusy, VenueFileError.
    """
    with ExitStack() as opened:
        watch = Watch(settings, clock)
        opened.callback(watch.close)
        record = Record(prices_file(settings))
        opened.callback(record.close)
        watch.resume(record.ticks)
        known = {tick.symbol for tick in record.ticks}
        if not known >= settings.feeds.keys():
            first = await watch.look()
            record.keep(first)
            record.ticks += first
        feeds = {symbol: feed_of(symbol, record.ticks) for symbol in settings.feeds}
        venue = SimulatedVenue.open(simulated_settings(settings), feeds, settings.book)
        opened.pop_all()
    return PaperVenue(venue, feeds, watch, record)
