"""What a poll shows of exits without reduce-only: each order a stop, a target or an exit in turn.

Detectors, as in `machines.detectors`, that take the place of those for pooled exits. A conversion
is asked for only while it would fill at once. *Source*: SPEC §9, kite.md §13.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

from machines import carriers
from machines.carrier import LEAVING, Phase
from machines.carriers import LOOSE, STOPS
from machines.facts import ALERT_AT_TRY
from machines.flights import slot_in_flight
from machines.ladder import DeclaredOrder, Ladder, order_id, replace, slot_named, with_order
from machines.lower.per_rung import may_amend, no_room, target_px, touch_px
from machines.observe import Scene, count_refusal, mark_hit, resting_stop_px, stop_set
from machines.recipes import known_exit_px
from machines.words import (
    Event,
    Order,
    OrderStatus,
    OrderType,
    Refusal,
    Role,
    Trigger,
)

LEFT_AFTER_MS = 3_000
"""A converted order that has not filled for so long, with the price behind it, goes back."""
HOUR_MS = 3_600_000
CHASE_AFTER_MS = 2_000
"""S1: what a triggered stop or an exit has not filled by then is asked for again."""


def ended(ladder: Ladder, order: DeclaredOrder, here: Scene) -> Order | None:
    """Return the venue's order if it has ended and every fill of it is counted."""
    shown = carriers.shown(ladder, order, here.orders)
    if shown is None or shown.status.live or shown.status is OrderStatus.SUSPENDED:
        return None
    return shown if shown.filled_qty == order.order_filled_qty else None


def in_flight(ladder: Ladder, order: DeclaredOrder) -> bool:
    """Tell whether the end of a request about an order is not known."""
    slot = slot_named(order_id(ladder.terms, order))
    return any(flight.slot == slot for flight in ladder.flights)


def in_session(here: Scene) -> bool:
    """Tell whether orders are taken now; without a price nobody knows otherwise."""
    return here.quote is None or here.quote.in_session


def resumed(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Name anew, in the next session, what the end of the last one suspended.

    No event: what is declared stands, and is missing at the venue under its new name (SPEC §3). A
    limit at a target comes back as a stop.
    """
    if not in_session(here):
        return ladder, []
    stop = () if ladder.stop is None else (ladder.stop,)
    for order in (*ladder.entries, *ladder.rungs, *stop, *ladder.exits):
        shown = carriers.shown(ladder, order, here.orders)
        if shown is None or shown.status is not OrderStatus.SUSPENDED:
            continue
        if shown.filled_qty == order.order_filled_qty:
            ladder = with_order(ladder, carriers.resumed(order))
    return ladder, []


# ----------------------------------------------------------------------------------- targets


def turned(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Note the orders that have become limits at their targets; nothing else comes of it."""
    for rung in ladder.rungs:
        shown = carriers.shown(ladder, rung, here.orders)
        waited = rung.carrier.phase in (Phase.STOP, Phase.CONVERTING)
        if waited and shown is not None and shown.status.live and shown.type is OrderType.LIMIT:
            ladder = with_order(ladder, carriers.with_phase(rung, Phase.TARGET, here.now_ms))
    return ladder, []


def targets(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See targets touched, and prices that have left unfilled limits behind."""
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = carriers.shown(ladder, rung, here.orders)
        if not rung.working or not rung.qty or shown is None or not shown.status.live:
            continue
        if rung.carrier.told and may_convert(rung, here):
            rung = replace(rung, carrier=replace(rung.carrier, told=False))  # noqa: PLW2901
            ladder = with_order(ladder, rung)
        trigger = _said_of_target(ladder, rung, shown, here)
        if trigger is None:
            continue
        if trigger is Trigger.TARGET_TOUCHED and not may_convert(rung, here):
            if rung.carrier.told:
                continue
            ladder = with_order(ladder, replace(rung, carrier=replace(rung.carrier, told=True)))
        events.append(Event(trigger, here.now_ms, Role.TAKE_PROFIT, rung.n))
    return ladder, events


def may_convert(rung: DeclaredOrder, here: Scene) -> bool:
    """Tell whether a rung may be converted now: three times an hour, and amendments are left."""
    if not may_amend(rung, here):
        return False
    recent = [at for at in rung.carrier.converted_ms if here.now_ms - at < HOUR_MS]
    return len(recent) < carriers.MAX_CONVERSIONS


def _said_of_target(
    ladder: Ladder, rung: DeclaredOrder, shown: Order, here: Scene
) -> Trigger | None:
    market = known_exit_px(ladder, here.quote, here.now_ms)
    if market is None or rung.price is None or in_flight(ladder, rung):
        return None
    match rung.carrier.phase:
        case Phase.STOP:
            if shown.type is OrderType.PAIR or shown.status is not OrderStatus.OPEN:
                return None
            whole = shown.leaves_qty == rung.qty
            touched = whole and not ladder.direction.beyond(rung.price, market)
            return Trigger.TARGET_TOUCHED if touched else None
        case Phase.CONVERTING:
            left = ladder.direction.beyond(rung.price, market) or not may_amend(rung, here)
            return Trigger.TARGET_LEFT if left else None
        case Phase.TARGET:
            since = here.now_ms - rung.carrier.since_ms
            behind = ladder.direction.beyond(touch_px(ladder, rung), market)
            return Trigger.TARGET_LEFT if behind and since >= LEFT_AFTER_MS else None
        case Phase.REARMING | Phase.FIRED | Phase.EXIT:
            return None
        case _:
            assert_never(rung.carrier.phase)


# ----------------------------------------------------------------------------------- endings


def rung_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See targets that are hit, and limits that ended otherwise; of stops see `stop_resting`."""
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = ended(ladder, rung, here) if rung.working else None
        if shown is None or shown.type in STOPS or rung.carrier.phase in LEAVING:
            continue
        at = here.now_ms
        if shown.status is OrderStatus.FILLED:
            ladder = mark_hit(ladder, rung.n)
            events.append(Event(Trigger.RUNG_HIT, at, Role.TAKE_PROFIT, rung.n))
        elif rung.qty:
            by_person = shown.by_person and not rung.end_asked
            reason = shown.status.value
            event = Event(
                *(Trigger.RUNG_ENDED, at, Role.TAKE_PROFIT, rung.n),
                reason=reason,
                by_person=by_person,
            )
            events.append(event)
    return ladder, events


def exit_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See orders on their way out that ended with something left."""
    events: list[Event] = []
    for order in carriers.leaving(ladder):
        shown = ended(ladder, order, here) if order.qty else None
        if shown is None:
            continue
        refusal = shown.refusal or Refusal.OTHER
        rejected = shown.status is OrderStatus.REJECTED
        ladder = with_order(ladder, replace(order, refusals=order.refusals + 1))
        event = Event(
            *(Trigger.EXIT_ENDED, here.now_ms, order.role, order.n),
            refusal=refusal if rejected else None,
            reason=shown.status.value,
        )
        events.append(event)
    return ladder, events


def bookings_crowded_out(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See bookings that wait for room, and no stop can make any: tried as often as may be."""
    waiting = [
        replace(order, refusals=ALERT_AT_TRY)
        for order in ladder.exits
        if order.qty
        and order.decision
        and carriers.shown(ladder, order, here.orders) is None
        and not in_flight(ladder, order)
    ]
    if not waiting or slot_in_flight(ladder, Role.STOP_LOSS) or not no_room(ladder, here):
        return ladder, []
    events: list[Event] = []
    for order in waiting:
        ladder = with_order(ladder, order)
        event = Event(Trigger.EXIT_ENDED, here.now_ms, Role.EXIT, order.n, reason="no_room")
        events.append(event)
    return ladder, events


# ------------------------------------------------------------------------------------- stops


def stop_firing(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See stops that have triggered before any fill of theirs is shown."""
    events: list[Event] = []
    for n, order in tuple(carriers.stops_of(ladder, here.orders)):
        shown = carriers.shown(ladder, order, here.orders)
        if shown is None or shown.status is not OrderStatus.TRIGGERED:
            continue
        if n != LOOSE:
            ladder = with_order(ladder, carriers.with_phase(order, Phase.FIRED))
        elif ladder.exit_since_ms is not None:
            continue
        ladder = replace(ladder, exit_since_ms=here.now_ms)
        events.append(Event(Trigger.STOP_TRIGGERED, here.now_ms, Role.STOP_LOSS, n))
    return ladder, events


def stop_resting(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Note whether every stop rests; see those that are gone."""
    stop = ladder.stop
    if stop is None or not ladder.held:
        return ladder, []
    ladder = _freed(ladder, here)
    gone = list(_stops_gone(ladder, here))
    if gone:
        return _say_gone(replace(ladder, stop_seen=False), gone, here)
    resting = resting_stop_px(ladder, here)
    if resting is None:
        return replace(ladder, stop_seen=False), []
    # No entry carries a stop here that could put an older one back: a lost move is planned anew.
    return stop_set(ladder, resting), []


def _freed(ladder: Ladder, here: Scene) -> Ladder:
    """Free the places of stops whose end we asked for: an id is taken once.

    They were folded into others; what may be wanted in their place again is another order.
    """
    waiting = [r for r in ladder.rungs if r.carrier.phase is Phase.STOP]
    for order in (*waiting, *(() if ladder.stop is None else (ladder.stop,))):
        if order.end_asked and ended(ladder, order, here) is not None:
            ladder = with_order(ladder, carriers.anew(order))
    return ladder


def _stops_gone(ladder: Ladder, here: Scene) -> Iterator[tuple[int, Order]]:
    """Yield what should rest as a stop and has ended without us, unfilled."""
    converting = [r for r in ladder.rungs if r.carrier.phase is Phase.CONVERTING and r.qty]
    named = (*carriers.stops_of(ladder, here.orders), *((r.n, r) for r in converting))
    for n, order in named:
        shown = ended(ladder, order, here)
        if shown is not None and shown.type in STOPS and shown.status is not OrderStatus.FILLED:
            yield n, shown


def _say_gone(
    ladder: Ladder, gone: list[tuple[int, Order]], here: Scene
) -> tuple[Ladder, list[Event]]:
    events: list[Event] = []
    for n, shown in gone:
        if shown.status is OrderStatus.REJECTED:
            refusal = shown.refusal or Refusal.OTHER
            ladder, event = count_refusal(ladder, Role.STOP_LOSS, n, refusal, here.now_ms)
        else:
            event = Event(
                *(Trigger.STOP_ENDED, here.now_ms, Role.STOP_LOSS, n),
                reason=shown.status.value,
                by_person=shown.by_person,
            )
        events.append(event)
    return ladder, events


def stop_moved(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See a stop at a price that we never sent: a person set it there, for all of them."""
    stop = ladder.stop
    for _, order in carriers.stops_of(ladder, here.orders):
        shown = carriers.shown(ladder, order, here.orders)
        if shown is None or not shown.status.live or in_flight(ladder, order):
            continue
        price = shown.trigger_px
        if stop is None or price in (None, stop.trigger_px) or price in ladder.sent_stops:
            continue
        event = Event(
            *(Trigger.STOP_MOVED, here.now_ms, Role.STOP_LOSS, 1), by_person=True, price=price
        )
        return ladder, [event]
    return ladder, []


def rungs_moved(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See limits at a target that a person has cancelled, or moved to a price we never sent.

    A pair's target may be moved while it waits. What a person moves is a limit's price: the rung's
    target is where a limit at that price would be asked for.
    """
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = carriers.shown(ladder, rung, here.orders)
        if not rung.working or shown is None or in_flight(ladder, rung):
            continue
        if rung.carrier.phase in LEAVING or shown.filled_qty != rung.order_filled_qty:
            continue
        limit = shown.type is OrderType.LIMIT
        cancelled = limit and shown.status is OrderStatus.CANCELLED and shown.by_person
        if cancelled and not rung.end_asked:
            trigger, price = Trigger.RUNG_CANCELLED, None
        elif shown.status.live and (price := _moved_to(ladder, rung, shown)) is not None:
            trigger = Trigger.RUNG_MOVED
        else:
            continue
        event = Event(
            *(trigger, here.now_ms, Role.TAKE_PROFIT, rung.n), by_person=True, price=price
        )
        events.append(event)
    return ladder, events


def _moved_to(ladder: Ladder, rung: DeclaredOrder, shown: Order) -> Decimal | None:
    """Return the target that a person has given a rung, or None if it is where we want it."""
    if shown.target is not None:
        target = shown.target.trigger_px
        return None if target == rung.price or target in rung.sent_px else target
    limit = shown.price
    if shown.type is not OrderType.LIMIT or limit is None or limit in rung.sent_px:
        return None
    return None if limit == touch_px(ladder, rung) else target_px(ladder, limit)


def exit_overdue(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See a triggered stop or an exit that has left something unfilled for 2 s."""
    since = ladder.exit_since_ms
    if not ladder.held or since is None or here.now_ms - since < CHASE_AFTER_MS:
        return ladder, []
    if not in_session(here):
        return ladder, []
    return ladder, [Event(Trigger.EXIT_OVERDUE, here.now_ms, Role.EXIT)]


def exit_overdue_while_halted(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the same of a triggered stop only: what else a halted ladder sells is nobody's plan."""
    if not any(rung.qty and rung.carrier.phase in LEAVING for rung in ladder.rungs):
        return ladder, []
    return exit_overdue(ladder, here)
