"""A small ladder that lives on snapshots alone: one entry, four rungs of one SL order each.

Level-triggered like the product's own: what a snapshot does not show as wanted is asked for, again
and again, and the adapter must see to it that nothing happens twice.
"""

from decimal import Decimal

from machines.words import (
    AmendOrder,
    CancelOrder,
    Direction,
    Key,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Quote,
    Role,
    Side,
    Snapshot,
    View,
)

SHARES = (85, 5, 5, 5)
WHOLE = Decimal(sum(SHARES))
_TWO_TICKS = Decimal("0.2")


class Trader:
    """One long position of 100, from its entry until it is flat."""

    def __init__(self, number: int, key: Key, start: Decimal) -> None:
        self.key = key
        self.prefix = f"t{number:08}x"
        self.stop = start * Decimal("0.98") // 1
        self.targets = [start * (100 + n) / 100 // 1 for n in (1, 2, 3, 4)]
        self.generation = [1, 1, 1, 1]
        self.held_ms: int | None = None
        self.covered = False
        self.closed = False

    def wants(self, snapshot: Snapshot) -> list[Mutation]:
        """Say what is missing."""
        view = snapshot.views[self.key]
        orders = {order.client_order_id: order for order in view.orders}
        quote = snapshot.quotes.get(self.key.symbol)
        found: list[Mutation] = [
            CancelOrder(self.key, name, Role.STOP_LOSS, 1)
            for name, order in orders.items()
            if "~" in name and order.status.live
        ]
        entry = orders.get(f"{self.prefix}e1g1")
        if entry is None:
            return [*found, self._entry()]
        if entry.status is not OrderStatus.FILLED or view.net_qty + self._sold(view) < WHOLE:
            return found
        self.held_ms = self.held_ms or snapshot.as_of_ms
        for n in range(4):
            mutation = self._rung(n, orders, quote)
            found += [] if mutation is None else [mutation]
        self.closed = not view.net_qty and not any(order.status.live for order in view.orders)
        return found

    @staticmethod
    def _sold(view: View) -> Decimal:
        return sum((fill.qty for fill in view.fills if fill.side is Side.SELL), Decimal(0))

    def _entry(self) -> PlaceOrder:
        name = f"{self.prefix}e1g1"
        return PlaceOrder(self.key, name, Role.ENTRY, 1, Side.BUY, OrderType.MARKET, WHOLE)

    def _rung(self, n: int, orders: dict[str, Order], quote: Quote | None) -> Mutation | None:
        sold = sum(
            (order.filled_qty for name, order in orders.items() if self._is_rung(name, n)),
            Decimal(0),
        )
        open_qty = SHARES[n] - sold
        name = f"{self.prefix}t{n + 1}g{self.generation[n]}"
        order = orders.get(name)
        if order is not None and not order.status.live and open_qty:
            self.generation[n] += 1
            name, order = f"{self.prefix}t{n + 1}g{self.generation[n]}", None
        if not open_qty:
            return None
        if order is None and quote is not None and quote.last <= self.stop:  # a stop is refused
            return PlaceOrder(
                *(self.key, name, Role.EXIT, n + 1, Side.SELL, OrderType.MARKET, open_qty)
            )
        if order is None:
            return PlaceOrder(
                *(self.key, name, Role.STOP_LOSS, n + 1, Side.SELL, OrderType.STOP_LIMIT, open_qty),
                price=self.stop - 5,
                trigger_px=self.stop,
            )
        return self._tend(n, order, quote)

    def _is_rung(self, name: str, n: int) -> bool:
        return name.startswith(f"{self.prefix}t{n + 1}g") and "~" not in name

    def _tend(self, n: int, order: Order, quote: Quote | None) -> Mutation | None:
        """Chase a stop that has fired, and take profit where the target is touched."""
        if order.status is OrderStatus.TRIGGERED:
            return self._amend(order, OrderType.MARKET, None)
        bid = None if quote is None else quote.exit_px(Direction.LONG)
        if bid is None:
            return None
        if order.type is OrderType.STOP_LIMIT and bid >= self.targets[n]:
            return self._amend(order, OrderType.LIMIT, self.targets[n] - _TWO_TICKS)
        if order.type is OrderType.LIMIT and bid < self.targets[n]:
            return self._amend(order, OrderType.MARKET, None)
        return None

    def _amend(self, order: Order, kind: OrderType, price: Decimal | None) -> AmendOrder:
        name = order.client_order_id
        return AmendOrder(self.key, name, Role.STOP_LOSS, 1, kind, order.qty, price)
