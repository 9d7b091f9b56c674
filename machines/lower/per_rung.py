"""One order per rung: its stop until its target is touched, then its target (SPEC §9, Zerodha).

A stop-limit that is converted in place, or a pair whose two legs wait side by side. While entries
fill, what is new joins an order that rests, by one amendment; it is shared over the rungs once
entries have been quiet. So what is covered stays covered, and a rung is split off only then.
Exits that no order carries go to market by themselves. Knows no states and no rows.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from msgspec.structs import replace

from machines import carriers, pricing
from machines.carrier import AT_TARGET, Phase
from machines.carriers import LOOSE
from machines.ladder import DeclaredOrder, Ladder, exit_side, order_id
from machines.lower.pooled import Wanted, WantedOrder, entries_wanted
from machines.observe import Scene
from machines.sharing import min_rung_qty
from machines.words import (
    ZERO,
    Direction,
    ExitStyle,
    Leg,
    OrderType,
    Role,
)

QUIET_MS = 5_000
"""Entries that have not filled for this long are quiet. *Source*: SPEC §9."""
RESERVED = 5
"""The last amendments of an order belong to break-even and to exits. *Source*: SPEC §9."""
BEYOND_JOINING = 15
"""What new slices leave an order for its own life: to be shared, converted and pulled."""


def may_amend(order: DeclaredOrder, here: Scene, reserved: int = RESERVED) -> bool:
    """Tell whether an order may be changed once more and leave ``reserved`` changes for later."""
    most = here.capabilities.max_amendments
    return most is None or order.carrier.amended < most - reserved


def quiet_ms(ladder: Ladder) -> int | None:
    """Return when entries will have been quiet, or None when none works."""
    return ladder.entered_ms + QUIET_MS if ladder.entries_work else None


def lower(ladder: Ladder, here: Scene) -> Wanted:
    """Fit the declared ladder to a venue where a rung has one order."""
    orders = entries_wanted(ladder)
    orders += _stops(ladder, here)
    orders += [
        wanted
        for rung in ladder.rungs
        if rung.qty and (wanted := _under_way(ladder, rung)) is not None
    ]
    orders += [_exit(ladder, order) for order in ladder.exits if order.qty]
    untouched = (Role.TAKE_PROFIT,) if ladder.hands_off else ()
    return Wanted(tuple(orders), ladder.terms.prefix, untouched=untouched)


# ------------------------------------------------------------------------------------- stops


def sizes(ladder: Ladder, here: Scene) -> dict[int, Decimal]:
    """Return how much each stop is for, by its number.

    Together they are for all that is held and does not leave by another order.
    """
    stop = ladder.stop
    if stop is None or not stop.qty:
        return {}
    named = dict(carriers.stops_of(ladder, here.orders))
    declared = {n: rung.qty for n, rung in named.items() if n != LOOSE}
    total = max(ZERO, ladder.to_share - _elsewhere(ladder))
    rests = _resting(ladder, named, here)
    stuck = [n for n in rests if n in declared and not _spare(ladder, named[n], here)]
    declared |= {n: rests[n] for n in stuck}  # what it lacks, the loose one is for
    declared[LOOSE] = max(ZERO, total - sum(declared.values()))
    missing = total - sum(rests.values())
    share = _settled(ladder, here) and not ladder.hands_off and not held_back(ladder, here)
    if not rests or missing < ZERO or share:
        return declared
    return _joined(ladder, named, rests, missing, here) or declared


def no_room(ladder: Ladder, here: Scene) -> bool:
    """Tell whether a stop is for more than it should be and has no change left to give it up."""
    named = dict(carriers.stops_of(ladder, here.orders))
    total = max(ZERO, ladder.to_share - _elsewhere(ladder))
    declared = {n: rung.qty for n, rung in named.items() if n != LOOSE}
    declared[LOOSE] = max(ZERO, total - sum(declared.values()))
    return any(
        n in named and qty > declared[n] and not _spare(ladder, named[n], here)
        for n, qty in _resting(ladder, named, here).items()
    )


def _elsewhere(ladder: Ladder) -> Decimal:
    """Return what has an order at its target, or on the way there or back."""
    return sum((r.qty for r in ladder.rungs if r.carrier.phase in AT_TARGET), ZERO)


def _resting(ladder: Ladder, named: dict[int, DeclaredOrder], here: Scene) -> dict[int, Decimal]:
    """Return what rests as a stop, by number; a rung folded away may still have its order."""
    found: dict[int, Decimal] = {}
    stops = {r.n: r for r in ladder.rungs if r.carrier.phase is Phase.STOP} | named
    for n, order in stops.items():
        resting = carriers.shown(ladder, order, here.orders)
        if resting is not None and resting.status.live and resting.type in carriers.STOPS:
            found[n] = resting.leaves_qty
    return found


def _settled(ladder: Ladder, here: Scene) -> bool:
    """Tell whether entries are quiet and no order is being converted."""
    quiet = quiet_ms(ladder)
    moving = any(r.qty and r.carrier.phase in AT_TARGET for r in ladder.rungs)
    return not moving and (quiet is None or here.now_ms >= quiet)


def held_back(ladder: Ladder, here: Scene) -> bool:
    """Tell whether a pair that rests cannot be changed now: shares wait until all of them can."""
    stops = carriers.stops_of(ladder, here.orders)
    return any(_frozen(ladder, order, here) for _, order in stops)


def _frozen(ladder: Ladder, order: DeclaredOrder, here: Scene) -> bool:
    resting = carriers.shown(ladder, order, here.orders)
    pair = resting is not None and resting.status.live and resting.type is OrderType.PAIR
    return pair and _near(ladder, order, here)


def _near(ladder: Ladder, order: DeclaredOrder, here: Scene) -> bool:
    """Tell whether a leg of a rung's pair would be too near to the market."""
    stop = ladder.stop
    return (stop is not None and too_near(stop.trigger_px, here)) or too_near(order.price, here)


def _joined(
    ladder: Ladder,
    named: dict[int, DeclaredOrder],
    rests: dict[int, Decimal],
    missing: Decimal,
    here: Scene,
) -> dict[int, Decimal] | None:
    """Let what is missing join one that rests; None when it must be shared at once."""
    if not missing:
        return rests
    for n, open_qty in rests.items():
        order = named.get(n)
        if order is None or order.order_filled_qty or not may_amend(order, here, BEYOND_JOINING):
            continue
        if not _frozen(ladder, order, here):
            return rests | {n: open_qty + missing}
    price = ladder.stop.trigger_px if ladder.stop is not None else None
    least = min_rung_qty(ladder.terms.instrument, price or ladder.terms.start_px)
    return rests | {LOOSE: missing} if LOOSE not in rests and missing >= least else None


def _stops(ladder: Ladder, here: Scene) -> list[WantedOrder]:
    stop = ladder.stop
    if stop is None or stop.trigger_px is None:
        return []
    found: list[WantedOrder] = []
    for n, qty in sizes(ladder, here).items():
        order = carriers.carrier_of(ladder, n)
        if order is None or not qty:
            continue
        kind = _stop_type(ladder, order, here)
        found.append(
            WantedOrder(
                client_order_id=order_id(ladder.terms, order),
                role=Role.STOP_LOSS,
                n=n,
                side=exit_side(ladder),
                type=kind,
                qty=qty,
                filled_qty=order.order_filled_qty,
                price=limit_px(ladder, stop.trigger_px, here),
                trigger_px=stop.trigger_px,
                reduce_only=False,
                not_before_ms=stop.not_before_ms,
                target=_target_leg(ladder, order) if kind is OrderType.PAIR else None,
                left_alone=not _spare(ladder, order, here),
            )
        )
    return found


def _spare(ladder: Ladder, order: DeclaredOrder, here: Scene) -> bool:
    """Tell whether only the reserved amendments of an order are left to ``ladder``'s stop."""
    stop = ladder.stop
    to_break_even = stop is not None and stop.trigger_px == ladder.break_even
    makes_room = bool(ladder.exiting)  # for a part that is sold
    return may_amend(order, here, 0 if to_break_even or makes_room else RESERVED)


def _stop_type(ladder: Ladder, order: DeclaredOrder, here: Scene) -> OrderType:
    """Return what an order rests as; a pair that could not be placed now is a stop alone."""
    resting = carriers.shown(ladder, order, here.orders)
    if resting is not None and resting.status.live:
        return resting.type
    if ladder.terms.exits is not ExitStyle.PAIRS or order.role is Role.STOP_LOSS:
        return OrderType.STOP_LIMIT
    return OrderType.STOP_LIMIT if _near(ladder, order, here) else OrderType.PAIR


def too_near(trigger_px: Decimal | None, here: Scene) -> bool:
    """Tell whether a pair's trigger would be nearer to the last price than the venue allows."""
    gap = here.capabilities.pair_gap
    if not gap or trigger_px is None or here.quote is None:
        return False
    return abs(trigger_px - here.quote.last) < gap * here.quote.last


def limit_px(ladder: Ladder, trigger_px: Decimal, here: Scene) -> Decimal:
    """Return a stop-limit's limit: a buffer beyond the trigger, rounded away from it.

    *Source*: SPEC §4 *Rounding*; at least three ticks, kite.md §13.2.
    """
    tick = ladder.terms.instrument.tick
    buffer = max(3 * tick, trigger_px * here.capabilities.stop_buffer)
    if ladder.direction is Direction.LONG:
        return max(tick, pricing.tick_down(trigger_px - buffer, tick))
    return pricing.tick_up(trigger_px + buffer, tick)


# ----------------------------------------------------------------------------------- targets


def touch_px(ladder: Ladder, rung: DeclaredOrder) -> Decimal:
    """Return the limit of a touched rung: its target less the slack (SPEC §9 ``touch_slack``)."""
    assert rung.price is not None, "a rung has a price"
    return rung.price - _slack(ladder)


def target_px(ladder: Ladder, limit: Decimal) -> Decimal:
    """Return the target of a rung whose limit is to be ``limit`` once it is touched."""
    return limit + _slack(ladder)


def _slack(ladder: Ladder) -> Decimal:
    return ladder.sign * ladder.terms.spec.touch_slack * ladder.terms.instrument.tick


def _target_leg(ladder: Ladder, rung: DeclaredOrder) -> Leg | None:
    return None if rung.price is None else Leg(rung.price, touch_px(ladder, rung))


def _under_way(ladder: Ladder, rung: DeclaredOrder) -> WantedOrder | None:
    """Return what a rung's order should be that is not its stop; None when it should end."""
    match rung.carrier.phase:
        case Phase.CONVERTING | Phase.TARGET:
            return _order(ladder, rung, Role.TAKE_PROFIT, OrderType.LIMIT, touch_px(ladder, rung))
        case Phase.EXIT:
            return _exit(ladder, rung)
        case Phase.FIRED:
            order = _order(ladder, rung, Role.STOP_LOSS, OrderType.STOP_LIMIT, None)
            return replace(order, left_alone=True)
        case Phase.STOP | Phase.REARMING:
            return None
        case _:
            assert_never(rung.carrier.phase)


def _exit(ladder: Ladder, order: DeclaredOrder) -> WantedOrder:
    return _order(ladder, order, Role.EXIT, OrderType.MARKET, None)


def _order(
    ladder: Ladder, order: DeclaredOrder, role: Role, kind: OrderType, price: Decimal | None
) -> WantedOrder:
    return WantedOrder(
        client_order_id=order_id(ladder.terms, order),
        role=role,
        n=order.n,
        side=exit_side(ladder),
        type=kind,
        qty=order.qty,
        filled_qty=order.order_filled_qty,
        price=price,
        trigger_px=None,
        reduce_only=False,
        not_before_ms=order.not_before_ms,
        again=order.carrier.asked > order.carrier.sent,
    )
