"""Whose turn it is: one ladder's decisions that have not ended, in the order of their urgency.

Of several stop moves that wait the tightest goes first, a person's before rules'; an exit goes
before all, and beside it nothing else is begun (SPEC §6). Ends nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from machines.decision import Decision, Kind, Priority, Standing
from machines.ladder import Ladder
from machines.words import ZERO

BLOCKED_BY: dict[Kind, tuple[Kind, ...]] = {
    Kind.BOOK: (Kind.BOOK,),
    Kind.SCALE_IN: (Kind.BOOK, Kind.SCALE_IN),
    Kind.MOVE_STOP: (Kind.MOVE_STOP,),
}
"""What waits while one of these kinds is under way: its figure would be of something else."""
BESIDE_EXIT = (Kind.EXIT, Kind.RELEASE)
PRESSING = (Priority.IMMEDIATE, Priority.NEXT_CYCLE)
"""What is in the background waits for these."""


class Line:
    """One ladder's decisions, by where they stand."""

    def __init__(self) -> None:
        self.queued: dict[Priority, dict[str, Decision]] = {level: {} for level in Priority}
        self.fallback: dict[str, Decision] = {}
        self.executing: dict[str, Decision] = {}
        self.exits: dict[str, Decision] = {}
        """Those of all the above that are exits."""
        self.look_ms: int | None = None
        """None of those that wait expires before."""

    def put(self, decision: Decision) -> None:
        """Keep a decision in the place that its standing gives it; one that has ended in none."""
        places = {
            Standing.QUEUED: self.queued[decision.order.priority],
            Standing.FALLBACK_RETRY: self.fallback,
            Standing.EXECUTING: self.executing,
        }
        mine = places.get(decision.standing)
        for place in places.values():
            if place is not mine:
                place.pop(decision.id, None)
        if mine is not None:
            mine[decision.id] = decision
        if decision.order.kind is Kind.EXIT:
            self.exits.pop(decision.id, None)
            self.exits |= {decision.id: decision} if mine is not None else {}
        self.note_expiry(decision)

    def note_expiry(self, decision: Decision) -> None:
        """See to it that a decision is looked at when its life is over."""
        expires_ms = decision.order.expires_ms
        if expires_ms and (self.look_ms is None or expires_ms < self.look_ms):
            self.look_ms = expires_ms

    @property
    def empty(self) -> bool:
        """Tell whether all have ended."""
        return not (self.executing or self.fallback or any(self.queued.values()))

    @property
    def pressing(self) -> bool:
        """Tell whether anything waits that is not in the background."""
        return any(self.queued[level] for level in PRESSING)

    @property
    def waiting(self) -> list[Decision]:
        """Return those that have not been handed over."""
        queued = (one for level in self.queued.values() for one in level.values())
        return [*queued, *self.fallback.values()]

    @property
    def leaving(self) -> Decision | None:
        """Return an exit that has not ended."""
        return next(iter(self.exits.values()), None)

    def in_turn(self, ladder: Ladder, levels: Iterable[Priority]) -> Iterator[Decision]:
        """Yield what may be handed over now, the most urgent first."""
        leaving = self.leaving is not None
        under_way = {decision.order.kind for decision in self.executing.values()}
        moves_told = False
        for level in levels:
            for decision in sorted(self.queued[level].values(), key=_rank):
                kind = decision.order.kind
                if leaving and kind not in BESIDE_EXIT:
                    continue
                if under_way.intersection(BLOCKED_BY.get(kind, ())):
                    continue
                if kind is not Kind.MOVE_STOP:
                    yield decision
                elif not moves_told:  # those of every level: only the best is sent
                    moves_told = True
                    yield from self._moves(ladder)

    def _moves(self, ladder: Ladder) -> list[Decision]:
        """Return the stop moves that wait: a person's latest first, then rules' by tightness."""

        def key(decision: Decision) -> tuple[bool, Decimal]:
            order = decision.order
            ahead = (order.price or ZERO) * ladder.sign
            return not order.by_person, -(Decimal(decision.made_ms) if order.by_person else ahead)

        waiting = (one for level in self.queued.values() for one in level.values())
        return sorted((one for one in waiting if one.order.kind is Kind.MOVE_STOP), key=key)


def _rank(decision: Decision) -> tuple[bool, bool, int]:
    """Rank decisions of one priority: exits, then persons', then the older."""
    order = decision.order
    return order.kind is not Kind.EXIT, not order.by_person, decision.made_ms
