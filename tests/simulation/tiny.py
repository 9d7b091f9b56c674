"""A venue small enough to be seen whole: a frozen `Book`, and all that can happen to it.

Every change thaws it into the `Book` of the scenarios, lets that one act, and freezes what became
of it. Prices are decoupled from fills: between two reads a price may have gone anywhere and back.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from machines.ladder import Ladder, find, parse_order_id
from machines.spec import EntrySpec, LadderSpec, LateEntry, Price, WhenBehind
from machines.words import (
    ZERO,
    Capabilities,
    Direction,
    Fees,
    Fill,
    Instrument,
    Key,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    PlaceOrder,
    PositionStop,
    Quote,
    Refusal,
    Role,
    View,
    plain,
)
from tests.machines.book import Book, refused

NOW_MS = 1_748_736_000_000
"""It is always now: when time passes, everything else grows older (`ages`)."""
GRID = Instrument("BTCUSDT", tick=Decimal(1), step=Decimal(1), min_qty=Decimal(1))
KEY = Key("paper", GRID.symbol)
ENTRY_PX = Decimal(100)
ONE = Decimal(1)
PLACES = (5, -5, -15)
"""Where the market may be, from the entries toward profit: calm, behind break-even, beyond the
stop."""
STOP_AT, TARGETS_AT = -10, (10, 20)


class Setup(msgspec.Struct, frozen=True):
    """What is explored: the plan, the venue's kind, and how much may go wrong on one way.

    *Shape*: counts of requests that go wrong, crashes, reads held back, moves of the market, acts
    of others, and ends of the entries' time.
    """

    name: str
    direction: Direction = Direction.LONG
    position_stop: bool = True
    entries: tuple[int, ...] = (2, 1)
    keep: bool = False
    """``when_break_even_is_behind`` and ``late_entry`` say keep."""
    acts: tuple[str, ...] = ("end",)
    """What others may do: `ACTS`."""
    faults: int = 0
    crashes: int = 0
    reads: int = 0
    moves: int = 0
    outside: int = 0
    elapses: int = 0

    @property
    def budget(self) -> tuple[int, ...]:
        return self.faults, self.crashes, self.reads, self.moves, self.outside, self.elapses

    def px(self, toward_profit: int) -> Decimal:
        return ENTRY_PX + self.direction.entry_side.sign * toward_profit

    @property
    def spec(self) -> LadderSpec:
        return LadderSpec(
            name="tiny",
            ladder="tiny",
            account=KEY.account,
            symbol=KEY.symbol,
            side=self.direction,
            entries=tuple(EntrySpec(Price(ENTRY_PX), Decimal(qty)) for qty in self.entries),
            stop=Price(self.px(STOP_AT)),
            targets=tuple(Price(self.px(at)) for at in TARGETS_AT),
            shares=(Decimal("0.5"), Decimal("0.5")),
            when_break_even_is_behind=WhenBehind.KEEP if self.keep else WhenBehind.EXIT,
            late_entry=LateEntry.KEEP if self.keep else LateEntry.EXIT,
            entry_ttl_ms=1,
        )

    def capabilities(self, window_ms: int) -> Capabilities:
        return Capabilities(position_stop=self.position_stop, window_ms=window_ms)


class Venue(msgspec.Struct, frozen=True):
    """One position and its market. *Shape*: orders by name; ``place`` is one of `PLACES`."""

    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    held: Decimal = ZERO
    cost: Decimal = ZERO
    stop: PositionStop | None = None
    place: int = PLACES[0]
    elapsed: bool = False
    """The entries' time to live is over."""

    @property
    def live(self) -> list[Order]:
        return [order for order in self.orders if order.status.live]


def quote(setup: Setup, venue: Venue) -> Quote:
    return Quote(KEY.symbol, setup.px(venue.place), NOW_MS, int(venue.elapsed))


def thaw(setup: Setup, venue: Venue) -> Book:
    book = Book(setup.direction, GRID, Fees(), setup.position_stop)
    book.orders = {order.client_order_id: order for order in venue.orders}
    book.fills = list(venue.fills)
    book.held, book.cost, book.stop = venue.held, venue.cost, venue.stop
    book.quote = quote(setup, venue)
    return book


def freeze(book: Book, venue: Venue) -> Venue:
    """Keep what became of a book, named so that the same things in another order look the same."""
    orders = sorted(book.orders.values(), key=lambda order: order.client_order_id)
    fills = list(venue.fills)
    for fill in book.fills[len(fills) :]:
        before = sum(old.client_order_id == fill.client_order_id for old in fills)
        name = f"{fill.client_order_id or 'stop'}/{before + 1}"
        fills.append(replace(fill, fill_id=name))
    return replace(
        venue,
        orders=tuple(replace(order, venue_order_id="") for order in orders),
        fills=tuple(fills),
        held=book.held,
        cost=book.cost,
        stop=book.stop,
    )


def view(setup: Setup, venue: Venue) -> View:
    return thaw(setup, venue).view()


def told_of(venue: Venue, seen: tuple[str, ...]) -> Venue:
    """Sort the fills that a ladder has counted: their order means nothing any more."""
    done = sorted((f for f in venue.fills if f.fill_id in seen), key=lambda fill: fill.fill_id)
    new = [f for f in venue.fills if f.fill_id not in seen]
    return replace(venue, fills=(*done, *new))


def arrive(setup: Setup, venue: Venue, mutation: Mutation) -> tuple[Venue, Outcome]:
    """Let a request arrive. A name that was used before is refused as a twin."""
    book = thaw(setup, venue)
    if isinstance(mutation, PlaceOrder) and mutation.client_order_id in book.orders:
        return venue, refused(Refusal.DUPLICATE_ID)
    outcome = book.apply(mutation)
    return freeze(book, venue), outcome


# -------------------------------------------------------------------------- what can happen


def filled(setup: Setup, venue: Venue, order: Order, qty: Decimal) -> Venue:
    """Fill an order; what is reduce-only sells at most what is held."""
    book = thaw(setup, venue)
    # The book's own stop is asked for by its role; a conditional order is filled like any exit.
    role = Role.TAKE_PROFIT if order.reduce_only else Role.ENTRY
    book.names[role, 1] = order.client_order_id
    if order.type is OrderType.STOP_MARKET:
        triggered = replace(order, status=OrderStatus.TRIGGERED)
        book.orders[order.client_order_id] = triggered
    book.fill(role, 1, qty, None, NOW_MS)
    return freeze(book, venue)


def fired(setup: Setup, venue: Venue, qty: Decimal) -> Venue:
    """Fire the position's stop."""
    book = thaw(setup, venue)
    book.fill(Role.STOP_LOSS, 1, qty, None, NOW_MS)
    return freeze(book, venue)


def over(setup: Setup, venue: Venue) -> Venue:
    """End what rests undisturbed: whichever stop rests fires, and the entries' time is over."""
    if venue.stop is not None:
        venue = fired(setup, venue, venue.held)
    for order in venue.live:
        if order.type is OrderType.STOP_MARKET:
            venue = filled(setup, venue, order, order.leaves_qty)
    return replace(venue, elapsed=True)


def fills(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Fill each live order and the position's stop, one step or all of it."""
    for order in venue.live:
        for qty in sorted({min(ONE, order.leaves_qty), order.leaves_qty}):
            what = f"{order.client_order_id} fills {plain(qty)}"
            yield what, filled(setup, venue, order, qty)
    if venue.stop is not None:
        for qty in sorted({ONE, venue.held}):
            what = f"the position's stop fires and fills {plain(qty)}"
            yield what, fired(setup, venue, qty)


def moves(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Move the market; a stop that it reaches fires."""
    for place in PLACES:
        if place == venue.place:
            continue
        market = setup.px(place)
        resting = [order.trigger_px for order in venue.live if order.trigger_px is not None]
        if venue.stop is not None:
            resting.append(venue.stop.trigger_px)
        if all(setup.direction.beyond(market, stop) for stop in resting):
            yield f"the market goes to {market}", replace(venue, place=place)
        else:
            after = replace(over(setup, venue), place=place, elapsed=venue.elapsed)
            yield f"the market goes to {market} and the stop fires", after


def ends(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Let the venue end an order, or lose the position's stop."""
    for order in venue.live:
        dead = replace(order, status=OrderStatus.CANCELLED)
        orders = tuple(dead if old is order else old for old in venue.orders)
        yield f"the venue ends {order.client_order_id}", replace(venue, orders=orders)
    if venue.stop is not None:
        yield "the position's stop vanishes", replace(venue, stop=None)


def cancels(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Let a person cancel an order of ours."""
    for order in venue.live:
        dead = replace(order, status=OrderStatus.CANCELLED, by_person=True)
        orders = tuple(dead if old is order else old for old in venue.orders)
        yield f"a person cancels {order.client_order_id}", replace(venue, orders=orders)


def tightens(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Let a person move the stop toward profit, to a price that we never send."""
    px = setup.px(STOP_AT + 1)
    what = f"a person moves the stop to {px}"
    if venue.stop is not None and setup.direction.beyond(px, venue.stop.trigger_px):
        yield what, replace(venue, stop=PositionStop(px, by_person=True))
    for order in venue.live:
        rests = order.status is OrderStatus.OPEN and order.trigger_px is not None
        if rests and setup.direction.beyond(px, order.trigger_px or px):
            after = replace(order, trigger_px=px, by_person=True)
            orders = tuple(after if old is order else old for old in venue.orders)
            yield what, replace(venue, orders=orders)


def closes(setup: Setup, venue: Venue) -> Iterator[tuple[str, Venue]]:
    """Let a person close a part of the position, or all of it."""
    for qty in sorted({min(ONE, venue.held), venue.held} - {ZERO}):
        book = thaw(setup, venue)
        book.others(qty, None, NOW_MS, grows=False, shown=False)
        yield f"a person closes {plain(qty)}", freeze(book, venue)


ACTS = {"end": ends, "cancel": cancels, "tighten": tightens, "close": closes}
"""What others may do."""


def known(ladder: Ladder, order: Order) -> bool:
    """Tell whether the books explain an order: its slot is declared, up to its generation."""
    slot = parse_order_id(ladder.terms, order.client_order_id)
    if slot is None:
        return False
    declared = find(ladder, slot[0], slot[1])
    # A stop that was cancelled is declared no more.
    return slot[0] is Role.STOP_LOSS if declared is None else slot[2] <= declared.gen
