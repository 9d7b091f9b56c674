"""Wanted − resting = the mutations to send, protection first (DESIGN law 6).

Level-triggered and idempotent: what was lost or refused shows up again as a difference. Knows no
states and no rows; never touches an order that does not carry the ladder's prefix.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from machines import carriers
from machines.bound import bounded
from machines.ladder import Ladder, order_id
from machines.lower.per_rung import too_near
from machines.lower.pooled import Wanted, WantedOrder
from machines.observe import Scene, resting_stop_px
from machines.recipes import is_behind, is_passed
from machines.words import (
    AmendOrder,
    CancelOrder,
    Mutation,
    Order,
    OrderType,
    PlaceOrder,
    PlacePair,
    Role,
    SetStop,
)

_CANCEL_ROLE = {"e": Role.ENTRY, "t": Role.TAKE_PROFIT, "x": Role.EXIT, "s": Role.STOP_LOSS}
_LANES: dict[tuple[str, Role], int] = {
    ("set_stop", Role.STOP_LOSS): 0,
    ("place", Role.STOP_LOSS): 0,
    ("place_pair", Role.STOP_LOSS): 0,
    ("amend", Role.STOP_LOSS): 0,
    ("cancel", Role.ENTRY): 1,
    ("cancel", Role.TAKE_PROFIT): 2,
    ("amend", Role.EXIT): 3,
    ("cancel", Role.EXIT): 3,
    ("place", Role.EXIT): 4,
    ("amend", Role.TAKE_PROFIT): 5,
    ("place", Role.TAKE_PROFIT): 6,
    ("cancel", Role.STOP_LOSS): 7,
    ("amend", Role.ENTRY): 8,
    ("place", Role.ENTRY): 9,
}
"""Plan order within one position. The stop first; a stop is cancelled only after all else, when
nothing is held; entries come last because only they add risk."""


def plan(ladder: Ladder, wanted: Wanted, here: Scene) -> list[Mutation]:
    """Return the mutations that turn what rests into what is wanted, in the order to send."""
    key = ladder.terms.key
    found: list[Mutation] = []
    stop = _position_stop(ladder, wanted, here)
    if stop is not None:
        found.append(stop)
    names = {order.client_order_id for order in wanted.orders}
    for order in wanted.orders:
        resting = here.orders.get(order.client_order_id)
        mutation = _bring(ladder, order, resting, here)
        if mutation is not None:
            found.append(mutation)
    for resting in here.view.orders:
        cid = resting.client_order_id
        if resting.status.live and cid.startswith(wanted.prefix) and cid not in names:
            slot = cid[len(wanted.prefix) :]
            role, n = _CANCEL_ROLE[slot[0]], int(slot[1:].partition("g")[0])
            # A stop that was over when flat covers what has filled since (RELIABILITY S9).
            covers = role is Role.STOP_LOSS and ladder.held and ladder.stop is None
            if not covers and role not in wanted.untouched:
                is_stop = resting.trigger_px is not None and role is Role.TAKE_PROFIT
                found.append(CancelOrder(key, cid, Role.STOP_LOSS if is_stop else role, n))
    if here.capabilities.day_orders and here.quote is not None and not here.quote.in_session:
        found = [mutation for mutation in found if _of_a_pair(mutation, here)]
    found.sort(key=lane)
    return found if here.capabilities.reduce_only else bounded(ladder, found, here)


def _of_a_pair(mutation: Mutation, here: Scene) -> bool:
    """Tell whether a mutation is about a pair: these alone are taken outside a session."""
    if isinstance(mutation, PlacePair):
        return True
    cid = "" if isinstance(mutation, SetStop) else mutation.client_order_id
    resting = here.orders.get(cid)
    return resting is not None and resting.type is OrderType.PAIR


def differs(ladder: Ladder, here: Scene) -> bool:
    """Tell whether the stop that rests is not the one declared (a move is refused or held back)."""
    stop = ladder.stop
    if stop is None or not stop.qty:
        return False
    resting = here.view.stop
    if carriers.in_turn(ladder):
        loosest = resting_stop_px(ladder, here)
        return loosest is not None and loosest != stop.trigger_px
    if here.capabilities.position_stop:
        return resting is None or resting.trigger_px != stop.trigger_px
    shown = here.orders.get(order_id(ladder.terms, stop))
    return shown is None or shown.trigger_px != stop.trigger_px or shown.leaves_qty != stop.qty


def lane(mutation: Mutation) -> tuple[int, int]:
    """Return a mutation's place in the plan: its lane, then its number."""
    op = type(mutation).__struct_config__.tag
    return _LANES[str(op), mutation.role], mutation.n


def _position_stop(ladder: Ladder, wanted: Wanted, here: Scene) -> SetStop | None:
    price = wanted.stop_px
    if price is None or here.now_ms < wanted.stop_not_before_ms:
        return None
    resting = here.view.stop
    if resting is None:
        if _may_not_place(ladder, price, here):
            return None
    elif resting.trigger_px == price or _may_not_move(ladder, price, here):
        return None
    return SetStop(ladder.terms.key, price, wanted.stop_qty)


def _may_not_move(ladder: Ladder, price: Decimal | None, here: Scene) -> bool:
    """Tell whether a resting stop must stay because ``price`` is behind the market (SPEC §4)."""
    return price is not None and is_behind(ladder, price, here.quote, here.now_ms)


def _may_not_place(ladder: Ladder, price: Decimal, here: Scene) -> bool:
    """Tell whether the market is already through a stop at ``price`` (RELIABILITY S20)."""
    return is_passed(ladder, price, here.quote, here.now_ms)


def _bring(
    ladder: Ladder, order: WantedOrder, resting: Order | None, here: Scene
) -> Mutation | None:
    """Return what brings one wanted order about, or None when it rests as wanted or must wait."""
    if here.now_ms < order.not_before_ms:
        return None
    if resting is None:
        through = order.trigger_px is not None and _may_not_place(ladder, order.trigger_px, here)
        return None if through else _place(ladder, order)
    if not resting.status.live or order.left_alone:
        return None
    if order.type is OrderType.MARKET:
        return _amend(ladder, order) if order.again else None
    trigger_px = order.trigger_px
    pulled = trigger_px is not None and trigger_px != resting.trigger_px
    if order.target is not None and (
        too_near(trigger_px, here) or too_near(order.target.trigger_px, here)
    ):
        return None  # nothing of a pair can be changed now
    if pulled and _may_not_move(ladder, trigger_px, here):
        order = replace(order, trigger_px=resting.trigger_px, price=resting.price)
    wanted = (order.price, order.trigger_px, order.target, order.filled_qty + order.qty)
    carries = order.attached_stop_px in (None, resting.attached_stop_px)
    if carries and (resting.price, resting.trigger_px, resting.target, resting.qty) == wanted:
        return None
    return _amend(ladder, order)


def _place(ladder: Ladder, order: WantedOrder) -> PlaceOrder:
    if order.target is not None:
        return PlacePair(
            key=ladder.terms.key,
            client_order_id=order.client_order_id,
            role=order.role,
            n=order.n,
            side=order.side,
            type=order.type,
            qty=order.qty,
            price=order.price,
            trigger_px=order.trigger_px,
            target=order.target,
        )
    return PlaceOrder(
        key=ladder.terms.key,
        client_order_id=order.client_order_id,
        role=order.role,
        n=order.n,
        side=order.side,
        type=order.type,
        qty=order.qty,
        price=order.price,
        trigger_px=order.trigger_px,
        reduce_only=order.reduce_only,
        attached_stop_px=order.attached_stop_px,
    )


def _amend(ladder: Ladder, order: WantedOrder) -> AmendOrder:
    return AmendOrder(
        key=ladder.terms.key,
        client_order_id=order.client_order_id,
        role=order.role,
        n=order.n,
        type=order.type,
        qty=order.filled_qty + order.qty,
        price=order.price,
        trigger_px=order.trigger_px,
        target=order.target,
        attached_stop_px=order.attached_stop_px,
    )
