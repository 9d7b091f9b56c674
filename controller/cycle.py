"""The strategy cycle of one account: its rules, the queue of decisions, what came of bookings.

Every twelve seconds, and on candles every bar: the positions have been synced, rules are asked,
what they decide is queued, what waits for the cycle or in the fallback has its turn (SPEC §5).
Sends nothing; the keeper hands over what is due and writes what has changed here, in the commit of
the ladder that it concerns. Without rules it costs a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from controller.alerts import OnAlert, no_alert
from controller.decisions import Decisions
from controller.journal import Decided, Draft, Journal, Remembered
from controller.records import alert_draft, as_line
from controller.rules.desk import RuleDesk
from controller.tracking import Tracker
from machines.core import Taken
from machines.decision import Decision, Order, Priority, Standing
from machines.ladder import Ladder, State
from machines.words import Event, Quote, Trigger

CYCLE_MS = 12_000

Seen = tuple[Ladder, Quote | None]
"""A ladder and the price of its symbol."""


class Voice(msgspec.Struct, frozen=True):
    """Who hears of what."""

    alert: OnAlert = no_alert
    """What a person should look at."""
    news: OnAlert = no_alert
    """What a trader wants to read."""
    log: OnAlert = no_alert
    """That all is well, every cycle."""


class Changes(msgspec.Struct, frozen=True):
    """What is to be written with the next append."""

    drafts: list[Draft]
    decisions: list[Decided]
    memories: list[Remembered]


class Cycle:
    """One account's strategy cycle."""

    def __init__(
        self,
        journal: Journal,
        account: str,
        desk: RuleDesk | None = None,
        voice: Voice = Voice(),  # noqa: B008 - frozen
        every_ms: int = CYCLE_MS,
    ) -> None:
        self.decisions = Decisions(journal, account, voice.alert, self._told)
        self.tracker = Tracker(journal, account)
        self.desk = desk
        self.listeners: list[Callable[[Decision], None]] = []
        """Who else hears each new state of a decision, before it is durable."""
        self._account = account
        self._voice = voice
        self._every_ms = every_ms
        self.next_ms = 0
        """When the next cycle is due."""
        self._drains = False
        """What waits for the cycle, or in the fallback, has its turn until nothing moves."""
        self._drafts: list[Draft] = []

    def due_ms(self, anything_open: Callable[[], bool]) -> list[int]:
        """Return when there is something to do here, whatever the market does."""
        due = self.tracker.due_ms()
        if self.desk is not None and anything_open():
            due.append(self.next_ms)
        return due

    # ------------------------------------------------------------------------- in each round

    def events(self, seen: Seen, now_ms: int) -> tuple[Event, ...]:
        """Return what a ladder is asked now."""
        ladder, quote = seen
        still_true = partial(self._still_true, quote, now_ms)
        return self.decisions.events(ladder, now_ms, cycle=self._drains, still_true=still_true)

    def _still_true(self, quote: Quote | None, now_ms: int, order: Order, ladder: Ladder) -> bool:
        """Ask the rule again; what another than a rule of this run has decided stands."""
        if not order.id.startswith(f"{order.ladder}:{order.by}:"):
            return True
        return self.desk is not None and self.desk.still_true(order, ladder, quote, now_ms)

    def heard(
        self, before: Ladder, after: Ladder, quote: Quote | None, taken: Sequence[Taken],
        now_ms: int,
    ) -> None:  # fmt: skip
        """Learn what a poll has done to a ladder."""
        if self.desk is not None and after is not before:
            self.desk.changed(before, after, quote, _first_fill_ms(taken))
            if after.state is State.CLOSED:
                self.desk.forget(after.terms.spec.name)
        if self.decisions.open:
            self.decisions.heard(after, taken, now_ms)

    def round_ended(self, followed: Iterable[Seen], now_ms: int, *, moved: bool) -> None:
        """Look up what became of bookings; if nothing moved, the cycle's turns are over."""
        self._drains = self._drains and moved
        for ladder, quote in followed:
            for decision in self.tracker.look(ladder, quote, now_ms):
                self.decisions.learnt(decision)

    def away(self, ladders: Iterable[Ladder], now_ms: int) -> None:
        """Hear that the venue cannot be asked."""
        if self.decisions.open:
            for ladder in ladders:
                self.decisions.away(ladder, now_ms)

    def take_changes(self) -> Changes:
        """Hand over what is to be written with the next append."""
        told, decided = self.decisions.take_changes()
        drafts, self._drafts = [*self._drafts, *told], []
        memories = [] if self.desk is None else self.desk.take_changes(self._account)
        return Changes(drafts, decided, memories)

    # ----------------------------------------------------------------------------- each cycle

    def run(self, seen: Sequence[Seen], now_ms: int, *, away: bool) -> bool:
        """Ask the rules of every managed ladder; tell whether anything waits now."""
        # On a grid of the clock: a restart does not shift the cycles that follow.
        self.next_ms = (now_ms // self._every_ms + 1) * self._every_ms
        if self.desk is None and not seen:
            return False
        asked = [] if away else self._ask_all(seen, now_ms)
        self._drains = not away and bool(self.decisions.open)
        self._voice.log(self._account, self._line(seen, asked), now_ms)
        return self._drains

    def _ask_all(self, seen: Sequence[Seen], now_ms: int) -> list[Order]:
        if self.desk is None:
            return []
        asked: list[Order] = []
        for ladder, quote in seen:
            name = ladder.terms.spec.name
            found = self.desk.cycle(ladder, quote, now_ms, self.decisions.of(name))
            for order in found.orders:
                self.decisions.take_in(order, ladder, now_ms)
            for text in found.alerts:
                self._drafts.append(alert_draft(ladder, text, now_ms))
                self._voice.alert(name, text, now_ms)
            asked += found.orders
        return asked

    def _line(self, seen: Sequence[Seen], asked: Sequence[Order]) -> str:
        """Say what a cycle came to (SPEC §5)."""
        exits = sum(ladder.state is State.CLOSING for ladder, _ in seen)
        at_once = sum(order.priority is Priority.IMMEDIATE for order in asked)
        return (
            f"managing {len(seen)} positions, exits {exits}, decisions {len(asked)} "
            f"({at_once} immediate), fallback {self.decisions.fallen_back}"
        )

    def _told(self, decision: Decision, ladder: Ladder | None, now_ms: int) -> None:
        """Hear each new state of a decision."""
        if self.desk is not None:
            self.desk.heard(decision)
        self.tracker.follow(decision)
        for hears in self.listeners:
            hears(decision)
        if decision.standing is Standing.EXECUTING and ladder is not None:
            self._voice.news(decision.order.ladder, as_line(decision, ladder), now_ms)


def _first_fill_ms(taken: Sequence[Taken]) -> int | None:
    """Return when the first entry that a poll has shown as filled was filled."""
    fills = (s.event.fill for s in taken if s.event.trigger is Trigger.ENTRY_FILLED)
    return min((fill.at_ms for fill in fills if fill is not None), default=None)
