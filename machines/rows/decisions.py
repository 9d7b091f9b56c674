"""Decisions of rules and persons on a position (SPEC §6, B1 to B6).

What cannot be done is an *ignored* cell, and its reason is the decision's refusal: see
`machines.rows.refusals`.
"""

from __future__ import annotations

from machines import decided
from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import (
    AFTER_TP1,
    CLOSED,
    CLOSING,
    ENTERING,
    FULL,
    GET_OUT,
    HALTED,
    PART,
    PENDING,
    R,
)
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
DECISION_ROWS: tuple[R, ...] = (
    R("B1", LIVE, T.BOOK_DECIDED, None, (do.CANCEL_ENTRIES, decided.BOOK, decided.MAKE_ROOM),
      "Book a part: sell it at market, working entries are cancelled.",
      {"unbookable": False, "takes_all": False}),
    R("B1", LIVE, T.BOOK_DECIDED, CLOSING, GET_OUT,
      "Booking would leave less than the minimum: it becomes an exit.",
      {"unbookable": False, "takes_all": True}),
    R("B1", LIVE, T.EXIT_FILLED, None, (do.STOP_TO_HELD, do.FOLD_RUNGS),
      "The booked part fills: what is left is shared anew.", {"held": True, "decided": True}),
    R("B1", LIVE, T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "The booking ends unfilled: again.", {"third_try": False, "decided": True}),
    R("B1", LIVE, T.EXIT_ENDED, None, (decided.DROP_EXIT, do.FOLD_RUNGS),
      "The booking ends unfilled for the third time, or no stop can make room for it: given up.",
      {"third_try": True, "decided": True}, alert=True),
    R("B2", ENTERING, T.SCALE_IN_DECIDED, PART, (decided.ADD_ENTRY,),
      "Scale in: a limit at the far touch for thirty seconds.",
      {"unpriced": False, "too_small": False, "too_much": False}),
    R("B2", AFTER_TP1, T.SCALE_IN_DECIDED, None, (decided.STOP_BEFORE_SCALE_IN, decided.ADD_ENTRY),
      "Scale in after TP1: the stop goes to the new break-even first.",
      {"unpriced": False, "too_small": False, "too_much": False, "scales_late": True}),
    R("B2", AFTER_TP1, T.ENTRY_FILLED, None,
      (do.JOIN, do.RECOMPUTE_BREAK_EVEN, do.STOP_TO_HELD, do.SHARE_RUNGS),
      "A scale-in fills after TP1.", {"late": False}),
    R("B2", (PART,), T.SCALE_IN_ELAPSED, None, (decided.DROP_ENTRY,),
      "The scale-in's life is over while another entry works.", {"others_work": True}),
    R("B2", (PART,), T.SCALE_IN_ELAPSED, FULL, (decided.DROP_ENTRY,),
      "The scale-in's life is over and no other entry works.", {"others_work": False}),
    R("B2", AFTER_TP1, T.SCALE_IN_ELAPSED, None, (decided.DROP_ENTRY,),
      "The scale-in's life is over after TP1."),
    R("B3", (PENDING, *LIVE), T.STOP_MOVE_DECIDED, None, (decided.MOVE_STOP,),
      "Move the stop.", {"moves_behind": False, "loosens": False}),
    R("B3", (*LIVE, HALTED), T.STOP_REFUSED, None, (decided.RESTORE_STOP,),
      "The venue refuses the move and the old stop rests: it stays.",
      {"stop_rests": True, "decided": True}),
    R("B3", (PENDING, PART), T.ENTRY_PASSED, None, (decided.DROP_ENTRY,),
      "The stop, or a mirror's primary, has passed an entry while another works.", {"others_work": True}),
    R("B3", (PART,), T.ENTRY_PASSED, FULL, (decided.DROP_ENTRY,),
      "The stop, or a mirror's primary, has passed the last working entry.", {"others_work": False}),
    R("B3", (PENDING,), T.ENTRY_PASSED, CLOSING, (decided.DROP_ENTRY,),
      "The same, and nothing has filled.", {"others_work": False}),
    R("B3", AFTER_TP1, T.ENTRY_PASSED, None, (decided.DROP_ENTRY,),
      "The stop, or a mirror's primary, has passed an entry after TP1."),
    R("B4", LIVE, T.EXIT_DECIDED, CLOSING, GET_OUT,
      "Exit at market."),
    R("B4", (PENDING,), T.EXIT_DECIDED, CLOSING, (do.CANCEL_ENTRIES,),
      "Exit before anything has filled: the entries are cancelled."),
    R("B4", (CLOSING,), T.EXIT_DECIDED, None, (),
      "An exit is under way: joined."),
    R("B5", LIVE, T.REBALANCE_DECIDED, None,
      (decided.REOPEN_RUNGS, do.SHARE_RUNGS),
      "Rebalance: rungs that were off are open again, all share what is held."),
    R("B6", (PENDING, *LIVE), T.RELEASE_DECIDED, CLOSED, (decided.LET_GO,),
      "Released: orders are left resting and are no longer ours."),
)
