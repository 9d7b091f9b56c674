"""The vocabulary every room shares: instruments, orders, fills, snapshots, events, mutations.

Frozen data and nothing else. Knows nothing of states, tables, time or I/O. *Units*: prices and
quantities are ``Decimal`` in plain notation, times are UTC milliseconds (``…_ms``), rates are
fractions. Invariant: a word means one thing; FIX's term if there is one, else the venues', else
the trader's.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from machines.kinds import (
    Direction,
    ExitStyle,
    Liquidity,
    OrderStatus,
    OrderType,
    Refusal,
    Role,
    Side,
)

ZERO = Decimal(0)


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tradable symbol's grid. *Units*: price, quantity, quantity, quote currency."""

    symbol: str
    tick: Decimal
    step: Decimal
    min_qty: Decimal
    min_notional: Decimal = ZERO


class Fees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fee rates as fractions of notional; a rebate is negative."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO


class Capabilities(msgspec.Struct, frozen=True):
    """What a venue can do, as data that the venue fills in.

    *Source*: SPEC §9 and the venue sheets.
    """

    exits: ExitStyle = ExitStyle.POOLED
    position_stop: bool = True
    """The stop belongs to the position and resizes itself; else a conditional order of a size."""
    attached_stop: bool = False
    """An entry may carry a stop that exists from its first fill."""
    reduce_only: bool = True
    stop_limit: bool = False
    stop_market: bool = True
    amend_type: bool = False
    """An amendment may turn a stop into a limit or a market order, a limit into a market order;
    nothing turns back into a stop."""
    day_orders: bool = False
    """Orders end with the session, ``SUSPENDED``; pairs outlive it."""
    pair_gap: Decimal = ZERO
    """How far from the last price, as a fraction of it, a pair's triggers must be."""
    shorts: bool = True
    """A position may be short."""
    stop_buffer: Decimal = Decimal("0.005")
    """How far beyond its trigger a stop-limit's limit lies, as a fraction of it.

    *Source*: the Kite sheet §13.2, 0.5 to 1 %: a fast market must not run through it.
    """
    max_amendments: int | None = None
    """How often one order may be changed; None: as often as wanted."""
    be_slippage: Decimal = ZERO
    """Default of ``s`` in the break-even formula (SPEC §4)."""
    window_ms: int = 7_000
    """How long after sending a request of unknown outcome may still take effect (DESIGN law 4)."""


class Key(msgspec.Struct, frozen=True, order=True):
    """The venue position a ladder owns (SPEC §1).

    ``slot`` is empty in one-way mode, the side in hedge mode, the ladder's key in a paper
    sub-account of its own.
    """

    account: str
    symbol: str
    slot: str = ""


class Quote(msgspec.Struct, frozen=True):
    """The market of one symbol as a venue shows it."""

    symbol: str
    last: Decimal
    at_ms: int
    trading_ms: int
    """Trading time of the venue so far: on a candle feed, bars × bar length."""
    bid: Decimal | None = None
    ask: Decimal | None = None
    in_session: bool = True
    """Orders are taken now."""
    session_ends_ms: int | None = None
    """When this session's orders end; None outside one, and where the market never closes."""
    square_off_ms: int | None = None
    """When intraday positions are to end today; None where a position may be carried."""
    day_volume: Decimal | None = None
    """What has traded in the session so far, where the venue says so."""

    def exit_px(self, direction: Direction) -> Decimal:
        """Return the exit-side price: bid for a long, ask for a short, else the last trade."""
        touch = self.bid if direction is Direction.LONG else self.ask
        return self.last if touch is None else touch


class Leg(msgspec.Struct, frozen=True):
    """What a leg of a pair does: at ``trigger_px`` it places a limit order at ``price``."""

    trigger_px: Decimal
    price: Decimal


NAMELESS = "@"
"""Leads what a venue's adapter calls an order that was placed without a client order id."""


class Order(msgspec.Struct, frozen=True):
    """An order as the venue shows it.

    A pair is one while it waits: ``trigger_px`` and ``price`` are its stop's, ``target`` is its
    other leg. Fired, it is the order that the leg placed, by the same ``client_order_id``: the
    stop's a ``STOP_LIMIT`` that has ``TRIGGERED``, the target's a ``LIMIT``.
    """

    client_order_id: str
    venue_order_id: str
    side: Side
    type: OrderType
    qty: Decimal
    """Total quantity, the filled part included."""
    filled_qty: Decimal
    status: OrderStatus
    price: Decimal | None = None
    trigger_px: Decimal | None = None
    reduce_only: bool = False
    attached_stop_px: Decimal | None = None
    """The stop that the position gets when this order fills."""
    refusal: Refusal | None = None
    by_person: bool = False
    """Its last change, or its end, was a person's act at the venue."""
    target: Leg | None = None

    @property
    def leaves_qty(self) -> Decimal:
        """Return what may still fill; zero once the order has ended."""
        return self.qty - self.filled_qty if self.status.live else ZERO


class Alias(msgspec.Struct, frozen=True):
    """An order that was not placed by us and is ours to keep: what it is called on each side.

    What had filled before is no part of it: its quantities count from when it became ours.
    """

    ours: str
    theirs: str
    """The client order id that it was placed with, or what its venue makes of having none."""
    filled_qty: Decimal = ZERO
    """Filled before it became ours."""
    fills: tuple[str, ...] = ()
    """The ids of those fills, as far as they were still shown."""
    order: Order | None = None
    """As it was adopted, where its venue does not show its end: it has no name of its own."""
    key: Key | None = None


class Fill(msgspec.Struct, frozen=True):
    """An execution; counted once, by ``fill_id`` (the venue's execution id)."""

    fill_id: str
    client_order_id: str
    """Empty for the position's own stop, and where the venue does not say whose it is."""
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    liquidity: Liquidity
    at_ms: int
    by_position_stop: bool = False


class PositionStop(msgspec.Struct, frozen=True):
    """The stop that belongs to a position (closes all that is held when it fires)."""

    trigger_px: Decimal
    by_person: bool = False


class View(msgspec.Struct, frozen=True):
    """One venue position's slice of a snapshot.

    *Shape*: fills in venue order; orders hold every live one and those that ended since the
    asked-for time. A venue answers with the same object while nothing has changed.
    """

    key: Key
    net_qty: Decimal = ZERO
    """Signed: negative is short."""
    avg_px: Decimal = ZERO
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    stop: PositionStop | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """One account at one moment: the only truth (DESIGN law 5)."""

    account: str
    started_ms: int
    as_of_ms: int
    views: dict[Key, View]
    quotes: dict[str, Quote]


class PlaceOrder(msgspec.Struct, frozen=True, tag_field="op", tag="place"):
    """Ask for a new order. ``qty`` is its total."""

    key: Key
    client_order_id: str
    role: Role
    n: int
    side: Side
    type: OrderType
    qty: Decimal
    price: Decimal | None = None
    trigger_px: Decimal | None = None
    reduce_only: bool = False
    attached_stop_px: Decimal | None = None


class PlacePair(PlaceOrder, frozen=True, tag_field="op", tag="place_pair", kw_only=True):
    """Ask for two legs of which one fires: ``trigger_px`` and ``price`` are the stop's.

    Its ``type`` is ``PAIR``. Amended by an ``AmendOrder`` of that type, cancelled like any order.
    """

    target: Leg


class AmendOrder(msgspec.Struct, frozen=True, tag_field="op", tag="amend"):
    """Ask for an absolute new total quantity, price and type of a resting order.

    A price that is left out stays; so does a pair's target.

    ``qty`` is the order's total, its filled part included, so a fill that races the request
    cannot enlarge it (RELIABILITY hazard d).
    """

    key: Key
    client_order_id: str
    role: Role
    n: int
    type: OrderType
    qty: Decimal
    price: Decimal | None = None
    trigger_px: Decimal | None = None
    target: Leg | None = None
    attached_stop_px: Decimal | None = None
    """The new stop that the position gets when it fills."""


class CancelOrder(msgspec.Struct, frozen=True, tag_field="op", tag="cancel"):
    """Ask for the end of a resting order."""

    key: Key
    client_order_id: str
    role: Role
    n: int


class SetStop(msgspec.Struct, frozen=True, tag_field="op", tag="set_stop"):
    """Ask for the position's own stop; idempotent. ``qty`` says what it covers."""

    key: Key
    trigger_px: Decimal
    qty: Decimal
    role: Role = Role.STOP_LOSS
    n: int = 0


Mutation = PlaceOrder | PlacePair | AmendOrder | CancelOrder | SetStop


class OutcomeKind(enum.StrEnum):
    """What is known after a request (DESIGN law 4)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    ALREADY_DONE = "already_done"
    UNSURE = "unsure"
    """It may have taken effect, or may yet: only a read begun after the window tells."""
    BUSY = "busy"
    """Turned away before it was looked at (rate limit, maintenance): it will not take effect."""
    MALFORMED = "malformed"
    """The answer made no sense: as unsure, and the venue is told on."""


class Outcome(msgspec.Struct, frozen=True):
    """The answer to one mutation. An acceptance is a hint, never a fill."""

    kind: OutcomeKind
    refusal: Refusal | None = None
    text: str = ""


class Trigger(enum.StrEnum):
    """What can happen to a position: events in the past tense (SPEC §3)."""

    PLAN_ACCEPTED = "plan_accepted"
    ENTRY_FILLED = "entry_filled"
    ENTRY_ENDED = "entry_ended"
    ENTRY_TTL_ELAPSED = "entry_ttl_elapsed"
    TARGET_MISSED = "target_missed"
    RUNG_PART_FILLED = "rung_part_filled"
    RUNG_HIT = "rung_hit"
    RUNG_ENDED = "rung_ended"
    STOP_TRIGGERED = "stop_triggered"
    STOP_ENDED = "stop_ended"
    STOP_REFUSED = "stop_refused"
    STOP_LOOSENED = "stop_loosened"
    STOP_PASSED = "stop_passed"
    """The market is strictly beyond the declared stop and none rests."""
    STOP_OVERDUE = "stop_overdue"
    """No stop has been known to rest for 15 s and the outcome of the last request is unknown."""
    BREAK_EVEN_SEEN = "break_even_seen"
    BREAK_EVEN_DUE = "break_even_due"
    EXIT_FILLED = "exit_filled"
    EXIT_ENDED = "exit_ended"
    EXIT_OVERDUE = "exit_overdue"
    FLAT_AND_CLEAR = "flat_and_clear"
    FOREIGN_GROWN = "foreign_grown"
    FOREIGN_SHRUNK = "foreign_shrunk"
    BOOKS_DISAGREED = "books_disagreed"
    ENTRY_MOVED = "entry_moved"
    """By a person, like the next three: no intent of ours explains it."""
    RUNG_CANCELLED = "rung_cancelled"
    RUNG_MOVED = "rung_moved"
    STOP_MOVED = "stop_moved"
    TARGET_TOUCHED = "target_touched"
    TARGET_LEFT = "target_left"
    SCALE_IN_ELAPSED = "scale_in_elapsed"
    """The entry of a scale-in has worked for its whole life."""
    ENTRY_PASSED = "entry_passed"
    """The stop is at or beyond a working entry's price; or, of a mirror, the primary has left the
    entry phase."""
    BOOK_DECIDED = "book_decided"
    SCALE_IN_DECIDED = "scale_in_decided"
    STOP_MOVE_DECIDED = "stop_move_decided"
    EXIT_DECIDED = "exit_decided"
    REBALANCE_DECIDED = "rebalance_decided"
    RELEASE_DECIDED = "release_decided"


class Event(msgspec.Struct, frozen=True):
    """One observed fact about one ladder, the input of one row."""

    trigger: Trigger
    at_ms: int
    role: Role | None = None
    n: int = 0
    fill: Fill | None = None
    refusal: Refusal | None = None
    reason: str = ""
    by_person: bool = False
    qty: Decimal = ZERO
    """What grew or shrank; an entry's open quantity as a person left it."""
    price: Decimal | None = None
    """As a person left it, as it was decided, or as the venue's average implies."""
    decision: str = ""
    """The id of the decision behind it."""
    fraction: Decimal | None = None
    """Of what is held; ``qty`` is worked out when it is taken."""
    expect_version: int | None = None
    """Not taken by a ladder of another version."""


def plain(value: Decimal) -> str:
    """Write a number the way money is written here: plain decimal, never an exponent."""
    return format(value, "f")
