"""Every way a ladder, its venue and the line between them can go on from a state.

Ladders, venues and requests are kept once and known by number; what the real core makes of a pair
of them is worked out once. A state is a handful of numbers, and a hundred thousand are cheap.

The controller is serial, as the keeper is: it reads, decides, writes down and sends one after the
other. A read that is *held back* is told later than it began. A request of unknown outcome is
*under way* until the window is over: it may arrive at any time before, or never.
"""

from collections.abc import Iterator
from functools import cache
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from machines import core
from machines.dispatch import Flight, Turn
from machines.errors import RungkeeperError
from machines.flights import restarted
from machines.grammar import Row
from machines.ladder import Ladder, State
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.words import (
    CancelOrder,
    Event,
    Fees,
    Mutation,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    SetStop,
    Trigger,
    plain,
)
from tests.machines.book import refused
from tests.machines.scenario import mutation_name
from tests.simulation import laws, tiny
from tests.simulation.ages import older, plainly
from tests.simulation.tiny import GRID, KEY, NOW_MS, Setup, Venue

T = TypeVar("T")

STEP_MS = 2_000
"""How time passes: long enough for a chase and for a refusal's pause."""
STEPS = 1
"""The window in such steps."""
OLDEST_READ = 3
"""A read held back is told at most as so many steps old: older than any end of a window is."""
WINDOW_MS = STEPS * STEP_MS
UNSURE = Outcome(OutcomeKind.UNSURE)
ASTRAY: tuple[tuple[str, Outcome], ...] = (
    ("is refused", refused(Refusal.OTHER)),
    ("is turned away", Outcome(OutcomeKind.BUSY)),
)
"""Answers to requests that were not looked at."""
FAULT, CRASH, READ, MOVE, OUTSIDE, ELAPSE = range(6)


class Node(NamedTuple):
    """A state of everything. Numbers name what the model has kept."""

    ladder: int
    venue: int
    queue: tuple[int, ...] = ()
    """Requests that are written down and not sent yet, after the venue they were decided on."""
    under_way: tuple[tuple[int, int], ...] = ()
    """Requests of unknown outcome, each with the steps until it can no longer arrive."""
    held_back: tuple[int, int] | None = None
    """A read that began and is not told yet: the venue as it was, and its age in steps."""
    budget: tuple[int, ...] = ()


class Rules(msgspec.Struct, frozen=True):
    """How the controller goes about it; a seeded bug is another value of one of these."""

    window_ms: int = WINDOW_MS
    accepts_stale: bool = False
    fresh_names: bool = False
    """A retry is sent under another client order id."""
    forgets: bool = False
    """A restart does not know what was in flight."""


class Way(NamedTuple):
    """One way on: what happens, where it leads, and what is wrong with it."""

    what: str
    to: Node
    wrong: str = ""


class Pool(Generic[T]):
    """Things kept once, known by number."""

    def __init__(self) -> None:
        self.things: list[T] = []
        self.numbers: dict[T, int] = {}

    def __getitem__(self, number: int) -> T:
        return self.things[number]

    def number(self, thing: T) -> int:
        found = self.numbers.get(thing)
        if found is None:
            found = self.numbers[thing] = len(self.things)
            self.things.append(thing)
        return found


class Decided(NamedTuple):
    """What a poll made of a ladder, with the fills of the venue it saw sorted out."""

    ladder: int
    venue: int
    requests: tuple[int, ...]
    told: str
    wrong: str


class Arrived(NamedTuple):
    """What became of a venue when a request arrived there."""

    venue: int
    outcome: Outcome
    wrong: str


class Model:
    """The ways on from every state of one setup, under one set of rules."""

    def __init__(self, setup: Setup, rules: Rules, ignored: tuple[str, ...] = ()) -> None:
        self.setup = setup
        self.rules = rules
        self.laws = [law for name, law in laws.AT_ANY_TIME.items() if name not in ignored]
        self.capabilities = setup.capabilities(rules.window_ms)
        self.ladders: Pool[Ladder] = Pool()
        self.venues: Pool[Venue] = Pool()
        self.requests: Pool[Mutation] = Pool()
        # What was worked out before, so that the core is asked once for each thing.
        self.decide = cache(self._decide)
        self.arrive = cache(self._arrive)
        self.hear = cache(self._hear)
        self.happen = cache(self._happen)
        self.age = cache(self._age)
        self.restart = cache(self._restart)
        self.judge = cache(self._judge)

    def start(self) -> Way:
        """Return the state in which the plan is accepted and its entries are to be sent."""
        setting = Setting(GRID, Fees(), self.capabilities)
        venue = Venue()
        quote = tiny.quote(self.setup, venue)
        spec = self.setup.spec
        assert refuse_at_start(spec, quote, setting) == []
        opened = self.ladders.number(open_ladder(spec, setting, KEY, quote, NOW_MS))
        done = self._decide(opened, self.venues.number(venue), 0, Trigger.PLAN_ACCEPTED)
        node = Node(done.ladder, done.venue, done.requests, (), None, self.setup.budget)
        return Way(f"the plan is accepted{done.told}", node, done.wrong)

    def ways(self, node: Node) -> Iterator[Way]:
        """Yield every way on from a state."""
        yield from self._happenings(node)
        yield from self._arrivals(node)
        yield from self._reads(node)
        yield from self._crashes(node)
        if node.queue:
            yield from self.sends(node)
        else:
            yield from self.poll(node)
            yield from self.wait(node)

    # --------------------------------------------------------------------------- at the venue

    def _happenings(self, node: Node) -> Iterator[Way]:
        for what, venue, costs in self.happen(node.venue):
            if costs is None:
                yield Way(what, node._replace(venue=venue))
            elif node.budget[costs]:
                yield Way(what, _spent(node, costs)._replace(venue=venue))

    def _happen(self, number: int) -> list[tuple[str, int, int | None]]:
        setup, venue = self.setup, self.venues[number]
        found: list[tuple[str, Venue, int | None]] = [
            (what, after, None) for what, after in tiny.fills(setup, venue)
        ]
        found += [(what, after, MOVE) for what, after in tiny.moves(setup, venue)]
        for act in setup.acts:
            found += [(what, after, OUTSIDE) for what, after in tiny.ACTS[act](setup, venue)]
        if not venue.elapsed:
            found.append(("the entries' time is over", replace(venue, elapsed=True), ELAPSE))
        return [(what, self.venues.number(after), costs) for what, after, costs in found]

    def sell(self, number: int) -> Iterator[tuple[str, int]]:
        """Sell what rests at market, as a venue does that is not disturbed."""
        for order in self.venues[number].live:
            if order.type is OrderType.MARKET or order.status is OrderStatus.TRIGGERED:
                sold = tiny.filled(self.setup, self.venues[number], order, order.leaves_qty)
                yield f"{order.client_order_id} fills", self.venues.number(sold)

    def _arrivals(self, node: Node) -> Iterator[Way]:
        """Let a request that is under way arrive; nobody hears its answer."""
        for k, (request, _) in enumerate(node.under_way):
            came = self.arrive(node.venue, request)
            left = node.under_way[:k] + node.under_way[k + 1 :]
            what = f"late, {told(self.requests[request])} arrives: {came.outcome.kind.value}"
            yield Way(what, node._replace(venue=came.venue, under_way=left), came.wrong)

    def _arrive(self, venue: int, request: int) -> Arrived:
        before = self.venues[venue]
        try:
            after, outcome = tiny.arrive(self.setup, before, self.requests[request])
        except AssertionError as error:
            return Arrived(venue, UNSURE, f"no venue should be sent that: {error}")
        found = (law(self.setup, before, after) for law in laws.AT_AN_ARRIVAL.values())
        wrong = next((what for what in found if what), "")
        return Arrived(self.venues.number(after), outcome, wrong)

    # ------------------------------------------------------------------------ reading, deciding

    def _reads(self, node: Node) -> Iterator[Way]:
        if node.held_back is not None or not node.budget[READ]:
            return
        closed = self.ladders[node.ladder].state is State.CLOSED
        # One that began before the answer to come would not be believed.
        if not closed and (self.rules.accepts_stale or not node.queue):
            back = (node.venue, 0)
            yield Way("a read begins and is held back", _spent(node, READ)._replace(held_back=back))

    def poll(self, node: Node) -> Iterator[Way]:
        """Let the controller look: at the venue as it is, or as a read held back shows it."""
        if self.ladders[node.ladder].state is State.CLOSED:
            return  # the keeper looks after open ladders only
        done = self.decide(node.ladder, node.venue, 0)
        # A read that began before this one is older, and not believed any more.
        back = node.held_back if self.rules.accepts_stale else None
        after = node._replace(
            ladder=done.ladder, venue=done.venue, queue=done.requests, held_back=back
        )
        yield Way(f"a poll{done.told}", after, done.wrong)
        if node.held_back is not None:
            venue, age = node.held_back
            done = self.decide(node.ladder, venue, age)
            after = node._replace(ladder=done.ladder, queue=done.requests, held_back=None)
            yield Way(f"the read held back is told{done.told}", after, done.wrong)

    def _decide(self, ladder: int, venue: int, age: int, asked: Trigger | None = None) -> Decided:
        before, seen = self.ladders[ladder], self.venues[venue]
        try:
            done = core.advance(
                before,
                tiny.view(self.setup, seen),
                tiny.quote(self.setup, seen),
                NOW_MS,
                self.capabilities,
                asked=() if asked is None else (Event(asked, NOW_MS),),
                started_ms=NOW_MS - age * STEP_MS,
            )
        except (RungkeeperError, AssertionError) as error:
            return Decided(ladder, venue, (), "", f"parked: {type(error).__name__} {error}")
        found = (law(self.setup, before, done, seen) for law in laws.AT_A_POLL.values())
        requests = [self._named(flight, len(seen.orders)) for flight in done.flights]
        numbers = [self.requests.number(request) for request in requests]
        return Decided(
            self.ladders.number(plainly(done.ladder)),
            self.venues.number(tiny.told_of(seen, done.ladder.seen_fills)),
            (venue, *numbers) if numbers else (),
            _rows_told(done) + "".join(f"\n        to send: {told(r)}" for r in requests),
            next((what for what in found if what), ""),
        )

    def _named(self, flight: Flight, orders: int) -> Mutation:
        mutation = flight.mutation
        if not self.rules.fresh_names or flight.tries == 1 or not isinstance(mutation, PlaceOrder):
            return mutation
        # No chance is needed: a name that nobody has used or will know again is random enough.
        return replace(mutation, client_order_id=f"a random name {flight.slot}/{orders}")

    # --------------------------------------------------------------------------------- sending

    def sends(self, node: Node) -> Iterator[Way]:
        seen, request, *rest = node.queue
        queue = (seen, *rest) if rest else ()
        name = told(self.requests[request])
        came = self.arrive(node.venue, request)
        there = node._replace(venue=came.venue, queue=queue)
        yield self._heard(there, request, seen, f"{name} is sent", came.outcome, came.wrong)
        if not node.budget[FAULT]:
            return
        there = _spent(there, FAULT)
        yield self._heard(
            there, request, seen, f"{name} is sent, the answer is lost", UNSURE, came.wrong
        )
        lost = _spent(node, FAULT)._replace(queue=queue)
        for how, outcome in ASTRAY:
            yield self._heard(lost, request, seen, f"{name} {how}", outcome)
        late = tuple(sorted((*node.under_way, (request, STEPS))))
        lost = lost._replace(under_way=late)
        yield self._heard(lost, request, seen, f"{name} is sent and lost on the way", UNSURE)

    def _heard(
        self, node: Node, request: int, seen: int, what: str, outcome: Outcome, wrong: str = ""
    ) -> Way:
        """Take the answer to a request; a read that began before it is not believed any more."""
        ladder, rows, parked = self.hear(node.ladder, request, outcome, self.venues[seen].place)
        back = node.held_back if self.rules.accepts_stale else None
        said = outcome.kind.value if outcome.refusal is None else outcome.refusal.value
        after = node._replace(ladder=ladder, held_back=back)
        return Way(f"{what}: {said}{rows}", after, wrong or parked)

    def _hear(
        self, ladder: int, request: int, outcome: Outcome, place: int
    ) -> tuple[int, str, str]:
        mutation = self.requests[request]
        quote = tiny.quote(self.setup, Venue(place=place))
        window_ms = self.rules.window_ms
        try:
            after, taken = core.answer(
                self.ladders[ladder], mutation, outcome, quote, NOW_MS, window_ms=window_ms
            )
        except (RungkeeperError, AssertionError) as error:
            return ladder, "", f"parked: {type(error).__name__} {error}"
        rows = "".join(f"\n        {_row_told(one)}" for one in taken)
        return self.ladders.number(plainly(after)), rows, ""

    # --------------------------------------------------------------------------- time, restarts

    def wait(self, node: Node) -> Iterator[Way]:
        """Let time pass; what was under way for a whole window is lost."""
        left = tuple((request, steps - 1) for request, steps in node.under_way if steps > 1)
        back = node.held_back
        if back is not None:
            back = (back[0], min(back[1] + 1, OLDEST_READ))
        after = node._replace(ladder=self.age(node.ladder), under_way=left, held_back=back)
        if after != node:
            yield Way(f"{STEP_MS // 1000} s pass", after)

    def _age(self, ladder: int) -> int:
        return self.ladders.number(older(self.ladders[ladder], STEP_MS))

    def _crashes(self, node: Node) -> Iterator[Way]:
        if not node.budget[CRASH] or not self.ladders[node.ladder].flights:
            return
        after = _spent(node, CRASH)._replace(
            ladder=self.restart(node.ladder), queue=(), held_back=None
        )
        yield Way("the controller dies and is started again", after)

    def _restart(self, ladder: int) -> int:
        known = self.ladders[ladder]
        if self.rules.forgets:
            return self.ladders.number(replace(known, flights=()))
        return self.ladders.number(plainly(restarted(known, Turn(NOW_MS, self.rules.window_ms))))

    # ---------------------------------------------------------------------------------- judging

    def wrong(self, node: Node) -> str:
        """Return what is wrong in a state, or nothing."""
        under = tuple(request for request, _ in node.under_way)
        return self.judge(node.ladder, node.venue, under)

    def _judge(self, ladder: int, venue: int, under: tuple[int, ...]) -> str:
        requests = tuple(self.requests[request] for request in under)
        found = (
            law(self.setup, self.ladders[ladder], self.venues[venue], requests) for law in self.laws
        )
        return next((what for what in found if what), "")


def _spent(node: Node, what: int) -> Node:
    budget = node.budget
    return node._replace(budget=(*budget[:what], budget[what] - 1, *budget[what + 1 :]))


def told(mutation: Mutation) -> str:
    """Tell a request in one line."""
    name = mutation_name(mutation)
    if isinstance(mutation, CancelOrder):
        return name
    at = mutation.trigger_px
    if not isinstance(mutation, SetStop):
        at = at or mutation.price
        name = f"{name} ({mutation.client_order_id})"
    return f"{name} {plain(mutation.qty)} {'at market' if at is None else f'@ {plain(at)}'}"


def _row_told(taken: core.Taken) -> str:
    if not isinstance(taken.cell, Row):
        return f"{taken.event.trigger.value} is ignored in {taken.before}"
    return f"{taken.cell.label} {taken.before} → {taken.after}"


def _rows_told(done: core.Advance) -> str:
    return "".join(f"\n        {_row_told(one)}" for one in done.taken)
