"""A ladder kept at the loopback venue by the pure core: poll, advance, send, until all is said."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from exchanges.errors import VenueUnavailable
from machines import core
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.spec import EntrySpec, LadderSpec, Price
from machines.words import Direction, Event, Snapshot, Trigger, View
from tests.wire.zerodha.rig import SYMBOL, Rig

ROUNDS = 10
"""At one instant, as the controller does (SPEC §11)."""
D = Decimal


def plan(symbol: str = SYMBOL, **changes: object) -> LadderSpec:
    """Make a plan for 100 shares around 1500, one entry resting below."""
    given = LadderSpec(
        name="infy-1",
        ladder="infy-1",
        account="kite",
        symbol=symbol,
        side=Direction.LONG,
        entries=(EntrySpec(Price(D(1490)), D(100)),),
        stop=Price(D(1470)),
        targets=tuple(Price(D(px)) for px in (1515, 1530, 1545, 1560)),
    )
    return msgspec.structs.replace(given, **changes)


class Keeper:
    """One ladder at one venue."""

    def __init__(self, rig: Rig, ladder: Ladder) -> None:
        self.rig = rig
        self.ladder = ladder
        self.states: list[State] = []
        """Every state it has been in, in order."""

    @property
    def state(self) -> State:
        return self.ladder.state

    @classmethod
    async def start(cls, rig: Rig, spec: LadderSpec) -> "Keeper":
        """Open a ladder and place its entries."""
        snapshot = await rig.snapshot()
        venue, quote = rig.venue, snapshot.quotes[spec.symbol]
        setting = Setting(
            venue.instruments[spec.symbol], venue.fees(spec.symbol), venue.capabilities
        )
        assert refuse_at_start(spec, quote, setting) == []
        key = venue.key_for(spec.symbol, spec.name, spec.side.value)
        now_ms = rig.wire.clock.now_ms()
        keeper = cls(rig, open_ladder(spec, setting, key, quote, now_ms))
        await keeper.act(snapshot, (Event(Trigger.PLAN_ACCEPTED, now_ms),))
        await keeper.poll()
        return keeper

    async def poll(self) -> View:
        """Poll once a second until nothing more is asked; return what was seen last."""
        view = View(self.ladder.terms.key)
        for _ in range(ROUNDS):
            snapshot = await self.rig.snapshot()
            view = snapshot.views[self.ladder.terms.key]
            if not await self.act(snapshot):
                break
        return view

    async def try_poll(self) -> None:
        """Poll once; one that fails says nothing."""
        try:
            await self.act(await self.rig.snapshot())
        except VenueUnavailable:
            return

    async def act(self, snapshot: Snapshot, asked: tuple[Event, ...] = ()) -> bool:
        """Let the ladder see a snapshot; return whether anything came of it."""
        can, now_ms = self.rig.venue.capabilities, self.rig.wire.clock.now_ms
        view = snapshot.views[self.ladder.terms.key]
        quote = snapshot.quotes.get(self.ladder.terms.key.symbol)
        done = core.advance(
            *(self.ladder, view, quote, now_ms(), can),
            asked=asked,
            started_ms=snapshot.started_ms,
        )
        self.ladder = done.ladder
        self.states += [State(step.after) for step in done.taken]
        outcomes = await self.rig.venue.send(done.mutations)
        for mutation, outcome in zip(done.mutations, outcomes, strict=True):
            self.ladder, taken = core.answer(
                *(self.ladder, mutation, outcome, quote, now_ms()), window_ms=can.window_ms
            )
            self.states += [State(step.after) for step in taken]
        return bool(done.taken or done.mutations)


def in_a_row(states: Sequence[State]) -> list[State]:
    """Leave out repetitions."""
    return [state for n, state in enumerate(states) if n == 0 or states[n - 1] is not state]
