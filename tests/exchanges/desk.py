"""A desk at a simulated venue: short words for what the tests ask and see.

The venue answers without ever waiting, so its coroutines are stepped here and need no loop.
"""

from collections.abc import Coroutine
from decimal import Decimal
from typing import TypeVar

from exchanges.feeds import script
from exchanges.feeds.bars import Feed
from exchanges.simulated import PricePath, SimulatedSettings, SimulatedVenue, Slots
from exchanges.simulated.state import Account
from machines.words import (
    AmendOrder,
    CancelOrder,
    Fees,
    Fill,
    Instrument,
    Key,
    Mutation,
    Order,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
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


def dec(value: Number | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def refused(refusal: Refusal) -> tuple[OutcomeKind, Refusal]:
    return OutcomeKind.REFUSED, refusal


def settings(instrument: Instrument = COIN, **changes: object) -> SimulatedSettings:
    given: dict[str, object] = {
        "account": "paper",
        "instruments": {instrument.symbol: instrument},
        "fees": {instrument.symbol: FEES},
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
    ) -> None:
        self.feed = script.parse(bars, SYMBOL) if isinstance(bars, str) else bars
        self.venue = SimulatedVenue(given or settings(), {self.feed.symbol: self.feed}, state)
        self.key = key
        self.text = ""

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
                side,
                kind,
                Decimal(qty),
                dec(price),
                dec(trigger_px),
                reduce_only,
                dec(attached_stop_px),
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
    ) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(
            AmendOrder(
                self.key, name, Role.ENTRY, 1, kind, Decimal(qty), dec(price), dec(trigger_px)
            )
        )

    def cancel(self, name: str) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(CancelOrder(self.key, name, Role.ENTRY, 1))

    def set_stop(self, trigger_px: Number) -> tuple[OutcomeKind, Refusal | None]:
        return self.send(SetStop(self.key, Decimal(trigger_px), Decimal(1)))

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
        return list(self.view.fills)

    @property
    def trades(self) -> list[tuple[str, str, str]]:
        """Every fill as (order, price, quantity); the position's own stop is ``stop``."""
        return [
            (fill.client_order_id or "stop", f"{fill.price:f}", f"{fill.qty:f}")
            for fill in self.fills
        ]

    def order(self, name: str) -> Order:
        (order,) = [each for each in self.view.orders if each.client_order_id == name]
        return order


__all__ = [
    "ACCEPTED",
    "ALREADY_DONE",
    "BTC",
    "BUY",
    "COIN",
    "FEES",
    "KEY",
    "SELL",
    "SYMBOL",
    "Desk",
    "PricePath",
    "Slots",
    "at_once",
    "refused",
    "settings",
]
