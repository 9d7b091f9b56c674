"""Many ladders of the core at one loopback Zerodha: one read and one send a second for all.

They enter one after the other, as on a day with an opinion now and then. Prices walk by a seed;
whatever the line does, in the end it is quiet.
"""

import random
from decimal import Decimal

from exchanges.errors import VenueUnavailable
from machines import core
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.spec import EntrySpec, LadderSpec, Price
from machines.words import Direction, Event, Instrument, Key, Mutation, Snapshot, Trigger, View
from tests.wire.zerodha.rig import Rig
from tests.wire.zerodha.server import Venue
from tests.wire.zerodha.watch import Watch

D = Decimal
TICK = D("0.1")
LONGEST = 300
"""Polls: a crowd that is not closed by then never will be."""
ENTERS_EVERY = 2
"""Polls: a ladder takes about a dozen requests to open, and Kite takes ten a second."""
PACE = 6
"""Polls between two targets at the end: a rung is seen touched, converted, and seen filled."""


def market(count: int) -> Venue:
    """Open a market of so many shares."""
    names = [f"NSE:SHARE{n:02}" for n in range(count)]
    grid = {name: Instrument(name, TICK, D(1), D(1)) for name in names}
    return Venue(grid, {name: D(1000 + 10 * n) for n, name in enumerate(names)})


def plan(symbol: str) -> LadderSpec:
    """Make a plan for 100 shares: some at market, the others a little lower."""

    def at(percent: str) -> Price:
        return Price(D(percent) / 100, percent=True)

    name = symbol.partition(":")[2].lower()
    return LadderSpec(
        name=name,
        ladder=name,
        account="kite",
        symbol=symbol,
        side=Direction.LONG,
        entries=(EntrySpec(None, D(40)), EntrySpec(at("-0.3"), D(60))),
        stop=at("-2"),
        targets=(at("1"), at("2"), at("3"), at("4")),
    )


class Crowd:
    """One ladder a share, kept as the controller keeps them."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.wire = rig.wire
        self.wire.watch = self.watch = Watch(rig.wire.broker)
        self.ladders: dict[Key, Ladder] = {}
        self.polls = self.failed_reads = 0
        self.refusals: list[str] = []
        self.naked_ms: list[int] = []
        """From each detection of a fill to the acceptance of the stop for all that is held."""
        self._naked_since: dict[Key, int] = {}
        self._waiting = list(rig.wire.broker.floor.instruments)
        self._chance = random.Random(seed)
        self._start = dict(rig.wire.broker.floor.last)
        self._calm = 0
        self._settled_ms = 0

    @property
    def over(self) -> bool:
        """Tell whether all have entered and ended."""
        ended = all(ladder.state is State.CLOSED for ladder in self.ladders.values())
        return not self._waiting and ended

    async def live(self, stormy: int) -> None:
        """Poll once a second until all is closed; it storms for so many polls."""
        while not self.over:
            self.polls += 1
            assert self.polls < LONGEST, [x for x in self.ladders.values() if x.state != "CLOSED"]
            if self.polls == stormy:
                self.wire.faults.share = 0.0
            self._move(calm=self.polls >= stormy)
            self.wire.clock.jump(1_001)
            try:
                snapshot = await self.rig.venue.snapshot(0)
            except VenueUnavailable:
                self.failed_reads += 1
                continue
            if snapshot.started_ms >= self._settled_ms:
                await self._act(snapshot)
                self._measure(snapshot)

    def _move(self, *, calm: bool) -> None:
        """Walk; when all is calm send one half to its targets and the other through its stop."""
        self._calm += calm
        step = self._calm // PACE
        for n, (symbol, start) in enumerate(self._start.items()):
            last = self.wire.broker.floor.last[symbol]
            to = last * D(repr(1 + self._chance.gauss(0, 0.002)))
            if step > 2:
                rise = min(step - 2, 5)
                to = start * (100 + rise) / 100 if n % 2 else start * D("0.975")
            if step > 12:  # what could not reach its targets leaves by its stop
                to = start * D("0.9")
            self.wire.move(to // TICK * TICK, symbol)

    async def _act(self, snapshot: Snapshot) -> None:
        """Let every ladder see a snapshot, and send what they ask for."""
        can, now_ms = self.rig.venue.capabilities, self.wire.clock.now_ms
        asked = self._enter(snapshot)
        sends: list[tuple[Key, Mutation]] = []
        for key, ladder in self.ladders.items():
            view, quote = snapshot.views.get(key, View(key)), snapshot.quotes.get(key.symbol)
            done = core.advance(
                *(ladder, view, quote, now_ms(), can),
                asked=asked.get(key, ()),
                started_ms=snapshot.started_ms,
            )
            if done.ladder.held > ladder.held:
                self._naked_since.setdefault(key, snapshot.as_of_ms)
            self.ladders[key] = done.ladder
            sends += [(key, mutation) for mutation in done.mutations]
        outcomes = await self.rig.venue.send([mutation for _, mutation in sends])
        self._settled_ms = now_ms() if sends else self._settled_ms
        for (key, mutation), outcome in zip(sends, outcomes, strict=True):
            quote = snapshot.quotes.get(key.symbol)
            self.ladders[key], _ = core.answer(
                *(self.ladders[key], mutation, outcome, quote, now_ms()), window_ms=can.window_ms
            )
            if outcome.refusal is not None:
                self.refusals.append(f"{outcome.refusal.value}: {outcome.text}")

    def _enter(self, snapshot: Snapshot) -> dict[Key, tuple[Event, ...]]:
        """Open the next ladder, if its share has a price."""
        if self.polls % ENTERS_EVERY or not self._waiting:
            return {}
        if self._waiting[0] not in snapshot.quotes:
            return {}
        symbol, now_ms, venue = self._waiting.pop(0), self.wire.clock.now_ms(), self.rig.venue
        spec, quote = plan(symbol), snapshot.quotes[symbol]
        setting = Setting(venue.instruments[symbol], venue.fees(symbol), venue.capabilities)
        assert refuse_at_start(spec, quote, setting) == []
        key = venue.key_for(symbol, spec.name, "long")
        self.ladders[key] = open_ladder(spec, setting, key, quote, now_ms)
        return {key: (Event(Trigger.PLAN_ACCEPTED, now_ms),)}

    def _measure(self, snapshot: Snapshot) -> None:
        """Note which positions are covered by now, at the venue."""
        for key, since_ms in list(self._naked_since.items()):
            book, ladder = self.wire.broker.floor.book("MIS", key.symbol), self.ladders[key]
            if ladder.state in (State.CLOSING, State.CLOSED):  # it leaves, and needs no stop
                del self._naked_since[key]
            elif book.working_qty(ladder.direction.exit_side) >= min(ladder.held, book.net_qty):
                self.naked_ms.append(self.wire.clock.now_ms() - since_ms)
                del self._naked_since[key]
