"""Closed candles of 5 and 15 minutes and the ATR, from whatever a market shows.

Fed with a feed's bars, or with prices and the day's volume as they are seen. A candle is closed
once its time is over, and never changes after. ATR is Wilder's: the mean of the first 14 true
ranges, from then on 13/14 of itself and 1/14 of the newest. These are a few lines of `Decimal`; the
indicator libraries that need no arrays compute with floats and keep all they were fed. Knows
nothing of rules. Invariant: the same bars give the same market, however often it is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from statistics import median

import msgspec

from exchanges.feeds import Bar, Feed
from exchanges.feeds.bars import DAY_MS, MINUTE_MS
from machines.words import ZERO

CANDLE_MS = 5 * MINUTE_MS
ATR_CANDLE_MS = 15 * MINUTE_MS
ATR_PERIODS = 14
CANDLES = 20
"""How many closed candles a rule sees."""


class Market(msgspec.Struct, frozen=True):
    """What rules see of a market's past. *Shape*: candles of 5 minutes, oldest first, ≤ 20."""

    candles: tuple[Bar, ...] = ()
    """Their volume is zero where nobody knows it."""
    atr: Decimal | None = None
    """ATR(14) of 15-minute candles; None before there are 14."""
    usual_atr: Decimal | None = None
    """Its median over whole sessions before today's; None before there are enough."""


class Candles:
    """Makes candles of one length. A candle begins at a multiple of its length."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._open: Bar | None = None
        self._closed_ms = 0

    def add(self, bar: Bar, begins_ms: int) -> Bar | None:
        """Take a bar in; return the candle that closed before it, if one did."""
        closed = self.pass_to(begins_ms)
        now = self._open
        if now is not None:
            self._open = Bar(
                now.close_ms,
                now.open,
                max(now.high, bar.high),
                min(now.low, bar.low),
                bar.close,
                now.volume + bar.volume,
            )
        elif begins_ms >= self._closed_ms:  # a bar that comes late cannot open its candle again
            close_ms = (begins_ms // self._length_ms + 1) * self._length_ms
            self._open = bar._replace(close_ms=close_ms)
        return closed

    def pass_to(self, now_ms: int) -> Bar | None:
        """Return the candle whose time is over, once."""
        closed = self._open
        if closed is None or closed.close_ms > now_ms:
            return None
        self._open, self._closed_ms = None, closed.close_ms
        return closed


class Atr:
    """Wilder's ATR, and its median over the last whole sessions.

    A session is a day in UTC: no session that is traded here passes midnight in UTC.
    """

    def __init__(self, sessions: int) -> None:
        self.value: Decimal | None = None
        """None before there are 14 candles."""
        self.usual: Decimal | None = None
        """Its median; None before there are enough sessions."""
        self._ranges: list[Decimal] = []
        self._last_close: Decimal | None = None
        self._day = -1
        self._today: list[Decimal] = []
        self._days: deque[list[Decimal]] = deque(maxlen=sessions)

    def add(self, candle: Bar) -> None:
        """Take in a closed candle of 15 minutes."""
        day = (candle.close_ms - 1) // DAY_MS
        if day != self._day:
            self._next_day(day)
        true_range = candle.high - candle.low
        if self._last_close is not None:
            true_range = max(
                true_range, abs(candle.high - self._last_close), abs(candle.low - self._last_close)
            )
        self._last_close = candle.close
        if self.value is None:
            self._ranges.append(true_range)
            if len(self._ranges) < ATR_PERIODS:
                return
            self.value = sum(self._ranges, ZERO) / ATR_PERIODS
        else:
            self.value = (self.value * (ATR_PERIODS - 1) + true_range) / ATR_PERIODS
        self._today.append(self.value)

    def _next_day(self, day: int) -> None:
        self._day = day
        if self._today:
            self._days.append(self._today)
            self._today = []
            if len(self._days) == self._days.maxlen:
                self.usual = median(chain.from_iterable(self._days))


class MarketData:
    """One symbol's candles as they close. Bars come in the order of their times."""

    def __init__(self, sessions: int = 20) -> None:
        self._short = Candles(CANDLE_MS)
        self._long = Candles(ATR_CANDLE_MS)
        self._closed: deque[Bar] = deque(maxlen=CANDLES)
        self._atr = Atr(sessions)
        self._market: Market | None = None
        self._day_volume: Decimal | None = None

    def add_bar(self, bar: Bar, bar_ms: int) -> None:
        """Take a closed bar in; one too long to be a part of a candle tells nothing of it.

        *Units*: ``bar_ms`` is its length, zero for a tick.
        """
        begins_ms = bar.close_ms - bar_ms
        if bar_ms == 0 or CANDLE_MS % bar_ms == 0:
            self._take_short(self._short.add(bar, begins_ms))
        if bar_ms == 0 or ATR_CANDLE_MS % bar_ms == 0:
            self._take_long(self._long.add(bar, begins_ms))

    def add_price(self, at_ms: int, price: Decimal, day_volume: Decimal | None = None) -> None:
        """Take in a price that was seen, and what the day had traded by then.

        Without it candles have no volume; of the first look nobody knows when it was traded.
        """
        before, self._day_volume = self._day_volume, day_volume
        traded = ZERO
        if before is not None and day_volume is not None:
            # Smaller than before, it counts a new day.
            traded = day_volume - before if day_volume >= before else day_volume
        self.add_bar(Bar(at_ms, price, price, price, price, traded), 0)

    def at(self, now_ms: int) -> Market:
        """Return what rules see at a moment: the candles whose time is over by then."""
        self._take_short(self._short.pass_to(now_ms))
        self._take_long(self._long.pass_to(now_ms))
        if self._market is None:
            self._market = Market(tuple(self._closed), self._atr.value, self._atr.usual)
        return self._market

    def _take_short(self, candle: Bar | None) -> None:
        if candle is not None:
            self._closed.append(candle)
            self._market = None

    def _take_long(self, candle: Bar | None) -> None:
        if candle is not None:
            self._atr.add(candle)
            self._market = None


class FedMarket:
    """A feed's market data. After a restart it is the same, as the feed is read anew."""

    def __init__(self, feed: Feed, sessions: int = 20) -> None:
        self._feed = feed
        self._read = 0
        self._data = MarketData(sessions)

    def at(self, now_ms: int) -> Market:
        """Return what rules see at a moment; the feed's later bars have not happened yet."""
        for bar in self._bars_until(now_ms):
            self._data.add_bar(bar, self._feed.bar_ms)
        return self._data.at(now_ms)

    def _bars_until(self, now_ms: int) -> Iterator[Bar]:
        until = self._feed.closed_by(now_ms)
        while self._read < until:
            yield self._feed[self._read]
            self._read += 1
