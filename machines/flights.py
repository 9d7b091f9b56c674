"""Which mutations may leave now, and what their answers do to a ladder's books.

Sits between `plan` and the journal: a slot with a request in flight sends nothing new until that
one's end is known. Pure; *Source*: DESIGN law 4, RELIABILITY S1 to S3, S12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from machines.dispatch import Dispatch, Flight, Step, Turn, answered, only, take
from machines.ladder import Ladder, replace, slot_named
from machines.observe import Scene
from machines.words import (
    AmendOrder,
    CancelOrder,
    Mutation,
    Outcome,
    PlaceOrder,
    Role,
    SetStop,
    View,
)

_WAITS = {Dispatch.UNKNOWN: Step.WINDOW_READ, Dispatch.BACKOFF: Step.WAIT_OVER}


def slot_of(mutation: Mutation) -> str:
    """Name the slot a mutation occupies: one declared order, or the stop.

    By the order's own name, as an order that is converted keeps its place and changes its role.
    """
    if isinstance(mutation, SetStop):
        return f"{Role.STOP_LOSS.value}1"
    return slot_named(mutation.client_order_id) or f"{mutation.role.value}{mutation.n}"


def resolve(ladder: Ladder, here: Scene, turn: Turn) -> Ladder:
    """Strike off the requests whose effect a view shows: seeing is proof (D9)."""
    left = tuple(
        flight
        for flight in ladder.flights
        if flight.state is not Dispatch.UNKNOWN
        or not took_effect(flight.mutation, here.view)
        or take(flight, Step.SHOWN, turn)[0].state is not Dispatch.DONE
    )
    return ladder if len(left) == len(ladder.flights) else replace(ladder, flights=left)


def launch(
    ladder: Ladder, mutations: Sequence[Mutation], here: Scene, turn: Turn
) -> tuple[Ladder, tuple[Flight, ...], tuple[Flight, ...]]:
    """Return the ladder, the flights to send now, and those given up that nobody has heard of.

    What `resolve` has left unknown is resolved only by a read begun after its window.
    """
    started_ms = here.started_ms
    wanted = {slot_of(mutation) for mutation in mutations}
    kept = {f.slot: f for f in ladder.flights if not _ended(f, wanted, here, turn)}
    leaving: list[Flight] = []
    given_up: list[Flight] = []
    counter = ladder.intents
    for mutation in mutations:
        slot = slot_of(mutation)
        flight = kept.get(slot)
        if flight is not None and not _over(flight, started_ms, turn.now_ms):
            continue
        if flight is not None and flight.state is not Dispatch.GAVE_UP:
            heard = flight.heard
            flight = take(replace(flight, mutation=mutation), _WAITS[flight.state], turn)[0]
            if flight.heard != heard:
                given_up.append(flight)
        if flight is None or _over(flight, started_ms, turn.now_ms):
            counter += 1
            heard = () if flight is None else flight.heard
            flight = Flight(f"{ladder.terms.prefix}-{counter}", slot, mutation, heard=heard)
        kept[slot] = flight
        if flight.state is Dispatch.INTENDED:
            leaving.append(flight)
    flights = tuple(kept.values())
    if flights == ladder.flights:
        return ladder, (), ()
    ladder = replace(ladder, flights=flights, intents=counter)
    return ladder, tuple(leaving), tuple(given_up)


def _ended(flight: Flight, wanted: set[str], here: Scene, turn: Turn) -> bool:
    """Tell whether a flight's end is known now, so that its slot is free."""
    if flight.slot in wanted:
        return False
    # What was turned away unread cannot land: not wanted, it is not waited for either (D8).
    waits = flight.state is not Dispatch.BACKOFF
    if waits and not _over(flight, here.started_ms, turn.now_ms):
        return False
    if flight.state is Dispatch.GAVE_UP:
        return True
    unwanted = replace(turn, wanted=False)
    return take(flight, _WAITS[flight.state], unwanted)[0].state is Dispatch.DONE


def _over(flight: Flight, started_ms: int, now_ms: int) -> bool:
    """Tell whether a flight's wait is over, so that its slot may be judged."""
    if flight.state is Dispatch.UNKNOWN:
        return started_ms >= flight.until_ms
    return flight.state is not Dispatch.INTENDED and now_ms >= flight.until_ms


def land(ladder: Ladder, slot: str, outcome: Outcome, turn: Turn) -> tuple[Ladder, Flight | None]:
    """Take an answer: ended flights are struck off, the others stay in the books."""
    flight = only(ladder.flights, slot)
    if flight is None:
        return ladder, None
    after, _ = answered(flight, outcome, turn)
    others = tuple(other for other in ladder.flights if other.slot != slot)
    stays = after.state in (Dispatch.UNKNOWN, Dispatch.BACKOFF, Dispatch.GAVE_UP)
    return replace(ladder, flights=(*others, after) if stays else others), after


def restarted(ladder: Ladder, turn: Turn) -> Ladder:
    """Take a restart: whatever was in flight when we died may have left (D6)."""
    flights = tuple(
        flight if flight.state is Dispatch.GAVE_UP else take(flight, Step.RESTARTED, turn)[0]
        for flight in ladder.flights
    )
    return replace(ladder, flights=flights)


def unresolved(ladder: Ladder) -> bool:
    """Tell whether the end of any request is unknown: absence proves nothing until then."""
    return any(f.state in (Dispatch.UNKNOWN, Dispatch.INTENDED) for f in ladder.flights)


def slot_in_flight(ladder: Ladder, role: Role) -> bool:
    """Tell whether any request for an order of ``role`` has no known end."""
    return any(flight.mutation.role is role for flight in ladder.flights)


def took_effect(mutation: Mutation, view: View) -> bool:
    """Tell whether a view shows that a request landed. Not showing it proves nothing."""
    if isinstance(mutation, SetStop):
        return view.stop is not None and view.stop.trigger_px == mutation.trigger_px
    cid = mutation.client_order_id
    shown = next((order for order in view.orders if order.client_order_id == cid), None)
    match mutation:
        case PlaceOrder():
            return shown is not None
        case CancelOrder():
            return shown is not None and not shown.status.live
        case AmendOrder():
            return shown is not None and (
                (shown.type, shown.qty, shown.price, shown.trigger_px, shown.target)
                == (mutation.type, mutation.qty, mutation.price, mutation.trigger_px,
                    mutation.target)
            )  # fmt: skip
        case _:
            assert_never(mutation)


def wakes_ms(ladder: Ladder, now_ms: int) -> list[int]:
    """Return when a slot's wait ends."""
    return [flight.until_ms for flight in ladder.flights if flight.until_ms > now_ms]
