"""What the last readings of an account have shown, and whether a new one may be believed.

A reading that goes back behind what was seen comes out of a stale copy, and one whose trades do
not add up to its orders was taken in between: neither says anything. Pure. *Source*: RELIABILITY
S10 and S11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from exchanges.zerodha.instruments import Listing
from exchanges.zerodha.parse import TWIN, Reading, is_live, name_orders
from exchanges.zerodha.wire import WireOrder, WireTrade
from machines.words import ZERO

UNEVEN_MS = 10_000
"""For so long trades may lag behind orders; then they are shown as they are, and a person looks."""


class Books:
    """The latest order book, by Kite's ids and by ours."""

    def __init__(self) -> None:
        self.given: Mapping[str, str] = {}
        """Client order ids of orders that carry no tag."""
        self.names: dict[str, str] = {}
        self.orders: dict[str, WireOrder] = {}
        """By client order id; twins by their own names."""
        self.by_id: dict[str, WireOrder] = {}
        """By Kite's."""
        self._expected: dict[str, tuple[Decimal, int]] = {}
        """By Kite's ids: quantities asked for that the book does not show, and until when."""
        self._day = ""
        self._uneven_since_ms: int | None = None
        self._behind_since_ms: dict[str, int] = {}

    def doubt(self, reading: Reading, day: str, now_ms: int) -> str:
        """Say why a reading cannot be believed; empty when it can.

        ``day`` is the Indian day; the book begins empty with each.
        """
        fault = self.goes_back(reading.orders) if day == self._day else ""
        if fault:
            return fault
        uneven = _uneven(reading.orders, reading.trades)
        if not uneven:
            self._uneven_since_ms = None
            return ""
        if self._uneven_since_ms is None:
            self._uneven_since_ms = now_ms
        return uneven if now_ms - self._uneven_since_ms < UNEVEN_MS else ""

    def goes_back(self, orders: Sequence[WireOrder]) -> str:
        """Say how an order book goes back behind what was seen; empty when it does not."""
        return _goes_back(self.by_id, orders)

    def lagging(self, behind: frozenset[str], now_ms: int) -> frozenset[str]:
        """Return the symbols whose position is taken to lag behind their trades.

        One that is ``behind`` for long does not lag: it was converted from another product.
        """
        since = self._behind_since_ms
        self._behind_since_ms = {symbol: since.get(symbol, now_ms) for symbol in behind}
        return frozenset(
            symbol
            for symbol, since_ms in self._behind_since_ms.items()
            if now_ms - since_ms < UNEVEN_MS
        )

    def begin(self, day: str) -> None:
        """Note that the book of a day has been believed."""
        self._day = day

    def take(self, orders: list[WireOrder], given: Mapping[str, str]) -> None:
        """Believe an order book. ``given`` names orders that carry no tag."""
        self.given = given
        self.names = name_orders(orders, given)
        self.by_id = {order.order_id: order for order in orders}
        self.orders = {name: self.by_id[order_id] for order_id, name in self.names.items()}
        self._expected = {
            order_id: expected
            for order_id, expected in self._expected.items()
            if order_id in self.by_id and self.by_id[order_id].quantity != expected[0]
        }

    def expect(self, order_id: str, qty: Decimal, until_ms: int) -> None:
        """Note that an order may have become as large as this, whatever the book says."""
        self._expected[order_id] = qty, until_ms

    @property
    def tags(self) -> set[str]:
        """Return every tag in the book."""
        return {name.partition(TWIN)[0] for name in self.names.values()}

    def on_sale(self, listing: Listing, product: str, side: str, now_ms: int) -> Decimal:
        """Return what live orders of a side may still trade, whosever they are."""
        return sum(
            (
                max(order.quantity, self._expected_qty(order, now_ms)) - order.filled_quantity
                for order in self.by_id.values()
                if is_live(order)
                and order.transaction_type == side
                and order.product == product
                and (order.exchange, order.tradingsymbol)
                == (listing.exchange, listing.tradingsymbol)
            ),
            ZERO,
        )

    def _expected_qty(self, order: WireOrder, now_ms: int) -> Decimal:
        qty, until_ms = self._expected.get(order.order_id, (ZERO, 0))
        return qty if now_ms < until_ms else ZERO


def _goes_back(before: Mapping[str, WireOrder], orders: Sequence[WireOrder]) -> str:
    now = {order.order_id: order for order in orders}
    for order_id, old in before.items():
        new = now.get(order_id)
        if new is None:
            return f"the order book has lost order {order_id}, which it showed before"
        if new.filled_quantity < old.filled_quantity:
            return f"order {order_id} has un-filled: the order book is a stale copy"
        if is_live(new) and not is_live(old):
            return f"order {order_id} has come back to life: the order book is a stale copy"
    return ""


def _uneven(orders: Sequence[WireOrder], trades: Sequence[WireTrade]) -> str:
    traded: dict[str, Decimal] = {}
    for trade in trades:
        traded[trade.order_id] = traded.get(trade.order_id, ZERO) + trade.quantity
    for order in orders:
        if traded.get(order.order_id, ZERO) != order.filled_quantity:
            return f"order {order.order_id}: its trades do not add up to what it filled, yet"
    return ""
