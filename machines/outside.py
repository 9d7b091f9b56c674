"""What others did: a ladder's orders changed by a person, its position by anybody (SPEC §3, M, H).

Detectors, as in `machines.observe`. Nothing here is concluded while a request of ours is in flight
or a fill is not told yet; a difference in quantity is believed at the second consistent read that
shows it. *Source*: SPEC §3 "A person's act", M1, M2, H1.
"""

from __future__ import annotations

from decimal import Decimal

from machines.flights import slot_in_flight
from machines.ladder import (
    DeclaredOrder,
    Doubt,
    Ladder,
    order_id,
    parse_order_id,
    reduce_held,
    replace,
)
from machines.observe import Scene, resting_stop_px, slot_of
from machines.words import ZERO, Direction, Event, Fill, Order, OrderStatus, Role, Side, Trigger

SURE_AT = 2
"""A difference in quantity is acted on at the second consistent read (M1, M2)."""
LOST_AT = 3
"""What cannot be explained halts the ladder at the third (H1)."""


def _in_flight(ladder: Ladder, role: Role, n: int) -> bool:
    return any(f.mutation.role is role and f.mutation.n == n for f in ladder.flights)


def _changed(ladder: Ladder, order: DeclaredOrder, here: Scene) -> Order | None:
    """Return a working order as the venue shows it, if only others can have changed it since."""
    if not order.working or _in_flight(ladder, order.role, order.n):
        return None
    shown = here.orders.get(order_id(ladder.terms, order))
    if shown is None or shown.filled_qty != order.order_filled_qty:
        return None
    return shown


def entries_moved(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See working entries whose price or quantity a person has changed: we amend none."""
    events: list[Event] = []
    for entry in ladder.entries:
        shown = _changed(ladder, entry, here)
        if shown is None or not shown.status.live or shown.trigger_px is not None:
            continue
        if (shown.price, shown.leaves_qty) == (entry.price, entry.qty):
            continue
        events.append(
            Event(Trigger.ENTRY_MOVED, here.now_ms, Role.ENTRY, entry.n, by_person=True,
                  qty=shown.leaves_qty, price=shown.price)
        )  # fmt: skip
    return ladder, events


def rungs_moved(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See open rungs that a person has cancelled, or moved to a price we never sent."""
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = _changed(ladder, rung, here)
        if shown is None:
            continue
        cancelled = shown.status is OrderStatus.CANCELLED and shown.by_person
        if cancelled and not rung.end_asked:
            trigger = Trigger.RUNG_CANCELLED
        elif shown.status.live and shown.price != rung.price and shown.price not in rung.sent_px:
            trigger = Trigger.RUNG_MOVED
        else:
            continue
        events.append(
            Event(trigger, here.now_ms, Role.TAKE_PROFIT, rung.n, by_person=True,
                  price=shown.price)
        )  # fmt: skip
    return ladder, events


def stop_moved(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the stop at a price that we never sent: a person set it there."""
    stop = ladder.stop
    resting = resting_stop_px(ladder, here)
    if stop is None or resting is None or slot_in_flight(ladder, Role.STOP_LOSS):
        return ladder, []
    if resting == stop.trigger_px or resting in ladder.sent_stops:
        return ladder, []
    event = Event(
        Trigger.STOP_MOVED, here.now_ms, Role.STOP_LOSS, stop.n, by_person=True, price=resting
    )
    return ladder, [event]


def foreign(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See what our fills do not explain: growth, shrinkage, or a contradiction (M1, M2, H1)."""
    reason = _contradiction(ladder, here)
    if not reason and _toward(ladder, here.view.net_qty) < min(ZERO, ladder.foreign_qty):
        reason = f"the position is {here.view.net_qty:f}, on the other side"
    return _doubt(ladder, here, reason)


def foreign_while_closing(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the same while closing, where what passes zero is simply not ours (SPEC §3)."""
    return _doubt(ladder, here, _contradiction(ladder, here))


def foreign_while_halted(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See growth and shrinkage; what is not understood waits for a person."""
    if _contradiction(ladder, here):
        return ladder, []
    ladder, events = _doubt(ladder, here, "")
    return ladder, [event for event in events if event.trigger is not Trigger.BOOKS_DISAGREED]


def _doubt(ladder: Ladder, here: Scene, reason: str) -> tuple[Ladder, list[Event]]:
    """Believe a difference at the second read, give up on a contradiction at the third."""
    if ladder.flights:
        return ladder, []
    gap = quantity_gap(ladder, here)
    if not reason and not gap:
        return (ladder if ladder.doubt is None else replace(ladder, doubt=None)), []
    doubt = _again(ladder.doubt, Doubt(reason, gap, 1, 0, here.started_ms))
    if doubt is ladder.doubt:
        return ladder, []
    ladder = replace(ladder, doubt=doubt)
    if doubt.changes >= LOST_AT - 1:
        reason = f"the difference to the venue's position keeps changing, now {gap:f}"
    elif reason and doubt.times < LOST_AT:
        reason = ""
    if reason:
        ladder = replace(ladder, doubt=None)
        return ladder, [Event(Trigger.BOOKS_DISAGREED, here.now_ms, reason=reason)]
    if doubt.reason or doubt.times < SURE_AT:
        return ladder, []
    return count_gap(ladder, here)


def _again(before: Doubt | None, now: Doubt) -> Doubt:
    """Count a doubt on from the last read's; a read that began no later tells nothing new."""
    if before is None:
        return now
    if now.read_ms <= before.read_ms:
        return before
    if (before.reason, before.qty) == (now.reason, now.qty):
        return replace(now, times=before.times + 1)
    return replace(now, changes=before.changes + 1)


def _toward(ladder: Ladder, signed: Decimal) -> Decimal:
    return signed if ladder.direction is Direction.LONG else -signed


def quantity_gap(ladder: Ladder, here: Scene) -> Decimal:
    """Return what the venue holds beyond our books, toward the ladder's direction."""
    return _toward(ladder, here.view.net_qty) - ladder.held - ladder.foreign_qty


def _contradiction(ladder: Ladder, here: Scene) -> str:
    """Name what no act of a person explains, or return nothing."""
    told: dict[str, Decimal] = {}
    for fill in here.view.fills:
        told[fill.client_order_id] = told.get(fill.client_order_id, ZERO) + fill.qty
    stops = 0
    for order in here.view.orders:
        slot = parse_order_id(ladder.terms, order.client_order_id)
        if slot is None:
            continue
        if order.status is OrderStatus.UNKNOWN:
            return f"order {order.client_order_id} has a status we do not know"
        if order.filled_qty != told.get(order.client_order_id, ZERO):
            return (
                f"order {order.client_order_id} is shown filled {order.filled_qty:f}, its fills "
                f"say {told.get(order.client_order_id, ZERO):f}"
            )
        stops += slot[0] is Role.STOP_LOSS and order.status is OrderStatus.OPEN
    if stops > 1:
        return f"{stops} live stops for the same quantity"
    return ""


def count_gap(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Count a difference into the books: growth is foreign; shrinkage takes foreign first (M2)."""
    gap = quantity_gap(ladder, here)
    ladder = replace(ladder, doubt=None)
    at = here.now_ms
    if gap > ZERO:
        price = _implied_px(ladder, here, gap)
        ladder = replace(_seen(ladder, here), foreign_qty=ladder.foreign_qty + gap)
        reason = f"{gap:f} that is not ours"
        return ladder, [Event(Trigger.FOREIGN_GROWN, at, reason=reason, qty=gap, price=price)]
    foreign_part = min(max(ladder.foreign_qty, ZERO), -gap)
    ours = min(-gap - foreign_part, ladder.held)
    price = _foreign_px(ladder, here, ours)
    ladder = reduce_held(_seen(ladder, here), ours, price)
    # What goes through zero is not ours either.
    ladder = replace(ladder, foreign_qty=ladder.foreign_qty + gap + ours)
    return ladder, [Event(Trigger.FOREIGN_SHRUNK, at, qty=-gap, price=price)]


def _foreign_fills(ladder: Ladder, here: Scene) -> list[Fill]:
    """Return the fills of others that no difference has been counted for yet."""
    seen = set(ladder.seen_fills)
    return [f for f in here.view.fills if f.fill_id not in seen and slot_of(ladder, f) is None]


def _seen(ladder: Ladder, here: Scene) -> Ladder:
    """Note the fills of others as counted: the next difference is not explained by them."""
    ids = (fill.fill_id for fill in _foreign_fills(ladder, here))
    return replace(ladder, seen_fills=(*ladder.seen_fills, *ids))


def _implied_px(ladder: Ladder, here: Scene, qty: Decimal) -> Decimal:
    """Return the price of a growth that the venue's average implies (M1).

    Where that makes no sense (the venue reset its average) it is the venue's average itself.
    """
    venue_cost = here.view.avg_px * abs(here.view.net_qty)
    price = (venue_cost - ladder.held_cost - here.view.avg_px * ladder.foreign_qty) / qty
    return price if price > ZERO else here.view.avg_px


def _foreign_px(ladder: Ladder, here: Scene, qty: Decimal) -> Decimal:
    """Return what somebody else's exit got: its fills if the venue shows them, else the market."""
    side: Side = ladder.direction.exit_side
    fills = [fill for fill in _foreign_fills(ladder, here) if fill.side is side]
    left, worth = qty, ZERO
    for fill in reversed(fills):
        part = min(left, fill.qty)
        worth += part * fill.price
        left -= part
    if qty and not left:
        return worth / qty
    return ladder.avg_px if here.quote is None else here.quote.exit_px(ladder.direction)


def settle(ladder: Ladder, here: Scene) -> Ladder:
    """Take the venue's word for what is ours when a person, having looked, says go on or get out.

    Only downward: what we cannot explain is never claimed.
    """
    shown = max(ZERO, _toward(ladder, here.view.net_qty) - max(ladder.foreign_qty, ZERO))
    if shown >= ladder.held:
        return ladder
    price = _foreign_px(ladder, here, ladder.held - shown)
    ladder = replace(_seen(ladder, here), settled_ms=here.started_ms)
    return reduce_held(ladder, ladder.held - shown, price)
