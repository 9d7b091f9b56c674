"""Entries: accepted, filled, ended, late (SPEC §3, E1 to E6)."""

from __future__ import annotations

from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import CLOSED, CLOSING, FILL_IN, FULL, NEW, NOTHING_LEFT, PART, PENDING, R
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

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
      "The exit of a late quantity fills.", {"held": True, "decided": False}),
    R("E6", LIVE, T.EXIT_FILLED, CLOSING, NOTHING_LEFT,
      "An exit leaves nothing held.", {"held": False}),
    R("E6", LIVE, T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "The exit of a late quantity ends unfilled: declared again.",
      {"third_try": False, "decided": False}),
    R("E6", LIVE, T.EXIT_ENDED, None, (do.EXIT_AGAIN,),
      "The same for the third time: alert.", {"third_try": True, "decided": False}, alert=True),
)
