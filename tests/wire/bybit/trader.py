"""A ladder kept at a venue by the pure core alone: poll, advance, send, until nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from exchanges.bybit.client import BybitVenue
from machines import core
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.spec import EntrySpec, LadderSpec, Price
from machines.words import (
    Direction,
    Event,
    Key,
    Mutation,
    Snapshot,
    Trigger,
    View,
)
from tests.wire.bybit.desk import now_ms

ROUNDS = 10
"""At one instant, as the controller does (SPEC §11)."""


def long_plan(**changes: object) -> LadderSpec:
    """Make the specification's own example (SPEC §11)."""
    entries = [("104000", "0.33"), ("103500", "0.33"), (None, "0.34")]
    given = LadderSpec(
        name="btc-1",
        ladder="btc-1",
        account="main",
        symbol="BTCUSDT",
        side=Direction.LONG,
        entries=tuple(
            EntrySpec(None if px is None else Price(Decimal(px)), Decimal(qty))
            for px, qty in entries
        ),
        stop=Price(Decimal(101500)),
        targets=tuple(Price(Decimal(px)) for px in (105000, 106000, 107000, 108000)),
    )
    return msgspec.structs.replace(given, **changes)


class Trader:
    """One ladder at one venue."""

    def __init__(self, venue: BybitVenue, ladder: Ladder) -> None:
        self.venue = venue
        self.ladder = ladder
        self.states: list[State] = []
        """Every state it has been in, in order."""
        self.sent: list[Mutation] = []

    @property
    def key(self) -> Key:
        return self.ladder.terms.key

    @property
    def state(self) -> State:
        return self.ladder.state

    @classmethod
    async def start(cls, venue: BybitVenue, spec: LadderSpec) -> Trader:
        """Open a ladder and place its entries."""
        snapshot = await venue.snapshot(now_ms())
        setting = Setting(
            venue.instruments[spec.symbol], venue.fees(spec.symbol), venue.capabilities
        )
        quote = snapshot.quotes[spec.symbol]
        assert refuse_at_start(spec, quote, setting) == []
        key = venue.key_for(spec.symbol, spec.name, spec.side.value)
        trader = cls(venue, open_ladder(spec, setting, key, quote, now_ms()))
        await trader._act(snapshot, (Event(Trigger.PLAN_ACCEPTED, now_ms()),))
        await trader.poll()
        return trader

    async def poll(self) -> View:
        """Poll and act until nothing more is asked; return what was seen last."""
        snapshot = await self.venue.snapshot(self.ladder.terms.opened_ms)
        for _ in range(ROUNDS):
            if not await self._act(snapshot):
                break
            snapshot = await self.venue.snapshot(self.ladder.terms.opened_ms)
        return snapshot.views.get(self.key, View(self.key))

    async def poll_once(self) -> None:
        """Read once and act."""
        await self._act(await self.venue.snapshot(self.ladder.terms.opened_ms))

    async def _act(self, snapshot: Snapshot, asked: tuple[Event, ...] = ()) -> bool:
        """Let the ladder see a snapshot; return whether anything came of it."""
        view = snapshot.views.get(self.key, View(self.key))
        quote = snapshot.quotes.get(self.key.symbol)
        done = core.advance(
            *(self.ladder, view, quote, now_ms(), self.venue.capabilities), asked=asked
        )
        self.ladder = done.ladder
        self.states += [State(step.after) for step in done.taken]
        mutations = done.mutations
        self.sent += mutations
        outcomes = await self.venue.send(mutations)
        for mutation, outcome in zip(mutations, outcomes, strict=True):
            self.ladder, taken = core.answer(self.ladder, mutation, outcome, quote, now_ms())
            self.states += [State(step.after) for step in taken]
        return bool(done.taken or mutations)


def in_a_row(states: Sequence[State]) -> list[State]:
    """Leave out repetitions."""
    return [state for n, state in enumerate(states) if n == 0 or states[n - 1] is not state]
