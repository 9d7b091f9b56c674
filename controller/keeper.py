"""Keeps one account's ladders right: poll → advance → journal → send, until nothing changes.

The only place where a ladder meets a venue. Every act is written before it is sent; the next poll
judges what came of it. Knows no venue by name and no row by label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from controller.journal import Draft, Journal
from controller.records import Scribe
from exchanges.venue import Venue
from machines import core, observe
from machines.dispatch import Flight
from machines.errors import BrokenInvariant, ForbiddenTransition
from machines.grammar import Row
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.spec import LadderSpec, WhenBusy
from machines.watch import Watch, watch
from machines.words import Event, Key, Outcome, Quote, Snapshot, Trigger, View

MAX_ROUNDS = 10
"""At one instant the controller polls and acts at most this often (SPEC §11)."""


class Kept(msgspec.Struct):
    """A ladder as the keeper holds it."""

    ladder: Ladder
    view: View
    watch: Watch
    last_row: str = ""
    closing_row: str = ""
    """The label of the row that led to CLOSING."""
    parked: str = ""
    """Why it is not managed any more; empty while it is."""


class Waiting(msgspec.Struct):
    """A plan that has not started."""

    spec: LadderSpec
    runs: int = 0
    last_run: str = ""
    """The name of its latest run; a repeat waits until that is closed."""


class Keeper:
    """One account's ladders, plans and polls."""

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        plans: Sequence[LadderSpec],
        on_change: Callable[[Kept, int], None] | None = None,
    ) -> None:
        self.venue = venue
        self.kept: dict[str, Kept] = {}
        self.waiting = [Waiting(plan) for plan in plans]
        self.refused: list[str] = []
        self._journal = journal
        self._on_change = on_change

    @property
    def open(self) -> list[Kept]:
        """Return the ladders that are managed and not closed."""
        return [k for k in self.kept.values() if k.ladder.state is not State.CLOSED]

    def eager(self, now_ms: int) -> bool:
        """Tell whether a plan may start at the next poll: it is due and waits for a price."""
        return any((plan.spec.not_before_ms or 0) <= now_ms for plan in self._startable())

    def starts_ms(self) -> list[int]:
        """Return when plans that wait for their time may start."""
        return [plan.spec.not_before_ms or 0 for plan in self._startable()]

    def _startable(self) -> list[Waiting]:
        """Return the plans that wait for nothing but a time or a price."""
        busy = {kept.ladder.terms.key for kept in self.open}
        return [
            plan
            for plan in self.waiting
            if not self._still_runs(plan) and self._key(plan) not in busy
        ]

    def _still_runs(self, plan: Waiting) -> bool:
        kept = self.kept.get(plan.last_run)
        return kept is not None and kept.ladder.state is not State.CLOSED

    def _key(self, plan: Waiting) -> Key:
        spec = _named(plan)
        return self.venue.key_for(spec.symbol, spec.name, spec.side.value)

    async def settle(self, now_ms: int) -> None:
        """Poll and act until nothing changes, at most `MAX_ROUNDS` times.

        *Raises*: JournalError; nothing has been sent after it.
        """
        for _ in range(MAX_ROUNDS):
            if not await self._round(now_ms):
                return

    async def _round(self, now_ms: int) -> bool:
        snapshot = await self.venue.snapshot(self._since_ms(now_ms))
        drafts: list[Draft] = []
        sends: list[tuple[Kept, Flight]] = []
        moved = False
        for kept in [k for k in self.open if not k.parked]:
            moved |= self._look(kept, snapshot, now_ms, drafts, sends)
        moved |= self._start_plans(snapshot, now_ms, drafts, sends)
        self._journal.append(drafts)
        if sends:
            outcomes = await self.venue.send([flight.mutation for _, flight in sends])
            self._take_outcomes(sends, outcomes, snapshot, now_ms)
        return moved

    def _since_ms(self, now_ms: int) -> int:
        return min((k.ladder.terms.opened_ms for k in self.open), default=now_ms)

    def _look(
        self,
        kept: Kept,
        snapshot: Snapshot,
        now_ms: int,
        drafts: list[Draft],
        sends: list[tuple[Kept, Flight]],
    ) -> bool:
        """Let one ladder see the snapshot; return whether anything is to be done."""
        key = kept.ladder.terms.key
        view = snapshot.views.get(key) or View(key)
        quote = snapshot.quotes.get(key.symbol)
        if view is kept.view and not _due(kept.watch, quote, now_ms):
            return False
        return self._advance(kept, view, quote, now_ms, drafts, sends)

    def _advance(
        self,
        kept: Kept,
        view: View,
        quote: Quote | None,
        now_ms: int,
        drafts: list[Draft],
        sends: list[tuple[Kept, Flight]],
        asked: tuple[Event, ...] = (),
    ) -> bool:
        capabilities = self.venue.capabilities
        scribe = Scribe(kept.ladder, now_ms)
        try:
            done = core.advance(kept.ladder, view, quote, now_ms, capabilities, asked=asked)
        except (ForbiddenTransition, BrokenInvariant) as error:
            kept.parked = str(error)
            scribe.alert(f"parked: {error}")
            drafts += scribe.drafts
            return False
        kept.ladder = done.ladder
        kept.view = view
        here = observe.scene(view, quote, now_ms, capabilities)
        kept.watch = watch(done.ladder, here)
        scribe.rows(done.taken, done.repairs)
        scribe.state(done.ladder)
        drafts += scribe.drafts
        sends += [(kept, flight) for flight in done.flights]
        self._tell(kept, done.taken, now_ms)
        return bool(done.taken or done.mutations)

    def _tell(self, kept: Kept, taken: Sequence[core.Taken], now_ms: int) -> None:
        """Note what a person would want to hear, and pass it on."""
        for step in taken:
            if isinstance(step.cell, Row):
                kept.last_row = f"{step.cell.label} {step.event.trigger.value}"
                if step.after == State.CLOSING and step.before != State.CLOSING:
                    kept.closing_row = step.cell.label
        if taken and self._on_change is not None:
            self._on_change(kept, now_ms)

    def _take_outcomes(
        self,
        sends: Sequence[tuple[Kept, Flight]],
        outcomes: Sequence[Outcome],
        snapshot: Snapshot,
        now_ms: int,
    ) -> None:
        drafts: list[Draft] = []
        window_ms = self.venue.capabilities.window_ms
        for (kept, flight), outcome in zip(sends, outcomes, strict=True):
            quote = snapshot.quotes.get(kept.ladder.terms.key.symbol)
            scribe = Scribe(kept.ladder, now_ms)
            scribe.outcome(flight, outcome)
            ladder, taken = core.answer(
                kept.ladder, flight.mutation, outcome, quote, now_ms, window_ms=window_ms
            )
            if ladder is not kept.ladder:
                kept.ladder = ladder
                kept.watch = Watch(every_poll=True, at_ms=now_ms)
                scribe.rows(taken, ())
                scribe.state(ladder)
                self._tell(kept, taken, now_ms)
            drafts += scribe.drafts
        self._journal.append(drafts)

    def _start_plans(
        self,
        snapshot: Snapshot,
        now_ms: int,
        drafts: list[Draft],
        sends: list[tuple[Kept, Flight]],
    ) -> bool:
        moved = False
        for plan in list(self.waiting):
            quote = snapshot.quotes.get(plan.spec.symbol)
            early = (plan.spec.not_before_ms or 0) > now_ms
            if quote is None or early or self._still_runs(plan):
                continue
            spec = _named(plan)
            key = self._key(plan)
            owner = self._owner(key)
            if owner is not None:
                self._busy(plan, owner, now_ms, drafts)
                continue
            self._open(plan, spec, key, snapshot, quote, now_ms, drafts, sends)
            moved = True
        return moved

    def _owner(self, key: Key) -> str | None:
        for kept in self.open:
            if kept.ladder.terms.key == key:
                return kept.ladder.terms.spec.name
        return None

    def _busy(self, plan: Waiting, owner: str, now_ms: int, drafts: list[Draft]) -> None:
        """Meet a live key: ``queue`` waits, anything else is refused."""
        if plan.spec.when_busy is WhenBusy.QUEUE:
            return
        spec = plan.spec
        text = (
            f"{spec.name} refused: {spec.account} {spec.symbol} belongs to {owner}; "
            'wait until it is closed, or set when_busy = "queue"'
        )
        self._refuse(plan, text, now_ms, drafts)

    def _refuse(self, plan: Waiting, text: str, now_ms: int, drafts: list[Draft]) -> None:
        self.waiting.remove(plan)
        self.refused.append(text)
        spec = plan.spec
        drafts.append(Draft(now_ms, spec.account, spec.name, spec.ladder, "alert", {"text": text}))

    def _open(
        self,
        plan: Waiting,
        spec: LadderSpec,
        key: Key,
        snapshot: Snapshot,
        quote: Quote,
        now_ms: int,
        drafts: list[Draft],
        sends: list[tuple[Kept, Flight]],
    ) -> None:
        symbol = spec.symbol
        setting = Setting(
            self.venue.instruments[symbol], self.venue.fees(symbol), self.venue.capabilities
        )
        faults = refuse_at_start(spec, quote, setting)
        if faults:
            self._refuse(plan, f"{spec.name} refused: {'; '.join(faults)}", now_ms, drafts)
            return
        plan.runs += 1
        plan.last_run = spec.name
        if spec.repeat is None:
            self.waiting.remove(plan)
        view = snapshot.views.get(key) or View(key)
        seen = tuple(fill.fill_id for fill in view.fills)
        ladder = open_ladder(spec, setting, key, quote, now_ms, seen)
        kept = self.kept[spec.name] = Kept(ladder, view, Watch())
        accepted = Event(Trigger.PLAN_ACCEPTED, now_ms)
        self._advance(kept, view, quote, now_ms, drafts, sends, asked=(accepted,))


def _named(plan: Waiting) -> LadderSpec:
    """Name a repeat's next run NAME-0001, …; a plan that runs once keeps its name."""
    if plan.spec.repeat is None:
        return plan.spec
    return msgspec.structs.replace(plan.spec, name=f"{plan.spec.ladder}-{plan.runs + 1:04d}")


def _due(watched: Watch, quote: Quote | None, now_ms: int) -> bool:
    if watched.every_poll or (watched.at_ms is not None and watched.at_ms <= now_ms):
        return True
    due = watched.trading_ms
    return due is not None and quote is not None and due <= quote.trading_ms
