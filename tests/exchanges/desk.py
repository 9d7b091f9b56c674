"""A desk at a simulated venue: short words for what the tests ask and see.

Tests are written for longs. A desk turned to the short side mirrors every price around 100 and
swaps sides, in what is asked and in what is seen, so that one test holds for both.

The venue answers without ever waiting, so its coroutines are stepped here and need no loop.
"""

from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from exchanges.feeds import script
from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import PricePath, SimulatedSettings, SimulatedVenue, Slots
from exchanges.simulated.state import Account
from machines.words import (
    AmendOrder,
    CancelOrder,
    Direction,
    Fees,
    Fill,
    Instrument,
    Key,
    Leg,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    PlacePair,
    Refusal,
    Role,
    SetStop,
    Side,
    Snapshot,
    View,
)

SYMBOL = "BTCUSDT"
KEY = Key("paper", SYMBOL)
BTC = Instrument(SYMBOL, Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
COIN = Instrument(SYMBOL, Decimal("0.5"), Decimal(1), Decimal(1), Decimal(5))
FEES = Fees(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
BUY, SELL = Side.BUY, Side.SELL
MIDDLE = Decimal(100)
ACCEPTED = (OutcomeKind.ACCEPTED, None)
ALREADY_DONE = (OutcomeKind.ALREADY_DONE, None)

T = TypeVar("T")
Number = str | int | Decimal


def at_once(answer: Coroutine[object, object, T]) -> T:
    """Return what a coroutine answers without waiting for anything."""
    try:
        answer.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the venue waited for something")


def mirrored(bar: Bar) -> Bar:
    at_ms, opened, high, low, close, volume = bar
    twice = 2 * MIDDLE
    return Bar(at_ms, twice - opened, twice - low, twice - high, twice - close, volume)


def refused(refusal: Refusal) -> tuple[OutcomeKind, Refusal]:
    return OutcomeKind.REFUSED, refusal


def settings(**changes: object) -> SimulatedSettings:
    given: dict[str, object] = {
        "account": "paper",
        "instruments": {SYMBOL: COIN},
        "fees": {SYMBOL: FEES},
    }
    return SimulatedSettings(**(given | changes))  # pyright: ignore[reportArgumentType]


class Desk:
    """One venue, one symbol, one key unless told otherwise."""

    def __init__(
        self,
        bars: str | Feed,
        given: SimulatedSettings | None = None,
        key: Key = KEY,
        state: Account | None = None,
        way: Direction = Direction.LONG,
        path: Path | None = None,
    ) -> None:
        self.short = way is Direction.SHORT
        feed = script.parse(bars, SYMBOL) if isinstance(bars, str) else bars
        if self.short:
            feed = Feed.of(feed.symbol, feed.bar_ms, map(mirrored, feed))
        feeds = {feed.symbol: feed}
        if path is None:
            self.venue = SimulatedVenue(given or settings(), feeds, state)
        else:
            self.venue = SimulatedVenue.open(given or settings(), feeds, path)
        self.key = key
        self.text = ""

    def px(self, price: Number | None) -> Decimal | None:
        """Turn a price the desk's way; turned twice it is itself."""
        if price is None:
            return None
        return 2 * MIDDLE - Decimal(price) if self.short else Decimal(price)

    def side(self, side: Side) -> Side:
        return (SELL if side is BUY else BUY) if self.short else side

    # ------------------------------------------------------------------------------- asking

    def send(self, mutation: Mutation) -> tuple[OutcomeKind, Refusal | None]:
        (outcome,) = at_once(self.venue.send([mutation]))
        return self._noted(outcome)

    def _noted(self, outcome: Outcome) -> tuple[OutcomeKind, Refusal | None]:
        self.text = outcome.text
        assert bool(outcome.text) is (outcome.kind is OutcomeKind.REFUSED)
        return outcome.kind, outcome.refusal

    def limit(
        self, name: str, side: Side, qty: Number, price: Number, *, reduce_only: bool = False
    ) -> tuple[OutcomeKind, Refusal | None]:
        return self.place(name, side, qty, OrderType.LIMIT, price=price, reduce_only=reduce_only)

    def market(
        self, name: str, side: Side, qty: Number, *, reduce_only: bool = False
    ) -> tuple[OutcomeKind, Refusal | None]:
        return self.place(name, side, qty, OrderType.MARKET, reduce_only=reduce_only)

    def stop_order(
        self, name: str, side: Side, qty: Number, trigger_px: Number, *, reduce_only: bool = True
    ) -> tuple[OutcomeKind, Refusal | None]:
        kind = OrderType.STOP_MARKET
        return self.place(name, side, qty, kind, trigger_px=trigger_px, reduce_only=reduce_only)

    def stop_limit(
        self, name: str, side: Side, qty: Number, trigger_px: Number, price: Number
    ) -> tuple[OutcomeKind, Refusal | None]:
        kind = OrderType.STOP_LIMIT
        return self.place(name, side, qty, kind, trigger_px=trigger_px, price=price)

    def pair(
        self,
        name: str,
        side: Side,
        qty: Number,
        stop: tuple[Number, Number],
        target: tuple[Number, Number],
    ) -> tuple[OutcomeKind, Refusal | None]:
        """Place a pair; each leg is (trigger, limit)."""
        trigger_px, price = map(self._turned, stop)
        return self.send(
            PlacePair(
                *(self.key, name, Role.STOP_LOSS, 1, self.side(side), OrderType.PAIR),
                *(Decimal(qty), price, trigger_px),
                target=Leg(*map(self._turned, target)),
            )
        )

    def _turned(self, price: Number) -> Decimal:
        return self.px(price) or MIDDLE

    def place(
        self,
        name: str,
        side: Side,
        qty: Number,
        kind: OrderType,
        *,
        price: Number | None = None,
        trigger_px: Number | None = None,
        reduce_only: bool = False,
        attached_stop_px: Number | None = None,
    ) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(
            PlaceOrder(
                self.key,
                name,
                Role.ENTRY,
                1,
                self.side(side),
                kind,
                Decimal(qty),
                self.px(price),
                self.px(trigger_px),
                reduce_only,
                self.px(attached_stop_px),
            )
        )

    def amend(
        self,
        name: str,
        qty: Number,
        price: Number | None = None,
        *,
        trigger_px: Number | None = None,
        kind: OrderType = OrderType.LIMIT,
        target: tuple[Number, Number] | None = None,
    ) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(
            AmendOrder(
                self.key,
                name,
                Role.ENTRY,
                1,
                kind,
                Decimal(qty),
                self.px(price),
                self.px(trigger_px),
                None if target is None else Leg(*map(self._turned, target)),
            )
        )

    def cancel(self, name: str) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(CancelOrder(self.key, name, Role.ENTRY, 1))

    def set_stop(self, trigger_px: Number) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(SetStop(self.key, self.px(trigger_px) or MIDDLE, Decimal(1)))

    # ------------------------------------------------------------------------------- seeing

    def bar(self, count: int = 1) -> None:
        """Let bars happen."""
        for _ in range(count):
            next_ms = self.venue.next_bar_ms()
            assert next_ms is not None
            self.venue.advance(next_ms)

    def snapshot(self, since_ms: int = 0) -> Snapshot:
        return at_once(self.venue.snapshot(since_ms))

    @property
    def view(self) -> View:
        return self.snapshot().views[self.key]

    @property
    def fills(self) -> list[Fill]:
        return list(self.snapshot().views.get(self.key, View(self.key)).fills)

    @property
    def trades(self) -> list[tuple[str, str, str]]:
        """Every fill as (order, price, quantity); the position's own stop is ``stop``."""
        return [
            (fill.client_order_id or "stop", f"{self.px(fill.price):f}", f"{fill.qty:f}")
            for fill in self.fills
        ]

    @property
    def held(self) -> Decimal:
        """What is held the desk's way; negative the other way."""
        return -self.view.net_qty if self.short else self.view.net_qty

    @property
    def stop(self) -> Decimal | None:
        stop = self.view.stop
        return None if stop is None else self.px(stop.trigger_px)

    def order(self, name: str) -> Order:
        (order,) = [each for each in self.view.orders if each.client_order_id == name]
        return order

    def status(self, name: str) -> OrderStatus:
        return self.order(name).status


__all__ = [
    "ACCEPTED",
    "ALREADY_DONE",
    "BTC",
    "BUY",
    "COIN",
    "FEES",
    "KEY",
    "MIDDLE",
    "SELL",
    "SYMBOL",
    "Desk",
    "PricePath",
    "Slots",
    "at_once",
    "refused",
    "settings",
]
