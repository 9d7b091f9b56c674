"""What else a poll shows beside fills: endings, the stop, break-even, deadlines (SPEC §3).

Each detector looks once a poll at the ladder as the rows have left it, in the states named by
`DETECTORS`. Level-triggered: what was not acted on is seen again at the next poll. Absence proves
nothing while a request in that place is in flight. Knows nothing of rows or recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from machines import carriers, cover, outside, touch
from machines.flights import slot_in_flight, unresolved
from machines.ladder import (
    LIVE,
    DeclaredOrder,
    Ladder,
    Standing,
    State,
    order_id,
    parse_order_id,
    replace,
    with_order,
)
from machines.observe import (
    Scene,
    count_refusal,
    mark_hit,
    resting_stop,
    resting_stop_px,
    stop_set,
)
from machines.recipes import declared_stop_px, is_behind, is_passed, known_exit_px
from machines.spec import WhenBehind
from machines.words import (
    ZERO,
    Capabilities,
    Event,
    ExitStyle,
    Order,
    OrderStatus,
    Refusal,
    Role,
    Trigger,
)

CHASE_AFTER_MS = 2_000
"""S1: what a triggered stop or an exit has not filled by then is chased."""

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


def scale_in_elapsed(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the entry of a scale-in at the end of its life (B2)."""
    return ladder, [
        Event(Trigger.SCALE_IN_ELAPSED, here.now_ms, Role.ENTRY, entry.n)
        for entry in ladder.entries
        if entry.working and entry.expires_ms is not None and here.now_ms >= entry.expires_ms
    ]


def entries_passed(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See working entries whose price the stop has come up to, the resting one where one can."""
    stop = ladder.stop
    if stop is None:
        return ladder, []
    price = resting_stop_px(ladder, here) if ladder.held else stop.trigger_px
    if price is None:
        return ladder, []
    return ladder, [
        Event(Trigger.ENTRY_PASSED, here.now_ms, Role.ENTRY, entry.n)
        for entry in ladder.entries
        if entry.working
        and entry.price is not None
        and not ladder.direction.beyond(entry.price, price)
    ]


def rung_endings(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See rungs whose order ended: filled is hit, anything else ended without us."""
    events: list[Event] = []
    for rung in ladder.rungs:
        shown = _ended(ladder, rung, here)
        if shown is None:
            continue
        at = here.now_ms
        if shown.status is OrderStatus.FILLED:
            ladder = mark_hit(ladder, rung.n)
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
    by_person = shown.by_person and not order.end_asked
    reason = shown.status.value
    return ladder, Event(trigger, now_ms, order.role, order.n, reason=reason, by_person=by_person)


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
    resting = resting_stop_px(ladder, here)
    if resting is None:
        return _stop_missing(ladder, stop, here)
    ladder = stop_set(ladder, resting)
    declared = stop.trigger_px or resting
    if slot_in_flight(ladder, Role.STOP_LOSS):
        return ladder, []
    if stop.decision and resting != declared:  # on its way
        gone = is_behind(ladder, declared, here.quote, here.now_ms)
        # The market has come up to it before it was set: as if the venue had refused it.
        return ladder, [_passed(here)] if gone else []
    ours = declared in ladder.sent_stops and resting in ladder.sent_stops
    if not ours or not ladder.direction.beyond(declared, resting):
        return ladder, []
    if is_behind(ladder, declared, here.quote, here.now_ms):
        # A move to break-even that never arrived is decided as at TP1; no other can be set now.
        lost = ladder.state is State.TP1_HIT and declared == ladder.break_even
        keep = ladder.terms.spec.when_break_even_is_behind is WhenBehind.KEEP
        return ladder, [_passed(here)] if lost and not keep else []
    return ladder, [Event(Trigger.STOP_LOOSENED, here.now_ms, Role.STOP_LOSS, 1)]


def _passed(here: Scene) -> Event:
    behind = Refusal.BEHIND_MARKET
    stop = (Trigger.STOP_REFUSED, here.now_ms, Role.STOP_LOSS, 1)
    return Event(*stop, refusal=behind, reason=behind.value)


def _stop_missing(ladder: Ladder, stop: DeclaredOrder, here: Scene) -> tuple[Ladder, list[Event]]:
    """Say what became of a stop that does not rest: nothing yet, unless it is known to have ended.

    While a request about it is in flight its absence proves nothing.

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
    if not ladder.stop_seen or slot_in_flight(ladder, Role.STOP_LOSS):
        return ladder, []
    return ladder, [Event(Trigger.STOP_ENDED, here.now_ms, Role.STOP_LOSS, stop.n)]


def stop_passing(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the market strictly beyond a stop that does not rest (SPEC §4 *Behind the market*)."""
    if not ladder.held or resting_stop_px(ladder, here) is not None:
        return ladder, []
    if carriers.in_turn(ladder) and not (ladder.to_share and touch.in_session(here)):
        return ladder, []  # what a stop would be for is on its way out, or nobody trades
    if not is_passed(ladder, declared_stop_px(ladder), here.quote, here.now_ms):
        return ladder, []
    return ladder, [Event(Trigger.STOP_PASSED, here.now_ms, Role.STOP_LOSS, 1)]


def break_even(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the stop at break-even or better, or break-even still owed."""
    owed = ladder.break_even
    assert owed is not None, "looked for after TP1 only"
    assert ladder.stop is not None, "what is held has a stop declared"
    if ladder.direction.beyond(owed, declared_stop_px(ladder)) and not ladder.stop.by_person:
        return ladder, [Event(Trigger.BREAK_EVEN_DUE, here.now_ms, Role.STOP_LOSS, 1)]
    resting = resting_stop_px(ladder, here)
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


def stop_overdue_while_halted(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See the same of a triggered stop only: what else a halted ladder sells is nobody's plan."""
    shown = resting_stop(ladder, here)
    fired = shown is not None and shown.status is OrderStatus.TRIGGERED
    if ladder.stop is None or not (fired or ladder.stop.filled_qty):
        return ladder, []
    return exit_overdue(ladder, here)


def flat_and_clear(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See that nothing is held, nothing of ours rests and nothing may come to rest (C1)."""
    if ladder.held or unresolved(ladder) or outside.quantity_gap(ladder, here):
        return ladder, []
    ours = (parse_order_id(ladder.terms, order.client_order_id) for order in live(here))
    if any(slot is not None for slot in ours):
        return ladder, []
    ladder = replace(ladder, flat_ms=here.now_ms)
    return ladder, [Event(Trigger.FLAT_AND_CLEAR, here.now_ms)]


def live(here: Scene) -> Iterator[Order]:
    """Yield the orders that may still fill."""
    return (order for order in here.view.orders if order.status.live)


OPEN = (State.PENDING_LIMITS, *LIVE)
GUARDED = (*LIVE, State.HALTED)
HOLDING = (*LIVE, State.CLOSING, State.HALTED)
DETECTORS: tuple[tuple[tuple[State, ...], Detector], ...] = (
    (OPEN, outside.entries_moved),
    (LIVE, outside.rungs_moved),
    (OPEN, entry_endings),
    (LIVE, scale_in_elapsed),
    (LIVE, rung_endings),
    (HOLDING, exit_endings),
    (GUARDED, stop_firing),
    (HOLDING, outside.stop_moved),
    (HOLDING, stop_resting),
    (OPEN, entries_passed),
    (GUARDED, stop_passing),
    (GUARDED, cover.stop_overdue),
    # Before break-even: what merges counts it anew.
    ((State.PENDING_LIMITS, *LIVE), outside.foreign),
    ((State.CLOSING,), outside.foreign_while_closing),
    ((State.HALTED,), outside.foreign_while_halted),
    ((State.TP1_HIT,), break_even),
    ((State.STOP_AT_BREAK_EVEN,), break_even_lost),
    ((State.PENDING_LIMITS,), entry_ttl),
    ((State.PENDING_LIMITS,), target_missed),
    ((State.CLOSING,), exit_overdue),
    ((State.HALTED,), stop_overdue_while_halted),
    ((State.CLOSING, State.HALTED), flat_and_clear),
)
"""What is looked for, in which states, in this order; each at most once a poll."""

_IN_TURN: dict[Detector, Detector] = {
    outside.rungs_moved: touch.rungs_moved,
    rung_endings: touch.rung_endings,
    exit_endings: touch.exit_endings,
    stop_firing: touch.stop_firing,
    outside.stop_moved: touch.stop_moved,
    stop_resting: touch.stop_resting,
    exit_overdue: touch.exit_overdue,
    stop_overdue_while_halted: touch.exit_overdue_while_halted,
}
DETECTORS_IN_TURN: tuple[tuple[tuple[State, ...], Detector], ...] = (
    (tuple(State), touch.resumed),
    (HOLDING, touch.turned),
    ((State.CLOSING,), touch.stop_firing),  # the other stops of a position that is stopped out
    *((states, _IN_TURN.get(detect, detect)) for states, detect in DETECTORS),
    (LIVE, touch.bookings_crowded_out),
    # Last: whatever else has happened decides whether a target still matters.
    (LIVE, touch.targets),
)
"""The same where an order is a stop and a target in turn."""


def detectors_for(
    capabilities: Capabilities,
) -> tuple[tuple[tuple[State, ...], Detector], ...]:
    """Return what is looked for at a venue."""
    return DETECTORS if capabilities.exits is ExitStyle.POOLED else DETECTORS_IN_TURN
