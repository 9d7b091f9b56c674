"""Many ladders at one loopback Bybit, on a clock that the test turns.

The three clocks (ours, pybit's, the venue's) are moved together, so that a window of seven seconds
costs none. Prices walk by a seed; whatever the line does, in the end it is quiet.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

import anyio
import pytest

from exchanges.bybit.client import BybitVenue, open_account
from exchanges.bybit.line import Lane
from exchanges.errors import VenueUnavailable
from machines import core
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder
from machines.spec import EntrySpec, LadderSpec, Price
from machines.words import Direction, Event, Fill, Instrument, Key, Mutation, Trigger, View
from tests.wire.bybit.desk import settings
from tests.wire.bybit.queries import EXECUTIONS, HISTORY, POSITIONS, REALTIME
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.server import Loopback

TICK, STEP = Decimal("0.01"), Decimal("0.01")
START = Decimal(100)
LAGGING = (REALTIME, HISTORY, EXECUTIONS, POSITIONS)


class Clock:
    """Three clocks in one: ours, pybit's and the venue's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_ms = 0
        self.rules: Rules | None = None
        monkeypatch.setattr("pybit._helpers.generate_timestamp", self.now_ms)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def turn(self, by_ms: int) -> None:
        """Let time pass."""
        self.ahead_ms += by_ms
        if self.rules is not None:
            self.rules.clock_offset_ms = self.ahead_ms


class TurningPacer:
    """Keeps the documented limits; where it would wait, it turns the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: dict[str, list[int]] = {}
        self._under_way: dict[str, int] = {}
        self._over = anyio.Event()
        self.limited = 0
        """How often the venue met its limit nevertheless."""

    async def admit(self, lane: Lane, bucket: str, cost: int) -> None:
        limit = 50 if lane is Lane.READ else 10
        taken = self._taken.setdefault(bucket, [])
        while True:
            now_ms = self._clock.now_ms()
            taken[:] = [at for at in taken if at > now_ms - 1_050]
            if len(taken) + cost <= limit:
                taken += [now_ms] * cost
                self._under_way[bucket] = self._under_way.get(bucket, 0) + 1
                return
            if self._under_way.get(bucket):  # it would arrive in a second that is over
                await self._over.wait()
            else:
                self._clock.turn(taken[0] + 1_051 - now_ms)

    def heard(self, bucket: str, headers: Mapping[str, str], *, limited: bool) -> None:
        self.limited += limited
        self._under_way[bucket] -= 1
        self._over.set()
        self._over = anyio.Event()


def symbols(count: int) -> dict[str, Instrument]:
    """Make so many symbols."""
    return {
        f"C{n:03}USDT": Instrument(f"C{n:03}USDT", TICK, STEP, STEP, Decimal(5))
        for n in range(count)
    }


def plan(symbol: str, side: Direction) -> LadderSpec:
    """Make a plan of three entries around the start."""
    sign = 1 if side is Direction.LONG else -1

    def at(percent: str) -> Price:
        return Price(Decimal(percent) * sign / 100, percent=True)

    return LadderSpec(
        name=symbol[:4].lower(),
        ladder=symbol[:4].lower(),
        account="main",
        symbol=symbol,
        side=side,
        entries=(
            EntrySpec(None, Decimal("3.40")),
            EntrySpec(at("-0.5"), Decimal("3.30")),
            EntrySpec(at("-1"), Decimal("3.30")),
        ),
        stop=at("-3"),
        targets=(at("1"), at("2"), at("3"), at("4")),
    )


class Crowd:
    """One ladder a symbol, kept as the controller keeps them: one read, one send."""

    def __init__(self, venue: BybitVenue, loopback: Loopback, clock: Clock, seed: int) -> None:
        self.venue = venue
        self.loopback = loopback
        self.clock = clock
        self.ladders: dict[Key, Ladder] = {}
        self.failed_reads = 0
        self.refusals: list[str] = []
        self._random = random.Random(seed)
        self._settled_ms = 0

    @classmethod
    async def open(cls, loopback: Loopback, clock: Clock, seed: int) -> Crowd:
        """Open the account and a ladder on every symbol, longs and shorts in turn."""
        clock.rules = loopback.rules
        chosen = settings(loopback, symbols=tuple(loopback.rules.instruments))
        pacer = TurningPacer(clock)
        venue = await open_account(chosen, clock.now_ms, pacer, (0.02, 0.05))
        crowd = cls(venue, loopback, clock, seed)
        snapshot = await venue.snapshot(clock.now_ms())
        for n, symbol in enumerate(loopback.rules.instruments):
            side = Direction.SHORT if n % 2 else Direction.LONG
            setting = Setting(venue.instruments[symbol], venue.fees(symbol), venue.capabilities)
            key, quote = venue.key_for(symbol, "", side.value), snapshot.quotes[symbol]
            spec = plan(symbol, side)
            crowd.ladders[key] = open_ladder(spec, setting, key, quote, clock.now_ms())
        await crowd.poll(asked=(Event(Trigger.PLAN_ACCEPTED, clock.now_ms()),))
        return crowd

    @property
    def open_ladders(self) -> list[Ladder]:
        return [each for each in self.ladders.values() if each.state is not State.CLOSED]

    async def poll(self, asked: tuple[Event, ...] = ()) -> bool:
        """Read once and act; return whether anything was asked of the venue."""
        since_ms = min(each.terms.opened_ms for each in self.ladders.values())
        try:
            snapshot = await self.venue.snapshot(since_ms)
        except VenueUnavailable:
            self.failed_reads += 1
            return False
        if snapshot.started_ms < self._settled_ms:
            return False
        now_ms, sends = self.clock.now_ms(), list[tuple[Key, Mutation]]()
        for key, ladder in self.ladders.items():
            if ladder.state is State.CLOSED:
                continue
            view = snapshot.views.get(key, View(key))
            done = core.advance(
                *(ladder, view, snapshot.quotes.get(key.symbol), now_ms),
                self.venue.capabilities,
                asked=asked,
                started_ms=snapshot.started_ms,
            )
            self.ladders[key] = done.ladder
            sends += [(key, mutation) for mutation in done.mutations]
        outcomes = await self.venue.send([mutation for _, mutation in sends])
        self._settled_ms = now_ms
        for (key, mutation), outcome in zip(sends, outcomes, strict=True):
            quote = snapshot.quotes.get(key.symbol)
            self.ladders[key], _ = core.answer(
                self.ladders[key], mutation, outcome, quote, self.clock.now_ms()
            )
            if outcome.refusal is not None:
                self.refusals.append(f"{outcome.refusal.value}: {outcome.text}")
        return bool(sends)

    async def round(self, step: float, polls: int = 2, *, lagging: bool = False) -> None:
        """Let prices walk, time pass and the ladders be looked after."""
        for key in self.ladders:
            last = self.loopback.exchange.last(key.symbol)
            to = last * Decimal(repr(1 + self._random.gauss(0, step))) // TICK * TICK
            self.loopback.exchange.move(key.symbol, max(to, TICK))
        self.loopback.exchange.lag_ms = {
            path: self._random.choice((0, 0, 100, 2_000)) if lagging else 0 for path in LAGGING
        }
        for _ in range(polls):
            self.clock.turn(1_500)
            await self.poll()

    async def finish(self) -> None:
        """Let every price go its ladder's way, then far against it, until all are closed."""
        for percent in [1] * 6 + [-1] * 14 + [-5] * 20:
            for ladder in self.open_ladders:
                sign = 1 if ladder.direction is Direction.LONG else -1
                symbol = ladder.terms.key.symbol
                to = self.loopback.exchange.last(symbol) * (100 + sign * percent) / 100
                self.loopback.exchange.move(symbol, to // TICK * TICK)
            for _ in range(2):
                self.clock.turn(4_000)
                await self.poll()


def signs(fills: Sequence[Fill]) -> set[int]:
    """Tell which sides of zero a position has been on."""
    net, found = Decimal(0), set[int]()
    for fill in fills:
        net += fill.side.sign * fill.qty
        found.add((net > 0) - (net < 0))
    return found - {0}
