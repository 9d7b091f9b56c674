"""What holds in every state, at every step and at rest (RELIABILITY §2.2, as far as it is built).

Each law says what is wrong, or nothing. `AT_ANY_TIME` looks at a ladder and its venue, `AT_A_POLL`
at what a poll decided, `AT_AN_ARRIVAL` at what a request did, `at_rest` at what no fault disturbs.
"""

from collections.abc import Callable
from decimal import Decimal

from machines.core import Advance
from machines.dispatch import Dispatch
from machines.flights import slot_of
from machines.ladder import LIVE, Ladder, Standing, State, order_id
from machines.recipes import is_behind
from machines.words import (
    ZERO,
    CancelOrder,
    Mutation,
    OrderType,
    PlaceOrder,
    Role,
    SetStop,
    plain,
)
from tests.simulation.tiny import NOW_MS, Setup, Venue, known, quote

Under = tuple[Mutation, ...]
"""Requests of unknown outcome that may still arrive."""

# ---------------------------------------------------------------------------- at any time


def one_order_an_intent(setup: Setup, _: Ladder, venue: Venue, __: Under) -> str:
    """S3: no second live order for the same quantity."""
    stops = [order for order in venue.live if order.type is OrderType.STOP_MARKET]
    if len(stops) > 1:
        return f"{len(stops)} live stops for the same quantity"
    rungs = [order.price for order in venue.live if order.reduce_only and order.price is not None]
    return "" if len(rungs) == len(set(rungs)) else "two live orders for one rung"


def entries_within_plan(setup: Setup, ladder: Ladder, venue: Venue, _: Under) -> str:
    """S6: what has filled and what may still fill is at most the plan."""
    entries = [order for order in venue.orders if not order.reduce_only]
    most = sum((order.filled_qty + order.leaves_qty for order in entries), ZERO)
    planned = ladder.terms.spec.planned_qty
    return "" if most <= planned else f"{plain(most)} may be entered, {plain(planned)} is planned"


def intent_first(_: Setup, ladder: Ladder, venue: Venue, __: Under) -> str:
    """S1: every order at the venue has an intent in the books."""
    ghosts = [order.client_order_id for order in venue.orders if not known(ladder, order)]
    return f"no intent explains {ghosts}" if ghosts else ""


def one_in_flight(_: Setup, ladder: Ladder, venue: Venue, under: Under) -> str:
    """S2, S12: a request that may still take effect is in the books, alone in its slot."""
    slots = [slot_of(mutation) for mutation in under if not _spent(venue, mutation)]
    if len(slots) != len(set(slots)):
        return f"two requests of one slot may still arrive: {', '.join(slots)}"
    unknown = {f.slot for f in ladder.flights if f.state in (Dispatch.UNKNOWN, Dispatch.INTENDED)}
    lost = [slot for slot in slots if slot not in unknown]
    return f"forgotten while it may still arrive: {', '.join(lost)}" if lost else ""


def _spent(venue: Venue, mutation: Mutation) -> bool:
    """Tell whether a request can do nothing any more: its order has ended, or its name is used."""
    if isinstance(mutation, SetStop):
        return False
    named = [order for order in venue.orders if order.client_order_id == mutation.client_order_id]
    return any(isinstance(mutation, PlaceOrder) or not order.status.live for order in named)


def closed_is_over(_: Setup, ladder: Ladder, venue: Venue, __: Under) -> str:
    """CLOSED is flat, and nothing of ours rests."""
    if ladder.state is not State.CLOSED:
        return ""
    if venue.held or ladder.held:
        return f"closed while {plain(venue.held)} is held"
    return "closed while an order of ours rests" if venue.live or venue.stop else ""


def closed_waits_for_nothing(_: Setup, ladder: Ladder, venue: Venue, under: Under) -> str:
    """CLOSED knows the end of every request."""
    if ladder.state is not State.CLOSED:
        return ""
    late = any(not _spent(venue, mutation) for mutation in under)
    return "closed while a request may still arrive" if late or ladder.flights else ""


AT_ANY_TIME: dict[str, Callable[[Setup, Ladder, Venue, Under], str]] = {
    law.__name__: law
    for law in (
        one_order_an_intent, entries_within_plan, intent_first, one_in_flight, closed_is_over,
        closed_waits_for_nothing,
    )
}  # fmt: skip

# ------------------------------------------------------------------------------- at a poll


def hit_stays_hit(_: Setup, before: Ladder, done: Advance, __: Venue) -> str:
    """A hit rung is never re-created."""
    hit = {rung.n for rung in before.rungs if rung.standing is Standing.HIT}
    after = {rung.n for rung in done.ladder.rungs if rung.standing is Standing.HIT and not rung.qty}
    placed = {
        m.n for m in done.mutations if isinstance(m, PlaceOrder) and m.role is Role.TAKE_PROFIT
    }
    return "" if hit <= after and not hit & placed else "a hit rung comes back"


def exits_reduce_only(_: Setup, __: Ladder, done: Advance, ___: Venue) -> str:
    """S4: nothing but an entry may raise what is held."""
    wild = [
        m
        for m in done.mutations
        if isinstance(m, PlaceOrder) and m.reduce_only is (m.role is Role.ENTRY)
    ]
    return f"{wild} may turn the position round" if wild else ""


def no_gap_on_change(_: Setup, __: Ladder, done: Advance, seen: Venue) -> str:
    """S9: the only stop is never cancelled while something is held."""
    stops = sum(order.type is OrderType.STOP_MARKET for order in seen.live)
    gap = any(isinstance(m, CancelOrder) and m.role is Role.STOP_LOSS for m in done.mutations)
    bare = gap and stops < 2 and done.ladder.held
    return "the stop is cancelled while something is held" if bare else ""


def ended_is_final(_: Setup, __: Ladder, done: Advance, seen: Venue) -> str:
    """S13: an order that was seen to have ended takes no request."""
    ended = {order.client_order_id for order in seen.orders if not order.status.live}
    late = [
        m
        for m in done.mutations
        if not isinstance(m, SetStop) and m.client_order_id in ended
    ]  # fmt: skip
    return f"{late} although that has ended" if late else ""


def stop_only_tightens(_: Setup, before: Ladder, done: Advance, __: Venue) -> str:
    """S7: the declared stop moves only toward profit, unless a person says otherwise."""
    if any(taken.event.by_person for taken in done.taken):
        return ""
    old, new = before.stop, done.ladder.stop
    if old is None or new is None or old.trigger_px is None or new.trigger_px is None:
        return ""
    away = before.direction.beyond(old.trigger_px, new.trigger_px)
    return f"the stop goes from {old.trigger_px} to {new.trigger_px}" if away else ""


def stop_side(setup: Setup, before: Ladder, done: Advance, seen: Venue) -> str:
    """S20: no stop is sent that the market has passed."""
    market = quote(setup, seen).exit_px(before.direction)
    passed = [
        m
        for m in done.mutations
        if not isinstance(m, CancelOrder)
        and m.trigger_px is not None
        and before.direction.beyond(m.trigger_px, market)
    ]
    return f"{passed} although the market is at {market}" if passed else ""


def books_add_up(_: Setup, __: Ladder, done: Advance, ___: Venue) -> str:
    """S5, S10: exits at most what is held; rungs all of the rest or none; a stop for the rest."""
    ladder = done.ladder
    if ladder.exiting > ladder.held:
        return f"{ladder.exiting} is on its way out, {ladder.held} is held"
    if ladder.state in LIVE:
        if ladder.rungs_qty not in (ladder.to_share, ZERO):
            return f"rungs for {ladder.rungs_qty} of {ladder.to_share}"
        if ladder.stop is None or not ladder.to_share <= ladder.stop.qty <= ladder.held:
            return f"the stop declared is {ladder.stop}, held is {ladder.held}"
    slots = [flight.slot for flight in ladder.flights]
    return "" if len(slots) == len(set(slots)) else f"a slot has two requests in flight: {slots}"


AT_A_POLL: dict[str, Callable[[Setup, Ladder, Advance, Venue], str]] = {
    law.__name__: law
    for law in (
        hit_stays_hit, exits_reduce_only, no_gap_on_change, ended_is_final, stop_only_tightens,
        stop_side, books_add_up,
    )
}  # fmt: skip

# --------------------------------------------------------------------------- at an arrival


def stop_rests_tighter(setup: Setup, before: Venue, after: Venue) -> str:
    """S7: the stop at the venue moves only toward profit.

    What a person has set after our request was decided on, that request cannot know.
    """
    for old in _stops(before, by_person=False):
        for new in _stops(after):
            if setup.direction.beyond(old[1], new[1]) and old[0] == new[0]:
                return f"the resting stop goes from {old[1]} to {new[1]}"
    return ""


def _stops(venue: Venue, by_person: bool = True) -> list[tuple[str, Decimal]]:
    found: list[tuple[str, Decimal]] = []
    if venue.stop is not None and (by_person or not venue.stop.by_person):
        found.append(("", venue.stop.trigger_px))
    for order in venue.live:
        if order.trigger_px is not None and (by_person or not order.by_person):
            found.append((order.client_order_id, order.trigger_px))
    return found


AT_AN_ARRIVAL: dict[str, Callable[[Setup, Venue, Venue], str]] = {
    stop_rests_tighter.__name__: stop_rests_tighter
}

# --------------------------------------------------------------------------------- at rest


def at_rest(setup: Setup, ladder: Ladder, venue: Venue) -> str:
    """S8, S10: with nothing under way the books agree with the venue and all held is covered."""
    if ladder.flights:
        return f"at rest with a request in flight: {ladder.flights}"
    if ladder.held != venue.held:
        return f"at rest {ladder.held} is in the books, {venue.held} at the venue"
    if not ladder.held:
        if ladder.state not in (State.CLOSED, State.PENDING_LIMITS):
            return f"at rest {ladder.state} with nothing held"
        return "" if ladder.state is State.CLOSED or venue.live else "at rest it waits for nothing"
    if ladder.state not in LIVE:
        return f"at rest {ladder.state} with {ladder.held} held"
    return _covered(setup, ladder, venue) or _shared(ladder, venue)


def _covered(setup: Setup, ladder: Ladder, venue: Venue) -> str:
    stop = ladder.stop
    assert stop is not None, "books_add_up"
    assert stop.trigger_px is not None, "a stop has a price"
    # A move to a price that the market has passed waits, and the old stop stays.
    waits = is_behind(ladder, stop.trigger_px, quote(setup, venue), NOW_MS)
    if venue.stop is not None:
        same = venue.stop.trigger_px == stop.trigger_px
        return "" if same or waits else "at rest another stop rests"
    for order in venue.live:
        if order.client_order_id == order_id(ladder.terms, stop):
            if order.leaves_qty != venue.held:
                return f"at rest the stop covers {order.leaves_qty} of {venue.held}"
            same = order.trigger_px == stop.trigger_px
            return "" if same or waits else "at rest another stop rests"
    return "at rest no stop rests"


def _shared(ladder: Ladder, venue: Venue) -> str:
    resting = {
        order.client_order_id: order.leaves_qty
        for order in venue.live
        if order.type is OrderType.LIMIT and order.reduce_only
    }
    wanted = {order_id(ladder.terms, rung): rung.qty for rung in ladder.rungs if rung.qty}
    return "" if resting == wanted else f"at rest rungs {resting}, declared {wanted}"
