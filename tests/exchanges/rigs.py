"""Venues for the contract: each with one symbol, a price that goes where it is told, one key.

A rig knows how its market is moved; the contract knows only the port.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Protocol

from exchanges.feeds.bars import UNITS, Bar, Feed
from exchanges.simulated import SimulatedSettings, SimulatedVenue
from exchanges.venue import Venue
from machines.words import Key
from tests.wire.bybit.desk import BTC, now_ms, opened, rules
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.server import Loopback

SYMBOL = "BTCUSDT"
START = "104500"
FEES = Rules(instruments={}).fees


class Rig(Protocol):
    """A venue whose market goes where it is told."""

    venue: Venue
    key: Key
    began_ms: int

    def move(self, price: str) -> None:
        """Let the price go there, through all that lies between."""
        ...


class SimulatedRig:
    """The simulated venue on a feed that grows."""

    def __init__(self) -> None:
        self._feed = Feed.of(SYMBOL, 60_000, [_bar(60_000, START, START)])
        settings = SimulatedSettings(account="main", instruments={SYMBOL: BTC}, fees={SYMBOL: FEES})
        venue = SimulatedVenue(settings, {SYMBOL: self._feed})
        venue.advance(60_000)
        self.venue: Venue = venue
        self._moved = venue
        self.key = Key("main", SYMBOL)
        self.began_ms = 0

    def move(self, price: str) -> None:
        """Let one bar happen."""
        feed = self._feed
        bar = _bar(feed.times[-1] + 60_000, str(feed.close_px(len(feed) - 1)), price)
        feed.times.append(bar.close_ms)
        for column, px in (
            *((feed.opens, bar.open), (feed.highs, bar.high)),
            *((feed.lows, bar.low), (feed.closes, bar.close)),
        ):
            column.append(int(px * UNITS))
        feed.volumes.append("1")
        self._moved.advance(bar.close_ms)


class BybitRig:
    """The Bybit adapter on a loopback venue."""

    def __init__(self, loopback: Loopback, venue: Venue) -> None:
        self._loopback = loopback
        self.venue: Venue = venue
        self.key = venue.key_for(SYMBOL, "", "long")
        self.began_ms = now_ms()

    def move(self, price: str) -> None:
        """Let the loopback venue's price go there."""
        self._loopback.exchange.move(SYMBOL, price)


def _bar(close_ms: int, start: str, end: str) -> Bar:
    a, b = Decimal(start), Decimal(end)
    return Bar(close_ms, a, max(a, b), min(a, b), b, Decimal(1))


@asynccontextmanager
async def simulated() -> AsyncGenerator[Rig]:
    """Make a simulated account."""
    yield SimulatedRig()


@asynccontextmanager
async def bybit() -> AsyncGenerator[Rig]:
    """Open an account on a loopback Bybit."""
    async with AsyncExitStack() as stack:
        loopback = Loopback(rules(), {SYMBOL: START, "ETHUSDT": "2500"})
        stack.callback(loopback.close)
        venue = await stack.enter_async_context(opened(loopback))
        yield BybitRig(loopback, venue)


RIGS = {"simulated": simulated, "bybit": bybit}
"""Every venue with pooled exits, by name."""
