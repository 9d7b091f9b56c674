"""A market that looks at every order at every price: slow, simple, written without the engine.

Knows limits, stops with and without a limit, and pairs; a volume that runs out; and a venue that
sells no more than is held. One position, whole numbers.
"""

from dataclasses import dataclass, field, replace

from exchanges.feeds.bars import Bar
from exchanges.simulated import PricePath
from machines.words import Side
from tests.exchanges.desk import BUY

ENDLESS = 10**9


@dataclass
class Resting:
    """An order. It is a stop as long as it has a trigger; a pair as long as it has a target."""

    name: str
    side: Side
    qty: int
    place: int
    limit: int | None
    """None: any price will do."""
    trigger: int | None = None
    target: tuple[int, int] | None = None
    """Trigger and limit of the other leg."""
    dry: bool = False
    """Met in this bar, and the volume had run out."""

    def waits_at(self) -> int:
        """Return the price it waits for, a pair its stop's."""
        px = self.limit if self.trigger is None else self.trigger
        assert px is not None, f"{self.name}: waits for no price"
        return px


@dataclass
class SlowMarket:
    """Every order at every price that the path goes through. ``bound``: nothing is oversold."""

    bound: bool = False
    halves: int | None = None
    """How many halves of a bar's volume are ours; None: there is always enough."""
    resting: list[Resting] = field(default_factory=list[Resting])
    trades: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    held: int = 0
    last: int = 0
    room: int = ENDLESS

    # --------------------------------------------------------------------------- its bars

    def bar(self, bar: Bar, path: PricePath) -> None:
        opened, high, low, close = (int(px) for px in bar[1:5])
        if self.halves is not None:
            self.room = int(bar.volume) * self.halves // 2
        for one in self.resting:
            one.dry = False
        self.at_open(opened)
        first_high = path is PricePath.OHLC or high - opened < opened - low
        px = opened
        for end in (high, low, close) if first_high else (low, high, close):
            while px != end:
                px += 1 if end > px else -1
                self.look(px)
        self.last = close

    def at_open(self, px: int) -> None:
        """Let the open act; what the last close had reached and not filled takes the open."""
        for one, leg in self.due(px):
            if one not in self.resting or one.dry:
                continue
            starved = leg == "limit" and self.reached(one.side, False, one.waits_at(), self.last)
            if starved:
                best = min if one.side is BUY else max
                self.fill(one, best(one.waits_at(), px))
            else:
                self.meet(one, leg, px)

    def look(self, px: int) -> None:
        """Do all that this price does."""
        for one, leg in self.due(px):
            if one in self.resting and not one.dry:
                self.meet(one, leg, px)

    def due(self, px: int) -> list[tuple[Resting, str]]:
        """Return what this price meets: stops first, the farthest passed first, oldest first.

        Buy limits go before sell limits, which one price meets only where volume had run out.
        """
        found: list[tuple[bool, bool, int, int, Resting, str]] = []
        for one in self.resting:
            stops = one.trigger is not None
            at = one.waits_at()
            if self.reached(one.side, stops, at, px):
                leg = "stop" if stops else "limit"
                rises = (one.side is BUY) is stops
                found.append((not stops, rises, -abs(at - px), one.place, one, leg))
            if one.target is not None and self.reached(one.side, False, one.target[0], px):
                rises = one.side is not BUY
                found.append((True, rises, -abs(one.target[0] - px), one.place, one, "target"))
        return [(one, leg) for *_, one, leg in sorted(found, key=lambda each: each[:4])]

    @staticmethod
    def reached(side: Side, stops: bool, at: int, px: int) -> bool:
        falling = (side is BUY) is not stops
        return px <= at if falling else px >= at

    # -------------------------------------------------------------------------- its orders

    def meet(self, one: Resting, leg: str, px: int) -> None:
        if leg == "limit":
            self.fill(one, one.waits_at())
            return
        if one.target is not None:
            limit = one.limit if leg == "stop" else one.target[1]
            self.resting.remove(one)
            fired = replace(one, limit=limit, trigger=None, target=None)
            if not self.oversells(one.side, one.qty):
                self.act(fired, px)
            return
        self.resting.remove(one)
        self.act(replace(one, trigger=None), px)

    def act(self, one: Resting, px: int) -> None:
        """Let an order trade where the market is, or wait for its limit."""
        self.resting.append(one)
        if one.limit is None:
            one.limit = px
            self.fill(one, px)
        elif self.reached(one.side, False, one.limit, px):
            self.fill(one, px)

    def fill(self, one: Resting, px: int) -> None:
        qty = min(one.qty, self.room)
        if qty:
            self.trades.append((one.name, px, one.side.sign * qty))
            self.held += one.side.sign * qty
            self.room -= qty if self.room < ENDLESS else 0
        one.qty -= qty
        one.dry = one.qty > 0
        if not one.qty:
            self.resting.remove(one)

    def oversells(self, side: Side, qty: int) -> bool:
        reducible = max(0, -self.held * side.sign)
        on_sale = sum(o.qty for o in self.resting if o.side is side and o.target is None)
        return self.bound and reducible > 0 and qty > reducible - on_sale

    def find(self, name: str) -> Resting | None:
        return next((one for one in self.resting if one.name == name), None)
