"""Rungs whose one order is a stop and a target in turn (SPEC §9, kite.md §13.2)."""

from __future__ import annotations

from machines import converting
from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import R
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
PER_RUNG_ROWS: tuple[R, ...] = (
    R("R1", LIVE, T.TARGET_TOUCHED, None, (converting.CONVERT,),
      "A rung's target is touched: its stop becomes a limit that fills at once.", {"paused": False}),
    R("R1", LIVE, T.TARGET_TOUCHED, None, (),
      "The same for the fourth time within an hour: it stays a stop for now, alert.",
      {"paused": True}, alert=True),
    R("R2", LIVE, T.TARGET_LEFT, None, (converting.LEAVE_TARGET,),
      "The price has left an unfilled limit behind: it is cancelled before a stop rests again."),
    R("R3", LIVE, T.RUNG_ENDED, None, (do.RUNG_AGAIN,),
      "The limit's end is confirmed: a new stop.", {"rearming": True}),
)
