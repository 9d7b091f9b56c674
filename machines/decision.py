"""A decision's life: from the moment it is durable to its one ending (SPEC §6).

Same grammar as the position table, with a `Decision` for a subject. Nothing is lost and nothing
stale is done: each accepted decision reaches exactly one of DONE, REFUSED, EXPIRED, SUPERSEDED.
Knows no queue and no venue. *Source*: SPEC §6, RELIABILITY S14, S15, S17.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from machines.errors import RungkeeperError
from machines.grammar import Cell, Ignored, Never, Row, Table
from machines.words import Event, Trigger

replace = msgspec.structs.replace

TAG = "POSITION_MGMT"
"""Carried through journal, log and API."""
MAX_RETRIES = 20
BACKOFF_MS = 1_000
MAX_BACKOFF_MS = 600_000
"""Doubling from a second to ten minutes, twenty tries outlast a venue that is away for an hour."""


class Kind(enum.StrEnum):
    """What can be decided."""

    BOOK = "book"
    SCALE_IN = "scale_in"
    MOVE_STOP = "move_stop"
    EXIT = "exit"
    REBALANCE = "rebalance"
    RELEASE = "release"


class Priority(enum.IntEnum):
    """When it is handled; lower goes first."""

    IMMEDIATE = 0
    NEXT_CYCLE = 1
    BACKGROUND = 2


PRIORITIES = {
    Kind.BOOK: Priority.IMMEDIATE,
    Kind.SCALE_IN: Priority.IMMEDIATE,
    Kind.EXIT: Priority.IMMEDIATE,
    Kind.RELEASE: Priority.IMMEDIATE,
    Kind.MOVE_STOP: Priority.NEXT_CYCLE,
    Kind.REBALANCE: Priority.BACKGROUND,
}
"""What a kind has unless a rule says otherwise (SPEC §6)."""


class Standing(enum.StrEnum):
    """Where a decision stands."""

    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    FALLBACK_RETRY = "FALLBACK_RETRY"
    DONE = "DONE"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


class Reason(enum.StrEnum):
    """Why a decision ended without being done (SPEC §6)."""

    TOO_SMALL = "too_small"
    MAX_QTY = "max_qty"
    NO_PRICE = "no_price"
    AFTER_TP1 = "after_tp1"
    BEHIND_MARKET = "behind_market"
    LOOSER = "looser"
    """A rule moves a stop only toward profit."""
    NOTHING_HELD = "nothing_held"
    HALTED = "halted"
    CLOSED = "closed"
    PARKED = "parked"
    """Its ladder is not managed any more."""
    UNKNOWN_LADDER = "unknown_ladder"
    STALE = "stale"
    """The ladder has moved on from the version that was expected."""
    CONDITION_GONE = "condition_gone"
    UNFILLED = "unfilled"
    """Its order ended, or was cancelled, before it filled."""
    TURNED_DOWN = "turned_down"
    """By the venue."""
    GAVE_UP = "gave_up"
    """A dead letter: tried as often as may be."""


WANTED: dict[Kind, tuple[str, ...]] = {
    Kind.BOOK: ("fraction",),
    Kind.SCALE_IN: ("fraction", "qty"),
    Kind.MOVE_STOP: ("price",),
    Kind.EXIT: (),
    Kind.REBALANCE: (),
    Kind.RELEASE: (),
}
"""Which figure a kind takes: just one of these."""


class InvalidDecision(RungkeeperError, ValueError):
    """A decision makes no sense. The caller's fault; nothing was done."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided, as whoever made it wrote it: the body that an id stands for.

    *Units*: ``expires_ms`` UTC, zero for never; ``fraction`` of what is held; ``price`` of the
    stop. *Raises*: InvalidDecision for one that makes no sense.
    """

    id: str
    ladder: str
    kind: Kind
    by: str
    """``person``, or the rule's name."""
    reason: str = ""
    priority: Priority = Priority.IMMEDIATE
    fraction: Decimal | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    expires_ms: int = 0
    expect_version: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no position could take, whoever decides it."""
        faults = list(_faults(self))
        if faults:
            raise InvalidDecision(f"decision {self.id}: {'; '.join(faults)}")

    @property
    def by_person(self) -> bool:
        """Tell whether a person made it: his word goes before rules'."""
        return self.by == "person"


def _faults(order: Order) -> Iterator[str]:
    """Yield what makes no sense about a decision."""
    for name in ("id", "ladder", "by"):
        if not getattr(order, name):
            yield f"{name} is empty"
    if order.expires_ms < 0:
        yield f"expires_ms = {order.expires_ms}: UTC ms, or 0 for never"
    given: dict[str, Decimal | None] = {
        "fraction": order.fraction, "qty": order.qty, "price": order.price,
    }  # fmt: skip
    wanted = WANTED[order.kind]
    for name, value in given.items():
        if value is None:
            continue
        if name not in wanted:
            yield f"{name} is given, {order.kind} takes {' or '.join(wanted) or 'none'}"
        elif not value.is_finite() or value <= 0 or (name == "fraction" and value > 1):
            allowed = "more than 0 and at most 1" if name == "fraction" else "more than 0"
            yield f"{name} = {value}: {allowed} is allowed"
    if wanted and sum(given[name] is not None for name in wanted) != 1:
        yield f"{order.kind} takes {' or '.join(wanted)}"


class Effect(msgspec.Struct, frozen=True):
    """A booked part against the price later. ``gain``: what it got beyond that price, in money."""

    after: str
    price: Decimal
    gain: Decimal


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and how far it has come. *Units*: times UTC ms."""

    order: Order
    standing: Standing = Standing.QUEUED
    made_ms: int = 0
    due_ms: int = 0
    """Not looked at before this time."""
    retries: int = 0
    reason: str = ""
    """Why it ended as it did: a refusal's word, or the id of what superseded it."""
    partial: bool = False
    sent_ms: int | None = None
    ended_ms: int | None = None
    asked_px: Decimal | None = None
    asked_qty: Decimal = Decimal(0)
    """As the position took them, in the venue's ticks and steps."""
    filled_qty: Decimal = Decimal(0)
    filled_cost: Decimal = Decimal(0)
    effects: tuple[Effect, ...] = ()
    """What became of the booked part's price, as far as the time for it has come."""

    @property
    def id(self) -> str:
        """Return the id that whoever made it gave it."""
        return self.order.id

    @property
    def ended(self) -> bool:
        """Tell whether it has reached its one ending."""
        return self.standing in ENDED


class Happening(enum.StrEnum):
    """What can happen to a decision."""

    TAKEN = "taken"
    """The position took it: a row, whose mutations are under way."""
    REFUSED = "refused"
    EXPIRED = "expired"
    OVERTAKEN = "overtaken"
    """A tighter, a person's or a graver one makes it pointless."""
    AWAY = "away"
    """Trade engine or venue cannot be asked now."""
    WAIT_OVER = "wait_over"
    SETTLED = "settled"
    """What it asked for has come about, or all of it that will."""
    RESTARTED = "restarted"


class Turn(msgspec.Struct, frozen=True):
    """What a row may look at beside the decision. ``word`` says why, or who."""

    now_ms: int
    word: str = ""
    failed: bool = False
    """What was under way has come to nothing."""


class Edit(msgspec.Struct, frozen=True):
    """One step of a recipe."""

    name: str
    says: str
    edit: Callable[[Decision, Turn], Decision]


def _note(decision: Decision, turn: Turn) -> Decision:
    return replace(decision, reason=turn.word, ended_ms=turn.now_ms)


def _begin(decision: Decision, turn: Turn) -> Decision:
    return replace(decision, sent_ms=turn.now_ms)


def _back_off(decision: Decision, turn: Turn) -> Decision:
    pause = min(BACKOFF_MS << decision.retries, MAX_BACKOFF_MS)
    return replace(decision, retries=decision.retries + 1, due_ms=turn.now_ms + pause)


def _give_up(decision: Decision, turn: Turn) -> Decision:
    return replace(decision, reason=Reason.GAVE_UP, ended_ms=turn.now_ms)


def _finish(decision: Decision, turn: Turn) -> Decision:
    partial = decision.filled_qty < decision.asked_qty
    word = turn.word if partial or turn.failed else ""
    return replace(decision, partial=partial, reason=word, ended_ms=turn.now_ms)


NOTE = Edit("note", "note why", _note)
BEGIN = Edit("begin", "note when it was sent", _begin)
BACK_OFF = Edit("back_off", "wait, longer each time", _back_off)
GIVE_UP = Edit("give_up", "a dead letter: gave_up", _give_up)
FINISH = Edit("finish", "note what came of it", _finish)


def spent(decision: Decision, _: Turn) -> bool:
    """Its retries are used up."""
    return decision.retries >= MAX_RETRIES


def due(decision: Decision, turn: Turn) -> bool:
    """Its wait is over."""
    return turn.now_ms >= decision.due_ms


def nothing_done(decision: Decision, turn: Turn) -> bool:
    """All of it has come to nothing."""
    return turn.failed or (bool(decision.asked_qty) and not decision.filled_qty)


PREDICATES: dict[str, Callable[[Decision, Turn], bool]] = {
    "spent": spent,
    "due": due,
    "nothing_done": nothing_done,
}
D, H = Standing, Happening
R = Row[Edit]
WAITING = (D.QUEUED, D.FALLBACK_RETRY)
ENDED = (D.DONE, D.REFUSED, D.EXPIRED, D.SUPERSEDED)
_ASKED = {H.AWAY: ("due", "spent"), H.SETTLED: ("nothing_done",)}
FACTS: dict[str, tuple[str, ...]] = {what: _ASKED.get(what, ()) for what in H}

# fmt: off
ROWS: tuple[R, ...] = (
    R("Q1", (D.QUEUED,), H.TAKEN, D.EXECUTING, (BEGIN,),
      "The position has taken it; its requests are under way."),
    R("Q2", WAITING, H.REFUSED, D.REFUSED, (NOTE,),
      "It cannot or need not be done, and the reason says why."),
    R("Q3", WAITING, H.EXPIRED, D.EXPIRED, (NOTE,),
      "Its life is over before it could be done."),
    R("Q4", WAITING, H.OVERTAKEN, D.SUPERSEDED, (NOTE,),
      "Another decision makes it pointless."),
    R("Q5", (D.QUEUED,), H.AWAY, D.FALLBACK_RETRY, (BACK_OFF,),
      "The trade engine or the venue is away: kept, tried again.", {"spent": False}),
    R("Q5", (D.QUEUED,), H.AWAY, D.REFUSED, (GIVE_UP,),
      "Away too often: a dead letter, alert.", {"spent": True}, alert=True),
    R("Q5", (D.FALLBACK_RETRY,), H.AWAY, None, (BACK_OFF,),
      "Still away: it waits longer.", {"due": True, "spent": False}),
    R("Q5", (D.FALLBACK_RETRY,), H.AWAY, D.REFUSED, (GIVE_UP,),
      "Still away, once too often: a dead letter, alert.", {"due": True, "spent": True},
      alert=True),
    R("Q6", (D.FALLBACK_RETRY,), H.WAIT_OVER, D.QUEUED, (),
      "The wait is over: it waits with the others again."),
    R("Q7", (D.EXECUTING,), H.SETTLED, D.DONE, (FINISH,),
      "What it asked for has come about, whole or in part.", {"nothing_done": False}),
    R("Q7", (D.EXECUTING,), H.SETTLED, D.REFUSED, (FINISH,),
      "It ended and nothing of it was filled.", {"nothing_done": True}),
    R("Q8", (D.EXECUTING,), H.OVERTAKEN, D.SUPERSEDED, (NOTE,),
      "A graver one has taken its place while it was under way."),
)
CELLS: tuple[Cell[Edit], ...] = (
    *ROWS,
    Ignored((D.QUEUED, D.FALLBACK_RETRY, D.EXECUTING), H.RESTARTED,
            "it is durable, and the ladder knows what was declared for it"),
    Ignored((D.FALLBACK_RETRY,), H.AWAY, "its wait goes on", {"due": False}),
    Ignored((D.EXECUTING,), H.EXPIRED, "what is under way is brought to its end"),
    Ignored((D.EXECUTING,), H.AWAY, "its requests are resolved by the dispatch machine"),
    Never((D.FALLBACK_RETRY, D.EXECUTING), H.TAKEN, "only what is queued is handed over"),
    Never((D.EXECUTING,), H.REFUSED, "what was taken settles"),
    Never((D.QUEUED, D.EXECUTING), H.WAIT_OVER, "only the fallback waits"),
    Never((D.QUEUED, D.FALLBACK_RETRY), H.SETTLED, "nothing of it is under way"),
    *(Never(ENDED, happening, "it has its one ending") for happening in Happening),
)
# fmt: on

TABLE: Table[Edit] = Table(tuple(Standing), FACTS, CELLS)

TRIGGERS = {
    Kind.BOOK: Trigger.BOOK_DECIDED,
    Kind.SCALE_IN: Trigger.SCALE_IN_DECIDED,
    Kind.MOVE_STOP: Trigger.STOP_MOVE_DECIDED,
    Kind.EXIT: Trigger.EXIT_DECIDED,
    Kind.REBALANCE: Trigger.REBALANCE_DECIDED,
    Kind.RELEASE: Trigger.RELEASE_DECIDED,
}


def take(
    decision: Decision, happening: Happening, turn: Turn, table: Table[Edit] = TABLE
) -> tuple[Decision, R | Ignored]:
    """Take the one row that fits. *Raises*: ForbiddenTransition at a *never* cell."""
    facts = tuple(PREDICATES[name](decision, turn) for name in FACTS[happening])
    cell = table.choose(decision.standing, happening, facts)
    if isinstance(cell, Ignored):
        return decision, cell
    standing = Standing(table.fire(decision.standing, cell))
    for part in cell.recipe:
        decision = part.edit(decision, turn)
    return replace(decision, standing=standing), cell


def as_event(order: Order, now_ms: int) -> Event:
    """Say a decision to the position: the event of its kind."""
    return Event(
        TRIGGERS[order.kind],
        now_ms,
        reason=order.reason,
        by_person=order.by_person,
        qty=order.qty or Decimal(0),
        price=order.price,
        decision=order.id,
        fraction=order.fraction,
        expect_version=order.expect_version,
    )
