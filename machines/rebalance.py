"""The conservative rebalancer: quantities made to fit what is held, and nothing else (SPEC §8).

It reads a ladder and what its venue shows, and amends the quantities of orders that rest: the stop
to what is held, open rungs by SPEC §4; what was hit, or is gone, stays gone. Invariants: every
mutation is an amendment of a resting order with that order's own type and prices; nothing is
placed, cancelled or moved; rungs never come to more than is held. It takes no row and changes no
ladder, so that the state machine, once it is back, sees for itself all that happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from machines import observe
from machines.ladder import DeclaredOrder, Ladder, State, order_id
from machines.observe import Scene
from machines.sharing import Share, share_out
from machines.words import (
    ZERO,
    AmendOrder,
    Direction,
    ExitStyle,
    Order,
    OrderStatus,
    Role,
    Trigger,
    plain,
)


class Rebalance(msgspec.Struct, frozen=True):
    """What to amend, in this order, and why anything is left as it is."""

    amendments: tuple[AmendOrder, ...] = ()
    notes: tuple[str, ...] = ()


class _Resting(msgspec.Struct, frozen=True):
    """A declared order beside the one that rests for it."""

    declared: DeclaredOrder
    order: Order

    @property
    def sold(self) -> Decimal:
        """Return F of SPEC §4: what it has filled, earlier orders in its place included."""
        return self.declared.filled_qty - self.declared.order_filled_qty + self.order.filled_qty


def rebalance(ladder: Ladder, here: Scene) -> Rebalance:
    """Return the amendments after which what rests fits what is held."""
    if ladder.state is State.CLOSED or ladder.released:
        return Rebalance()
    if ladder.state is State.HALTED:
        return Rebalance(notes=("is halted: a person must look",))
    toward = 1 if ladder.direction is Direction.LONG else -1
    held = here.view.net_qty * toward - max(ZERO, ladder.foreign_qty)
    if held <= ZERO:
        return Rebalance()
    entered, leaving = _entered(ladder, here, held), _leaving(ladder, here)
    if leaving:
        return Rebalance(notes=(f"{leaving}: left alone until that has ended",))
    stop = _resting(ladder, () if ladder.stop is None else (ladder.stop,), here)
    rungs = _resting(ladder, ladder.rungs, here)
    pooled = ladder.terms.exits is ExitStyle.POOLED
    # Where exits do not pool, a rung's order is its stop, and the stop carries what no rung does.
    to_share = held if pooled else held - sum((each.order.leaves_qty for each in stop), ZERO)
    shared, note = _share(rungs, to_share, entered, ladder)
    wanted = [(each, held) for each in stop] if pooled or not rungs else []
    wanted += shared
    found = [
        _amend(ladder, each, qty) for each, qty in wanted if qty and qty != each.order.leaves_qty
    ]
    grows = {
        order_id(ladder.terms, each.declared): qty > each.order.leaves_qty for each, qty in wanted
    }
    # What shrinks goes first: where nothing is reduce-only no more may be on sale than is held.
    found.sort(key=lambda amend: not pooled and grows[amend.client_order_id])
    return Rebalance(tuple(found), (note,) if note else ())


def _entered(ladder: Ladder, here: Scene, held: Decimal) -> Decimal:
    """Return E of SPEC §4: what the books have, what has filled since, and what others added."""
    entered = ladder.entered_qty
    for fill in observe.fill_events(ladder, here):
        ladder, event = observe.count_fill(ladder, fill, here)
        if event.trigger is Trigger.ENTRY_FILLED:
            entered += fill.qty
    return entered + max(ZERO, held - ladder.held)


def _leaving(ladder: Ladder, here: Scene) -> str:
    """Say what sells at the market already, or nothing."""
    for order in here.view.orders:
        if order.side is not ladder.direction.exit_side or not order.status.live:
            continue
        if order.status is OrderStatus.TRIGGERED:
            return f"{order.client_order_id} has triggered"
        if order.price is None and order.trigger_px is None:
            return f"{order.client_order_id} sells at market"
    return ""


def _resting(ladder: Ladder, declared: Sequence[DeclaredOrder], here: Scene) -> list[_Resting]:
    found: list[_Resting] = []
    for each in declared:
        order = here.orders.get(order_id(ladder.terms, each)) if each.working else None
        if order is not None and order.status is OrderStatus.OPEN:
            found.append(_Resting(each, order))
    return found


def _share(
    rungs: list[_Resting], held: Decimal, entered: Decimal, ladder: Ladder
) -> tuple[list[tuple[_Resting, Decimal]], str]:
    """Share what is held over the rungs that rest.

    A rung that sharing would fold away cannot be cancelled: it stays as it is, and the others share
    the rest. What then does not fit is left as it is.
    """
    shares, kept = ladder.terms.spec.shares, list[_Resting]()
    while rungs:
        left = held - sum((each.order.leaves_qty for each in kept), ZERO)
        if left <= ZERO:
            break
        open_ = [
            Share(shares[r.declared.n - 1], r.sold, r.declared.price or ladder.terms.start_px)
            for r in rungs
        ]
        wanted = share_out(left, entered, open_, ladder.terms.instrument)
        folded = [each for each, qty in zip(rungs, wanted, strict=True) if not qty]
        if not folded:
            note = _too_small(kept) if kept else ""
            return list(zip(rungs, wanted, strict=True)), note
        kept += folded
        rungs = [each for each in rungs if each not in folded]
    return [], _too_small(kept) if kept else ""


def _too_small(kept: list[_Resting]) -> str:
    names = ", ".join(f"TP{each.declared.n} ({plain(each.order.leaves_qty)})" for each in kept)
    return f"{names} would be too small a part of what is held: left as they rest"


def _amend(ladder: Ladder, resting: _Resting, qty: Decimal) -> AmendOrder:
    """Change a resting order's quantity; all else is repeated as it rests."""
    order, declared = resting.order, resting.declared
    return AmendOrder(
        key=ladder.terms.key,
        client_order_id=order.client_order_id,
        role=Role.STOP_LOSS if declared.role is Role.STOP_LOSS else Role.TAKE_PROFIT,
        n=declared.n,
        type=order.type,
        qty=order.filled_qty + qty,
        price=order.price,
        trigger_px=order.trigger_px,
        target=order.target,
    )
