"""The stop, exits and the end (SPEC §3, S1 to S3, C1, C2)."""

from __future__ import annotations

from machines import recipes as do
from machines.ladder import LIVE
from machines.rows.names import CLOSED, CLOSING, GET_OUT, HALTED, R
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
STOP_ROWS: tuple[R, ...] = (
    R("S1", LIVE, T.STOP_TRIGGERED, CLOSING, (do.CANCEL_ENTRIES, do.CANCEL_RUNGS, do.EXIT_TO_HELD),
      "The stop has triggered; an exit that is under way shrinks to held."),
    R("S1", (CLOSING,), T.EXIT_OVERDUE, None, (do.CHASE,),
      "What a stop left unfilled for 2 s is chased.", {"chased": False}),
    R("S1", (CLOSING,), T.EXIT_OVERDUE, None, (do.CHASE,),
      "What is still unfilled is chased for the third time: alert.", {"chased": True}, alert=True),
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
      "A rung ended without us: declared again.", {"spent": False, "rearming": False}),
    R("S2", LIVE, T.RUNG_ENDED, None, (do.RUNG_OFF, do.SHARE_RUNGS),
      "A rung refused three times is off and folds into the others, alert.",
      {"spent": True, "rearming": False}, alert=True),
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
