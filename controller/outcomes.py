"""What has come of a decision that is under way, read off its ladder. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from machines.core import Taken
from machines.decision import Decision, Kind, Reason
from machines.ladder import Ladder, State
from machines.words import ZERO, Refusal, Trigger

_OVER = (State.CLOSING, State.CLOSED)


class Outcome(msgspec.Struct, frozen=True):
    """The end of a decision. ``word`` says why where not all of it has come about."""

    word: str = ""
    failed: bool = False


DONE = Outcome()


def came_of(decision: Decision, ladder: Ladder, taken: Sequence[Taken]) -> Outcome | None:
    """Return how a decision under way has ended, or None while it goes on.

    ``taken`` are the rows that have led to ``ladder`` just now.
    """
    match decision.order.kind:
        case Kind.BOOK:
            return _booked(decision, ladder)
        case Kind.SCALE_IN:
            return _scaled(decision, ladder)
        case Kind.EXIT:
            return _left(ladder)
        case Kind.MOVE_STOP:
            return _moved(decision, ladder, taken)
        case Kind.REBALANCE | Kind.RELEASE:
            return DONE


def _booked(decision: Decision, ladder: Ladder) -> Outcome | None:
    if any(order.qty for order in ladder.exits if order.decision == decision.id):
        return None
    return Outcome(Reason.CLOSED if ladder.state in _OVER else Reason.GAVE_UP)


def _scaled(decision: Decision, ladder: Ladder) -> Outcome | None:
    mine = [entry for entry in ladder.entries if entry.decision == decision.id]
    if any(entry.working for entry in mine):
        return None
    if any(entry.refusals for entry in mine):
        return Outcome(Reason.TURNED_DOWN)
    return Outcome(Reason.CLOSED if ladder.state in _OVER else Reason.UNFILLED)


def _left(ladder: Ladder) -> Outcome | None:
    if ladder.state is State.CLOSED:
        return DONE
    # Halted on the way out, and nothing is being sold any more: a person must look.
    stuck = ladder.state is State.HALTED and ladder.exiting == ZERO
    return Outcome(Reason.HALTED, failed=True) if stuck else None


def _moved(decision: Decision, ladder: Ladder, taken: Sequence[Taken]) -> Outcome | None:
    stop, asked_px = ladder.stop, decision.asked_px
    if stop is None or stop.trigger_px is None or asked_px is None:
        return Outcome(Reason.CLOSED, failed=True)
    on_its_way = stop.decision == decision.id and stop.qty
    if on_its_way and ladder.state not in _OVER:
        return None
    # A stop that has gone further since is where it was decided, and better.
    if stop.trigger_px == asked_px or ladder.direction.beyond(stop.trigger_px, asked_px):
        return Outcome(Reason.CLOSED, failed=True) if on_its_way else DONE
    behind = any(
        step.event.trigger is Trigger.STOP_REFUSED and step.event.refusal is Refusal.BEHIND_MARKET
        for step in taken
    )
    return Outcome(Reason.BEHIND_MARKET if behind else Reason.TURNED_DOWN, failed=True)
