"""Which mutations may leave now, and what their answers do to a ladder's books.

Sits between `plan` and the journal: a slot with a request in flight sends nothing new until that
one's end is known. Pure; *Source*: DESIGN law 4, RELIABILITY S1 to S3, S12.
"""

from __future__ import annotations

from collections.abc import Sequence

from machines.dispatch import Dispatch, Flight, Step, Turn, answered, only, take
from machines.ladder import Ladder, replace
from machines.words import Mutation, Outcome

_WAITS = {Dispatch.UNKNOWN: Step.WINDOW_READ, Dispatch.BACKOFF: Step.WAIT_OVER}


def slot_of(mutation: Mutation) -> str:
    """Name the slot a mutation occupies: one declared order, or the stop."""
    return f"{mutation.role.value}{mutation.n}"


def launch(
    ladder: Ladder, mutations: Sequence[Mutation], started_ms: int, turn: Turn
) -> tuple[Ladder, tuple[Flight, ...], tuple[Flight, ...]]:
    """Return the ladder, the flights to send now, and those just given up.

    ``started_ms`` is when the read behind ``mutations`` began: only one begun after a window's end
    resolves an unknown outcome.
    """
    kept: dict[str, Flight] = {flight.slot: flight for flight in ladder.flights}
    wanted = {slot_of(mutation) for mutation in mutations}
    for flight in ladder.flights:
        if flight.slot not in wanted and _over(flight, started_ms, turn.now_ms):
            del kept[flight.slot]
    leaving: list[Flight] = []
    given_up: list[Flight] = []
    counter = ladder.intents
    for mutation in mutations:
        slot = slot_of(mutation)
        flight = kept.get(slot)
        if flight is None:
            counter += 1
            flight = Flight(f"{ladder.terms.prefix}-{counter}", slot, mutation)
        elif flight.state is Dispatch.INTENDED or not _over(flight, started_ms, turn.now_ms):
            continue
        elif flight.state is Dispatch.GAVE_UP:
            counter += 1
            flight = Flight(f"{ladder.terms.prefix}-{counter}", slot, mutation)
        else:
            flight, _ = take(flight, _WAITS[flight.state], turn)
            flight = replace(flight, mutation=mutation)
        kept[slot] = flight
        (leaving if flight.state is Dispatch.INTENDED else given_up).append(flight)
    if not leaving and not given_up and len(kept) == len(ladder.flights):
        return ladder, (), ()
    ladder = replace(ladder, flights=tuple(kept.values()), intents=counter)
    return ladder, tuple(leaving), tuple(given_up)


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
    return any(flight.state is Dispatch.UNKNOWN for flight in ladder.flights)


def wakes_ms(ladder: Ladder, now_ms: int) -> list[int]:
    """Return when a slot's wait ends."""
    return [flight.until_ms for flight in ladder.flights if flight.until_ms > now_ms]
