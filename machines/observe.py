"""What has happened: a ladder and what its venue shows now → events (SPEC §3, DESIGN §3).

`fill_events` come first, one by one in venue order; then each of `machines.detectors` looks once
at the ladder as the rows have left it. `count_*` is where a fact enters the books. Knows nothing
of rows or recipes.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from machines import carriers
from machines.carrier import Phase
from machines.ladder import (
    DeclaredOrder,
    Ladder,
    Standing,
    find,
    fold_entry_fill,
    fold_exit_fill,
    open_shares,
    order_id,
    parse_order_id,
    replace,
    with_order,
)
from machines.recipes import RETRY_MS
from machines.sharing import min_rung_qty, weights
from machines.words import (
    ZERO,
    Capabilities,
    Event,
    Fill,
    Order,
    OrderStatus,
    Quote,
    Refusal,
    Role,
    Trigger,
    View,
)

UNSEEN_POSITION_MS = 10_000
"""S2: 'position not visible yet' is no refusal for this long."""


class Scene(msgspec.Struct, frozen=True):
    """What one poll shows one ladder."""

    view: View
    quote: Quote | None
    now_ms: int
    capabilities: Capabilities
    started_ms: int
    """When the read began: only one begun after a request's window tells its end (DESIGN law 4)."""
    orders: dict[str, Order]
    """The view's orders by client order id."""


def scene(
    view: View,
    quote: Quote | None,
    now_ms: int,
    capabilities: Capabilities,
    started_ms: int | None = None,
) -> Scene:
    """Lay a view out for looking up. ``started_ms`` is when its read began; omitted, now."""
    orders = {order.client_order_id: order for order in view.orders}
    began = now_ms if started_ms is None else started_ms
    return Scene(view, quote, now_ms, capabilities, began, orders)


def slot_of(ladder: Ladder, fill: Fill) -> tuple[Role, int] | None:
    """Return whose fill it is, or None when it is not of this ladder."""
    if ladder.released:
        return None
    if fill.by_position_stop:
        # After our end the position's stop is the next ladder's.
        is_ours = ladder.flat_ms is None or fill.at_ms <= ladder.flat_ms
        return (Role.STOP_LOSS, 1) if is_ours else None
    found = parse_order_id(ladder.terms, fill.client_order_id)
    return None if found is None else (found[0], found[1])


def fill_events(ladder: Ladder, here: Scene) -> Iterator[Fill]:
    """Yield every fill of ours that is not counted yet, in venue order."""
    seen = set(ladder.seen_fills)
    for fill in here.view.fills:
        if fill.fill_id not in seen and slot_of(ladder, fill) is not None:
            yield fill


def count_fill(ladder: Ladder, fill: Fill, here: Scene) -> tuple[Ladder, Event]:
    """Count one fill into the books and say what it means."""
    slot = slot_of(ladder, fill)
    assert slot is not None, "fill_events yields only our own"
    role, n = slot
    if role is Role.ENTRY:
        ladder = fold_entry_fill(ladder, n, fill)
        return ladder, Event(Trigger.ENTRY_FILLED, fill.at_ms, role, n, fill)
    before = find(ladder, role, n)
    ladder = fold_exit_fill(ladder, role, n, fill)
    trigger = Trigger.EXIT_FILLED
    if before is not None and role is Role.TAKE_PROFIT and carriers.in_turn(ladder):
        ladder, role = _part_of_turn(ladder, before, fill, here)
    if role is Role.STOP_LOSS:
        ladder = replace(ladder, stop_seen=False, exit_since_ms=fill.at_ms)
        trigger = Trigger.STOP_TRIGGERED
    elif role is Role.TAKE_PROFIT:
        trigger = Trigger.RUNG_PART_FILLED
        if before is not None and _is_hit(ladder, before, here):
            ladder = mark_hit(ladder, n)
            trigger = Trigger.RUNG_HIT
    return ladder, Event(trigger, fill.at_ms, role, n, fill)


def _part_of_turn(
    ladder: Ladder, rung: DeclaredOrder, fill: Fill, here: Scene
) -> tuple[Ladder, Role]:
    """Say whether a rung's one order filled as its stop, at its target, or on its way out.

    The venue's word for what the order is goes before ours: a stop may trigger while it is being
    converted.
    """
    phase = rung.carrier.phase
    shown = here.orders.get(fill.client_order_id)
    if phase is Phase.EXIT:
        return ladder, Role.EXIT
    as_stop = phase in (Phase.STOP, Phase.FIRED) if shown is None else shown.type in carriers.STOPS
    if not as_stop:
        return ladder, Role.TAKE_PROFIT
    after = find(ladder, Role.TAKE_PROFIT, rung.n)
    assert after is not None, "it was there before the fill"
    return with_order(ladder, carriers.with_phase(after, Phase.FIRED)), Role.STOP_LOSS


def mark_hit(ladder: Ladder, n: int) -> Ladder:
    """Note that rung ``n`` is hit: nothing of it is open any more."""
    rung = find(ladder, Role.TAKE_PROFIT, n)
    assert rung is not None, "a hit rung is declared"
    return with_order(ladder, replace(rung, qty=ZERO, standing=Standing.HIT))


def _is_hit(ladder: Ladder, before: DeclaredOrder, here: Scene) -> bool:
    """Tell whether a rung just filled is hit (SPEC §3 *A rung is hit*)."""
    rung = find(ladder, Role.TAKE_PROFIT, before.n)
    if rung is None or not rung.working:
        return False
    order = here.orders.get(order_id(ladder.terms, rung))
    if order is not None and order.status is OrderStatus.FILLED:
        return order.filled_qty == rung.order_filled_qty
    rungs, shares = open_shares(ladder)
    wanted = weights(shares, ladder.entered_qty)
    at = next(k for k, other in enumerate(rungs) if other.n == rung.n)
    wish = ladder.to_share * wanted[at] / sum(wanted)
    instrument = ladder.terms.instrument
    price = rung.price or ladder.terms.start_px
    declared = before.filled_qty + before.qty
    return wish < max(instrument.step, declared / 100, min_rung_qty(instrument, price))


def resting_stop(ladder: Ladder, here: Scene) -> Order | None:
    """Return the conditional stop order of ours that rests, if any."""
    if ladder.stop is None or here.capabilities.position_stop:
        return None
    shown = here.orders.get(order_id(ladder.terms, ladder.stop))
    return shown if shown is not None and shown.status.live else None


def resting_stop_px(ladder: Ladder, here: Scene) -> Decimal | None:
    """Return the trigger price of the stop that rests, or None."""
    if here.capabilities.position_stop:
        return None if here.view.stop is None else here.view.stop.trigger_px
    if carriers.in_turn(ladder):
        return _loosest_stop_px(ladder, here)
    shown = resting_stop(ladder, here)
    return None if shown is None else shown.trigger_px


def _loosest_stop_px(ladder: Ladder, here: Scene) -> Decimal | None:
    """Return the price of the loosest of several stops, or None while one does not rest."""
    loosest: Decimal | None = None
    for _, order in carriers.stops_of(ladder, here.orders):
        shown = carriers.shown(ladder, order, here.orders)
        if shown is None or not shown.status.live or shown.trigger_px is None:
            return None
        px = shown.trigger_px
        if loosest is None or ladder.direction.beyond(loosest, px):
            loosest = px
    return loosest


def stop_set(ladder: Ladder, resting: Decimal) -> Ladder:
    """Note that the stop rests, and where it was decided if it does: that move is over then."""
    if not ladder.stop_seen or ladder.stop_refusals:
        ladder = replace(ladder, stop_seen=True, stop_refusals=0, stop_refused_ms=0)
    stop = ladder.stop
    if stop is not None and stop.decision and resting == stop.trigger_px:
        stop = replace(stop, decision="", was_px=None, was_by_person=False, pinned=True)
        ladder = replace(ladder, stop=stop)
    return ladder


_REFUSED = {
    Role.ENTRY: Trigger.ENTRY_ENDED,
    Role.TAKE_PROFIT: Trigger.RUNG_ENDED,
    Role.EXIT: Trigger.EXIT_ENDED,
    Role.STOP_LOSS: Trigger.STOP_REFUSED,
}


def count_refusal(
    ladder: Ladder, role: Role, n: int, refusal: Refusal, now_ms: int
) -> tuple[Ladder, Event]:
    """Count a venue's refusal of a placement or of the stop, and say what it means."""
    order = find(ladder, role, n)
    assert order is not None, "only what is declared is sent"
    # A position that is not visible yet says nothing of the rung; the stop's count is its own.
    counts = refusal is not Refusal.NO_POSITION or role is not Role.TAKE_PROFIT
    order = replace(order, refusals=order.refusals + counts, not_before_ms=now_ms + RETRY_MS)
    if role is Role.ENTRY:
        order = replace(order, qty=ZERO, standing=Standing.GONE)
    elif role is Role.STOP_LOSS:
        ladder = _count_stop_refusal(ladder, refusal, now_ms)
    event = Event(_REFUSED[role], now_ms, role, n, refusal=refusal, reason=refusal.value)
    return with_order(ladder, order), event


def _count_stop_refusal(ladder: Ladder, refusal: Refusal, now_ms: int) -> Ladder:
    first = ladder.stop_refused_ms if ladder.stop_refused_ms else now_ms
    if refusal is Refusal.NO_POSITION and now_ms - first < UNSEEN_POSITION_MS:
        return replace(ladder, stop_refused_ms=first)
    if not ladder.stop_refusals and refusal is not Refusal.NO_POSITION:
        first = now_ms
    return replace(ladder, stop_refusals=ladder.stop_refusals + 1, stop_refused_ms=first)
