"""Short names that the rows are written in: states, sets of states, recipes that recur."""

from __future__ import annotations

from machines import adopt
from machines import recipes as do
from machines.grammar import Row
from machines.ladder import State
from machines.recipes import Instruction

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

IDLE = (PENDING, CLOSED)
"""States in which nothing is held and no rung, stop or exit rests."""
ALL = tuple(State)
