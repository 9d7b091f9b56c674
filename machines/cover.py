"""Whether all that is held is covered, and for how long it was not (SPEC §4 *Covered*, S2).

Unprotected time runs from the venue's time of the fill until the stop is accepted. Pure counting:
what is done about it is a row.
"""

from __future__ import annotations

from decimal import Decimal

from machines import carriers
from machines.carrier import Phase
from machines.flights import slot_in_flight
from machines.ladder import Ladder, replace
from machines.observe import Scene, resting_stop, resting_stop_px
from machines.spec import NakedPolicy
from machines.words import ZERO, Event, Role, Trigger

EXIT_COVERS_MS = 5_000
"""A live marketable exit covers what it sells while it is younger than this."""
OVERDUE_MS = 15_000
"""``naked_policy`` acts this long after detection."""


def is_covered(ladder: Ladder, here: Scene) -> bool:
    """Tell whether a live stop or a young exit covers all that is held."""
    bare = ladder.held
    since = ladder.exit_since_ms
    if since is not None and here.now_ms - since < EXIT_COVERS_MS:
        bare -= ladder.exiting
    if bare <= ZERO:
        return True
    if here.capabilities.position_stop:
        return resting_stop_px(ladder, here) is not None
    if carriers.in_turn(ladder):
        return _carried(ladder, here) >= bare
    shown = resting_stop(ladder, here)
    return shown is not None and shown.leaves_qty >= bare


def _carried(ladder: Ladder, here: Scene) -> Decimal:
    """Return what stops cover, and limits at a target that have been so for a moment only."""
    total = ZERO
    for _, order in carriers.stops_of(ladder, here.orders):
        shown = carriers.shown(ladder, order, here.orders)
        total += ZERO if shown is None else shown.leaves_qty
    young = (r for r in ladder.rungs if r.carrier.phase in (Phase.CONVERTING, Phase.TARGET))
    for rung in young:
        if here.now_ms - (rung.carrier.since_ms or here.now_ms) < EXIT_COVERS_MS:
            total += rung.qty
    return total


def note_cover(ladder: Ladder, here: Scene, filled_ms: int | None) -> Ladder:
    """Begin or end a span of unprotected time; ``filled_ms`` is the first entry fill just seen."""
    takes_stops = here.quote is None or here.quote.in_session
    if not takes_stops or is_covered(ladder, here):
        return end_naked(ladder, here.now_ms)
    if ladder.naked_since_ms is not None:
        return ladder
    since = here.now_ms if filled_ms is None else filled_ms
    return replace(ladder, naked_since_ms=since, naked_found_ms=here.now_ms)


def end_naked(ladder: Ladder, now_ms: int) -> Ladder:
    """End the running span: a stop was accepted or rests."""
    since = ladder.naked_since_ms
    if since is None:
        return ladder
    total = ladder.unprotected_ms + max(0, now_ms - since)
    return replace(
        ladder, naked_since_ms=None, naked_found_ms=0, naked_told=False, unprotected_ms=total
    )


def stop_overdue(ladder: Ladder, here: Scene) -> tuple[Ladder, list[Event]]:
    """See a stop of unknown outcome that has been missing for 15 s (``naked_policy``)."""
    if ladder.naked_since_ms is None or is_covered(ladder, here):
        return ladder, []
    if here.now_ms - ladder.naked_found_ms < OVERDUE_MS:
        return ladder, []
    if ladder.exiting >= ladder.held or not slot_in_flight(ladder, Role.STOP_LOSS):
        return ladder, []
    if ladder.terms.spec.naked_policy is NakedPolicy.ALERT and ladder.naked_told:
        return ladder, []
    ladder = replace(ladder, naked_told=True)
    return ladder, [Event(Trigger.STOP_OVERDUE, here.now_ms, Role.STOP_LOSS, 1)]
