"""Never more on sale than is held, where nothing is reduce-only (RELIABILITY S5, SPEC §9).

Judges each plan against the last snapshot and what is in flight: an order counts while it may
still fill, a request while it may still land. What would grow what is on sale waits until enough
has been seen to shrink; what shrinks or converts never waits. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from machines.dispatch import Dispatch, Flight
from machines.flights import slot_of
from machines.ladder import Ladder, exit_side, parse_order_id
from machines.observe import Scene
from machines.words import ZERO, AmendOrder, Mutation, PlaceOrder, Role


def bounded(ladder: Ladder, found: Sequence[Mutation], here: Scene) -> list[Mutation]:
    """Return what may leave now, in the same order."""
    room = _may_sell(ladder, here) - on_sale(ladder, here)
    open_slots = {flight.slot for flight in ladder.flights if _may_land(flight, here)}
    leaving: list[Mutation] = []
    for mutation in found:
        growth = ZERO if slot_of(mutation) in open_slots else _growth(mutation, here)
        if growth > ZERO:
            if growth > room:
                continue
            room -= growth
        leaving.append(mutation)
    return leaving


def _may_sell(ladder: Ladder, here: Scene) -> Decimal:
    """Return *held*: what our fills own, or what the venue shows if that is less."""
    return max(ZERO, min(ladder.held, here.view.net_qty * ladder.sign))


def on_sale(ladder: Ladder, here: Scene) -> Decimal:
    """Return all that orders of ours may still sell, landed or not."""
    side = exit_side(ladder)
    resting = sum(
        (
            order.leaves_qty
            for order in here.view.orders
            if order.side is side and parse_order_id(ladder.terms, order.client_order_id)
        ),
        ZERO,
    )
    unsure = (flight for flight in ladder.flights if _may_land(flight, here))
    return resting + sum((max(ZERO, _growth(f.mutation, here)) for f in unsure), ZERO)


def _may_land(flight: Flight, here: Scene) -> bool:
    """Tell whether a request may still take effect after this read."""
    if flight.state is Dispatch.UNKNOWN:
        return here.started_ms < flight.until_ms
    return flight.state in (Dispatch.INTENDED, Dispatch.SENT)


def _growth(mutation: Mutation, here: Scene) -> Decimal:
    """Return by how much a mutation would raise what is on sale."""
    if mutation.role is Role.ENTRY or not isinstance(mutation, PlaceOrder | AmendOrder):
        return ZERO
    resting = here.orders.get(mutation.client_order_id)
    if isinstance(mutation, PlaceOrder):
        return mutation.qty if resting is None else ZERO
    return ZERO if resting is None or not resting.status.live else mutation.qty - resting.qty
