"""Bybit's public prices, without a key: what has traded since the last look, and the best touch.

Of each minute that was not seen to its end the candle tells how far the price went, in the order
that candles are played in; the ticker ends each look. Knows nothing of who trades on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec

from exchanges.bybit import parse
from exchanges.bybit.line import Failed, Line
from exchanges.bybit.pace import BybitPacer
from exchanges.bybit.parse import Misread
from exchanges.bybit.reader import CATEGORY
from exchanges.bybit.sdk import Sdk
from exchanges.bybit.settings import Environment, url_faults
from exchanges.bybit.wire import Candles, TickerRow
from exchanges.errors import VenueUnavailable
from exchanges.feeds import Bar
from exchanges.pacing import Sleeper
from machines.errors import InvalidSpec
from machines.words import ZERO, Quote

URL = "https://api.bybit.com"
MINUTE_MS = 60_000
MOST_CANDLES = 1_000
"""Of one answer (§3.14): after a longer absence the first of them are not seen."""


class Candle(msgspec.Struct, frozen=True):
    """One minute, the running one as far as it has come."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Seen(msgspec.Struct, frozen=True):
    """What one look has shown. *Shape*: ``path`` are prices that traded since, oldest first."""

    path: tuple[Decimal, ...]
    quote: Quote


class PublicPrices:
    """The public prices of some symbols."""

    def __init__(self, line: Line, now_ms: Callable[[], int]) -> None:
        self._line = line
        self._now_ms = now_ms
        self._last: dict[str, Candle] = {}
        """The last candle of each symbol, as far as it has been seen."""

    @classmethod
    def open(cls, url: str | None, clock: Sleeper) -> PublicPrices:
        """Open a line without a key. *Raises*: InvalidSpec for an address that is not Bybit's."""
        where = url or URL
        faults = url_faults(Environment.MAINNET, where)
        if faults:
            raise InvalidSpec([f"url: {fault}" for fault in faults])
        sdk = Sdk(where, None, None)
        return cls(Line(sdk, clock.now_ms, BybitPacer(clock, clock.now_ms)), clock.now_ms)

    def resume(self, symbol: str, at_ms: int, seen: Sequence[Decimal]) -> None:
        """Go on where an earlier process left off: ``seen`` in the minute of its last look."""
        start_ms = at_ms // MINUTE_MS * MINUTE_MS
        self._last[symbol] = Candle(start_ms, seen[0], max(seen), min(seen), seen[-1])

    async def look(self, symbol: str) -> Seen:
        """Look at one symbol. *Raises*: VenueUnavailable; what was missed is seen the next time."""
        last = self._last.get(symbol)
        try:
            candles = await self._candles(symbol, last)
            query = {"category": CATEGORY, "symbol": symbol}
            rows, _ = parse.page(await self._line.ask("get_tickers", query), TickerRow)
            found = [parse.quote(row, self._now_ms()) for row in rows if row.symbol == symbol]
        except (Failed, Misread) as error:
            raise VenueUnavailable(f"prices of {symbol}: {error}") from error
        if not found or not candles:
            raise VenueUnavailable(f"prices of {symbol}: Bybit shows none")
        path = tuple(px for each in candles for px in _path(each, last))
        self._last[symbol] = candles[-1]
        return Seen(path if last is not None else (), found[0])

    async def bars(self, symbol: str, length_ms: int, since_ms: int) -> list[Bar]:
        """Return a symbol's closed candles. *Raises*: VenueUnavailable. See `closed_bars`."""
        return await closed_bars(self._line, symbol, length_ms, since_ms, now_ms=self._now_ms)

    async def _candles(self, symbol: str, last: Candle | None) -> list[Candle]:
        """Read the minutes from the last one on, oldest first."""
        missed_ms = 0 if last is None else self._now_ms() - last.start_ms
        limit = min(MOST_CANDLES, 2 + missed_ms // MINUTE_MS)
        query = {"category": CATEGORY, "symbol": symbol, "interval": "1", "limit": limit}
        rows = parse.read(await self._line.ask("get_kline", query), Candles).rows
        candles = sorted((_candle(row) for row in rows), key=lambda each: each.start_ms)
        return [each for each in candles if last is None or each.start_ms >= last.start_ms]

    def close(self) -> None:
        """Let the connections go."""
        self._line.close()


async def closed_bars(
    line: Line, symbol: str, length_ms: int, since_ms: int, *, now_ms: Callable[[], int]
) -> list[Bar]:
    """Return the closed candles that begin at ``since_ms`` or later, oldest first.

    *Units*: ``length_ms`` is one of §3.14's intervals. *Raises*: VenueUnavailable.
    """
    found: dict[int, Bar] = {}
    start_ms = -(-since_ms // length_ms) * length_ms
    while start_ms + length_ms <= now_ms():
        end_ms = start_ms + (MOST_CANDLES - 1) * length_ms
        query = {
            "category": CATEGORY,
            "symbol": symbol,
            "interval": f"{length_ms // MINUTE_MS}",
            "start": start_ms,
            "end": end_ms,
            "limit": MOST_CANDLES,
        }
        try:
            rows = parse.read(await line.ask("get_kline", query), Candles).rows
            bars = [_bar(row, length_ms) for row in rows]
        except (Failed, Misread) as error:
            raise VenueUnavailable(f"candles of {symbol}: {error}") from error
        asked = range(start_ms + length_ms, min(end_ms + length_ms, now_ms()) + 1, length_ms)
        found |= {bar.close_ms: bar for bar in bars if bar.close_ms in asked}
        start_ms = end_ms + length_ms
    return [found[at_ms] for at_ms in sorted(found)]


def _bar(row: list[str], length_ms: int) -> Bar:
    """Read a candle with its volume. *Raises*: Misread."""
    candle, volume = _candle(row), parse.number(row[5] if len(row) > 5 else "", "candle")
    if volume is None or volume < ZERO:
        raise Misread(f"candle: {row} has no volume")
    prices = (candle.open, candle.high, candle.low, candle.close)
    return Bar(candle.start_ms + length_ms, *prices, volume)


def _candle(row: list[str]) -> Candle:
    """Read a candle. *Raises*: Misread."""
    found = [parse.price(text, "candle") for text in row[:5]]
    known = [value for value in found if value is not None]
    if len(known) < len(Candle.__struct_fields__):
        raise Misread(f"candle: {row} has not every figure")
    start_ms, opened, high, low, close = known
    return Candle(int(start_ms), opened, high, low, close)


def _path(candle: Candle, last: Candle | None) -> Iterator[Decimal]:
    """Yield the extremes of a minute that were not seen yet, in the order of SPEC §11."""
    seen = last if last is not None and last.start_ms == candle.start_ms else None
    if seen is None:
        yield candle.open
    high = candle.high if seen is None or candle.high > seen.high else None
    low = candle.low if seen is None or candle.low < seen.low else None
    high_first = candle.high - candle.open <= candle.open - candle.low
    for px in (high, low) if high_first else (low, high):
        if px is not None:
            yield px
