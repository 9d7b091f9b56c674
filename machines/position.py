"""THE position table: what is declared when something happens to a position (SPEC §3).

Data first: the facts a row may ask for, then the rows, then the cells that are ignored or never
reached. `step` is the only way a ladder changes state: *all events go through here*. Knows nothing
of orders at a venue; `machines.lower` and `machines.plan` compute those from the declaration.
Pooled exits only; per-rung exits and decisions on a live position come in later steps.

Legend. sources → target when guard: recipe. A guard names booleans of `FACTS`; target None leads
back to the source.
"""

from __future__ import annotations

from machines import adopt
from machines import recipes as do
from machines.facts import FACTS, evaluate
from machines.grammar import Cell, Ignored, Never, Row, Table
from machines.ladder import LIVE, Ladder, State, replace
from machines.recipes import Instruction, Moment
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

NEW = State.NEW
PENDING = State.PENDING_LIMITS
PART = State.PARTIALLY_FILLED
FULL = State.FULLY_FILLED
TP1 = State.TP1_HIT
BE = State.STOP_AT_BREAK_EVEN
CLOSING = State.CLOSING
CLOSED = State.CLOSED
HALTED = State.HALTED

ENTERING = (PART, FULL)
AFTER_TP1 = (TP1, BE)
GET_OUT = (do.CANCEL_ENTRIES, do.CANCEL_RUNGS, do.EXIT_ALL)
"""Cancel entries and rungs, exit at market: T2b and S2."""

NOTHING_LEFT = (do.CANCEL_ENTRIES, do.CANCEL_RUNGS, do.EXIT_TO_HELD, do.CANCEL_STOP)
"""Flat: all that rests goes, an exit that is still under way too: T4 and E6."""

HALT = (do.CANCEL_ENTRIES, adopt.HANDS_OFF)
"""Working entries are cancelled on the way in; stop and rungs stay (H1, M1)."""

FILL_IN = (do.JOIN, do.STOP_TO_HELD, do.SHARE_RUNGS)
"""Stop for all that is held, then every open rung re-shared: E2 and E3."""

R = Row[Instruction]

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
ENTRY_ROWS: tuple[R, ...] = (
    R("E1", (NEW,), T.PLAN_ACCEPTED, PENDING, (do.DECLARE_ENTRIES,),
      "The plan is accepted: place each entry."),
    R("E2", (PENDING,), T.ENTRY_FILLED, PART, FILL_IN,
      "The first entry fills while another still works.", {"entries_work": True}),
    R("E2", (PENDING,), T.ENTRY_FILLED, FULL, FILL_IN,
      "The first entry fills and none works any more.", {"entries_work": False}),
    R("E2", (CLOSING,), T.ENTRY_FILLED, FULL, FILL_IN,
      "An entry fills although its time to live was over: its cancel lost the race.",
      {"expired": True}),
    R("E3", (PART,), T.ENTRY_FILLED, None, FILL_IN,
      "A further entry fill while another entry still works.",
      {"late": False, "entries_work": True}),
    R("E3", (PART,), T.ENTRY_FILLED, FULL, FILL_IN,
      "The last working entry fills.", {"late": False, "entries_work": False}),
    R("E3", (FULL,), T.ENTRY_FILLED, None, FILL_IN,
      "A fill reported after the end of its order.", {"late": False, "entries_work": False}),
    R("E4", (PART,), T.ENTRY_ENDED, FULL, (),
      "The last working entry ends unfilled.", {"entries_work": False, "refused": False}),
    R("E4", (PENDING,), T.ENTRY_ENDED, CLOSING, (),
      "The last working entry ends and nothing has filled.", {"entries_work": False, "refused": False}),
    R("E4", (PART,), T.ENTRY_ENDED, FULL, (),
      "The last working entry is refused.", {"entries_work": False, "refused": True}, alert=True),
    R("E4", (PENDING,), T.ENTRY_ENDED, CLOSING, (),
      "The last working entry is refused and nothing has filled.",
      {"entries_work": False, "refused": True}, alert=True),
    R("E4", (PENDING, PART), T.ENTRY_ENDED, None, (),
      "An entry is refused while another works: it has ended and is not placed again.",
      {"entries_work": True, "refused": True}, alert=True),
    R("E5", (PENDING,), T.ENTRY_TTL_ELAPSED, CLOSING, (do.EXPIRE_ENTRIES,),
      "Nothing has filled within entry_ttl."),
    R("E5", (PENDING,), T.TARGET_MISSED, CLOSING, (do.EXPIRE_ENTRIES,),
      "TP1 was touched before anything filled (cancel_if_missed)."),
    R("E6", LIVE, T.ENTRY_FILLED, None, (do.EXIT_LATE,),
      "A late fill of an entry that was declared cancelled: exit that quantity, alert.",
      {"late": True, "keep_late": False}, alert=True),
    R("E6", LIVE, T.ENTRY_FILLED, None,
      (do.JOIN, do.RECOMPUTE_BREAK_EVEN, do.STOP_TO_HELD, do.SHARE_RUNGS),
      "A late fill that late_entry = keep shares over the open rungs.",
      {"late": True, "keep_late": True}),
    R("E6", (CLOSING,), T.ENTRY_FILLED, None, (do.EXIT_LATE,),
      "A late fill while closing: exit that quantity, alert.", {"expired": False}, alert=True),
    R("E6", (CLOSED,), T.ENTRY_FILLED, CLOSING, (do.EXIT_LATE,),
      "A late fill after the end: exit that quantity, alert.", alert=True),
    R("E6", LIVE, T.EXIT_FILLED, None, (do.STOP_TO_HELD, do.FOLD_RUNGS),
      "The exit of a late quantity fills.", {"held": True}),
    R("E6", LIVE, T.EXIT_FILLED, CLOSING, NOTHING_LEFT,
      "The exit of a late quantity leaves nothing held.", {"held": False}),
    R("E6", LIVE, T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "The exit of a late quantity ends unfilled: declared again.", {"third_try": False}),
    R("E6", LIVE, T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "The same for the third time: alert.", {"third_try": True}, alert=True),
)

TARGET_ROWS: tuple[R, ...] = (
    R("T1", LIVE, T.RUNG_PART_FILLED, None, (do.STOP_TO_HELD, do.FOLD_RUNGS),
      "A rung fills in part.", {"held": True}),
    R("T2", ENTERING, T.RUNG_HIT, TP1,
      (do.STOP_TO_BREAK_EVEN, do.CANCEL_ENTRIES, do.FOLD_RUNGS),
      "The first rung is hit: stop to break-even, then cancel working entries.",
      {"held": True, "behind": False}),
    R("T2b", ENTERING, T.RUNG_HIT, CLOSING, GET_OUT,
      "The first rung is hit but break-even is behind the market: out.",
      {"held": True, "behind": True, "keep_behind": False}, alert=True),
    R("T2b", ENTERING, T.RUNG_HIT, TP1, (do.OWE_BREAK_EVEN, do.CANCEL_ENTRIES, do.FOLD_RUNGS),
      "The same with when_break_even_is_behind = keep: the old stop stays, tried at every poll.",
      {"held": True, "behind": True, "keep_behind": True}),
    R("T2b", (TP1,), T.BREAK_EVEN_DUE, None, (do.PULL_TO_BREAK_EVEN,),
      "Break-even that was behind the market is ahead of it again.", {"behind": False}),
    R("T2b", (TP1,), T.STOP_REFUSED, CLOSING, GET_OUT,
      "The venue refuses the move to break-even as behind the market: out.",
      {"passed": True, "stop_rests": True, "keep_behind": False}, alert=True),
    R("T3", AFTER_TP1, T.RUNG_HIT, None, (do.STOP_TO_HELD, do.FOLD_RUNGS),
      "A later rung is hit.", {"held": True, "steps": False}),
    R("T3", AFTER_TP1, T.RUNG_HIT, None, (do.STEP_STOP, do.FOLD_RUNGS),
      "A later rung is hit and step_stop follows one rung behind.",
      {"held": True, "steps": True}),
    R("T4", ENTERING, T.RUNG_HIT, CLOSING, NOTHING_LEFT,
      "The first rung hit leaves nothing held.", {"held": False}),
    R("T4", AFTER_TP1, T.RUNG_HIT, CLOSING, NOTHING_LEFT,
      "A rung hit leaves nothing held.", {"held": False}),
    R("T4", LIVE, T.RUNG_PART_FILLED, CLOSING, NOTHING_LEFT,
      "A rung that was hit or off fills all the same and leaves nothing held.", {"held": False}),
    R("T5", (TP1,), T.BREAK_EVEN_SEEN, BE, (),
      "A snapshot shows the stop at break-even or better."),
    R("T6", (BE,), T.BREAK_EVEN_DUE, TP1, (do.PULL_TO_BREAK_EVEN,),
      "Break-even was counted anew and lies beyond the stop.", {"behind": False}),
    R("T6", (BE,), T.BREAK_EVEN_DUE, TP1, (),
      "The same while it is behind the market: the resting stop stays for now.",
      {"behind": True}),
)

STOP_ROWS: tuple[R, ...] = (
    R("S1", LIVE, T.STOP_TRIGGERED, CLOSING, (do.CANCEL_ENTRIES, do.CANCEL_RUNGS, do.EXIT_TO_HELD),
      "The stop has triggered; an exit that is under way shrinks to held."),
    R("S1", (CLOSING,), T.EXIT_OVERDUE, None, (do.CHASE,),
      "What a stop left unfilled for 2 s is chased."),
    R("S1", (CLOSING,), T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "An exit ended unfilled: again, every second after a refusal.",
      {"third_try": False, "blind": False}),
    R("S1", (CLOSING,), T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "An exit ended unfilled for the third time: again, alert.",
      {"third_try": True, "blind": False}, alert=True),
    R("S2", LIVE, T.STOP_ENDED, None, (do.STOP_AGAIN,),
      "The stop ended without us: declared again.", alert=True),
    R("S2", (CLOSING,), T.STOP_ENDED, None, (do.STOP_AGAIN,),
      "The stop ended without us while something is still held: declared again.", alert=True),
    R("S2", LIVE, T.STOP_REFUSED, None, (do.STOP_AGAIN,),
      "The stop was refused and none rests: sent again every second.",
      {"passed": False, "stop_rests": False, "spent": False}),
    R("S2", LIVE, T.STOP_REFUSED, CLOSING, GET_OUT,
      "Three refusals over three seconds and no stop rests: exit at market.",
      {"passed": False, "stop_rests": False, "spent": True}, alert=True),
    R("S2", LIVE, T.STOP_REFUSED, CLOSING, GET_OUT,
      "The stop was refused as behind the market and none rests: exit at market.",
      {"passed": True, "stop_rests": False}, alert=True),
    R("S2", LIVE, T.STOP_PASSED, CLOSING, GET_OUT,
      "The market is strictly beyond the stop and none rests: exit at market, at once.", alert=True),
    R("S2", LIVE, T.STOP_OVERDUE, CLOSING, GET_OUT,
      "No stop for 15 s and nobody knows whether one was set: exit at market.",
      {"closes_naked": True}, alert=True),
    R("S2", (*LIVE, HALTED), T.STOP_OVERDUE, None, (do.SET_STOP,),
      "No stop for 15 s: a person hears of it, it is tried on (naked_policy = alert, or halted).",
      {"closes_naked": False}, alert=True),
    R("S2", LIVE, T.RUNG_ENDED, None, (do.RUNG_AGAIN,),
      "A rung ended without us: declared again.", {"spent": False}),
    R("S2", LIVE, T.RUNG_ENDED, None, (do.RUNG_OFF, do.SHARE_RUNGS),
      "A rung refused three times is off and folds into the others, alert.", {"spent": True}, alert=True),
    R("S3", (*LIVE, CLOSING), T.STOP_LOOSENED, None, (do.SET_STOP,),
      "The resting stop is looser than declared, at a price we sent earlier: set it first.", alert=True),
)

CLOSING_ROWS: tuple[R, ...] = (
    R("C1", (CLOSING,), T.FLAT_AND_CLEAR, CLOSED, (),
      "Flat, and nothing of ours rests, seen in a snapshot."),
    R("C2", (CLOSING,), T.RUNG_PART_FILLED, None, (do.EXIT_TO_HELD, do.STOP_UNTIL_FLAT),
      "A rung fills while closing: counted, the exit shrinks to held; flat, the stop goes."),
    R("C2", (CLOSING,), T.RUNG_HIT, None, (),
      "A rung's order is seen to have ended filled: its fills were counted before."),
    R("C2", (CLOSING,), T.STOP_TRIGGERED, None, (do.EXIT_TO_HELD, do.STOP_UNTIL_FLAT),
      "The stop fills while closing: counted, the exit shrinks to held; flat, the stop goes."),
    R("C2", (CLOSING,), T.EXIT_FILLED, None, (do.EXIT_TO_HELD, do.STOP_UNTIL_FLAT),
      "An exit fills; flat, the stop goes."),
)

PERSON_ROWS: tuple[R, ...] = (
    R("P1", (PENDING, PART), T.ENTRY_MOVED, None, (adopt.KEEP_ENTRY,),
      "A person has moved an entry: kept so."),
    R("P2", LIVE, T.RUNG_CANCELLED, None, (do.RUNG_OFF, do.SHARE_RUNGS),
      "A person has cancelled a rung: it stays off, its quantity folds."),
    R("P3", LIVE, T.RUNG_MOVED, None, (adopt.KEEP_RUNG, do.SHARE_RUNGS),
      "A person has moved a rung: the price is kept, the quantity is ours to set."),
    R("P4", (*LIVE, CLOSING, HALTED), T.STOP_MOVED, None, (adopt.KEEP_STOP,),
      "A person has moved the stop: adopted, break-even is not imposed again.", alert=True),
)

OUTSIDE_ROWS: tuple[R, ...] = (
    R("M1", LIVE, T.FOREIGN_GROWN, None,
      (adopt.MERGE, do.RECOMPUTE_BREAK_EVEN, do.STOP_TO_HELD, do.SHARE_RUNGS),
      "The position grew without us: merged at the price the venue's average implies.",
      {"merges": True}, alert=True),
    R("M1", LIVE, T.FOREIGN_GROWN, None, (),
      "The position grew without us: recorded, never covered, never sold.",
      {"merges": False}, alert=True),
    R("M1", (PENDING,), T.FOREIGN_GROWN, HALTED, HALT,
      "Somebody opened a position on our key before any entry filled.", alert=True),
    R("M2", LIVE, T.FOREIGN_SHRUNK, None, (do.STOP_TO_HELD, do.FOLD_RUNGS),
      "The position shrank without us: foreign quantity first, then ours, re-shared.",
      {"held": True}, alert=True),
    R("M2", LIVE, T.FOREIGN_SHRUNK, CLOSING, NOTHING_LEFT,
      "The position is gone without us.", {"held": False}, alert=True),
    R("M2", (CLOSING,), T.FOREIGN_SHRUNK, None, (do.EXIT_TO_HELD, do.STOP_UNTIL_FLAT),
      "The position shrank while closing: the exit shrinks to held."),
    R("H1", (PENDING, *LIVE, CLOSING), T.BOOKS_DISAGREED, HALTED, HALT,
      "We do not understand what we see: a person must look.", alert=True),
    R("H1", (CLOSING,), T.EXIT_ENDED, HALTED, HALT,
      "The exit is refused and there has been no quote for a minute.", {"blind": True}, alert=True),
)

HALTED_ROWS: tuple[R, ...] = (
    R("H2", (HALTED,), T.ENTRY_FILLED, None, (do.JOIN, do.STOP_TO_HELD),
      "A fill of ours is counted; what is held has a stop."),
    R("H2", (HALTED,), T.RUNG_PART_FILLED, CLOSING, NOTHING_LEFT,
      "A rung leaves nothing held.", {"held": False}),
    R("H2", (HALTED,), T.RUNG_HIT, CLOSING, NOTHING_LEFT,
      "A rung hit leaves nothing held.", {"held": False}),
    R("H2", (HALTED,), T.STOP_TRIGGERED, CLOSING, NOTHING_LEFT,
      "The stop leaves nothing held.", {"held": False}),
    R("H2", (HALTED,), T.EXIT_FILLED, CLOSING, NOTHING_LEFT,
      "An exit leaves nothing held.", {"held": False}),
    R("H2", (HALTED,), T.FOREIGN_SHRUNK, CLOSING, NOTHING_LEFT,
      "The position is gone without us.", {"held": False}, alert=True),
    R("H2", (HALTED,), T.STOP_ENDED, None, (do.STOP_AGAIN,),
      "The stop ended without us: the last declared one again.", alert=True),
    R("H2", (HALTED,), T.STOP_REFUSED, None, (do.STOP_AGAIN,),
      "The stop was refused and none rests: sent again every second.",
      {"passed": False, "stop_rests": False}),
    R("H2", (HALTED,), T.STOP_REFUSED, CLOSING, GET_OUT,
      "The stop was refused as behind the market and none rests: exit at market.",
      {"passed": True, "stop_rests": False}, alert=True),
    R("H2", (HALTED,), T.STOP_PASSED, CLOSING, GET_OUT,
      "The market is strictly beyond the stop and none rests: exit at market.", alert=True),
    R("H2", (HALTED,), T.STOP_OVERDUE, CLOSING, GET_OUT,
      "No stop for 15 s and nobody knows whether one was set: exit at market.",
      {"closes_naked": True}, alert=True),
    R("H2", (HALTED,), T.STOP_LOOSENED, None, (do.SET_STOP,),
      "The resting stop is looser than declared, at a price we sent earlier: set it.", alert=True),
    R("H2", (HALTED,), T.EXIT_OVERDUE, None, (do.CHASE,),
      "A triggered stop is chased."),
    R("H2", (HALTED,), T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "An exit ended unfilled: again.", {"third_try": False}),
    R("H2", (HALTED,), T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "An exit ended unfilled for the third time: again, alert.", {"third_try": True}, alert=True),
    R("H2", (HALTED,), T.FLAT_AND_CLEAR, CLOSING, (do.CANCEL_RUNGS,),
      "Flat, and nothing of ours rests."),
    R("H2", (HALTED,), T.STOP_MOVE_DECIDED, None, (adopt.KEEP_STOP,),
      "A person asks for another stop.", {"held": True}),
    R("H2", (HALTED,), T.EXIT_DECIDED, CLOSING, GET_OUT,
      "A person asks to get out.", {"held": True}),
    R("H2", (HALTED,), T.EXIT_DECIDED, CLOSING, NOTHING_LEFT,
      "A person asks to get out and nothing is held.", {"held": False}),
    R("H2", (HALTED,), T.RELEASE_DECIDED, FULL, (adopt.HANDS_ON, do.STOP_TO_HELD, do.SHARE_RUNGS),
      "A person has looked and releases it: no rung was hit.",
      {"held": True, "after_tp1": False}),
    R("H2", (HALTED,), T.RELEASE_DECIDED, TP1, (adopt.HANDS_ON, do.STOP_TO_HELD, do.SHARE_RUNGS),
      "A person has looked and releases it: a rung was hit.",
      {"held": True, "after_tp1": True}),
    R("H2", (HALTED,), T.RELEASE_DECIDED, CLOSING, NOTHING_LEFT,
      "A person releases it and nothing is held.", {"held": False}),
)

IDLE = (PENDING, CLOSED)
"""States in which nothing is held and no rung, stop or exit rests."""
ALL = tuple(State)
LATER = (T.STOP_MOVE_DECIDED, T.EXIT_DECIDED, T.RELEASE_DECIDED)
"""Built for HALTED only, for now."""

_NOT_BUILT = "not built yet"
_UNHELD = "nothing is held, so none of these rests"
_ONCE = "a ladder is opened once"
_CONFIRMED = "its cancel was declared; the end only confirms it"
_RESTS = "a stop still rests and protects; the move is tried again at the next poll"

IGNORED: tuple[Ignored, ...] = (
    Ignored((PENDING, PART), T.ENTRY_ENDED, "another entry still works",
            {"entries_work": True, "refused": False}),
    Ignored((FULL, TP1, BE, CLOSING, CLOSED), T.ENTRY_ENDED, _CONFIRMED),
    Ignored((CLOSING,), T.RUNG_ENDED, "every rung was declared cancelled"),
    Ignored((CLOSING,), T.STOP_REFUSED, "an exit is under way"),
    Ignored((CLOSED,), T.STOP_REFUSED, "nothing is held any more"),
    Ignored((PART, FULL, BE), T.STOP_REFUSED, _RESTS, {"stop_rests": True}),
    Ignored((TP1,), T.STOP_REFUSED, _RESTS, {"stop_rests": True, "passed": False}),
    Ignored((TP1,), T.STOP_REFUSED, "when_break_even_is_behind = keep: the old stop stays",
            {"stop_rests": True, "passed": True, "keep_behind": True}),
    Ignored((TP1,), T.BREAK_EVEN_DUE, "the old stop stays; tried at every poll",
            {"behind": True}),
    Ignored((CLOSED,), T.FLAT_AND_CLEAR, "already seen"),
    Ignored((CLOSING,), T.FOREIGN_GROWN, "only ours is sold"),
    Ignored((HALTED,), T.FOREIGN_GROWN, "recorded; a person must look"),
    *(Ignored((HALTED,), trigger, "counted; a person must look", {"held": True})
      for trigger in (T.RUNG_PART_FILLED, T.RUNG_HIT, T.EXIT_FILLED, T.FOREIGN_SHRUNK)),
    Ignored((HALTED,), T.STOP_TRIGGERED, "counted; what it leaves unfilled is chased",
            {"held": True}),
    Ignored((HALTED,), T.RUNG_ENDED, "rungs stay as they are"),
    Ignored((HALTED,), T.ENTRY_ENDED, _CONFIRMED),
    Ignored((HALTED,), T.STOP_REFUSED, _RESTS, {"stop_rests": True}),
    Ignored((HALTED,), T.STOP_MOVE_DECIDED, "nothing is held", {"held": False}),
    Ignored((PENDING,), T.FOREIGN_SHRUNK, "what was foreign at the start went away"),
)

_BUILT = tuple(FACTS)

NEVER: tuple[Never, ...] = (
    *(Never((NEW,), trigger, "nothing is declared before the plan is accepted")
      for trigger in _BUILT if trigger is not T.PLAN_ACCEPTED),
    Never((*(s for s in ALL if s not in (NEW, HALTED)),), T.PLAN_ACCEPTED, _ONCE),
    Never((HALTED,), T.PLAN_ACCEPTED, _ONCE),
    *(Never(ALL, trigger, _NOT_BUILT) for trigger in T if trigger not in FACTS),
    *(Never(tuple(s for s in ALL if s not in (NEW, HALTED)), trigger, _NOT_BUILT)
      for trigger in LATER),
    *(Never((HALTED,), trigger, "not looked for until a person has looked")
      for trigger in (T.ENTRY_TTL_ELAPSED, T.TARGET_MISSED, T.BREAK_EVEN_SEEN, T.BREAK_EVEN_DUE,
                      T.BOOKS_DISAGREED, T.ENTRY_MOVED, T.RUNG_CANCELLED, T.RUNG_MOVED)),
    Never((FULL, TP1, BE, CLOSING, CLOSED), T.ENTRY_MOVED, "no entry works in this state"),
    *(Never((*IDLE, CLOSING), trigger, "no rung works in this state")
      for trigger in (T.RUNG_CANCELLED, T.RUNG_MOVED)),
    Never(IDLE, T.STOP_MOVED, _UNHELD),
    *(Never((CLOSED,), trigger, "what is there after the end is not ours")
      for trigger in (T.FOREIGN_GROWN, T.FOREIGN_SHRUNK, T.BOOKS_DISAGREED)),
    Never((*IDLE, CLOSING), T.STOP_OVERDUE, "only while something held waits for its stop"),
    Never((FULL,), T.ENTRY_FILLED, "no entry works in this state",
          {"late": False, "entries_work": True}),
    Never(AFTER_TP1, T.ENTRY_FILLED, "TP1 cancelled every entry", {"late": False}),
    *(Never((PART, FULL, TP1, BE, CLOSING, CLOSED), trigger, "only while nothing has filled")
      for trigger in (T.ENTRY_TTL_ELAPSED, T.TARGET_MISSED)),
    *(Never(IDLE, trigger, _UNHELD)
      for trigger in (T.RUNG_PART_FILLED, T.RUNG_HIT, T.RUNG_ENDED, T.STOP_TRIGGERED,
                      T.STOP_ENDED, T.STOP_LOOSENED, T.EXIT_FILLED, T.EXIT_ENDED)),
    Never((PENDING,), T.STOP_REFUSED, _UNHELD),
    Never((*IDLE, CLOSING), T.STOP_PASSED, "only while something held waits for its stop"),
    Never((PENDING, PART, FULL, BE, CLOSING, CLOSED), T.BREAK_EVEN_SEEN,
          "only looked for after TP1, once"),
    Never((PENDING, PART, FULL, CLOSING, CLOSED), T.BREAK_EVEN_DUE, "only owed after TP1"),
    Never((*LIVE, *IDLE), T.EXIT_OVERDUE, "only while closing"),
    Never((*LIVE, PENDING), T.FLAT_AND_CLEAR, "only looked for while closing"),
)

# fmt: on
ROWS: tuple[R, ...] = (
    *ENTRY_ROWS,
    *TARGET_ROWS,
    *STOP_ROWS,
    *CLOSING_ROWS,
    *PERSON_ROWS,
    *OUTSIDE_ROWS,
    *HALTED_ROWS,
)
CELLS: tuple[Cell[Instruction], ...] = (*ROWS, *IGNORED, *NEVER)

TABLE: Table[Instruction] = Table(
    tuple(State), {trigger: FACTS.get(trigger, ()) for trigger in T}, CELLS
)


def step(
    ladder: Ladder, moment: Moment, table: Table[Instruction] = TABLE
) -> tuple[Ladder, R | Ignored]:
    """Take the one row that fits the event, whose facts ``ladder`` has already counted.

    *Raises*: ForbiddenTransition at a *never* cell; the ladder passed in is untouched.
    """
    cell = table.choose(ladder.state, moment.event.trigger, evaluate(ladder, moment))
    if isinstance(cell, Ignored):
        return ladder, cell
    state = State(table.fire(ladder.state, cell))
    for instruction in cell.recipe:
        ladder = instruction.edit(ladder, moment)
    return replace(ladder, state=state, version=ladder.version + 1), cell
