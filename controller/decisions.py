"""The durable queue of decisions: accepted once, handed over in order, each to one ending.

An id is kept for ever: asked again with the same body it answers the same, with another body it is
refused. What a decision's state becomes is written in the same transaction as the ladder that took
it. Knows no venue and no rule; what a position may do is its table's word. *Source*: SPEC §6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from controller.journal import Decided, Draft, Journal
from controller.records import decision_data
from machines.core import Taken
from machines.decision import (
    Decision,
    Happening,
    Kind,
    Order,
    Priority,
    Standing,
    Turn,
    as_event,
    take,
)
from machines.errors import RungkeeperError
from machines.grammar import Ignored
from machines.ladder import DeclaredOrder, Ladder, State, find
from machines.words import ZERO, Event

replace = msgspec.structs.replace
OPEN = (Standing.QUEUED, Standing.EXECUTING, Standing.FALLBACK_RETRY)
LIVES_MS = {Kind.SCALE_IN: 30_000, Kind.BOOK: 60_000}
"""How long a rule's decision may wait; stop moves until superseded, exits until flat."""
PERSON_LIFE_MS = 300_000
StillTrue = Callable[[Order, Ladder], bool]
"""Evaluates a rule again, on a fresh view, before its decision is sent."""


class DecisionConflict(RungkeeperError):
    """An id was used before for another decision. The caller's fault; nothing was done."""


def always(order: Order, ladder: Ladder) -> bool:
    """Hold every decision's reason for still true."""
    del order, ladder
    return True


class Decisions:
    """One account's decisions that have not ended."""

    def __init__(self, journal: Journal, account: str) -> None:
        self._journal = journal
        self._account = account
        self.open: dict[str, Decision] = {
            row.id: msgspec.json.decode(row.state, type=Decision)
            for row in journal.decisions(account, OPEN)
        }
        self.drafts: list[Draft] = []
        self.changed: dict[str, Decided] = {}
        """What is to be written with the next append, with `drafts`."""

    # ---------------------------------------------------------------------------- accepting

    def accept(self, order: Order, ladder: Ladder | None, now_ms: int) -> Decision:
        """Make a decision durable and return it; the same one again returns what became of it.

        *Raises*: DecisionConflict when the id stands for another body; JournalError.
        """
        body = msgspec.json.encode(order).decode()
        known = self._journal.decision(order.id)
        if known is not None:
            if known.body != body:
                raise DecisionConflict(
                    f"{order.id}: was used before for another decision; an id is used once"
                )
            return msgspec.json.decode(known.state, type=Decision)
        decision = Decision(order=_with_life(order, now_ms), made_ms=now_ms)
        if ladder is None or ladder.state is State.CLOSED:
            word = "closed" if ladder is not None else "unknown_ladder"
            decision, _ = take(decision, Happening.REFUSED, Turn(now_ms, word))
        self._note(decision, ladder, now_ms, body)
        self.flush()
        return decision

    def flush(self) -> None:
        """Write what has changed by itself. *Raises*: JournalError."""
        drafts, changed = self.take_changes()
        self._journal.append(drafts, decisions=changed)

    def take_changes(self) -> tuple[list[Draft], list[Decided]]:
        """Hand over what is to be written with the next append."""
        drafts, changed = self.drafts, list(self.changed.values())
        self.drafts, self.changed = [], {}
        return drafts, changed

    # -------------------------------------------------------------------------- handing over

    def events(
        self, ladder: Ladder, now_ms: int, *, cycle: bool, still_true: StillTrue = always
    ) -> tuple[Event, ...]:
        """Return what a ladder is asked now: at most one decision, the most urgent one.

        What has expired, is overtaken or not true any more ends here.
        """
        waiting = self._waiting(ladder, now_ms)
        for decision in waiting:
            order = decision.order
            if order.priority is not Priority.IMMEDIATE and not cycle:
                continue
            if order.priority is Priority.BACKGROUND and len(waiting) > 1:
                continue
            if order.expect_version is not None and order.expect_version != ladder.version:
                self._happen(decision, Happening.REFUSED, ladder, now_ms, "stale")
                continue
            if not order.by_person and not still_true(order, ladder):
                self._happen(decision, Happening.REFUSED, ladder, now_ms, "condition_gone")
                continue
            return (as_event(order, now_ms),)
        return ()

    def _waiting(self, ladder: Ladder, now_ms: int) -> list[Decision]:
        """Return a ladder's decisions that wait, the most urgent first, after the endings."""
        mine = [d for d in self.open.values() if d.order.ladder == ladder.terms.spec.name]
        for decision in mine:
            if decision.standing is Standing.FALLBACK_RETRY and decision.due_ms <= now_ms:
                self._happen(decision, Happening.WAIT_OVER, ladder, now_ms)
        mine = [d for d in self.open.values() if d.order.ladder == ladder.terms.spec.name]
        for decision in mine:
            order = decision.order
            expired = order.expires_ms and now_ms >= order.expires_ms
            if expired and decision.standing is not Standing.EXECUTING:
                self._happen(decision, Happening.EXPIRED, ladder, now_ms)
        self._supersede(ladder, now_ms)
        queued = [
            d
            for d in self.open.values()
            if d.order.ladder == ladder.terms.spec.name and d.standing is Standing.QUEUED
        ]
        if any(
            d.standing is Standing.EXECUTING and d.order.ladder == ladder.terms.spec.name
            for d in self.open.values()
        ):
            queued = [d for d in queued if d.order.kind is Kind.EXIT]
        return sorted(queued, key=lambda d: (d.order.priority, not d.order.by_person, d.made_ms))

    def _supersede(self, ladder: Ladder, now_ms: int) -> None:
        """End what another one makes pointless: exits go before all, the tightest stop stays."""
        mine = [d for d in self.open.values() if d.order.ladder == ladder.terms.spec.name]
        waiting = [d for d in mine if d.standing is not Standing.EXECUTING]
        leaving = next((d for d in mine if d.order.kind is Kind.EXIT), None)
        if leaving is not None:
            for decision in waiting:
                if decision.id != leaving.id and decision.order.kind is not Kind.RELEASE:
                    self._happen(decision, Happening.OVERTAKEN, ladder, now_ms, leaving.id)
            return
        moves = [d for d in waiting if d.order.kind is Kind.MOVE_STOP]
        best = _best_move(ladder, moves)
        for decision in moves:
            if best is not None and decision.id != best.id:
                self._happen(decision, Happening.OVERTAKEN, ladder, now_ms, best.id)

    def away(self, ladder: Ladder, now_ms: int) -> None:
        """Hear that the venue cannot be asked: what is urgent goes to the fallback."""
        for decision in list(self.open.values()):
            order = decision.order
            urgent = order.priority is Priority.IMMEDIATE
            if order.ladder == ladder.terms.spec.name and urgent and _queued(decision):
                self._happen(decision, Happening.AWAY, ladder, now_ms)

    # ------------------------------------------------------------------------------- hearing

    def heard(self, ladder: Ladder, taken: Iterable[Taken], now_ms: int) -> None:
        """Learn from the rows of a poll what became of decisions, and what has settled."""
        for step in taken:
            decision = self.open.get(step.event.decision)
            if decision is not None and _queued(decision):
                self._answered(decision, step, ladder, now_ms)
            elif step.event.fill is not None:
                self._filled(ladder, step.event)
        for decision in list(self.open.values()):
            if decision.order.ladder != ladder.terms.spec.name:
                continue
            if decision.standing is Standing.EXECUTING:
                over, word, failed = outcome_of(ladder, decision.order)
                if over:
                    self._happen(decision, Happening.SETTLED, ladder, now_ms, word, failed=failed)

    def _answered(self, decision: Decision, step: Taken, ladder: Ladder, now_ms: int) -> None:
        if isinstance(step.cell, Ignored):
            self._happen(decision, Happening.REFUSED, ladder, now_ms, step.cell.reason)
            return
        sized = decision.order.kind in (Kind.BOOK, Kind.SCALE_IN)
        asked = step.event.qty if sized else ZERO
        self._happen(replace(decision, asked_qty=asked), Happening.TAKEN, ladder, now_ms)

    def _filled(self, ladder: Ladder, event: Event) -> None:
        """Count a fill of an order that a decision declared."""
        assert event.fill is not None
        assert event.role is not None
        order = find(ladder, event.role, event.n)
        decision = None if order is None else self.open.get(order.decision)
        if decision is not None:
            qty, cost = event.fill.qty, event.fill.qty * event.fill.price
            qty, cost = decision.filled_qty + qty, decision.filled_cost + cost
            self._keep(replace(decision, filled_qty=qty, filled_cost=cost))

    def _happen(
        self,
        decision: Decision,
        happening: Happening,
        ladder: Ladder,
        now_ms: int,
        word: str = "",
        *,
        failed: bool = False,
    ) -> None:
        after, _ = take(decision, happening, Turn(now_ms, word, failed))
        self._note(after, ladder, now_ms)

    def _keep(self, decision: Decision, body: str = "") -> None:
        """Keep a decision's new state, to be written with the next append."""
        if decision.ended:
            self.open.pop(decision.id, None)
        else:
            self.open[decision.id] = decision
        state = msgspec.json.encode(decision).decode()
        before = self.changed.get(decision.id)
        kept_body = body or (before.body if before is not None else "")
        self.changed[decision.id] = Decided(
            decision.id, self._account, kept_body, decision.standing.value, state
        )

    def _note(self, decision: Decision, ladder: Ladder | None, now_ms: int, body: str = "") -> None:
        """Keep a decision's new state and tell of it."""
        self._keep(decision, body)
        plan = decision.order.ladder if ladder is None else ladder.terms.spec.ladder
        self.drafts.append(
            Draft(
                now_ms,
                self._account,
                decision.order.ladder,
                plan,
                "decision",
                decision_data(decision),
            )
        )


def _queued(decision: Decision) -> bool:
    return decision.standing is Standing.QUEUED


def _with_life(order: Order, now_ms: int) -> Order:
    """Give a decision its default life (SPEC §6)."""
    if order.expires_ms:
        return order
    life = PERSON_LIFE_MS if order.by_person else LIVES_MS.get(order.kind, 0)
    return replace(order, expires_ms=now_ms + life if life else 0)


def _best_move(ladder: Ladder, moves: Sequence[Decision]) -> Decision | None:
    """Return the stop move that is sent: a person's latest, else the tightest."""
    persons = [move for move in moves if move.order.by_person]
    if persons:
        return max(persons, key=lambda move: move.made_ms)
    if not moves:
        return None
    return max(moves, key=lambda move: (move.order.price or ZERO) * ladder.sign)


def outcome_of(ladder: Ladder, order: Order) -> tuple[bool, str, bool]:
    """Tell of a decision under way whether it is over, with what word, and whether it failed."""
    match order.kind:
        case Kind.BOOK:
            return not any(x.qty for x in ladder.exits if x.decision == order.id), "", False
        case Kind.SCALE_IN:
            works = any(entry.working for entry in _declared_for(ladder.entries, order.id))
            return not works, "", False
        case Kind.EXIT:
            return ladder.state is State.CLOSED, "", False
        case Kind.MOVE_STOP:
            return _stop_outcome(ladder, order)
        case Kind.REBALANCE | Kind.RELEASE:
            return True, "", False


def _declared_for(orders: Sequence[DeclaredOrder], decision: str) -> list[DeclaredOrder]:
    return [order for order in orders if order.decision == decision]


def _stop_outcome(ladder: Ladder, order: Order) -> tuple[bool, str, bool]:
    stop, price = ladder.stop, order.price or Decimal(0)
    if stop is None or stop.trigger_px is None:
        return True, "closed", True
    if stop.decision == order.id:
        return not stop.qty, "", False  # nothing rests yet: the entries will carry it
    stands = stop.trigger_px == price or ladder.direction.beyond(stop.trigger_px, price)
    return True, "" if stands else "behind_market", not stands
