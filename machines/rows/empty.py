"""Cells in which nothing is declared: ignored with a reason, or never with a reason."""

from __future__ import annotations

from machines.grammar import Ignored, Never
from machines.ladder import LIVE
from machines.rows.names import (
    AFTER_TP1,
    ALL,
    BE,
    CLOSED,
    CLOSING,
    FULL,
    HALTED,
    IDLE,
    NEW,
    PART,
    PENDING,
    TP1,
)
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

# fmt: off
_UNHELD = "nothing is held, so none of these rests"
_ONCE = "a ladder is opened once"
_CONFIRMED = "its cancel was declared; the end only confirms it"
_RESTS = "a stop still rests and protects; the move is tried again at the next poll"

IGNORED: tuple[Ignored, ...] = (
    Ignored((PENDING, PART), T.ENTRY_ENDED, "another entry still works",
            {"entries_work": True, "refused": False}),
    Ignored((FULL, CLOSING, CLOSED), T.ENTRY_ENDED, _CONFIRMED),
    Ignored((TP1, BE), T.ENTRY_ENDED, "a scale-in's end: the position stays as it is"),
    Ignored((CLOSING,), T.RUNG_ENDED, "every rung was declared cancelled"),
    Ignored((CLOSING,), T.STOP_REFUSED, "an exit is under way"),
    Ignored((CLOSED,), T.STOP_REFUSED, "nothing is held any more"),
    Ignored((PART, FULL, BE), T.STOP_REFUSED, _RESTS, {"stop_rests": True, "decided": False}),
    Ignored((TP1,), T.STOP_REFUSED, _RESTS,
            {"stop_rests": True, "passed": False, "decided": False}),
    Ignored((TP1,), T.STOP_REFUSED, "when_break_even_is_behind = keep: the old stop stays",
            {"stop_rests": True, "passed": True, "keep_behind": True, "decided": False}),
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
    Ignored((HALTED,), T.STOP_REFUSED, _RESTS, {"stop_rests": True, "decided": False}),
    Ignored((PENDING,), T.FOREIGN_SHRUNK, "what was foreign at the start went away"),
)

NEVER: tuple[Never, ...] = (
    *(Never((NEW,), trigger, "nothing is declared before the plan is accepted")
      for trigger in T if trigger is not T.PLAN_ACCEPTED),
    Never((*(s for s in ALL if s not in (NEW, HALTED)),), T.PLAN_ACCEPTED, _ONCE),
    Never((HALTED,), T.PLAN_ACCEPTED, _ONCE),
    *(Never((HALTED,), trigger, "not looked for until a person has looked")
      for trigger in (T.ENTRY_TTL_ELAPSED, T.TARGET_MISSED, T.BREAK_EVEN_SEEN, T.BREAK_EVEN_DUE,
                      T.BOOKS_DISAGREED, T.ENTRY_MOVED, T.ENTRY_PASSED, T.RUNG_CANCELLED,
                      T.RUNG_MOVED,
                      T.TARGET_TOUCHED, T.TARGET_LEFT)),
    *(Never((FULL, CLOSING, CLOSED), trigger, "no entry works in this state")
      for trigger in (T.ENTRY_MOVED, T.ENTRY_PASSED)),
    Never(AFTER_TP1, T.SCALE_IN_DECIDED, "what scales late has a price",
          {"unpriced": True, "scales_late": True}),
    *(Never((*IDLE, CLOSING), trigger, "no rung works in this state")
      for trigger in (T.RUNG_CANCELLED, T.RUNG_MOVED, T.TARGET_TOUCHED, T.TARGET_LEFT)),
    Never(IDLE, T.STOP_MOVED, _UNHELD),
    *(Never((CLOSED,), trigger, "what is there after the end is not ours")
      for trigger in (T.FOREIGN_GROWN, T.FOREIGN_SHRUNK, T.BOOKS_DISAGREED)),
    Never((*IDLE, CLOSING), T.STOP_OVERDUE, "only while something held waits for its stop"),
    Never((FULL,), T.ENTRY_FILLED, "no entry works in this state",
          {"late": False, "entries_work": True}),
    Never((FULL, *IDLE, CLOSING, HALTED), T.SCALE_IN_ELAPSED, "no entry works in this state"),
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
