"""The whole way of a fill, pure (DESIGN §3, steps 3 to 7).

`advance` turns a ladder and what its venue shows into the next ladder, the rows taken and the
mutations to send; `answer` takes the venue's refusals. Knows no I/O, no clock and no chance.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines import carriers, facts, observe
from machines.cover import end_naked, note_cover
from machines.decided import BOOK, MAKE_ROOM
from machines.decision import Reason
from machines.detectors import detectors_for
from machines.dispatch import Flight, Turn
from machines.flights import land, launch, resolve, slot_of
from machines.grammar import Ignored, Row, Table
from machines.invariants import hold
from machines.ladder import Ladder, find, replace, with_order
from machines.lower import lower
from machines.lower.per_rung import no_room
from machines.observe import Scene
from machines.outside import settle
from machines.plan import plan
from machines.position import TABLE, step
from machines.recipes import Instruction, Moment, rounded_exit
from machines.sharing import floor_to
from machines.words import (
    ZERO,
    CancelOrder,
    Capabilities,
    Event,
    Mutation,
    Outcome,
    OutcomeKind,
    Quote,
    Refusal,
    Role,
    SetStop,
    Trigger,
    View,
)


class Taken(msgspec.Struct, frozen=True):
    """A row taken for an event, with the states it led from and to."""

    event: Event
    cell: Row[Instruction] | Ignored
    before: str
    after: str
    flights: tuple[Flight, ...] = ()
    """What is sent because of this row; a later row of the same poll may have taken it over."""


class Advance(msgspec.Struct, frozen=True):
    """What one poll did to one ladder."""

    ladder: Ladder
    taken: tuple[Taken, ...]
    flights: tuple[Flight, ...]
    """What to send now, in this order, once the journal holds it."""
    repairs: tuple[Flight, ...]
    """Those of them that no row of this poll asked for: something was lost or refused."""
    given_up: tuple[Flight, ...]
    """Requests that were tried too often; a person should hear of them."""

    @property
    def mutations(self) -> tuple[Mutation, ...]:
        """Return what is sent, without the names of the intents."""
        return tuple(flight.mutation for flight in self.flights)


def advance(
    ladder: Ladder,
    view: View,
    quote: Quote | None,
    now_ms: int,
    capabilities: Capabilities,
    table: Table[Instruction] = TABLE,
    asked: tuple[Event, ...] = (),
    started_ms: int | None = None,
) -> Advance:
    """Fold all fills, take what was asked, look for what else happened, plan once.

    ``started_ms`` is when the read of ``view`` began; omitted, now.

    *Raises*: ForbiddenTransition at a *never* cell, BrokenInvariant; the ladder passed in stays as
    it was.
    """
    here = observe.scene(view, quote, now_ms, capabilities, started_ms)
    turn = Turn(now_ms, capabilities.window_ms)
    ladder, taken = _take_all(resolve(ladder, here, turn), here, asked, table)
    entered = (step.event.at_ms for step in taken if step.event.trigger is Trigger.ENTRY_FILLED)
    ladder = note_cover(ladder, here, next(entered, None))
    mutations = plan(ladder, lower(ladder, here), here)
    ladder, leaving, given_up = launch(ladder, mutations, here, turn)
    told, repairs = _attribute(taken, leaving)
    return Advance(hold(_remember(ladder, leaving)), told, leaving, repairs, given_up)


def _take_all(
    ladder: Ladder, here: Scene, asked: tuple[Event, ...], table: Table[Instruction]
) -> tuple[Ladder, list[Taken]]:
    """Take fills first, one by one in venue order; then what was asked; then what else is so."""
    sent = len(ladder.exits)
    taken: list[Taken] = []
    for fill in observe.fill_events(ladder, here):
        ladder, event = observe.count_fill(ladder, fill, here)
        ladder = _take(ladder, Moment(event, here.now_ms, here.quote, sent), table, taken)
    for event in asked:
        ladder, event = ready(ladder, event, here)  # noqa: PLW2901 (the same one, in figures)
        if event.expect_version not in (None, ladder.version):
            stale = Ignored((ladder.state,), event.trigger, Reason.STALE)
            taken.append(Taken(event, stale, ladder.state, ladder.state))
            continue
        ladder = _take(ladder, Moment(event, here.now_ms, here.quote, sent), table, taken)
    for states, detect in detectors_for(here.capabilities):
        if ladder.state not in states:
            continue
        ladder, events = detect(ladder, here)
        for event in events:
            ladder = _take(ladder, Moment(event, here.now_ms, here.quote, sent), table, taken)
    return ladder, taken


def ready(ladder: Ladder, event: Event, here: Scene) -> tuple[Ladder, Event]:
    """Return the ladder and what it is asked, in the venue's steps and ticks.

    A fraction is of what is held and not on its way out; a part that no stop can make room for
    is none. A ladder that a person had to look at takes the venue's word for what is held first.
    """
    if ladder.hands_off and event.trigger in (Trigger.EXIT_DECIDED, Trigger.RELEASE_DECIDED):
        ladder = settle(ladder, here)
    if not event.decision:
        return ladder, event
    qty = event.qty if event.fraction is None else ladder.to_share * event.fraction
    price = None if event.price is None else rounded_exit(ladder, event.price)
    step = ladder.terms.instrument.step
    event = replace(event, qty=floor_to(qty, step), price=price)
    return ladder, replace(event, qty=ZERO) if _crowded_out(ladder, event, here) else event


def _crowded_out(ladder: Ladder, event: Event, here: Scene) -> bool:
    """Tell whether the stops cannot make room for a booking; one of all that is held needs none."""
    if event.trigger is not Trigger.BOOK_DECIDED or not carriers.in_turn(ladder):
        return False
    moment = Moment(event, here.now_ms, here.quote)
    if facts.takes_all(ladder, moment):
        return False
    return no_room(MAKE_ROOM.edit(BOOK.edit(ladder, moment), moment), here)


def _attribute(
    taken: list[Taken], leaving: tuple[Flight, ...]
) -> tuple[tuple[Taken, ...], tuple[Flight, ...]]:
    """Give each request to the last row whose recipe speaks of orders of its role."""
    given: list[list[Flight]] = [[] for _ in taken]
    repairs: list[Flight] = []
    for flight in leaving:
        for k in reversed(range(len(taken))):
            cell = taken[k].cell
            if isinstance(cell, Row) and any(flight.mutation.role in i.roles for i in cell.recipe):
                given[k].append(flight)
                break
        else:
            repairs.append(flight)
    told = (replace(t, flights=tuple(m)) for t, m in zip(taken, given, strict=True))
    return tuple(told), tuple(repairs)


def take_one(
    ladder: Ladder, event: Event, quote: Quote | None, table: Table[Instruction] = TABLE
) -> tuple[Ladder, Taken]:
    """Take one event and plan nothing: the next `advance` does."""
    taken: list[Taken] = []
    ladder = _take(ladder, Moment(event, event.at_ms, quote), table, taken)
    return ladder, taken[0]


def _take(ladder: Ladder, moment: Moment, table: Table[Instruction], taken: list[Taken]) -> Ladder:
    after, cell = step(ladder, moment, table)
    taken.append(Taken(moment.event, cell, ladder.state, after.state))
    return after


def _remember(ladder: Ladder, leaving: tuple[Flight, ...]) -> Ladder:
    """Note prices and cancels about to be sent: our own must be told from a person's."""
    for mutation in (flight.mutation for flight in leaving):
        if carriers.in_turn(ladder):
            ladder = carriers.sent(ladder, mutation)
        stop_px = _stop_in(mutation)
        if stop_px is not None and stop_px not in ladder.sent_stops:
            ladder = replace(ladder, sent_stops=(*ladder.sent_stops, stop_px))
        if mutation.role is Role.STOP_LOSS:
            continue
        order = find(ladder, mutation.role, mutation.n)
        if order is None or isinstance(mutation, SetStop):
            continue
        if isinstance(mutation, CancelOrder):
            ladder = with_order(ladder, replace(order, end_asked=True))
        elif mutation.price is not None and mutation.price not in order.sent_px:
            ladder = with_order(ladder, replace(order, sent_px=(*order.sent_px, mutation.price)))
    return ladder


def _stop_in(mutation: Mutation) -> Decimal | None:
    """Return the price at which a request sets a stop, its own or one that an entry carries."""
    if isinstance(mutation, CancelOrder):
        return None
    if mutation.role is Role.STOP_LOSS:
        return mutation.trigger_px
    return None if isinstance(mutation, SetStop) else mutation.attached_stop_px


def answer(
    ladder: Ladder,
    mutation: Mutation,
    outcome: Outcome,
    quote: Quote | None,
    now_ms: int,
    table: Table[Instruction] = TABLE,
    window_ms: int = Capabilities().window_ms,
) -> tuple[Ladder, tuple[Taken, ...]]:
    """Take a venue's answer into the books. An acceptance is a hint; a refusal may be an event.

    A refused amendment of a rung or an entry, and a refused cancel, say that the venue knows
    better: the next poll reads the order again.
    """
    ladder, _ = land(ladder, slot_of(mutation), outcome, Turn(now_ms, window_ms))
    is_stop = mutation.role is Role.STOP_LOSS and not isinstance(mutation, CancelOrder)
    if is_stop and outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.ALREADY_DONE):
        ladder = end_naked(ladder, now_ms)
    if outcome.kind is OutcomeKind.BUSY and carriers.in_turn(ladder):
        ladder = carriers.turned_away(ladder, mutation)
    if outcome.kind is not OutcomeKind.REFUSED or outcome.refusal is None:
        return ladder, ()
    if isinstance(mutation, CancelOrder) or outcome.refusal is Refusal.DUPLICATE_ID:
        return ladder, ()
    if not is_stop and mutation.__struct_config__.tag == "amend":
        return carriers.paused(ladder, mutation, now_ms), ()
    taken: list[Taken] = []
    ladder, event = _refused(ladder, mutation, outcome.refusal, now_ms)
    ladder = _take(ladder, Moment(event, now_ms, quote, len(ladder.exits)), table, taken)
    return ladder, tuple(taken)


def _refused(
    ladder: Ladder, mutation: Mutation, refusal: Refusal, now_ms: int
) -> tuple[Ladder, Event]:
    """Count a refusal; a rung's own order that was to leave at market is an exit that ended."""
    owner = carriers.owner_of(ladder, mutation)
    rung_leaves = mutation.role is Role.EXIT and owner is not None and owner.role is not Role.EXIT
    role = Role.TAKE_PROFIT if rung_leaves else mutation.role
    ladder, event = observe.count_refusal(ladder, role, mutation.n, refusal, now_ms)
    return ladder, replace(event, trigger=Trigger.EXIT_ENDED) if rung_leaves else event
