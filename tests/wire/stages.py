"""Three venues on which the core's scenarios are played: simulated, Bybit's and Zerodha's loopback.

A stage moves its price and its time as it is told. Kite counts whole shares, so there a scenario's
step is one share; nothing else of it is changed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Protocol

import pytest
from msgspec.structs import replace

from exchanges.bybit.client import open_account
from exchanges.bybit.settings import StopStyle
from exchanges.feeds.bars import UNITS, Feed, Ticks
from exchanges.simulated import SimulatedSettings, SimulatedVenue
from exchanges.venue import Venue
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.settings import Scheme
from machines.spec import EntrySpec, LadderSpec
from machines.words import Direction, ExitStyle, Instrument, Snapshot
from tests.machines.script import Script
from tests.wire.bybit.crowd import Clock
from tests.wire.bybit.desk import PAUSES_S, rules, settings
from tests.wire.bybit.server import Loopback
from tests.wire.expressed import Expressed
from tests.wire.zerodha.rig import Rig, connected
from tests.wire.zerodha.server import FRIDAY_10_15, serve
from tests.wire.zerodha.server import Venue as Kite

SYMBOL = "BTCUSDT"
ONE = Decimal(1)
KITE_LOOKS = 6
"""There a rung is converted, and a booking makes room, before anything is sold: look by look."""


class Stage(Protocol):
    """A venue whose price and time go where they are told."""

    venue: Venue
    looks: int
    """How often it is looked at for one poll of a file."""
    scale: Decimal
    """How many units of the venue one of the scenario's is."""

    def now_ms(self) -> int:
        """Return the time."""
        ...

    def wait(self, ms: int) -> None:
        """Let time pass."""
        ...

    def move(self, price: Decimal) -> None:
        """Let the price go there, through all that lies between."""
        ...

    async def look(self, since_ms: int) -> Snapshot:
        """Read the account."""
        ...


def scaled(spec: LadderSpec, scale: Decimal) -> LadderSpec:
    """Write a plan in a venue's units."""
    entries = tuple(EntrySpec(entry.price, entry.qty * scale) for entry in spec.entries)
    return replace(spec, entries=entries)


class SimulatedStage:
    """The simulated venue on ticks that come as they are told."""

    scale, looks = ONE, 1

    def __init__(self, script: Script, start: Decimal) -> None:
        px = int(start * UNITS)
        ticks = Ticks([0], [], [], {}, 0, 0)
        self._ticks = ticks
        self._feed = Feed(SYMBOL, 0, [1_000], [px], [px], [px], [px], ["1"], ticks)
        given = SimulatedSettings(
            account="main",
            instruments={SYMBOL: script.instrument},
            fees={SYMBOL: script.fees},
            exits=script.exits,
            position_stop=script.position_stop,
        )
        self._venue = SimulatedVenue(given, {SYMBOL: self._feed})
        self.venue: Venue = self._venue
        self._now_ms = 1_000
        self._venue.advance(self._now_ms)

    def now_ms(self) -> int:
        return self._now_ms

    def wait(self, ms: int) -> None:
        self._now_ms += ms
        self.move(self._feed.close_px(len(self._feed) - 1))

    def move(self, price: Decimal) -> None:
        feed, px = self._feed, int(price * UNITS)
        between = sorted((feed.closes[-1], px))
        feed.opens.append(feed.closes[-1])
        feed.lows.append(between[0])
        feed.highs.append(between[1])
        feed.closes.append(px)
        feed.volumes.append("1000000")
        feed.times.append(self._now_ms)
        self._ticks.traded_ms.append(self._now_ms - feed.times[0])
        self._venue.advance(self._now_ms)

    async def look(self, since_ms: int) -> Snapshot:
        return await self.venue.snapshot(since_ms)


class BybitStage:
    """The Bybit adapter on its loopback venue."""

    scale, looks = ONE, 1

    def __init__(self, loopback: Loopback, venue: Venue, clock: Clock) -> None:
        self.venue = venue
        self._loopback = loopback
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def wait(self, ms: int) -> None:
        self._clock.turn(ms)

    def move(self, price: Decimal) -> None:
        self._loopback.exchange.move(SYMBOL, price)

    async def look(self, since_ms: int) -> Snapshot:
        return await self.venue.snapshot(since_ms)


class KiteStage:
    """The Zerodha adapter on its loopback venue."""

    def __init__(self, rig: Rig, scale: Decimal, side: Direction) -> None:
        self.venue: Venue = rig.venue
        self.looks = KITE_LOOKS
        self.scale = scale
        self._rig = rig
        self._short = side is Direction.SHORT

    def now_ms(self) -> int:
        return self._rig.wire.clock.now_ms()

    def wait(self, ms: int) -> None:
        self._rig.wire.clock.jump(ms)

    def move(self, price: Decimal) -> None:
        name = f"NSE:{SYMBOL}"
        self._rig.wire.move(price, name)
        if self._short:  # bought back at the ask, which is a tick above the last trade
            self._rig.wire.move(price - self.venue.instruments[SYMBOL].tick, name)

    async def look(self, since_ms: int) -> Snapshot:
        del since_ms
        return await self._rig.snapshot()


@asynccontextmanager
async def simulated(play: Expressed, _: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    """Set the simulated venue up."""
    yield SimulatedStage(play.script, play.start)


@asynccontextmanager
async def bybit(play: Expressed, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    """Set a loopback Bybit up."""
    script, clock = play.script, Clock(monkeypatch)
    given = rules(instruments={SYMBOL: script.instrument}, fees=script.fees)
    loopback = Loopback(given, {SYMBOL: str(play.start)})
    clock.rules = loopback.rules
    style = StopStyle.POSITION if script.position_stop else StopStyle.CONDITIONAL
    try:
        chosen = settings(loopback, stop_style=style)
        venue = await open_account(chosen, clock.now_ms, None, PAUSES_S)
        yield BybitStage(loopback, venue, clock)
        venue.close()
    finally:
        loopback.close()


@asynccontextmanager
async def zerodha(play: Expressed, _: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    """Set a loopback Zerodha up: by pairs where the scenario has pairs, else an SL a rung."""
    grid, name = play.script.instrument, f"NSE:{SYMBOL}"
    pairs = play.script.exits is ExitStyle.PAIRS
    product, scheme = (Product.CNC, Scheme.A) if pairs else (Product.MIS, Scheme.B)
    listed = Instrument(name, grid.tick, ONE, ONE)
    kite = Kite({name: listed}, {name: play.start}, FRIDAY_10_15)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve(kite))
        rig = await stack.enter_async_context(connected(kite, product, scheme, SYMBOL))
        yield KiteStage(rig, ONE / grid.step, play.script.spec.side)


SetUp = Callable[[Expressed, pytest.MonkeyPatch], AbstractAsyncContextManager[Stage]]
STAGES: Mapping[str, SetUp] = {"simulated": simulated, "bybit": bybit, "zerodha": zerodha}
