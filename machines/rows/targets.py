"""Targets and break-even (SPEC §3, T1 to T6)."""

from __future__ import annotations

from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import AFTER_TP1, BE, CLOSING, ENTERING, GET_OUT, NOTHING_LEFT, TP1, R
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
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
      {"passed": True, "stop_rests": True, "keep_behind": False, "decided": False}, alert=True),
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
