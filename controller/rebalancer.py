"""The conservative rebalancer: a keeper that changes quantities and nothing else (SPEC §8).

It runs in the state machine's place (``enhanced_tp_sl = false``), every five minutes and on
request, for every ladder of the journal that is open, adopted or not. No row is taken and no
ladder changes, so that the state machine, switched on again, goes on from what it knew. Plans are
not opened, and nothing but a rebalance can be decided. Invariant: it sends amendments of
quantities only; each is in the journal before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from controller.alerts import OnAlert, no_alert
from controller.cycle import Cycle
from controller.journal import Decided, Draft, Journal
from controller.keeper import Keeper
from controller.kept import Kept, OnChange, no_change
from controller.openings import Waiting
from controller.records import decision_data, describe
from exchanges.venue import Venue
from machines import observe
from machines.decision import Decision, Happening, Kind, Order, Turn, take
from machines.errors import InvalidSpec
from machines.ladder import Ladder
from machines.rebalance import Rebalance, rebalance
from machines.spec import LadderSpec
from machines.watch import Watch
from machines.words import AmendOrder, Outcome, OutcomeKind, Snapshot, View, plain

EVERY_MS = 300_000
"""SPEC §8."""
RETRY_MS = 60_000
"""After an amendment that did not succeed: the order was filling, or the venue was busy."""
OFF = "enhanced_tp_sl = false: only the conservative rebalancer runs"
_LANDED = (OutcomeKind.ACCEPTED, OutcomeKind.ALREADY_DONE)

Asked = tuple[Kept, AmendOrder]


class Rebalancer(Keeper):
    """One account's open ladders, looked at every five minutes."""

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
        super().__init__(venue, journal, (), kept, on_change, on_alert, cycle)
        self._due_ms = 0
        self._told: dict[str, tuple[str, ...]] = {}
        """What a person has heard of each ladder; told again when it changes."""
        names = ", ".join(plan.spec.name for plan in plans)
        if names:
            self.openings.refused.append(f"{OFF}; not opened: {names}")

    # ------------------------------------------------------------------------------- asking

    @property
    def watches(self) -> list[tuple[Ladder, Watch]]:
        """Return when to look: at its own times, whatever the market does."""
        return [(kept.ladder, Watch(at_ms=self._due_ms)) for kept in self.open]

    def eager(self, now_ms: int) -> bool:
        """Tell whether to look at the next poll: a read was missed, or a person has asked."""
        return self.reading.missed or bool(self._waiting())

    def cycle_due_ms(self) -> list[int]:
        """Return nothing: no rule runs."""
        return []

    def _waiting(self) -> list[Decision]:
        """Return what has been asked for; other decisions wait for the state machine."""
        return [one for one in self.decisions.open.values() if one.order.kind is Kind.REBALANCE]

    def decide(self, order: Order, now_ms: int) -> Decision:
        """Accept a rebalance, durable; the next look does it.

        *Raises*: InvalidSpec for anything else; DecisionConflict, JournalError.
        """
        if order.kind is not Kind.REBALANCE:
            raise InvalidSpec([f"{order.kind}: refused; {OFF}"])
        return super().decide(order, now_ms)

    def would(self, order: Order, now_ms: int) -> list[str]:
        """Tell what a rebalance would amend now."""
        kept, snapshot = self.kept[order.ladder], self.reading.last
        if order.kind is not Kind.REBALANCE:
            raise InvalidSpec([f"{order.kind}: refused; {OFF}"])
        if snapshot is None:
            return ["the venue has not been read yet"]
        done, view = self._plan(kept, snapshot, now_ms), _view(kept, snapshot)
        lines = [_sentence(amend, view) for amend in done.amendments]
        return [*lines, *done.notes] or ["nothing would be done"]

    def add_plan(self, spec: LadderSpec, now_ms: int) -> None:
        """Refuse a plan. *Raises*: InvalidSpec."""
        del now_ms
        raise InvalidSpec([f"{spec.name}: not opened; {OFF}"])

    def adopt(self, ladder: Ladder, now_ms: int) -> None:
        """Take over what rests already, durable; the next look fits it."""
        super().adopt(ladder, now_ms)
        self._due_ms = now_ms

    # ------------------------------------------------------------------------------- acting

    async def settle(self, now_ms: int) -> None:
        """Look, if it is time to. *Raises*: JournalError."""
        await self.look_once(now_ms)

    async def get_out(self, now_ms: int) -> None:
        """Do nothing at the feed's end: it closes no position."""
        del now_ms

    async def look_once(self, now_ms: int) -> bool:
        """Make quantities fit, if it is time to or somebody asked. *Raises*: JournalError."""
        waiting, reading = self._waiting(), self.reading
        if now_ms < self._due_ms and not (waiting or reading.missed or reading.wanted):
            return False
        since_ms = min((k.ladder.terms.opened_ms for k in self.open), default=now_ms)
        snapshot = await self.reading.read(since_ms, now_ms)
        if snapshot is None:
            return False
        self._due_ms = now_ms + EVERY_MS
        asked: list[Asked] = []
        drafts: list[Draft] = []
        for kept in self.open:
            kept.view = _view(kept, snapshot)
            done = self._plan(kept, snapshot, now_ms)
            asked += [(kept, amend) for amend in done.amendments]
            drafts += self._say(kept, done.notes, now_ms)
        drafts += [_draft(kept, amend, "intent", now_ms) for kept, amend in asked]
        self._journal.append(drafts)
        await self._send(asked, now_ms)
        self._finish(waiting, now_ms)
        return False

    def _plan(self, kept: Kept, snapshot: Snapshot, now_ms: int) -> Rebalance:
        key = kept.ladder.terms.key
        quote, capabilities = snapshot.quotes.get(key.symbol), self.venue.capabilities
        return rebalance(
            kept.ladder, observe.scene(_view(kept, snapshot), quote, now_ms, capabilities)
        )

    async def _send(self, asked: Sequence[Asked], now_ms: int) -> None:
        if not asked:
            return
        outcomes = await self.venue.send([amend for _, amend in asked])
        self.reading.settled_ms = now_ms
        if any(outcome.kind not in _LANDED for outcome in outcomes):
            self._due_ms = now_ms + RETRY_MS
        answers = list(zip(asked, outcomes, strict=True))
        self._journal.append(
            [_draft(kept, amend, "outcome", now_ms, came) for (kept, amend), came in answers]
        )
        for (kept, amend), came in answers:
            kept.last_row = f"{_sentence(amend, kept.view)}: {came.kind}"
            self._on_change(kept, now_ms)

    def _say(self, kept: Kept, notes: tuple[str, ...], now_ms: int) -> Iterable[Draft]:
        """Tell a person why something is left as it is, once."""
        spec = kept.ladder.terms.spec
        if self._told.get(spec.name, ()) == notes:
            return
        self._told[spec.name] = notes
        for text in notes:
            self._on_alert(spec.name, text, now_ms)
            yield Draft(now_ms, spec.account, spec.name, spec.ladder, "alert", {"text": text})

    def _finish(self, waiting: Iterable[Decision], now_ms: int) -> None:
        """End what was asked for: all of it has been looked after."""
        drafts: list[Draft] = []
        ended: list[Decided] = []
        for decision in waiting:
            done, _ = take(decision, Happening.TAKEN, Turn(now_ms))
            done, _ = take(done, Happening.SETTLED, Turn(now_ms))
            spec = self.kept[decision.order.ladder].ladder.terms.spec
            where = (now_ms, spec.account, spec.name, spec.ladder)
            drafts.append(Draft(*where, "decision", decision_data(done)))
            state = msgspec.json.encode(done).decode()
            ended.append(Decided(done.id, spec.account, "", done.standing.value, state))
            del self.decisions.open[decision.id]
        self._journal.append(drafts, decisions=ended)


def _view(kept: Kept, snapshot: Snapshot) -> View:
    key = kept.ladder.terms.key
    return snapshot.views.get(key) or View(key)


def _sentence(amend: AmendOrder, view: View) -> str:
    """Say what is changed of an order."""
    before = next((o for o in view.orders if o.client_order_id == amend.client_order_id), None)
    was = "?" if before is None else plain(before.leaves_qty)
    left = amend.qty if before is None else amend.qty - before.filled_qty
    return f"rebalance {amend.role} {amend.n}: {was} → {plain(left)}"


def _draft(
    kept: Kept, amend: AmendOrder, kind: str, now_ms: int, came: Outcome | None = None
) -> Draft:
    """Write an amendment, or what it was answered."""
    spec, prefix = kept.ladder.terms.spec, kept.ladder.terms.prefix
    data = {"intent": f"{prefix}-r{now_ms}-{amend.role}{amend.n}", **describe(amend)}
    data["by"] = "rebalancer"
    if came is not None:
        data["outcome"] = came.kind.value
        if came.kind is OutcomeKind.REFUSED:
            data["reason"] = came.refusal.value if came.refusal else "other"
            data["text"] = came.text
    return Draft(now_ms, spec.account, spec.name, spec.ladder, kind, data)
