"""All that a simulated account remembers, in one tree that can be written down and read back.

Everything else the venue holds (the order of triggers, views, scans) is computed from this.
Knows nothing of matching.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines.words import ZERO, Fill, Key, Order, OrderType, Side


class Working(msgspec.Struct):
    """Something that waits for a price: an order, or a position's own stop (``order`` None)."""

    slot: int
    """Index of its ``Book``."""
    placed: int
    """Its place in the order of placing; kept by an amendment."""
    px: Decimal
    side: Side
    is_stop: bool
    order: Order | None = None
    target: Working | None = None
    """A pair's other leg, which waits beside its stop and goes with it."""
    gone: bool = False
    by_person: bool = False
    """A position's own stop that a person set last; an order says so itself."""

    @property
    def falling(self) -> bool:
        """Tell whether a falling price meets it: a buy limit or a sell stop."""
        return (self.side is Side.BUY) is not self.is_stop


class Ended(msgspec.Struct, frozen=True):
    """An order that can fill no more."""

    order: Order
    at_ms: int


class Book(msgspec.Struct):
    """One venue position and all that was ever ordered on its key."""

    key: Key
    net_qty: Decimal = ZERO
    avg_px: Decimal = ZERO
    cash: Decimal = ZERO
    """What its fills have brought in and paid out, before fees; exact."""
    fees: Decimal = ZERO
    live: dict[str, Working] = {}
    """By client order id, in the order of placing."""
    stop: Working | None = None
    ended: list[Ended] = []
    fills: list[Fill] = []

    def reducible(self, side: Side) -> Decimal:
        """Return how much an order of this side can take off the position."""
        return max(ZERO, -self.net_qty * side.sign)

    def working_qty(self, side: Side) -> Decimal:
        """Return what resting orders of this side may still fill; a pair blocks nothing."""
        orders = [working.order for working in self.live.values()]
        return sum(
            (
                order.leaves_qty
                for order in orders
                if order is not None and order.side is side and order.type is not OrderType.PAIR
            ),
            ZERO,
        )


class Taken(msgspec.Struct, frozen=True):
    """What our orders took of a bar's volume. ``bar`` counts the bars played, it included."""

    bar: int
    qty: Decimal


class Account(msgspec.Struct):
    """One simulated account. *Shape*: ``played`` counts each symbol's bars so far."""

    cash: Decimal
    now_ms: int
    played: dict[str, int]
    placed: int = 0
    """Orders and position stops so far: numbers them."""
    fills: int = 0
    books: list[Book] = []
    ids: dict[str, int] = {}
    """Every client order id ever accepted, with its book's index."""
    taken: dict[str, Taken] = {}
    """By symbol, where ``fill_share`` limits what we may take."""
