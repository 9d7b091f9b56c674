"""What must hold of a ladder after every step, whatever happened (RELIABILITY §2.2).

Left on in production: a ladder that breaks one is halted before anything more is sent for it.
Judges our own declaration and books; what the venue holds is judged by the tests' checkers.
"""

from __future__ import annotations

from collections.abc import Iterator

from machines.errors import BrokenInvariant
from machines.ladder import LIVE, Ladder, Standing, State
from machines.words import ZERO

AFTER_TP1 = (State.TP1_HIT, State.STOP_AT_BREAK_EVEN)
ENTERING = (State.PENDING_LIMITS, State.PARTIALLY_FILLED)


def hold(ladder: Ladder) -> Ladder:
    """Return the ladder if all hold. *Raises*: BrokenInvariant naming those that do not."""
    broken = list(violations(ladder))
    if broken:
        raise BrokenInvariant(f"{ladder.terms.spec.name} in {ladder.state}: {'; '.join(broken)}")
    return ladder


def violations(ladder: Ladder) -> Iterator[str]:
    """Yield what does not hold."""
    yield from _of_quantities(ladder)
    yield from _of_flights(ladder)
    if ladder.state in LIVE:
        yield from _of_a_live_one(ladder)
    plain = any(entry.working and entry.expires_ms is None for entry in ladder.entries)
    if ladder.state not in ENTERING and plain and not ladder.released:
        yield "S6 an entry works in a state that has none"
    if ladder.state in AFTER_TP1 and ladder.break_even is None:
        yield "TP1 was hit and break-even is not fixed"
    if ladder.released:
        return
    if ladder.state in (State.PENDING_LIMITS, State.CLOSED) and ladder.held:
        yield f"{ladder.held:f} held"
    if ladder.state is State.CLOSED and (ladder.rungs_qty or ladder.exiting):
        yield "S13 an order is declared after the end"


def _of_quantities(ladder: Ladder) -> Iterator[str]:
    if ladder.held < ZERO:
        yield f"S4 held is {ladder.held:f}"
    for order in (*ladder.entries, *ladder.rungs, *ladder.exits):
        if order.qty < ZERO:
            yield f"{order.role} {order.n} declares {order.qty:f}"
        if order.standing in (Standing.HIT, Standing.OFF) and order.qty:
            yield f"rung {order.n} is {order.standing} and declares {order.qty:f}"


def _of_flights(ladder: Ladder) -> Iterator[str]:
    slots = [flight.slot for flight in ladder.flights]
    if len(set(slots)) < len(slots):
        yield f"S2 two requests in flight in one slot: {', '.join(slots)}"


def _of_a_live_one(ladder: Ladder) -> Iterator[str]:
    if not ladder.held:
        yield "S8 live and nothing is held"
    covered = ladder.exiting + (ZERO if ladder.stop is None else ladder.stop.qty)
    if covered < ladder.held:
        yield f"S8 held {ladder.held:f}, stop and exits declare {covered:f}"
    if ladder.rungs_qty > ladder.held and not ladder.hands_off:
        yield f"S5 rungs declare {ladder.rungs_qty:f} of {ladder.held:f}"
    open_rungs = any(rung.working for rung in ladder.rungs)
    if open_rungs and not ladder.exiting and ladder.rungs_qty not in (ladder.held, ZERO):
        yield f"S19 rungs declare {ladder.rungs_qty:f} of {ladder.held:f}"
