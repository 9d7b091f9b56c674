"""One symbol's bars and what waits on them: where the next bar that matters is.

Knows nothing of positions. Invariant: between the bars played and ``_idle_to`` no bar reaches a
price that something waits for, as long as nothing was added.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from exchanges.feeds.bars import UNITS, Feed
from exchanges.simulated.levels import Levels
from exchanges.simulated.state import Account, Working
from machines.words import Quote, Side

_NEVER_BELOW = -1
_NEVER_ABOVE = 1 << 200


class Market:
    """One symbol: its feed, how much of it has happened, and what waits for a price."""

    __slots__ = ("_account", "_band", "_idle_to", "_last", "_last_of", "_levels", "feed")

    def __init__(self, feed: Feed, account: Account) -> None:
        self.feed = feed
        self._account = account
        self._levels = Levels()
        self._band: tuple[int, int] | None = None
        self._idle_to = 0
        self._last: Decimal | None = None
        self._last_of = 0

    @property
    def symbol(self) -> str:
        """Name the symbol."""
        return self.feed.symbol

    @property
    def played(self) -> int:
        """Count the bars that have happened."""
        return self._account.played[self.feed.symbol]

    @property
    def last(self) -> Decimal | None:
        """Return the last bar's close; None before the first bar."""
        played = self.played
        if played != self._last_of:
            self._last = self.feed.close_px(played - 1)
            self._last_of = played
        return self._last

    def touch(self, side: Side) -> Decimal:
        """Return the price at which an order of this side would trade at once.

        The ask for a buy, the bid for a sale, where the feed knows them; else the last.
        """
        last = self.last
        assert last is not None, f"{self.symbol}: no price yet"
        if not self.feed.quoted:
            return last
        bid, ask = self.feed.quote_px(self.played - 1)
        found = ask if side is Side.BUY else bid
        return last if found is None else found

    def quote(self, now_ms: int, ends_ms: int | None, *, in_session: bool) -> Quote | None:
        """Return the market as it is shown; None before the first price."""
        last, played, feed = self.last, self.played, self.feed
        if last is None:
            return None
        bid, ask = feed.quote_px(played - 1) if feed.quoted else (None, None)
        return Quote(
            symbol=feed.symbol,
            last=last,
            # Between two closes candles stand still; a tick grows old.
            at_ms=now_ms if feed.ticks is None else feed.times[played - 1],
            trading_ms=feed.traded_ms(played),
            bid=bid,
            ask=ask,
            in_session=in_session,
            session_ends_ms=ends_ms,
        )

    @property
    def volume(self) -> Decimal:
        """Return the last bar's volume."""
        return Decimal(self.feed.volumes[self.played - 1])

    @property
    def levels(self) -> Levels:
        """Return what waits, for a sweep that takes from it."""
        self._band = None
        return self._levels

    def wait(self, working: Working) -> None:
        """Let ``working`` wait for its price."""
        self._levels.add(working)
        if working.target is not None:
            self._levels.add(working.target)
        self._band = None

    def stop_waiting(self, working: Working) -> None:
        """Let ``working`` wait no more."""
        working.gone = True
        if working.target is not None:
            working.target.gone = True
        self._band = None

    def forget_band(self) -> None:
        """Look anew at what waits: some of it has gone."""
        self._band = None

    def skip_to(self, count: int) -> None:
        """Let bars happen that touch nothing, until ``count`` have."""
        self._account.played[self.feed.symbol] = count

    def next_touch(self, end: int) -> int:
        """Find the first bar not yet played, before ``end``, that reaches something that waits.

        Returns ``end`` (or the bars played, if more) when there is none.
        """
        played = self.played
        if self._band is None:
            below, above = self._levels.below(), self._levels.above()
            self._band = (
                _NEVER_BELOW if below is None else _in_units(below, ROUND_FLOOR),
                _NEVER_ABOVE if above is None else _in_units(above, ROUND_CEILING),
            )
            self._idle_to = played
        start = max(played, self._idle_to)
        if start < end:
            self._idle_to = self.feed.first_touch(start, end, *self._band)
            return self._idle_to
        return max(played, end)


def _in_units(px: Decimal, rounding: str) -> int:
    return int((px * UNITS).to_integral_value(rounding))
