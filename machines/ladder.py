"""The declared ladder: what we own, what we want to rest, and how fills are counted into it.

A `Ladder` is frozen; every change returns a new one. It is written down without what is as it was
at first, which halves a record: a default, once released, keeps its value. `fold_*` count facts (a
fill, an ending); only the instructions in `machines.recipes`, named by rows of the table, change
what is declared. Knows nothing of states' meaning, of venues or of time.
"""

from __future__ import annotations

import enum
import hashlib
from base64 import b32encode
from decimal import Decimal
from functools import lru_cache
from typing import assert_never

import msgspec

from machines import pricing
from machines.carrier import LEAVING, Carrier
from machines.dispatch import Flight
from machines.sharing import Share
from machines.spec import BreakEven
from machines.terms import Doubt, Terms
from machines.words import ZERO, Direction, Fill, OrderType, Role, Side

replace = msgspec.structs.replace


class State(enum.StrEnum):
    """Where a position stands (SPEC §2)."""

    NEW = "NEW"
    """Before E1; the start dot of the diagram, never a resting place."""
    PENDING_LIMITS = "PENDING_LIMITS"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FULLY_FILLED = "FULLY_FILLED"
    TP1_HIT = "TP1_HIT"
    STOP_AT_BREAK_EVEN = "STOP_AT_BREAK_EVEN"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    HALTED = "HALTED"


LIVE = (State.PARTIALLY_FILLED, State.FULLY_FILLED, State.TP1_HIT, State.STOP_AT_BREAK_EVEN)
"""SPEC's *live* states: something is held and managed."""


class Standing(enum.StrEnum):
    """How a declared order stands in our own books."""

    PLANNED = "planned"
    WORKING = "working"
    FILLED = "filled"
    HIT = "hit"
    OFF = "off"
    """A rung that will not come back by itself."""
    CANCELLED = "cancelled"
    """Declared cancelled: what still fills is *late* (E6)."""
    EXPIRED = "expired"
    """Declared cancelled by E5: what still fills opens the position (E2)."""
    GONE = "gone"
    """Ended without us."""


class DeclaredOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order we want, or wanted. ``qty`` is what should be open now; zero means none."""

    role: Role
    n: int
    type: OrderType
    qty: Decimal
    price: Decimal | None = None
    trigger_px: Decimal | None = None
    filled_qty: Decimal = ZERO
    order_filled_qty: Decimal = ZERO
    """The part filled by the current generation's order."""
    gen: int = 1
    standing: Standing = Standing.WORKING
    refusals: int = 0
    not_before_ms: int = 0
    """Not sent again before this time (a refusal sets it)."""
    by_person: bool = False
    """A person set its price; it is kept."""
    sent_px: tuple[Decimal, ...] = ()
    """Prices we have sent for it; the venue showing another means that a person moved it."""
    decision: str = ""
    """The id of the decision that declared it, or moved it last."""
    was_px: Decimal | None = None
    """The stop's price before that decision."""
    was_by_person: bool = False
    """Who had set the stop before that decision."""
    pinned: bool = False
    """A decision has moved the stop: it does not follow the average any more."""
    expires_ms: int | None = None
    """A scale-in's entry is cancelled then."""
    end_asked: bool = False
    """We have asked for the end of the current generation's order."""
    carrier: Carrier = Carrier()
    """Of a rung, where it has one order that is its stop and its target in turn."""

    @property
    def working(self) -> bool:
        """Tell whether it should rest or may come to rest."""
        return self.standing is Standing.WORKING


class Ladder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A position's declared orders and books, in one state."""

    terms: Terms
    state: State
    entries: tuple[DeclaredOrder, ...]
    rungs: tuple[DeclaredOrder, ...]
    stop: DeclaredOrder | None = None
    exits: tuple[DeclaredOrder, ...] = ()
    held: Decimal = ZERO
    held_cost: Decimal = ZERO
    entered_qty: Decimal = ZERO
    """E of SPEC §4: entry fills that are ours to share, plus merged."""
    entered_cost: Decimal = ZERO
    entered_ms: int = 0
    """The venue's time of the last entry fill."""
    entry_fees: Decimal = ZERO
    fees: Decimal = ZERO
    cash: Decimal = ZERO
    """What fills have brought in and paid out, before fees; exact."""
    realised: Decimal = ZERO
    """Gross, by average cost; exactly `cash` once nothing is held."""
    funding: Decimal = ZERO
    funding_per_unit: Decimal = ZERO
    break_even: Decimal | None = None
    """Fixed when the first rung is hit."""
    expired: bool = False
    """CLOSING was entered by E5."""
    sent_stops: tuple[Decimal, ...] = ()
    stop_seen: bool = False
    """A snapshot has shown the stop resting."""
    stop_refusals: int = 0
    stop_refused_ms: int = 0
    """When the present run of refusals began."""
    exit_since_ms: int | None = None
    """When the running exit, or triggered stop, was last known to work."""
    flat_ms: int | None = None
    """When it was seen flat with nothing resting."""
    seen_fills: tuple[str, ...] = ()
    foreign_qty: Decimal = ZERO
    """Held on our key and not ours; toward the ladder's direction, negative against it."""
    settled_ms: int = 0
    """When the venue's word for what is held was taken: exits filled before are in it."""
    doubt: Doubt | None = None
    hands_off: bool = False
    """Rungs stay as they are at the venue until a person has looked (H1)."""
    released: bool = False
    """Nothing that rests is ours any more (B6)."""
    naked_since_ms: int | None = None
    """The venue's time of the fill that no stop covers yet."""
    naked_found_ms: int = 0
    """When we found that out."""
    naked_told: bool = False
    """A person has heard of the running span."""
    unprotected_ms: int = 0
    """Closed spans of unprotected time, summed (SPEC §4 *Covered*)."""
    flights: tuple[Flight, ...] = ()
    """Requests whose end is not known yet, one a slot."""
    intents: int = 0
    """How many intents there have been: numbers them."""
    reason: str = ""
    version: int = 0

    @property
    def direction(self) -> Direction:
        """Return the side the trader asked for."""
        return self.terms.spec.side

    @property
    def sign(self) -> int:
        """Return 1 for a long and -1 for a short."""
        return 1 if self.direction is Direction.LONG else -1

    @property
    def avg_px(self) -> Decimal:
        """Return the average entry of what is held; zero when flat."""
        return self.held_cost / self.held if self.held else ZERO

    @property
    def average_fill(self) -> Decimal:
        """Return the average of all entry fills; zero before the first."""
        return self.entered_cost / self.entered_qty if self.entered_qty else ZERO

    @property
    def exiting(self) -> Decimal:
        """Return what running exits will still sell."""
        leaving = [rung.qty for rung in self.rungs if rung.carrier.phase in LEAVING]
        return sum([order.qty for order in self.exits], sum(leaving, ZERO))

    @property
    def to_share(self) -> Decimal:
        """Return what the rungs share: all that is held and not on its way out."""
        return max(ZERO, self.held - self.exiting)

    @property
    def rungs_qty(self) -> Decimal:
        """Return what the rungs declare open."""
        return sum([rung.qty for rung in self.rungs], ZERO)

    @property
    def entries_work(self) -> bool:
        """Tell whether an entry is still declared to work."""
        return any(entry.working for entry in self.entries)


PREFIX_LENGTH = 10


def ladder_prefix(account: str, name: str, opened_ms: int) -> str:
    """Derive the ten characters that lead a ladder's client order ids.

    Deterministic, so that asking twice is refused as a twin; fits Kite's 20-character tag and
    Bybit's 36-character orderLinkId with the slot behind it.
    """
    digest = hashlib.blake2b(f"{account}/{name}/{opened_ms}".encode(), digest_size=10).digest()
    return b32encode(digest).decode().lower()[:PREFIX_LENGTH]


_SLOT = {Role.ENTRY: "e", Role.TAKE_PROFIT: "t", Role.STOP_LOSS: "s", Role.EXIT: "x"}
_ROLE = {letter: role for role, letter in _SLOT.items()}


def order_id(terms: Terms, order: DeclaredOrder) -> str:
    """Name the client order id of a declared order's current generation."""
    return f"{terms.prefix}{_SLOT[order.role]}{order.n}g{order.gen}"


def slot_named(client_order_id: str) -> str:
    """Return the slot that an id of ours names (``take_profit2``), or nothing for any other."""
    return _slot_of(client_order_id[PREFIX_LENGTH:].partition("g")[0])


@lru_cache(maxsize=256)  # ladders have the same few slots
def _slot_of(slot: str) -> str:
    role = _ROLE.get(slot[:1])
    return f"{role.value}{slot[1:]}" if role is not None and slot[1:].isdigit() else ""


def parse_order_id(terms: Terms, client_order_id: str) -> tuple[Role, int, int] | None:
    """Return (role, n, generation) of one of this ladder's ids, or None for any other."""
    if not client_order_id.startswith(terms.prefix):
        return None
    return _parsed(client_order_id[len(terms.prefix) :])


@lru_cache(maxsize=1_024)
def _parsed(slot: str) -> tuple[Role, int, int] | None:
    n, _, gen = slot[1:].partition("g")
    role = _ROLE.get(slot[:1])
    if role is None or not n.isdigit() or not gen.isdigit():
        return None
    return role, int(n), int(gen)


def find(ladder: Ladder, role: Role, n: int) -> DeclaredOrder | None:
    """Return a declared order by role and number."""
    if role is Role.STOP_LOSS:
        return ladder.stop
    for order in orders_of(ladder, role):
        if order.n == n:
            return order
    return None


def orders_of(ladder: Ladder, role: Role) -> tuple[DeclaredOrder, ...]:
    """Return every declared order of a role."""
    match role:
        case Role.ENTRY:
            return ladder.entries
        case Role.TAKE_PROFIT:
            return ladder.rungs
        case Role.EXIT:
            return ladder.exits
        case Role.STOP_LOSS:
            return () if ladder.stop is None else (ladder.stop,)
        case _:
            assert_never(role)


def with_order(ladder: Ladder, order: DeclaredOrder) -> Ladder:
    """Return the ladder with ``order`` in the place of its namesake."""
    match order.role:
        case Role.ENTRY:
            return replace(ladder, entries=_swap(ladder.entries, order))
        case Role.TAKE_PROFIT:
            return replace(ladder, rungs=_swap(ladder.rungs, order))
        case Role.EXIT:
            return replace(ladder, exits=_swap(ladder.exits, order))
        case Role.STOP_LOSS:
            return replace(ladder, stop=order)
        case _:
            assert_never(order.role)


def _swap(orders: tuple[DeclaredOrder, ...], new: DeclaredOrder) -> tuple[DeclaredOrder, ...]:
    return tuple([new if old.n == new.n else old for old in orders])


def _filled(order: DeclaredOrder, fill: Fill) -> DeclaredOrder:
    """Count a fill into its declared order."""
    done = replace(
        order,
        qty=max(ZERO, order.qty - fill.qty),
        filled_qty=order.filled_qty + fill.qty,
        order_filled_qty=order.order_filled_qty + fill.qty,
    )
    if order.role is Role.ENTRY and order.working and not done.qty:
        return replace(done, standing=Standing.FILLED)
    return done


def fold_entry_fill(ladder: Ladder, n: int, fill: Fill) -> Ladder:
    """Count an entry fill into what is held; the row decides whether it also joins E."""
    entry = find(ladder, Role.ENTRY, n)
    assert entry is not None, "an order id of ours names a declared entry"
    return replace(
        with_order(ladder, _filled(entry, fill)),
        held=ladder.held + fill.qty,
        held_cost=ladder.held_cost + fill.price * fill.qty,
        cash=ladder.cash - ladder.sign * fill.price * fill.qty,
        fees=ladder.fees + fill.fee,
        seen_fills=(*ladder.seen_fills, fill.fill_id),
        entered_ms=fill.at_ms,
    )


def fold_exit_fill(ladder: Ladder, role: Role, n: int, fill: Fill) -> Ladder:
    """Count a fill of a rung, the stop or an exit. What passes zero is not ours (SPEC §3)."""
    order = find(ladder, role, n)
    if order is not None:
        ladder = with_order(ladder, _filled(order, fill))
    qty = min(fill.qty, ladder.held) if fill.at_ms > ladder.settled_ms else ZERO
    ladder = reduce_held(ladder, qty, fill.price)
    seen = (*ladder.seen_fills, fill.fill_id)
    return replace(ladder, fees=ladder.fees + fill.fee, seen_fills=seen)


def reduce_held(ladder: Ladder, qty: Decimal, price: Decimal) -> Ladder:
    """Take held quantity out of the books at ``price``, by average cost."""
    left = ladder.held - qty
    avg = ladder.avg_px
    cash = ladder.cash + ladder.sign * price * qty
    realised = ladder.realised + ladder.sign * (price - avg) * qty
    return replace(
        ladder,
        held=left,
        held_cost=ladder.held_cost - avg * qty if left else ZERO,
        cash=cash,
        realised=realised if left else cash,
    )


def open_shares(ladder: Ladder) -> tuple[list[DeclaredOrder], list[Share]]:
    """Return the rungs neither hit nor off, with what the sharing formula needs of each."""
    rungs = [rung for rung in ladder.rungs if rung.working]
    shares = ladder.terms.spec.shares
    return rungs, [
        Share(shares[rung.n - 1], rung.filled_qty, rung.price or ladder.terms.start_px)
        for rung in rungs
    ]


def exit_side(ladder: Ladder) -> Side:
    """Return the order side that reduces this ladder."""
    return ladder.direction.exit_side


def break_even_px(ladder: Ladder) -> Decimal:
    """Return break-even of what is held now, rounded to the tick (SPEC §4)."""
    terms = ladder.terms
    entry_fee = ladder.entry_fees / ladder.entered_qty if ladder.entered_qty else ZERO
    banked = ZERO
    if terms.spec.break_even is BreakEven.WHOLE_TRADE and ladder.held:
        exited = max(ZERO, ladder.entered_qty - ladder.held)
        exit_fees = ladder.fees - ladder.entry_fees
        banked = (ladder.realised - exit_fees - exited * entry_fee) / ladder.held
    costs = pricing.Costs(
        avg_px=ladder.avg_px,
        entry_fee=entry_fee,
        funding=ladder.funding_per_unit,
        taker=terms.fees.taker,
        slippage=terms.be_slippage,
        banked=banked,
    )
    exact = pricing.break_even(ladder.direction, costs)
    mode = terms.spec.rounding.exits
    return pricing.exit_px(exact, terms.instrument.tick, ladder.direction, mode)
