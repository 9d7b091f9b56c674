"""The 25 modifications that an order may have, and what the last five are kept for.

Pure bookkeeping. *Source*: the venue sheet §0.14, §3.1; SPEC §9.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from decimal import Decimal

from machines.words import AmendOrder, Direction, Order, OrderType, Side

MOST = 25
RESERVED = 5
"""For break-even and exits: an order that nobody can move any more cannot protect a profit."""


class Purpose(enum.StrEnum):
    """Why an order is modified."""

    ORDINARY = "ordinary"
    BREAK_EVEN = "break_even"
    EXIT = "exit"


def purpose_of(amend: AmendOrder, resting: Order, avg_px: Decimal) -> Purpose:
    """Tell what a modification is for, by what it changes.

    ``avg_px`` is the position's average price: a stop moved to its profit side or onto it guards
    a break-even.
    """
    if amend.type is not OrderType.STOP_LIMIT or resting.type is not OrderType.STOP_LIMIT:
        return Purpose.EXIT
    if amend.qty < resting.qty:
        return Purpose.EXIT  # it makes room for a sale
    direction = Direction.LONG if resting.side is Side.SELL else Direction.SHORT
    moved = amend.trigger_px is not None and amend.trigger_px != resting.trigger_px
    if moved and amend.trigger_px is not None and avg_px > 0:
        behind = direction.beyond(avg_px, amend.trigger_px)
        return Purpose.ORDINARY if behind else Purpose.BREAK_EVEN
    return Purpose.ORDINARY


class Modifications:
    """How often each order of the day has been modified."""

    def __init__(self) -> None:
        self._made: dict[str, int] = {}

    def known(self, venue_order_id: str) -> bool:
        """Tell whether an order's modifications have been counted since it was placed."""
        return venue_order_id in self._made

    def left(self, venue_order_id: str) -> int:
        """Return how many modifications an order may still have."""
        return MOST - self._made.get(venue_order_id, 0)

    def allows(self, venue_order_id: str, purpose: Purpose) -> bool:
        """Tell whether one more is in the budget of its purpose."""
        floor = RESERVED if purpose is Purpose.ORDINARY else 0
        return self.left(venue_order_id) > floor

    def count(self, venue_order_id: str) -> None:
        """Count one that was sent; one of unknown outcome counts, too."""
        self._made[venue_order_id] = self._made.get(venue_order_id, 0) + 1

    def placed(self, venue_order_id: str) -> None:
        """Begin to count for an order that was placed now."""
        self._made.setdefault(venue_order_id, 0)

    def recall(self, venue_order_id: str, statuses: Iterable[str]) -> None:
        """Count from an order's history, after a restart."""
        asked = sum(status == "MODIFY VALIDATION PENDING" for status in statuses)
        self._made[venue_order_id] = max(self._made.get(venue_order_id, 0), asked)

    def forget(self, live: Iterable[str]) -> None:
        """Keep only what may still be modified."""
        alive = set(live)
        self._made = {each: n for each, n in self._made.items() if each in alive}
