"""A mutation's life: from the durable intent to a known end (DESIGN §3, law 4 and law 8).

Retry lives here and not in the position, because the venue goes on filling while we wait. Same
grammar as the position table, with a `Flight` for a subject. Knows no states of a position and no
venue. Invariants: one flight a slot; *unknown* is resolved only by a read that started after the
window; a retry always ends: done, refused by name, or given up with an alert.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from machines.errors import ForbiddenTransition
from machines.grammar import Cell, Ignored, Never, Row, Table
from machines.words import Mutation, Outcome, OutcomeKind, Role

replace = msgspec.structs.replace

MAX_TRIES = 6
"""Sends of one intent before it is given up: a minute of unknown outcomes on Bybit's window."""
BACKOFF_MS = 1_000
MAX_BACKOFF_MS = 30_000
GIVEN_UP_PAUSE_MS = 60_000
"""A slot whose intent was given up is left alone this long; then the plan may ask anew."""
URGENT = (Role.STOP_LOSS, Role.EXIT)
"""Never more than `BACKOFF_MS` between two tries of these: SPEC S2, every second."""


class Dispatch(enum.StrEnum):
    """Where a mutation stands."""

    INTENDED = "INTENDED"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    BACKOFF = "BACKOFF"
    DONE = "DONE"
    REFUSED = "REFUSED"
    GAVE_UP = "GAVE_UP"


class Step(enum.StrEnum):
    """What can happen to a mutation."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSURE = "unsure"
    BUSY = "busy"
    RESTARTED = "restarted"
    WINDOW_READ = "window_read"
    """A snapshot whose read started after the window has been accepted."""
    WAIT_OVER = "wait_over"
    SHOWN = "shown"
    """A snapshot shows its effect. Seeing is proof at any time; not seeing proves nothing."""


class Flight(msgspec.Struct, frozen=True):
    """A mutation that has an intent and no known end. *Units*: ``until_ms`` UTC."""

    intent: str
    slot: str
    mutation: Mutation
    state: Dispatch = Dispatch.INTENDED
    tries: int = 1
    until_ms: int = 0
    """UNKNOWN: the window's end. BACKOFF, GAVE_UP: when the slot is free again."""
    heard: tuple[str, ...] = ()
    """What was given up in this slot since a request's end was known; each is told of once."""


class Turn(msgspec.Struct, frozen=True):
    """What a row may look at: the time, the window, and whether it is still wanted."""

    now_ms: int
    window_ms: int
    wanted: bool = True


class FlightEdit(msgspec.Struct, frozen=True):
    """One step of a dispatch recipe."""

    name: str
    says: str
    edit: Callable[[Flight, Turn], Flight]


def _await_window(flight: Flight, turn: Turn) -> Flight:
    return replace(flight, until_ms=turn.now_ms + turn.window_ms)


def _back_off(flight: Flight, turn: Turn) -> Flight:
    pause = min(BACKOFF_MS * 2 ** (flight.tries - 1), MAX_BACKOFF_MS)
    if flight.mutation.role in URGENT:
        pause = BACKOFF_MS
    return replace(flight, until_ms=turn.now_ms + pause)


def _try_again(flight: Flight, _: Turn) -> Flight:
    return replace(flight, tries=flight.tries + 1)


def _leave_alone(flight: Flight, turn: Turn) -> Flight:
    pause = 0 if flight.mutation.role in URGENT else GIVEN_UP_PAUSE_MS
    why = "turned away" if flight.state is Dispatch.BACKOFF else "outcome unknown"
    told = f"{flight.mutation.__struct_config__.tag}: {why}"
    heard = flight.heard if told in flight.heard else (*flight.heard, told)
    return replace(flight, until_ms=turn.now_ms + pause, heard=heard)


AWAIT_WINDOW = FlightEdit("await_window", "wait until it can no longer land", _await_window)
BACK_OFF = FlightEdit("back_off", "wait, longer each time", _back_off)
TRY_AGAIN = FlightEdit("try_again", "send it once more under the same id", _try_again)
LEAVE_ALONE = FlightEdit("leave_alone", "leave the slot alone for a while", _leave_alone)


def wanted(_: Flight, turn: Turn) -> bool:
    """Something is still asked for in its place."""
    return turn.wanted


def spent(flight: Flight, _: Turn) -> bool:
    """Its tries are used up."""
    return flight.tries >= MAX_TRIES


PREDICATES: dict[str, Callable[[Flight, Turn], bool]] = {"wanted": wanted, "spent": spent}

D = Dispatch
R = Row[FlightEdit]
OPEN = (D.INTENDED, D.SENT, D.UNKNOWN, D.BACKOFF)
ENDED = (D.DONE, D.REFUSED, D.GAVE_UP)

FACTS: dict[str, tuple[str, ...]] = {
    Step.SENT: (),
    Step.ACCEPTED: (),
    Step.REFUSED: (),
    Step.UNSURE: (),
    Step.BUSY: (),
    Step.RESTARTED: (),
    Step.WINDOW_READ: ("wanted", "spent"),
    Step.WAIT_OVER: ("wanted", "spent"),
    Step.SHOWN: (),
}

# fmt: off
ROWS: tuple[R, ...] = (
    R("D1", (D.INTENDED,), Step.SENT, D.SENT, (),
      "The intent is durable: the request leaves."),
    R("D2", (D.SENT,), Step.ACCEPTED, D.DONE, (),
      "Accepted, or already so: the next snapshot judges."),
    R("D3", (D.SENT,), Step.REFUSED, D.REFUSED, (),
      "Refused by name: the position hears of it."),
    R("D4", (D.SENT,), Step.UNSURE, D.UNKNOWN, (AWAIT_WINDOW,),
      "Time-out, cut or senseless answer: it may have landed or may yet."),
    R("D5", (D.SENT,), Step.BUSY, D.BACKOFF, (BACK_OFF,),
      "Turned away unread: wait and send again."),
    R("D6", (D.INTENDED, D.SENT, D.UNKNOWN), Step.RESTARTED, D.UNKNOWN, (AWAIT_WINDOW,),
      "We died between intent and outcome: it may have left."),
    R("D7", (D.UNKNOWN,), Step.WINDOW_READ, D.DONE, (),
      "A read begun after the window shows nothing more to do.", {"wanted": False}),
    R("D7", (D.UNKNOWN,), Step.WINDOW_READ, D.INTENDED, (TRY_AGAIN,),
      "A read begun after the window shows that it did not land.",
      {"wanted": True, "spent": False}),
    R("D7", (D.UNKNOWN,), Step.WINDOW_READ, D.GAVE_UP, (LEAVE_ALONE,),
      "It did not land, too often: given up, alert.", {"wanted": True, "spent": True}, alert=True),
    R("D8", (D.BACKOFF,), Step.WAIT_OVER, D.INTENDED, (TRY_AGAIN,),
      "The wait is over: send again.", {"wanted": True, "spent": False}),
    R("D8", (D.BACKOFF,), Step.WAIT_OVER, D.GAVE_UP, (LEAVE_ALONE,),
      "Turned away too often: given up, alert.", {"wanted": True, "spent": True}, alert=True),
    R("D8", (D.BACKOFF,), Step.WAIT_OVER, D.DONE, (),
      "What was turned away is not wanted any more.", {"wanted": False}),
    R("D9", (D.UNKNOWN,), Step.SHOWN, D.DONE, (),
      "A snapshot shows that it landed."),
)
_SENT_ONLY = (Step.ACCEPTED, Step.REFUSED, Step.UNSURE, Step.BUSY)
CELLS: tuple[Cell[FlightEdit], ...] = (
    *ROWS,
    Ignored((D.BACKOFF,), Step.RESTARTED, "it had not been looked at; the wait goes on"),
    *(Never((D.INTENDED, D.UNKNOWN, D.BACKOFF), step, "only a request that was sent is answered")
      for step in _SENT_ONLY),
    Never((D.SENT, D.UNKNOWN, D.BACKOFF), Step.SENT, "only an intent is sent"),
    Never((D.INTENDED, D.SENT, D.BACKOFF), Step.WINDOW_READ, "only an unknown outcome is read up"),
    Never((D.INTENDED, D.SENT, D.UNKNOWN), Step.WAIT_OVER, "only a back-off waits"),
    Never((D.INTENDED, D.SENT, D.BACKOFF), Step.SHOWN, "only an unknown outcome is looked for"),
    *(Never(ENDED, step, "it has ended") for step in Step),
)
# fmt: on

TABLE: Table[FlightEdit] = Table(tuple(Dispatch), FACTS, CELLS)

_STEP_OF = {
    OutcomeKind.ACCEPTED: Step.ACCEPTED,
    OutcomeKind.ALREADY_DONE: Step.ACCEPTED,
    OutcomeKind.REFUSED: Step.REFUSED,
    OutcomeKind.UNSURE: Step.UNSURE,
    OutcomeKind.MALFORMED: Step.UNSURE,
    OutcomeKind.BUSY: Step.BUSY,
}


def take(
    flight: Flight, step: Step, turn: Turn, table: Table[FlightEdit] = TABLE
) -> tuple[Flight, R | Ignored]:
    """Take the one row that fits.

    *Raises*: ForbiddenTransition at a *never* cell.
    """
    facts = tuple(PREDICATES[name](flight, turn) for name in FACTS[step])
    cell = table.choose(flight.state, step, facts)
    if isinstance(cell, Ignored):
        return flight, cell
    state = Dispatch(table.fire(flight.state, cell))
    for part in cell.recipe:
        flight = part.edit(flight, turn)
    return replace(flight, state=state), cell


def answered(flight: Flight, outcome: Outcome, turn: Turn) -> tuple[Flight, R | Ignored]:
    """Take a request from its intent through the answer it got."""
    sent, _ = take(flight, Step.SENT, turn)
    return take(sent, _STEP_OF[outcome.kind], turn)


def only(flights: tuple[Flight, ...], slot: str) -> Flight | None:
    """Return the slot's flight, if it has one.

    *Raises*: ForbiddenTransition when it has two: S2 OneInFlight is broken.
    """
    found = [flight for flight in flights if flight.slot == slot]
    if len(found) > 1:
        raise ForbiddenTransition(f"slot {slot} has {len(found)} requests in flight")
    return found[0] if found else None
