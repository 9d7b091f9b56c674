"""The durable queue of decisions: accepted once, handed over in order, each to one ending.

An id is kept for ever: asked again with the same body it answers the same, with another body it is
refused. What a decision's state becomes is written in the same transaction as the ladder that took
it. Knows no venue and no rule; what a position may do is its table's word. *Source*: SPEC §6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from controller.alerts import OnAlert, no_alert
from controller.journal import Decided, Draft, Journal
from controller.outcomes import came_of
from controller.records import decision_data
from controller.turns import PRESSING, Line
from machines.core import Taken
from machines.decision import (
    Decision,
    Happening,
    Kind,
    Order,
    Priority,
    Reason,
    Standing,
    Turn,
    as_event,
    take,
)
from machines.errors import RungkeeperError
from machines.grammar import Ignored
from machines.ladder import Ladder, State, find, parse_order_id
from machines.words import ZERO, Event, Role

replace = msgspec.structs.replace
OPEN = (Standing.QUEUED, Standing.EXECUTING, Standing.FALLBACK_RETRY)
LIVES_MS = {Kind.SCALE_IN: 30_000, Kind.BOOK: 60_000}
"""How long a rule's decision may wait; stop moves until superseded, exits until flat."""
PERSON_LIFE_MS = 300_000
StillTrue = Callable[[Order, Ladder], bool]
"""Evaluates a rule again, on a fresh view, before its decision is sent."""
OnDecision = Callable[[Decision, Ladder | None, int], None]
"""Called with each new state of a decision, its ladder if that is known, and UTC ms."""


class DecisionConflict(RungkeeperError):
    """An id was used before for another decision. The caller's fault; nothing was done."""


def always(order: Order, ladder: Ladder) -> bool:
    """Hold every decision's reason for still true."""
    del order, ladder
    return True


def unheard(decision: Decision, ladder: Ladder | None, now_ms: int) -> None:
    """Let a decision's new state pass unheard."""
    del decision, ladder, now_ms


class Decisions:
    """One account's decisions that have not ended."""

    def __init__(
        self,
        journal: Journal,
        account: str,
        on_alert: OnAlert = no_alert,
        on_decision: OnDecision = unheard,
    ) -> None:
        self._journal = journal
        self._account = account
        self._on_alert = on_alert
        self._on_decision = on_decision
        self.open: dict[str, Decision] = {}
        self._lines: dict[str, Line] = {}
        self._pressing: set[str] = set()
        """The ladders for which more waits than what is in the background."""
        self._background = True
        self._drafts: list[Draft] = []
        self._changed: dict[str, Decided] = {}
        """What is to be written with the next append, with `_drafts`."""
        for row in journal.decisions(account, OPEN):
            decision = msgspec.json.decode(row.state, type=Decision)
            self._place(take(decision, Happening.RESTARTED, Turn(decision.made_ms))[0])

    # ---------------------------------------------------------------------------- accepting

    def accept(
        self, order: Order, ladder: Ladder | None, now_ms: int, *, parked: bool = False
    ) -> Decision:
        """Make a decision durable and return it; the same one again returns what became of it.

        *Raises*: DecisionConflict when the id stands for another body; JournalError.
        """
        known = self._journal.decision(order.id)
        if known is not None:
            if msgspec.json.decode(known.body, type=Order) != order:
                raise DecisionConflict(
                    f"{order.id}: was used before for another decision; an id is used once"
                )
            now = self.open.get(order.id)
            return msgspec.json.decode(known.state, type=Decision) if now is None else now
        decision = Decision(order=_with_life(order, now_ms), made_ms=now_ms)
        refusal = _refusal(ladder, parked=parked)
        if refusal:
            decision, _ = take(decision, Happening.REFUSED, Turn(now_ms, refusal))
        drafts = self._told(decision, ladder, now_ms)
        self._journal.append(drafts, decisions=[_decided(decision, self._account, _body(order))])
        self._place(decision)
        self._tell(decision, ladder, now_ms)
        return decision

    def take_in(self, order: Order, ladder: Ladder, now_ms: int) -> None:
        """Queue what a rule has decided; it is durable with the next append, before it is done."""
        if self._journal.decision(order.id) is not None:
            return  # this moment was lived before a crash
        decision = Decision(order=_with_life(order, now_ms), made_ms=now_ms)
        self._changed[order.id] = _decided(decision, self._account, _body(order))
        self._note(decision, ladder, now_ms)

    def learnt(self, decision: Decision) -> None:
        """Keep what has become known of a decision since it ended, with the next append."""
        self._changed[decision.id] = _decided(decision, self._account)

    def take_changes(self) -> tuple[list[Draft], list[Decided]]:
        """Hand over what is to be written with the next append."""
        drafts, changed = self._drafts, list(self._changed.values())
        self._drafts, self._changed = [], {}
        return drafts, changed

    def of(self, name: str) -> list[Decision]:
        """Return a ladder's decisions that have not ended."""
        line = self._lines.get(name)
        return [] if line is None else [*line.waiting, *line.executing.values()]

    @property
    def fallen_back(self) -> int:
        """Return how many wait for the trade engine or the venue."""
        return sum(len(line.fallback) for line in self._lines.values())

    # -------------------------------------------------------------------------- handing over

    def events(
        self, ladder: Ladder, now_ms: int, *, cycle: bool, still_true: StillTrue = always
    ) -> tuple[Event, ...]:
        """Return what a ladder is asked now: at most one decision, the most urgent one.

        The venue has just answered: what has waited for it waits no more at a ``cycle``. What has
        expired or is not true any more ends here.
        """
        line = self._lines.get(ladder.terms.spec.name)
        if line is None:
            return ()
        for decision in list(line.fallback.values()):
            if cycle or now_ms >= decision.due_ms:
                self._happen(decision, Happening.WAIT_OVER, ladder, now_ms)
        self._expire(line, ladder, now_ms, still_true)
        for decision in line.in_turn(ladder, self._levels(cycle=cycle)):
            order = decision.order
            if order.by_person or still_true(order, ladder):
                return (as_event(order, now_ms),)
            self._happen(decision, Happening.REFUSED, ladder, now_ms, Reason.CONDITION_GONE)
        return ()

    def _expire(self, line: Line, ladder: Ladder, now_ms: int, still_true: StillTrue) -> None:
        """End what has waited for its whole life; a rule's reason is looked at before its age."""
        if line.look_ms is None or now_ms < line.look_ms:
            return
        line.look_ms = None
        for decision in line.waiting:
            order = decision.order
            if not order.expires_ms or now_ms < order.expires_ms:
                line.note_expiry(decision)
            elif order.by_person or still_true(order, ladder):
                self._happen(decision, Happening.EXPIRED, ladder, now_ms)
            else:
                self._happen(decision, Happening.REFUSED, ladder, now_ms, Reason.CONDITION_GONE)

    def begin_round(self) -> None:
        """Let what is in the background wait for this whole round if anything else waits now."""
        self._background = not self._pressing

    def _levels(self, *, cycle: bool) -> tuple[Priority, ...]:
        """Return whose turn it is: what is in the background waits until nothing else does."""
        if self._background and not self._pressing:
            return (Priority.BACKGROUND,)
        return PRESSING if cycle else (Priority.IMMEDIATE,)

    def away(self, ladder: Ladder, now_ms: int) -> None:
        """Hear that the venue cannot be asked: what waits goes to the fallback, or goes on there.

        A rule's decision does not expire now: when the venue is back its reason is judged first.
        """
        line = self._lines.get(ladder.terms.spec.name)
        for decision in [] if line is None else line.waiting:
            order = decision.order
            expired = order.by_person and 0 < order.expires_ms <= now_ms
            what = Happening.EXPIRED if expired else Happening.AWAY
            self._happen(decision, what, ladder, now_ms)

    # ------------------------------------------------------------------------------- hearing

    def heard(self, ladder: Ladder, taken: Sequence[Taken], now_ms: int) -> None:
        """Learn from the rows of a poll what became of decisions, and what has settled."""
        line = self._lines.get(ladder.terms.spec.name)
        if line is None:
            return
        for step in taken:
            if step.event.fill is not None:
                self._filled(ladder, step.event)
            elif step.event.role is None and step.event.decision in self.open:
                self._answered(self.open[step.event.decision], step, line, ladder, now_ms)
        for decision in list(line.executing.values()):
            self._settle(decision, line, ladder, taken, now_ms)
        if ladder.state is State.CLOSED:
            self._end(line.waiting, Happening.REFUSED, ladder, now_ms, Reason.CLOSED)

    def parked(self, ladder: Ladder, now_ms: int) -> None:
        """Hear that nothing more is done for a ladder: neither is what was decided for it."""
        line = self._lines.get(ladder.terms.spec.name)
        if line is None:
            return
        self._end(line.waiting, Happening.REFUSED, ladder, now_ms, Reason.PARKED)
        for decision in list(line.executing.values()):
            turn = Turn(now_ms, Reason.PARKED, failed=True)
            self._note(take(decision, Happening.SETTLED, turn)[0], ladder, now_ms)

    def _answered(
        self, decision: Decision, step: Taken, line: Line, ladder: Ladder, now_ms: int
    ) -> None:
        """Take the word of the cell that a decision met."""
        event = step.event
        if isinstance(step.cell, Ignored):
            self._happen(decision, Happening.REFUSED, ladder, now_ms, step.cell.reason)
            return
        kind = decision.order.kind
        sized = kind in (Kind.BOOK, Kind.SCALE_IN)
        known = replace(decision, asked_qty=event.qty if sized else ZERO, asked_px=event.price)
        self._happen(known, Happening.TAKEN, ladder, now_ms)
        others = [other for other in line.waiting if other.order.kind is not Kind.RELEASE]
        if kind in (Kind.MOVE_STOP, Kind.REBALANCE):
            others = [other for other in others if other.order.kind is kind]
        elif kind is not Kind.EXIT:
            return
        self._end(others, Happening.OVERTAKEN, ladder, now_ms, decision.id)

    def _settle(
        self, decision: Decision, line: Line, ladder: Ladder, taken: Sequence[Taken], now_ms: int
    ) -> None:
        """End what is under way if it is over; what an exit has cut short is superseded by it."""
        outcome = came_of(decision, ladder, taken)
        if outcome is None:
            return
        unfilled = bool(decision.asked_qty) and not decision.filled_qty
        leaving = line.leaving
        if (outcome.failed or unfilled) and leaving is not None and leaving.id != decision.id:
            self._happen(decision, Happening.OVERTAKEN, ladder, now_ms, leaving.id)
            return
        turn = Turn(now_ms, outcome.word, outcome.failed)
        self._note(take(decision, Happening.SETTLED, turn)[0], ladder, now_ms)

    def _filled(self, ladder: Ladder, event: Event) -> None:
        """Count a fill of an order that a decision declared; a rung's own may leave as an exit."""
        fill = event.fill
        slot = None if fill is None else parse_order_id(ladder.terms, fill.client_order_id)
        if fill is None or slot is None or slot[0] not in (Role.ENTRY, Role.EXIT):
            return
        order = find(ladder, slot[0], slot[1])
        decision = None if order is None else self.open.get(order.decision)
        if decision is not None:
            qty, cost = decision.filled_qty + fill.qty, fill.qty * fill.price
            cost += decision.filled_cost
            self._keep(replace(decision, filled_qty=qty, filled_cost=cost))

    # ------------------------------------------------------------------------------- keeping

    def _end(
        self, some: Iterable[Decision], how: Happening, ladder: Ladder, now_ms: int, word: str
    ) -> None:
        for decision in some:
            self._happen(decision, how, ladder, now_ms, word)

    def _happen(
        self, decision: Decision, happening: Happening, ladder: Ladder, now_ms: int, word: str = ""
    ) -> None:
        after, cell = take(decision, happening, Turn(now_ms, word))
        if not isinstance(cell, Ignored):
            self._note(after, ladder, now_ms)

    def _note(self, decision: Decision, ladder: Ladder, now_ms: int) -> None:
        """Keep a decision's new state and tell of it."""
        self._keep(decision)
        self._drafts += self._told(decision, ladder, now_ms)
        self._tell(decision, ladder, now_ms)

    def _keep(self, decision: Decision) -> None:
        """Keep a decision's new state, to be written with the next append."""
        self._place(decision)
        unwritten = self._changed.get(decision.id)
        body = "" if unwritten is None else unwritten.body
        self._changed[decision.id] = _decided(decision, self._account, body)

    def _place(self, decision: Decision) -> None:
        name = decision.order.ladder
        line = self._lines.setdefault(name, Line())
        line.put(decision)
        if decision.ended:
            self.open.pop(decision.id, None)
        else:
            self.open[decision.id] = decision
        if line.pressing:
            self._pressing.add(name)
        else:
            self._pressing.discard(name)
        if line.empty:
            del self._lines[name]

    def _told(self, decision: Decision, ladder: Ladder | None, now_ms: int) -> list[Draft]:
        name = decision.order.ladder
        plan = name if ladder is None else ladder.terms.spec.ladder
        where = (now_ms, self._account, name, plan)
        drafts = [Draft(*where, "decision", decision_data(decision))]
        text = _alert(decision)
        if text:
            drafts.append(Draft(*where, "alert", {"decision": decision.id, "text": text}))
        return drafts

    def _tell(self, decision: Decision, ladder: Ladder | None, now_ms: int) -> None:
        self._on_decision(decision, ladder, now_ms)
        text = _alert(decision)
        if text:
            self._on_alert(decision.order.ladder, text, now_ms)


def _refusal(ladder: Ladder | None, *, parked: bool) -> str:
    """Say why nothing can be decided for a ladder, or nothing."""
    if ladder is None:
        return Reason.UNKNOWN_LADDER
    if ladder.state is State.CLOSED:
        return Reason.CLOSED
    return Reason.PARKED if parked else ""


def _alert(decision: Decision) -> str:
    """Say what a person should hear: what he decided is not done, or a dead letter."""
    order = decision.order
    lost = decision.standing in (Standing.REFUSED, Standing.EXPIRED)
    if not lost or not (order.by_person or decision.reason == Reason.GAVE_UP):
        return ""
    why = f" ({decision.reason})" if decision.reason else ""
    return f"{order.kind} by {order.by}: {decision.standing}{why}, decision {order.id}"


def _body(order: Order) -> str:
    """Write what an id stands for, as it was given."""
    return msgspec.json.encode(order).decode()


def _decided(decision: Decision, account: str, body: str = "") -> Decided:
    """Write a decision as the journal keeps it; its body, once written, never changes."""
    state = msgspec.json.encode(decision).decode()
    return Decided(decision.id, account, body, decision.standing.value, state)


def _with_life(order: Order, now_ms: int) -> Order:
    """Give a decision its default life (SPEC §6)."""
    if order.expires_ms:
        return order
    life = PERSON_LIFE_MS if order.by_person else LIVES_MS.get(order.kind, 0)
    return replace(order, expires_ms=now_ms + life if life else 0)
