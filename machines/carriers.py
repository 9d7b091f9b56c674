"""Exits without reduce-only: one order carries each part of what is held (SPEC §9).

A rung's order is its stop until its target is touched; then it is converted in place, so that a
share can never be sold twice. What no rung is for (nothing representable, every rung off) is
carried by the order of the declared stop, number 0 here. Pure functions over a ladder and what its
venue shows; knows no rows. Where exits pool, none of this changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from machines.carrier import AT_TARGET, LEAVING, Carrier, Phase
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    order_id,
    orders_of,
    parse_order_id,
    replace,
    with_order,
)
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Event,
    ExitStyle,
    Mutation,
    Order,
    OrderType,
    PlacePair,
    Role,
    SetStop,
)

STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.PAIR)
"""Types of order that wait for the price of a stop."""
LOOSE = 0
"""The number of the stop that no rung is for."""
MAX_CONVERSIONS = 3
"""A rung is converted at most so often an hour (SPEC §9)."""


def in_turn(ladder: Ladder) -> bool:
    """Tell whether each rung has one order that is its stop and its target in turn."""
    return ladder.terms.exits is not ExitStyle.POOLED


def with_phase(order: DeclaredOrder, phase: Phase, since_ms: int = 0) -> DeclaredOrder:
    """Return an order in another phase."""
    return replace(order, carrier=replace(order.carrier, phase=phase, since_ms=since_ms))


def anew(order: DeclaredOrder) -> DeclaredOrder:
    """Name a new order for the same place: a venue takes an id once."""
    return replace(
        order,
        gen=order.gen + 1,
        order_filled_qty=ZERO,
        end_asked=False,
        carrier=order.carrier.anew(),
    )


def resumed(order: DeclaredOrder) -> DeclaredOrder:
    """Return the order of the next session in the place of one that the last one's end ended."""
    again = anew(order)
    out = order.carrier.phase in LEAVING or order.role is Role.EXIT
    return _to_market(again) if out else again


def shown(ladder: Ladder, order: DeclaredOrder, orders: dict[str, Order]) -> Order | None:
    """Return a declared order's present order as the venue shows it."""
    return orders.get(order_id(ladder.terms, order))


def stops_of(ladder: Ladder, orders: dict[str, Order]) -> Iterator[tuple[int, DeclaredOrder]]:
    """Yield what should rest as a stop: each rung that does not do something else, and the rest.

    The rest is named while it is declared and while its order is there.
    """
    for rung in ladder.rungs:
        if rung.working and rung.qty and rung.carrier.phase is Phase.STOP:
            yield rung.n, rung
    stop = ladder.stop
    if stop is None:
        return
    there = shown(ladder, stop, orders)
    if stop.qty > ladder.rungs_qty or (there is not None and there.status.live):
        yield LOOSE, stop


def carrier_of(ladder: Ladder, n: int) -> DeclaredOrder | None:
    """Return the declared order behind a stop's number."""
    if n == LOOSE or not in_turn(ladder):
        return ladder.stop
    return next((rung for rung in ladder.rungs if rung.n == n), None)


def owner_of(ladder: Ladder, mutation: Mutation) -> DeclaredOrder | None:
    """Return the declared order that a mutation is about, whatever it is to become."""
    if isinstance(mutation, SetStop):
        return ladder.stop
    slot = parse_order_id(ladder.terms, mutation.client_order_id)
    if slot is None:
        return None
    found = orders_of(ladder, slot[0])
    return next((order for order in found if order.n == slot[1]), None)


def sent(ladder: Ladder, mutation: Mutation) -> Ladder:
    """Note what is about to be asked of an order that is changed in place."""
    order = owner_of(ladder, mutation)
    if order is None or isinstance(mutation, SetStop):
        return ladder
    if isinstance(mutation, CancelOrder):
        return with_order(ladder, replace(order, end_asked=True))
    carrier = order.carrier
    if type(mutation).__struct_config__.tag == "amend":
        carrier = replace(carrier, amended=carrier.amended + 1)
    if mutation.type is OrderType.MARKET:
        carrier = replace(carrier, sent=carrier.asked)
    order = replace(order, carrier=carrier)
    if isinstance(mutation, AmendOrder | PlacePair) and mutation.target is not None:
        legs = (mutation.target.trigger_px, mutation.target.price)
        order = replace(order, sent_px=tuple(dict.fromkeys((*order.sent_px, *legs))))
    return with_order(ladder, order)


def turned_away(ladder: Ladder, mutation: Mutation) -> Ladder:
    """Take back the count of a change that the venue has not read."""
    order = owner_of(ladder, mutation) if isinstance(mutation, AmendOrder) else None
    if order is None or not order.carrier.amended:
        return ladder
    carrier = _untold(order.carrier, mutation)
    carrier = replace(carrier, amended=carrier.amended - 1)
    return with_order(ladder, replace(order, carrier=carrier))


PAUSE_MS = 1_000
"""What a venue refused of an order that is changed in place is asked again after this."""


def paused(ladder: Ladder, mutation: Mutation, now_ms: int) -> Ladder:
    """Leave an order alone for a second after its change was refused."""
    order = owner_of(ladder, mutation) if in_turn(ladder) else None
    if order is None:
        return ladder
    carrier = _untold(order.carrier, mutation)
    order = replace(order, not_before_ms=now_ms + PAUSE_MS, carrier=carrier)
    return with_order(ladder, order)


def _untold(carrier: Carrier, mutation: Mutation) -> Carrier:
    """Note that an order was not told to go to market: nothing else at the venue would show it."""
    if isinstance(mutation, AmendOrder) and mutation.type is OrderType.MARKET:
        return replace(carrier, sent=carrier.asked - 1)
    return carrier


def let_go(ladder: Ladder, now_ms: int) -> Ladder:
    """Let every open rung go: what can be converted becomes an exit in place, the rest is off.

    A pair that waits goes on as a stop; nobody converts it. Flat, there is nothing to sell.
    """
    rungs = tuple(_let_go(ladder, rung) for rung in ladder.rungs)
    after = replace(ladder, hands_off=False, rungs=rungs)
    # One order may just have sold what the others were declared to share.
    after = to_held(after) if in_turn(ladder) else after
    if after.exiting == ladder.exiting:
        return after
    return replace(after, exit_since_ms=now_ms)


def _let_go(ladder: Ladder, rung: DeclaredOrder) -> DeclaredOrder:
    if not rung.working:
        return rung
    if not (in_turn(ladder) and rung.qty and ladder.held):
        return replace(rung, qty=ZERO, standing=Standing.OFF)
    phase = rung.carrier.phase
    waits = ladder.terms.exits is ExitStyle.PAIRS and phase is Phase.STOP
    return rung if waits or phase in LEAVING else _to_market(rung)


def off_when_flat(ladder: Ladder) -> Ladder:
    """Declare no rung of a position that is gone.

    One order may have sold what others were to share: what fills last joins it for a while.
    """
    if ladder.held or not in_turn(ladder) or not ladder.rungs_qty:
        return ladder
    return replace(ladder, rungs=tuple(_let_go(ladder, rung) for rung in ladder.rungs))


def drop_pairs(ladder: Ladder) -> Ladder:
    """Let go of pairs that wait: they cannot be converted, and end before anything is sold."""
    if ladder.terms.exits is not ExitStyle.PAIRS:
        return ladder
    rungs = tuple(
        replace(rung, qty=ZERO, standing=Standing.OFF)
        if rung.working and rung.carrier.phase is Phase.STOP
        else rung
        for rung in ladder.rungs
    )
    return replace(ladder, rungs=rungs)


def _to_market(order: DeclaredOrder) -> DeclaredOrder:
    asked = order.carrier.asked + 1
    return replace(order, carrier=replace(order.carrier, phase=Phase.EXIT, asked=asked))


def chased(ladder: Ladder, now_ms: int) -> Ladder:
    """Ask again, in place, for what has triggered or was sent to market and has not filled."""
    if not in_turn(ladder):
        return ladder
    stay = (Phase.STOP, *(AT_TARGET if ladder.hands_off else ()))
    rungs = [rung for rung in ladder.rungs if rung.carrier.phase not in stay and rung.qty]
    for order in (*rungs, *(order for order in ladder.exits if order.qty)):
        ladder = with_order(ladder, _to_market(order))
    return replace(ladder, exit_since_ms=now_ms)


def to_held(ladder: Ladder) -> Ladder:
    """Let what is on its way out shrink to what is held, the last first."""
    excess = ladder.exiting - ladder.held
    for order in reversed(leaving(ladder)):
        if excess <= ZERO:
            break
        cut = min(order.qty, excess)
        ladder = with_order(ladder, replace(order, qty=order.qty - cut))
        excess -= cut
    return ladder


def exit_of(ladder: Ladder, event: Event) -> DeclaredOrder | None:
    """Return the order on its way out that an event is about: a rung's own, or an exit's."""
    rung = event.role is Role.TAKE_PROFIT and in_turn(ladder)
    orders = ladder.rungs if rung else ladder.exits
    return next((order for order in orders if order.n == event.n), None)


def leaving(ladder: Ladder) -> tuple[DeclaredOrder, ...]:
    """Return every order that is on its way out, rungs first."""
    rungs = (rung for rung in ladder.rungs if rung.carrier.phase in LEAVING)
    return (*rungs, *ladder.exits)
