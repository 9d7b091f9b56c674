"""What has happened: a ladder and what its venue shows now → events (SPEC §3, DESIGN §3).

`fill_events` come first, one by one in venue order; then each detector of `DETECTORS` looks once
at the ladder as the rows have left it. `count` is where a fact enters the books. Level-triggered:
what was not acted on is seen again at the next poll. Knows nothing of rows or recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from machines.ladder import (
    LIVE,
    DeclaredOrder,
    Ladder,
    Standing,
    State,
    find,
    fold_entry_fill,
    fold_exit_fill,
    open_shares,
    order_id,
    parse_order_id,
    replace,
    with_order,
)
from machines.recipes import is_behind, is_passed, known_exit_px
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

CHASE_AFTER_MS = 2_000
"""S1: what a triggered stop or an exit has not filled by then is chased."""
RETRY_MS = 1_000
"""S2: a refused stop or exit is sent again after this."""
UNSEEN_POSITION_MS = 10_000
"""S2: 'position not visible yet' is no refusal for this long."""


class Scene(msgspec.Struct, frozen=True):
    """What one poll shows one ladder."""

    view: View
    quote: Quote | None
    now_ms: int
    capabilities: Capabilities
    orders: dict[str, Order]
    """The view's orders by client order id."""


def scene(view: View, quote: Quote | None, now_ms: int, capabilities: Capabilities) -> Scene:
    """Lay a view out for looking up."""
    orders = {order.client_order_id: order for order in view.orders}
    return Scene(view, quote, now_ms, capabilities, orders)


def slot_of(ladder: Ladder, fill: Fill) -> tuple[Role, int] | None:
    """Return whose fill it is, or None when it is not of this ladder."""
    if fill.by_position_stop:
        return Role.STOP_LOSS, 1
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
    if role is Role.STOP_LOSS:
        ladder = replace(ladder, stop_seen=False, exit_since_ms=fill.at_ms)
        trigger = Trigger.STOP_TRIGGERED
    elif role is Role.TAKE_PROFIT:
        trigger = Trigger.RUNG_PART_FILLED
        if before is not None and _is_hit(ladder, before, here):
            ladder = _mark_hit(ladder, n)
            trigger = Trigger.RUNG_HIT
    return ladder, Event(trigger, fill.at_ms, role, n, fill)


def _mark_hit(ladder: Ladder, n: int) -> Ladder:
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


Detector = Callable[[Ladder, Scene], tuple[Ladder, list[Event]]]


def _ended(ladder: Ladder, order: DeclaredOrder, here: Scene) -> Order | None:
    """Return the venue's order if it has ended and every fill of it is counted."""
    if not order.working:
        return None
    shown = here.orders.get(order_id(ladder.terms, order))
    if shown is None or shown.status.live or shown.status is OrderStatus.SUSPENDED:
        return None
    return shown if shown.filled_qty == order.order_filled_qty else None


def entry_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See entries that ended unfilled without us."""
    events: list[Event] = []
    for entry in ladder.entries:
        shown = _ended(ladder, entry, here)
        if shown is not None:
            gone = replace(entry, qty=ZERO, standing=Standing.GONE)
            ladder = with_order(ladder, gone)
            ladder, event = _say_ended(ladder, Trigger.ENTRY_ENDED, gone, shown, here.now_ms)
            events.append(event)
    return ladder, events


def rung_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See rungs whose order ended: filled is hit, anything else ended without us."""
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = _ended(ladder, rung, here)
        if shown is None:
            continue
        at = here.now_ms
        if shown.status is OrderStatus.FILLED:
            ladder = _mark_hit(ladder, rung.n)
            events.append(Event(Trigger.RUNG_HIT, at, Role.TAKE_PROFIT, rung.n))
        elif rung.qty:
            ladder, event = _say_ended(ladder, Trigger.RUNG_ENDED, rung, shown, at)
            events.append(event)
    return ladder, events


def _say_ended(
    ladder: Ladder, trigger: Trigger, order: DeclaredOrder, shown: Order, now_ms: int
) -> tuple[Ladder, Event]:
    """Say that an order ended without us; a late rejection counts as a refusal."""
    if shown.status is OrderStatus.REJECTED:
        refusal = shown.refusal or Refusal.OTHER
        return count_refusal(ladder, order.role, order.n, refusal, now_ms)
    return ladder, Event(trigger, now_ms, order.role, order.n, reason=shown.status.value)


def exit_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See exit orders that ended with something left."""
    events: list[Event] = []
    for order in ladder.exits:
        shown = _ended(ladder, order, here) if order.qty else None
        if shown is not None:
            tried = order.refusals + (shown.status is not OrderStatus.REJECTED)
            ladder = with_order(ladder, replace(order, refusals=tried))
            ladder, event = _say_ended(ladder, Trigger.EXIT_ENDED, order, shown, here.now_ms)
            events.append(event)
    return ladder, events


def resting_stop(ladder: Ladder, here: Scene) -> Order | None:
    """Return the conditional stop order of ours that rests, if any."""
    if ladder.stop is None or here.capabilities.position_stop:
        return None
    shown = here.orders.get(order_id(ladder.terms, ladder.stop))
    return shown if shown is not None and shown.status.live else None


def _resting_px(ladder: Ladder, here: Scene) -> Decimal | None:
    """Return the trigger price of the stop that rests, or None."""
    if here.capabilities.position_stop:
        return None if here.view.stop is None else here.view.stop.trigger_px
    shown = resting_stop(ladder, here)
    return None if shown is None else shown.trigger_px


def stop_firing(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See a conditional stop that has triggered before any fill of it is shown."""
    shown = resting_stop(ladder, here)
    if shown is None or shown.status is not OrderStatus.TRIGGERED:
        return ladder, []
    ladder = replace(ladder, exit_since_ms=here.now_ms)
    return ladder, [Event(Trigger.STOP_TRIGGERED, here.now_ms, Role.STOP_LOSS, 1)]


def stop_resting(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Note whether the stop rests; see one that is gone, or looser than the one we set."""
    stop = ladder.stop
    if stop is None or not ladder.held:
        return ladder, []
    resting = _resting_px(ladder, here)
    if resting is None:
        return _stop_missing(ladder, stop, here)
    if not ladder.stop_seen or ladder.stop_refusals:
        ladder = replace(ladder, stop_seen=True, stop_refusals=0, stop_refused_ms=0)
    declared = stop.trigger_px or resting
    ours = declared in ladder.sent_stops and resting in ladder.sent_stops
    if not ours or not ladder.direction.beyond(declared, resting):
        return ladder, []
    if is_behind(ladder, declared, here.quote, here.now_ms):
        return ladder, []  # it cannot be set now: nothing to take a row for
    return ladder, [Event(Trigger.STOP_LOOSENED, here.now_ms, Role.STOP_LOSS, 1)]


def _stop_missing(ladder: Ladder, stop: DeclaredOrder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Say what became of a stop that does not rest: nothing yet, unless it is known to have ended.

    A conditional order may end before any snapshot has shown it resting. One that the session's end
    suspended has not ended, nor has one that has filled; one that was rejected is not missed while
    all that is held is on its way out.
    """
    shown = here.orders.get(order_id(ladder.terms, stop))
    if not here.capabilities.position_stop and shown is not None:
        leaving = shown.status is OrderStatus.REJECTED and ladder.exiting >= ladder.held
        if leaving or shown.filled_qty or shown.status is OrderStatus.SUSPENDED:
            return ladder, []
        ladder, event = _say_ended(ladder, Trigger.STOP_ENDED, stop, shown, here.now_ms)
        return replace(ladder, stop_seen=False), [event]
    if not ladder.stop_seen:
        return ladder, []
    return ladder, [Event(Trigger.STOP_ENDED, here.now_ms, Role.STOP_LOSS, stop.n)]


def declared_stop_px(ladder: Ladder) -> Decimal:
    """Return the price of the declared stop, in a live state."""
    assert ladder.stop is not None, "what is held has a stop declared"
    assert ladder.stop.trigger_px is not None, "a stop has a price"
    return ladder.stop.trigger_px


def stop_passing(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the market strictly beyond a stop that does not rest (SPEC §4 *Behind the market*)."""
    if _resting_px(ladder, here) is not None:
        return ladder, []
    if not is_passed(ladder, declared_stop_px(ladder), here.quote, here.now_ms):
        return ladder, []
    return ladder, [Event(Trigger.STOP_PASSED, here.now_ms, Role.STOP_LOSS, 1)]


def break_even(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the stop at break-even or better, or break-even still owed."""
    owed = ladder.break_even
    assert owed is not None, "looked for after TP1 only"
    if ladder.direction.beyond(owed, declared_stop_px(ladder)):
        return ladder, [Event(Trigger.BREAK_EVEN_DUE, here.now_ms, Role.STOP_LOSS, 1)]
    resting = _resting_px(ladder, here)
    if resting is None or ladder.direction.beyond(owed, resting):
        return ladder, []
    return ladder, [Event(Trigger.BREAK_EVEN_SEEN, here.now_ms, Role.STOP_LOSS, 1)]


def break_even_lost(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See break-even counted anew beyond the stop (T6)."""
    ladder, events = break_even(ladder, here)
    return ladder, [event for event in events if event.trigger is Trigger.BREAK_EVEN_DUE]


def entry_ttl(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See entry_ttl over, in the venue's trading time (E5)."""
    if here.quote is None:
        return ladder, []
    age = here.quote.trading_ms - ladder.terms.opened_trading_ms
    if age < ladder.terms.spec.entry_ttl_ms:
        return ladder, []
    return ladder, [Event(Trigger.ENTRY_TTL_ELAPSED, here.now_ms, Role.ENTRY)]


def target_missed(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See TP1 touched before anything filled, where the plan gives up on that (E5)."""
    target = ladder.rungs[0].price
    market = known_exit_px(ladder, here.quote, here.now_ms)
    if not ladder.terms.spec.cancel_if_missed or target is None or market is None:
        return ladder, []
    if ladder.direction.beyond(target, market):
        return ladder, []
    return ladder, [Event(Trigger.TARGET_MISSED, here.now_ms, Role.ENTRY)]


def exit_overdue(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See a triggered stop or an exit that has left something unfilled for 2 s."""
    since = ladder.exit_since_ms
    if not ladder.held or since is None or here.now_ms - since < CHASE_AFTER_MS:
        return ladder, []
    if ladder.exiting:
        return ladder, []
    return ladder, [Event(Trigger.EXIT_OVERDUE, here.now_ms, Role.EXIT)]


def flat_and_clear(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See that nothing is held and nothing of ours rests (C1)."""
    ours = (parse_order_id(ladder.terms, order.client_order_id) for order in live(here))
    if ladder.held or any(slot is not None for slot in ours):
        return ladder, []
    return ladder, [Event(Trigger.FLAT_AND_CLEAR, here.now_ms)]


def live(here: Scene) -> Iterator[Order]:
    """Yield the orders that may still fill."""
    return (order for order in here.view.orders if order.status.live)


OPEN = (State.PENDING_LIMITS, State.PARTIALLY_FILLED)
DETECTORS: tuple[tuple[tuple[State, ...], Detector], ...] = (
    (OPEN, entry_endings),
    (LIVE, rung_endings),
    ((*LIVE, State.CLOSING), exit_endings),
    (LIVE, stop_firing),
    ((*LIVE, State.CLOSING), stop_resting),
    (LIVE, stop_passing),
    ((State.TP1_HIT,), break_even),
    ((State.STOP_AT_BREAK_EVEN,), break_even_lost),
    ((State.PENDING_LIMITS,), entry_ttl),
    ((State.PENDING_LIMITS,), target_missed),
    ((State.CLOSING,), exit_overdue),
    ((State.CLOSING,), flat_and_clear),
)
"""What is looked for, in which states, in this order; each at most once a poll."""


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
