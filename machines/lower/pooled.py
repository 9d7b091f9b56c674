"""Pooled exits: one stop for all that is held beside reduce-only rungs (SPEC §9, Bybit).

The stop is the position's own where the venue has one, else a reduce-only conditional order of
the held quantity. Exits are reduce-only market orders.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines.ladder import DeclaredOrder, Ladder, exit_side, order_id
from machines.recipes import declared_stop_px
from machines.words import ZERO, Capabilities, Leg, OrderType, Role, Side


class WantedOrder(msgspec.Struct, frozen=True):
    """An order that should rest. ``qty`` is what should be open, beside what has filled."""

    client_order_id: str
    role: Role
    n: int
    side: Side
    type: OrderType
    qty: Decimal
    filled_qty: Decimal
    """As our books have it: the venue's lists of orders and of fills need not agree yet."""
    price: Decimal | None
    trigger_px: Decimal | None
    reduce_only: bool
    not_before_ms: int
    target: Leg | None = None
    """A pair's other leg."""
    left_alone: bool = False
    """What rests by this name stays as it is."""
    again: bool = False
    """At market, and to be told so once more although it rests."""
    attached_stop_px: Decimal | None = None
    """The stop that an entry carries, so that it exists from the first fill."""


class Wanted(msgspec.Struct, frozen=True):
    """All that a venue should hold for one ladder.

    ``stop_px`` is the position's own stop; ``stop_qty`` what it covers.
    """

    orders: tuple[WantedOrder, ...]
    prefix: str
    stop_px: Decimal | None = None
    stop_qty: Decimal = ZERO
    stop_not_before_ms: int = 0
    untouched: tuple[Role, ...] = ()
    """Roles whose orders stay as they are at the venue."""


def _wanted(ladder: Ladder, order: DeclaredOrder, side: Side) -> WantedOrder:
    return WantedOrder(
        client_order_id=order_id(ladder.terms, order),
        role=order.role,
        n=order.n,
        side=side,
        type=order.type,
        qty=order.qty,
        filled_qty=order.order_filled_qty,
        price=order.price,
        trigger_px=order.trigger_px,
        reduce_only=order.role is not Role.ENTRY,
        not_before_ms=order.not_before_ms,
    )


def entries_wanted(ladder: Ladder, *, attach: bool = False) -> list[WantedOrder]:
    """Return the entries that should rest; with ``attach`` each carries the declared stop.

    An attached stop replaces the position's at each fill of its order, so it is always the one
    that is declared now (SPEC §9).
    """
    into = ladder.direction.entry_side
    stop_px = declared_stop_px(ladder) if attach else None
    return [
        msgspec.structs.replace(_wanted(ladder, entry, into), attached_stop_px=stop_px)
        for entry in ladder.entries
        if entry.working
    ]


def lower(ladder: Ladder, capabilities: Capabilities) -> Wanted:
    """Fit the declared ladder to a venue with pooled exits."""
    if ladder.released:
        return Wanted((), ladder.terms.prefix, untouched=tuple(Role))
    out = exit_side(ladder)
    orders = entries_wanted(ladder, attach=capabilities.attached_stop)
    untouched = (Role.TAKE_PROFIT,) if ladder.hands_off else ()
    if not untouched:
        orders += [_wanted(ladder, rung, out) for rung in ladder.rungs if rung.qty]
    orders += [_wanted(ladder, order, out) for order in ladder.exits if order.qty]
    stop = ladder.stop
    wanted = Wanted(tuple(orders), ladder.terms.prefix, untouched=untouched)
    if stop is None or not stop.qty:
        return wanted
    if capabilities.position_stop:
        return msgspec.structs.replace(
            wanted,
            stop_px=stop.trigger_px,
            stop_qty=stop.qty,
            stop_not_before_ms=stop.not_before_ms,
        )
    return msgspec.structs.replace(wanted, orders=(*wanted.orders, _wanted(ladder, stop, out)))
