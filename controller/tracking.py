"""What became of each booking: the part that was sold against the price later (SPEC §6).

After 5, 30 and 60 minutes and when the position closes; kept with the decision, so that a restart
goes on with what is still to be looked up. Changes nothing at a venue.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from controller.journal import Journal
from machines.decision import Decision, Effect, Kind, Standing
from machines.ladder import Ladder, State
from machines.words import Quote

MINUTE_MS = 60_000
AFTER_MS = {"5m": 5 * MINUTE_MS, "30m": 30 * MINUTE_MS, "60m": 60 * MINUTE_MS}
AT_CLOSE = "close"


class Tracker:
    """One account's bookings whose effects are not all known yet."""

    def __init__(self, journal: Journal, account: str) -> None:
        done = journal.decisions(account, (Standing.DONE,))
        found = (msgspec.json.decode(row.state, type=Decision) for row in done)
        self.tracked = {one.id: one for one in found if is_tracked(one)}

    def follow(self, decision: Decision) -> None:
        """Begin to follow a decision that has ended, if it booked something."""
        if is_tracked(decision):
            self.tracked[decision.id] = decision

    def due_ms(self) -> list[int]:
        """Return when effects are to be looked up."""
        return [at for one in self.tracked.values() for _, at in _open_times(one)]

    def look(self, ladder: Ladder, quote: Quote | None, now_ms: int) -> Iterable[Decision]:
        """Yield the decisions of a ladder that have learnt an effect now."""
        if quote is None:
            return
        for decision in list(self.tracked.values()):
            if decision.order.ladder != ladder.terms.spec.name:
                continue
            names = [name for name, at_ms in _open_times(decision) if at_ms <= now_ms]
            if ladder.state is State.CLOSED:
                names.append(AT_CLOSE)
            if not names:
                continue
            after = _with_effects(decision, names, ladder, quote)
            if is_tracked(after):
                self.tracked[after.id] = after
            else:
                del self.tracked[after.id]
            yield after


def is_tracked(decision: Decision) -> bool:
    """Tell whether a decision booked something and some effect of it is still to come."""
    if decision.standing is not Standing.DONE or decision.order.kind is not Kind.BOOK:
        return False
    known = {effect.after for effect in decision.effects}
    return bool(decision.filled_qty) and not known >= {*AFTER_MS, AT_CLOSE}


def _open_times(decision: Decision) -> list[tuple[str, int]]:
    """Return the effects that are still to be looked up, with their times."""
    known = {effect.after for effect in decision.effects}
    ended_ms = decision.ended_ms or 0
    return [(name, ended_ms + ms) for name, ms in AFTER_MS.items() if name not in known]


def _with_effects(decision: Decision, names: list[str], ladder: Ladder, quote: Quote) -> Decision:
    later = quote.exit_px(ladder.direction)
    got = decision.filled_cost
    gain = ladder.sign * (got - later * decision.filled_qty)
    known = {effect.after for effect in decision.effects}
    more = tuple(Effect(name, later, gain) for name in names if name not in known)
    return msgspec.structs.replace(decision, effects=(*decision.effects, *more))
