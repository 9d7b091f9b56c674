"""Keeps one account's ladders right: poll → advance → journal → send, until nothing changes.

The only place where a ladder meets a venue. Every act is durable before it is sent. What it was
answered is durable when the instant ends: an answer that is lost leaves an act of unknown outcome,
no more. The next poll judges what came of it. A poll that fails, or that began before our last
write was answered, says nothing (DESIGN laws 4 and 5). Knows no venue by name and no row by label.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from controller.alerts import OnAlert, no_alert
from controller.cycle import Cycle, Seen, Voice
from controller.journal import Draft, Journal
from controller.kept import Kept, OnChange, Work, adopted_orders, is_due, is_open, no_change
from controller.mirrors import Follower
from controller.openings import Openings, Waiting, busy_refusal
from controller.reading import Reading
from controller.records import Scribe, adoption_draft, plan_draft, refusal_draft, told
from controller.spans import heard, tell_naked
from controller.supervisor import supervised
from exchanges.adopted import AdoptedVenue
from exchanges.venue import Venue
from machines import core, observe
from machines.decision import Decision, Order, as_event
from machines.dispatch import Flight
from machines.grammar import Row
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.spec import LadderSpec
from machines.watch import Watch, watch
from machines.words import Event, Key, Outcome, Quote, Trigger, View

MAX_ROUNDS = 10
"""At one instant the controller polls and acts at most this often (SPEC §11)."""


class Keeper:
    """One account's ladders, plans and polls."""

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        plans: Sequence[Waiting],
        kept: Sequence[Kept] = (),
        on_change: OnChange = no_change,
        on_alert: OnAlert = no_alert,
        cycle: Cycle | None = None,
    ) -> None:
        self.venue = AdoptedVenue(venue, adopted_orders(kept))
        self.kept = {each.ladder.terms.spec.name: each for each in kept}
        self.openings = Openings(plans)
        self.reading = Reading(self.venue, on_alert)
        self._journal = journal
        self._on_change = on_change
        self._on_alert = on_alert
        self._ends = False
        self._last_closed: dict[Key, Kept] = {}
        self._answers: list[Draft] = []
        """Outcomes that wait for the next commit of the same instant."""
        if cycle is None:
            cycle = Cycle(journal, venue.account, voice=Voice(on_alert))
        self.cycle = cycle
        self.decisions = cycle.decisions
        self.follower: Follower | None = None
        """Lets ladders here follow those of other accounts."""

    # ------------------------------------------------------------------------------- asking

    @property
    def open(self) -> list[Kept]:
        """Return the ladders that are not closed."""
        return [k for k in self.kept.values() if k.ladder.state is not State.CLOSED]

    @property
    def names(self) -> set[str]:
        """Return every name that is taken: of a ladder, or of a plan that waits."""
        return {*self.kept, *(plan.spec.name for plan in self.openings.waiting)}

    @property
    def watches(self) -> list[tuple[Ladder, Watch]]:
        """Return what each managed ladder waits for."""
        return [(k.ladder, k.watch) for k in self.open if not k.parked]

    def eager(self, now_ms: int) -> bool:
        """Tell whether to look at the next poll anyway: a plan is due, or a read was missed."""
        if self.reading.missed or self.decisions.open:
            return True
        if self.follower is not None and self.follower.active:
            return True
        return any(plan.due_ms <= now_ms for plan in self._startable())

    def starts_ms(self) -> list[int]:
        """Return when plans that wait for their time may start."""
        return [plan.due_ms for plan in self._startable()]

    def cycle_due_ms(self) -> list[int]:
        """Return when rules are to be asked, and effects looked up, whatever the market does."""
        return self.cycle.due_ms(lambda: any(is_open(kept) for kept in self.kept.values()))

    def _startable(self) -> list[Waiting]:
        busy = {kept.ladder.terms.key for kept in self.open}
        return self.openings.startable(lambda plan: self._key(plan) in busy, self._is_open)

    def _is_open(self, name: str) -> bool:
        kept = self.kept.get(name)
        return kept is not None and kept.ladder.state is not State.CLOSED

    def _key(self, plan: Waiting) -> Key:
        spec = plan.named()
        return self.venue.key_for(spec.symbol, spec.name, spec.side.value)

    # ------------------------------------------------------------------------------- acting

    async def settle(self, now_ms: int) -> None:
        """Poll and act at one instant until nothing changes, at most `MAX_ROUNDS` times.

        *Raises*: JournalError; nothing has been sent after it.
        """
        try:
            for _ in range(MAX_ROUNDS):
                if not await self._round(now_ms) and not self._run_cycle(now_ms):
                    return
        finally:
            self._write(())

    async def look_once(self, now_ms: int) -> bool:
        """Poll and act once; return whether anything was done. *Raises*: JournalError."""
        try:
            moved = await self._round(now_ms)
            return self._run_cycle(now_ms) or moved
        finally:
            self._write(())

    async def get_out(self, now_ms: int) -> None:
        """Leave every position, at the end of what there is to trade on (SPEC §11 ``at_end``)."""
        self._ends = True
        self.openings.waiting.clear()
        await self.settle(now_ms)

    async def _round(self, now_ms: int) -> bool:
        since_ms = min((k.ladder.terms.opened_ms for k in self.open), default=now_ms)
        snapshot = await self.reading.read(since_ms, now_ms)
        if snapshot is None:
            self.cycle.away([kept.ladder for kept in self.open], now_ms)
            self._follow(now_ms)
            return False
        work = Work(snapshot, now_ms)
        self.decisions.begin_round()
        for kept in [k for k in self.open if not k.parked]:
            self._look(kept, work)
        self._look_back(work)
        self._start_plans(work)
        work.moved |= self._follow(now_ms)
        followed = (self.kept[name] for name in self.cycle.tracker.ladders if name in self.kept)
        self.cycle.round_ended(map(work.seen, followed), now_ms, moved=work.moved)
        self._write(work.drafts)
        if work.sends:
            outcomes = await self.venue.send([flight.mutation for _, flight in work.sends])
            self.reading.settled_ms = now_ms
            self._take_outcomes(work, outcomes)
        return work.moved

    def _follow(self, now_ms: int) -> bool:
        """Let mirrors here follow; tell whether anything was handed to them."""
        return self.follower is not None and self.follower.sync(now_ms)

    def _write(self, drafts: Sequence[Draft]) -> None:
        """Make durable what waits, what was found and what became of decisions, in one commit."""
        waiting, self._answers = self._answers, []
        found = self.cycle.take_changes()
        written = [*waiting, *drafts, *found.drafts]
        self._journal.append(written, decisions=found.decisions, memories=found.memories)

    def _run_cycle(self, now_ms: int) -> bool:
        """Let the strategy cycle run, if it is time; tell whether anything waits now."""
        if now_ms < self.cycle.next_ms:
            return False
        last = self.reading.last
        quotes = {} if last is None else last.quotes
        seen: list[Seen] = [
            (kept.ladder, quotes.get(kept.ladder.terms.key.symbol))
            for kept in self.open
            if not kept.parked
        ]
        return self.cycle.run(seen, now_ms, away=self.reading.missed)

    def decide(self, order: Order, now_ms: int) -> Decision:
        """Accept a decision and return it, durable; the next round hands it over.

        *Raises*: DecisionConflict, JournalError.
        """
        kept = self.kept.get(order.ladder)
        ladder, parked = (None, False) if kept is None else (kept.ladder, bool(kept.parked))
        return self.decisions.accept(order, ladder, now_ms, parked=parked)

    def would(self, order: Order, now_ms: int) -> list[str]:
        """Tell what a decision would do now, in the words of the table; nothing is done."""
        kept, snapshot = self.kept[order.ladder], self.reading.last
        if snapshot is None:
            return ["the venue has not been read yet"]
        quote = snapshot.quotes.get(kept.ladder.terms.key.symbol)
        asked = (as_event(order, now_ms),)
        capabilities = self.venue.capabilities
        done = core.advance(kept.ladder, kept.view, quote, now_ms, capabilities, asked=asked)
        return told(done)

    def add_plan(self, spec: LadderSpec, now_ms: int) -> None:
        """Take a plan in, durable; the next round may open it. *Raises*: JournalError."""
        self._journal.append([plan_draft(spec, now_ms)])
        self.openings.waiting.append(Waiting(spec))

    def adopt(self, ladder: Ladder, now_ms: int) -> None:
        """Take over what rests already, durable; the next round fits it. *Raises*: JournalError."""
        self._journal.append([adoption_draft(ladder, now_ms)])
        self.venue.adopt(ladder.terms.adopted)
        kept = Kept(ladder, View(ladder.terms.key), Watch(every_poll=True))
        self.kept[ladder.terms.spec.name] = kept

    def setting(self, symbol: str) -> Setting:
        """Return where a plan for ``symbol`` would be opened."""
        venue = self.venue
        return Setting(venue.instruments[symbol], venue.fees(symbol), venue.capabilities)

    def _look(self, kept: Kept, work: Work) -> None:
        """Let one ladder see the snapshot, unless nothing that concerns it has changed."""
        if self.decisions.open:
            asked = self.cycle.events(work.seen(kept), work.now_ms)
            if asked:
                work.moved = True  # refused, the next one may have its turn
                self._guarded(kept, work, asked)
                return
        if self._ends and kept.ladder.state is not State.CLOSING:
            leave = Event(Trigger.EXIT_DECIDED, work.now_ms, reason="end_of_feed")
            self._guarded(kept, work, (leave,))
            return
        key = kept.ladder.terms.key
        led: tuple[Event, ...] = ()
        if work.view(key) is kept.view:  # every fill in it is counted
            if self.follower is not None:
                led = self.follower.events(kept.ladder, work.now_ms)
            if not led and not is_due(kept.watch, work.quote(key), work.now_ms):
                return
        self._guarded(kept, work, led)

    def _look_back(self, work: Work) -> None:
        """Let the last closed ladder of a key see fills that come after its end (E6)."""
        for key, kept in self._last_closed.items():
            view = work.view(key)
            if view is kept.view or kept.ladder.state is not State.CLOSED:
                continue
            here = observe.scene(view, None, work.now_ms, self.venue.capabilities)
            kept.view = view
            if any(True for _ in observe.fill_events(kept.ladder, here)):
                self._guarded(kept, work)

    def _guarded(self, kept: Kept, work: Work, asked: tuple[Event, ...] = ()) -> None:
        """Advance one ladder; if that fails, halt it, and if that fails, park it."""
        failed: list[str] = []
        with supervised(failed.append):
            self._advance(kept, work, asked)
        if not failed:
            return
        halt = Event(Trigger.BOOKS_DISAGREED, work.now_ms, reason=f"failed: {failed[0]}")
        with supervised(failed.append):
            self._halt(kept, work, halt)
        if len(failed) > 1:
            kept.parked = failed[0]
            self.decisions.parked(kept.ladder, work.now_ms)
            scribe = Scribe(kept.ladder, work.now_ms)
            scribe.alert(f"parked, nothing more is done for it: {failed[0]}")
            self._file(kept, scribe, work)

    def _halt(self, kept: Kept, work: Work, event: Event) -> None:
        """Take H1 alone; what to send is planned at the next poll."""
        done = core.take_one(kept.ladder, event, work.quote(kept.ladder.terms.key))
        scribe = Scribe(kept.ladder, work.now_ms)
        kept.ladder = done[0]
        kept.watch = Watch(every_poll=True)
        scribe.rows((done[1],), ())
        scribe.state(kept.ladder)
        self._file(kept, scribe, work)
        self._tell(kept, (done[1],), work.now_ms)

    def _advance(self, kept: Kept, work: Work, asked: tuple[Event, ...] = ()) -> None:
        before, now_ms = kept.ladder, work.now_ms
        view, quote = work.view(before.terms.key), work.quote(before.terms.key)
        capabilities, read_ms = self.venue.capabilities, work.snapshot.started_ms
        done = core.advance(
            before, view, quote, now_ms, capabilities, asked=asked, started_ms=read_ms
        )
        here = observe.scene(view, quote, now_ms, capabilities, read_ms)
        kept.watch = watch(done.ladder, here)
        kept.ladder, kept.view = done.ladder, view
        scribe = Scribe(before, now_ms)
        scribe.rows(done.taken, done.repairs, heard(kept, done.taken, here))
        for flight in done.given_up:
            scribe.gave_up(flight)
        self.cycle.heard(before, done.ladder, quote, done.taken, now_ms)
        tell_naked(kept, scribe, now_ms)
        if scribe.drafts or done.ladder.flights != before.flights:
            scribe.state(done.ladder)
        self._file(kept, scribe, work)
        work.sends += [(kept, flight) for flight in done.flights]
        work.moved |= done.ladder.flights != before.flights
        work.moved |= any(isinstance(step.cell, Row) for step in done.taken)
        self._tell(kept, done.taken, now_ms)

    def _file(self, kept: Kept, scribe: Scribe, work: Work) -> None:
        work.drafts += scribe.drafts
        for text in scribe.alerts:
            self._on_alert(kept.ladder.terms.spec.name, text, work.now_ms)

    def _tell(self, kept: Kept, taken: Sequence[core.Taken], now_ms: int) -> None:
        """Note what a person would want to hear, and pass it on."""
        for step in taken:
            if isinstance(step.cell, Row):
                kept.last_row = f"{step.cell.label} {step.event.trigger.value}"
                if step.after == State.CLOSING and step.before != State.CLOSING:
                    kept.closing_row = step.cell.label
                if step.after == State.CLOSED and step.before != State.CLOSED:
                    self.openings.closed(kept.ladder, now_ms)
        if kept.ladder.state is State.CLOSED:
            self._last_closed[kept.ladder.terms.key] = kept
        if taken:
            self._on_change(kept, now_ms)

    def _take_outcomes(self, work: Work, outcomes: Sequence[Outcome]) -> None:
        """Fold what was answered into the ladders; each is written down once, after its last."""
        answers = zip(work.sends, outcomes, strict=True)
        for _, group in groupby(answers, key=lambda answer: id(answer[0][0])):
            mine = list(group)
            self._answers += self._answer(mine[0][0][0], [(f, o) for (_, f), o in mine], work)

    def _answer(
        self, kept: Kept, answers: Sequence[tuple[Flight, Outcome]], work: Work
    ) -> list[Draft]:
        now_ms, window_ms = work.now_ms, self.venue.capabilities.window_ms
        quote = work.quote(kept.ladder.terms.key)
        scribe = Scribe(kept.ladder, now_ms)
        for flight, outcome in answers:
            scribe.outcome(flight, outcome)
            kept.ladder, taken = core.answer(
                kept.ladder, flight.mutation, outcome, quote, now_ms, window_ms=window_ms
            )
            scribe.rows(taken, ())
            if self.decisions.open:
                self.decisions.heard(kept.ladder, taken, now_ms)
            self._tell(kept, taken, now_ms)
        kept.watch = Watch(every_poll=True, at_ms=now_ms)
        scribe.state(kept.ladder)
        for text in scribe.alerts:
            self._on_alert(kept.ladder.terms.spec.name, text, now_ms)
        return scribe.drafts

    # ------------------------------------------------------------------------------ opening

    def _start_plans(self, work: Work) -> None:
        for plan in list(self.openings.waiting):
            quote = work.snapshot.quotes.get(plan.spec.symbol)
            if quote is None or plan.due_ms > work.now_ms or plan.waits_for(self._is_open):
                continue
            key = self._key(plan)
            owner = next((k for k in self.open if k.ladder.terms.key == key), None)
            if owner is None:
                self._open(plan, key, quote, work)
                work.moved = True
                continue
            refusal = busy_refusal(plan.spec, owner.ladder.terms.spec.name)
            if refusal:
                self._refuse(plan, refusal, work)

    def _refuse(self, plan: Waiting, text: str, work: Work) -> None:
        self.openings.refuse(plan, text)
        work.drafts.append(refusal_draft(plan.spec, text, work.now_ms))

    def _open(self, plan: Waiting, key: Key, quote: Quote, work: Work) -> None:
        spec = plan.named()
        setting = self.setting(spec.symbol)
        view = work.view(key)
        faults = refuse_at_start(spec, quote, setting, view)
        if faults:
            self._refuse(plan, f"{spec.name} refused: {'; '.join(faults)}", work)
            return
        self.openings.opened(plan, spec.name, work.now_ms)
        ladder = open_ladder(spec, setting, key, quote, work.now_ms, view)
        kept = self.kept[spec.name] = Kept(ladder, view, Watch())
        self._guarded(kept, work, asked=(Event(Trigger.PLAN_ACCEPTED, work.now_ms),))
