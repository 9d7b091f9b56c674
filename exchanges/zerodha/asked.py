"""What this process asked of Kite, so that what nobody asked for is known as a person's act.

Pure bookkeeping; a restart forgets it, and then nothing is called a person's. Knows requests
that left, whatever became of them. *Source*: SPEC §3, a person's act.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.zerodha.wire import WireOrder
from machines.words import ZERO


class Shape(msgspec.Struct, frozen=True):
    """What a person can change of an order. Zero stands for none, as at Kite."""

    quantity: Decimal
    price: Decimal
    trigger_price: Decimal


class Asked:
    """Requests by Kite's order id."""

    def __init__(self) -> None:
        self._ended: set[str] = set()
        self._shapes: dict[str, set[Shape]] = {}

    def cancel(self, order_id: str) -> None:
        """Note that we asked for an order's end."""
        self._ended.add(order_id)

    def shape(self, order_id: str, shape: Shape) -> None:
        """Note a shape that we asked for; an earlier one may still be shown for a while."""
        self._shapes.setdefault(order_id, set()).add(shape)

    def see(self, orders: list[WireOrder]) -> None:
        """Take the shapes of orders seen for the first time as they are, and forget what left."""
        here = {order.order_id for order in orders}
        for order in orders:
            if order.order_id not in self._shapes:
                self.shape(order.order_id, _shape_of(order))
        self._ended &= here
        self._shapes = {each: kept for each, kept in self._shapes.items() if each in here}

    def ended_by_person(self, order: WireOrder) -> bool:
        """Tell whether an order that we had seen was cancelled without us.

        The broker and the exchange leave a message when they do it; a person leaves none.
        """
        watched = order.order_id in self._shapes
        return watched and order.order_id not in self._ended and not order.status_message

    def moved_by_person(self, order: WireOrder) -> bool:
        """Tell whether a resting order has a shape that we never asked for.

        One that is being changed, or that has triggered, shows what it likes; so does what we
        asked to be a market order.
        """
        shapes = self._shapes.get(order.order_id)
        if shapes is None or order.status != ("TRIGGER PENDING" if is_stop(order) else "OPEN"):
            return False
        return not self.was_market(order) and _shape_of(order) not in shapes

    def was_market(self, order: WireOrder) -> bool:
        """Tell whether we asked for a market order that is shown as something else."""
        if order.order_type != "LIMIT":
            return False
        priceless = Shape(order.quantity, ZERO, ZERO)
        return is_protected(order) or priceless in self._shapes.get(order.order_id, ())


def _shape_of(order: WireOrder) -> Shape:
    stop = is_stop(order)
    priced = order.order_type in ("LIMIT", "SL")
    return Shape(
        order.quantity, order.price if priced else ZERO, order.trigger_price if stop else ZERO
    )


def is_stop(order: WireOrder) -> bool:
    """Tell whether an order waits, or waited, for a trigger."""
    return order.order_type in ("SL", "SL-M")


def is_protected(order: WireOrder) -> bool:
    """Tell whether a limit was made by Kite out of a market order with protection."""
    return any(tag == "mktp" or tag.startswith("mktp:") for tag in order.tags or ())
