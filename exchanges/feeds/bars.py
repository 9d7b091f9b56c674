"""What every feed is: one symbol's closed bars, in columns.

Knows nothing of files, venues or orders. Columns, not rows: a scan for the next price that
matters reads two of them, and a month of minutes costs a dozen megabytes. Invariants: times
increase (those of ticks never decrease); every bar has high ≥ open, close ≥ low > 0 (whoever
builds a feed has checked it).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

DAY_MS = 86_400_000
MINUTE_MS = 60_000
DECIMALS = 10
"""Digits a price may have after the point."""
LONGEST_NUMBER = 24
"""Characters of a price or a volume: keeps exact sums of products within the ledger's precision."""
UNITS = 10**DECIMALS
"""Prices are kept as whole multiples of 1 / UNITS: comparing two costs a fifth of Decimals."""

_UNITS = Decimal(UNITS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class Bar(NamedTuple):
    """One closed bar. *Units*: quote currency; volume in the symbol's own quantity."""

    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Ticks(msgspec.Struct, frozen=True, eq=False):
    """What ticks say beyond their prices, and what was left out of them.

    *Units*: columns as a feed's. *Shape*: ``bids`` and ``asks`` are empty where nobody recorded
    them, and zero before the first.
    """

    traded_ms: list[int]
    """Trading time since the first tick."""
    bids: list[int]
    asks: list[int]
    dropped: dict[str, int]
    """How many lines were left out, by why."""
    silences: int
    longest_silence_ms: int


class Feed(msgspec.Struct, frozen=True, eq=False):
    """One symbol's bars, oldest first; an index gives a ``Bar``.

    *Units*: columns of prices hold multiples of 1 / UNITS. *Shape*: six columns of one length,
    at least one long. Volumes stay text, as few are ever asked for. A feed of ticks has bars of no
    length, of which several may share a time.
    """

    symbol: str
    bar_ms: int
    times: list[int]
    """When each bar closes."""
    opens: list[int]
    highs: list[int]
    lows: list[int]
    closes: list[int]
    volumes: list[str]
    ticks: Ticks | None = None
    grows: bool = False
    """More is added at its end while it is used, and it is known by how it begins."""

    @classmethod
    def of(cls, symbol: str, bar_ms: int, bars: Iterable[Bar]) -> Feed:
        """Build a feed from bars that were checked one by one."""
        rows = list(bars)
        return cls(
            symbol,
            bar_ms,
            [row.close_ms for row in rows],
            [int(row.open * _UNITS) for row in rows],
            [int(row.high * _UNITS) for row in rows],
            [int(row.low * _UNITS) for row in rows],
            [int(row.close * _UNITS) for row in rows],
            [format(row.volume, "f") for row in rows],
        )

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: int) -> Bar:
        # Dividing, unlike scaling, gives the shortest plain form: 104200, not 104200.0000000000.
        return Bar(
            self.times[index],
            self.opens[index] / _UNITS,
            self.highs[index] / _UNITS,
            self.lows[index] / _UNITS,
            self.closes[index] / _UNITS,
            Decimal(self.volumes[index]),
        )

    def __iter__(self) -> Iterator[Bar]:
        return map(self.__getitem__, range(len(self)))

    def close_px(self, index: int) -> Decimal:
        """Return the closing price of one bar."""
        return self.closes[index] / _UNITS

    @property
    def quoted(self) -> bool:
        """Tell whether it knows the best bid and ask."""
        return self.ticks is not None and bool(self.ticks.bids)

    def quote_px(self, index: int) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask after one bar, as far as they are known."""
        if self.ticks is None or not self.quoted or not self.ticks.bids[index]:
            return None, None
        return self.ticks.bids[index] / _UNITS, self.ticks.asks[index] / _UNITS

    def traded_ms(self, count: int) -> int:
        """Return the trading time that ``count`` bars are: on candles, bars count."""
        if self.ticks is None:
            return count * self.bar_ms
        return self.ticks.traded_ms[count - 1] if count else 0

    def when_traded_ms(self, trading_ms: int) -> int | None:
        """Return when the trading time reaches ``trading_ms``; None when it never does."""
        if self.ticks is None:
            index = -(-trading_ms // self.bar_ms) - 1
        else:
            index = bisect_left(self.ticks.traded_ms, trading_ms)
        return self.times[index] if 0 <= index < len(self) else None

    def closed_by(self, at_ms: int) -> int:
        """Count the bars that have closed at ``at_ms``."""
        return bisect_right(self.times, at_ms)

    def first_touch(self, start: int, end: int, below: int, above: int) -> int:
        """Find the first bar of ``[start, end)`` that trades at ``below`` or ``above``, or beyond.

        Returns ``end`` when there is none. *Units*: multiples of 1 / UNITS.
        """
        # Tight on purpose: this is what an idle bar costs.
        highs, lows = self.highs, self.lows
        for index in range(start, end):
            if lows[index] <= below or highs[index] >= above:
                return index
        return end


def bar_fault(bar: Bar) -> str | None:
    """Say what is wrong with a bar's numbers, or None.

    *Shape*: ``field value: what is allowed``.
    """
    _, opened, high, low, close, volume = bar
    for field, value in (("open", opened), ("high", high), ("low", low), ("close", close)):
        if value <= 0:
            return f"{field} {value:f}: a price must be above 0"
    if high < opened or high < close:
        return f"high {high:f}: must be at least open {opened:f} and close {close:f}"
    if low > opened or low > close:
        return f"low {low:f}: must be at most open {opened:f} and close {close:f}"
    if volume.is_signed():  # "-0" too
        return f"volume {volume:f}: must be 0 or above"
    return None


def utc_ms(text: str) -> int:
    """Read an ISO-8601 UTC time as UTC milliseconds.

    *Raises*: ValueError when it is not one, names no zone, another zone, or parts of a ms.
    """
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() != timedelta(0):
        raise ValueError(text)
    whole, rest = divmod(moment - _EPOCH, _MS)
    if rest:
        raise ValueError(text)
    return whole


def plain_decimal(text: str) -> Decimal:
    """Read a number in plain decimal notation.

    *Raises*: ValueError for an exponent, an underscore, NaN, infinity, a space, too many digits.
    """
    if len(text) > LONGEST_NUMBER or not _PLAIN_NUMBER.fullmatch(text):
        raise ValueError(text)
    if len(text.partition(".")[2]) > DECIMALS:
        raise ValueError(text)
    return Decimal(text)
