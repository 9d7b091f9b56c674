"""What others did, and what we do not understand (SPEC §3: persons, M1, M2, H1, H2)."""

from __future__ import annotations

from machines import adopt
from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import (
    CLOSING,
    FULL,
    GET_OUT,
    HALT,
    HALTED,
    NOTHING_LEFT,
    PART,
    PENDING,
    TP1,
    R,
)
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
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
