"""What became of each booking: the part that was sold against the price later (SPEC §6).

After 5, 30 and 60 minutes and when the position closes; kept with the decision, so that a restart
goes on with what is still to be looked up. A price that nobody knew at its time is the next one
known. Changes nothing at a venue.
"""

from __future__ import annotations

from collections.abc import Iterator

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
        self._tracked: dict[str, dict[str, Decision]] = {}
        """By ladder, then by id."""
        self._due: dict[str, int] = {}
        """By ladder, when the next of them is to be looked up; none after its close is known."""
        self._closed: set[str] = set()
        for decision in found:
            self.follow(decision)

    def follow(self, decision: Decision) -> None:
        """Begin to follow a decision that has ended, if it booked something."""
        if _is_open(decision):
            self._tracked.setdefault(decision.order.ladder, {})[decision.id] = decision
            self._note_due(decision.order.ladder)

    @property
    def ladders(self) -> list[str]:
        """Return the ladders of which something is still to be looked up."""
        return list(self._tracked)

    def due_ms(self) -> list[int]:
        """Return when effects are to be looked up."""
        return [min(self._due.values())] if self._due else []

    def look(self, ladder: Ladder, quote: Quote | None, now_ms: int) -> Iterator[Decision]:
        """Yield the decisions of a ladder that have learnt an effect now."""
        name = ladder.terms.spec.name
        if quote is None or name not in self._tracked:
            return
        closes = ladder.state is State.CLOSED and name not in self._closed
        if not closes and now_ms < self._due.get(name, now_ms + 1):
            return
        if closes:
            self._closed.add(name)
        for decision in list(self._tracked[name].values()):
            due = [after for after, at_ms in _times(decision) if at_ms <= now_ms]
            if ladder.state is State.CLOSED and AT_CLOSE not in _known(decision):
                due.append(AT_CLOSE)
            if due:
                learnt = _with_effects(decision, due, ladder, quote)
                self._keep(learnt)
                yield learnt

    def _keep(self, decision: Decision) -> None:
        mine = self._tracked[decision.order.ladder]
        mine[decision.id] = decision
        if not _is_open(decision):
            del mine[decision.id]
        if not mine:
            del self._tracked[decision.order.ladder]
            self._closed.discard(decision.order.ladder)
        self._note_due(decision.order.ladder)

    def _note_due(self, name: str) -> None:
        mine = self._tracked.get(name, {}).values()
        due_ms = min((at_ms for one in mine for _, at_ms in _times(one)), default=None)
        if due_ms is None:
            self._due.pop(name, None)
        else:
            self._due[name] = due_ms


def _is_open(decision: Decision) -> bool:
    """Tell whether a decision booked something and some effect of it is still to come."""
    if decision.standing is not Standing.DONE or decision.order.kind is not Kind.BOOK:
        return False
    return bool(decision.filled_qty) and not _known(decision) >= {*AFTER_MS, AT_CLOSE}


def _known(decision: Decision) -> set[str]:
    return {effect.after for effect in decision.effects}


def _times(decision: Decision) -> list[tuple[str, int]]:
    """Return the effects that are still to be looked up at a time, with their times."""
    ended_ms = decision.ended_ms or 0
    known = _known(decision)
    return [(name, ended_ms + ms) for name, ms in AFTER_MS.items() if name not in known]


def _with_effects(decision: Decision, due: list[str], ladder: Ladder, quote: Quote) -> Decision:
    price = quote.exit_px(ladder.direction)
    gain = ladder.sign * (decision.filled_cost - price * decision.filled_qty)
    more = (Effect(after, price, gain) for after in due)
    return msgspec.structs.replace(decision, effects=(*decision.effects, *more))
