"""Why a decision is refused in a state: the reasons of these cells are SPEC §6's words."""

from __future__ import annotations

from machines.decision import Reason
from machines.grammar import Ignored
from machines.ladder import LIVE
from machines.rows.names import AFTER_TP1, CLOSED, CLOSING, ENTERING, HALTED, PENDING
from machines.words import Trigger as T  # noqa: N817 (a row is read, not spelled)

_PRICED = {"unpriced": False}
_LATE = {"scales_late": True}

# fmt: off
# A table is read row by row: the formatter would spread each over ten lines.
REFUSALS: tuple[Ignored, ...] = (
    Ignored(LIVE, T.BOOK_DECIDED, Reason.TOO_SMALL, {"unbookable": True}),
    Ignored(ENTERING, T.SCALE_IN_DECIDED, Reason.NO_PRICE, {"unpriced": True}),
    Ignored(ENTERING, T.SCALE_IN_DECIDED, Reason.TOO_SMALL, {**_PRICED, "too_small": True}),
    Ignored(ENTERING, T.SCALE_IN_DECIDED, Reason.MAX_QTY,
            {**_PRICED, "too_small": False, "too_much": True}),
    Ignored(AFTER_TP1, T.SCALE_IN_DECIDED, Reason.AFTER_TP1, {"scales_late": False}),
    Ignored(AFTER_TP1, T.SCALE_IN_DECIDED, Reason.TOO_SMALL,
            {**_LATE, **_PRICED, "too_small": True}),
    Ignored(AFTER_TP1, T.SCALE_IN_DECIDED, Reason.MAX_QTY,
            {**_LATE, **_PRICED, "too_small": False, "too_much": True}),
    *(Ignored((PENDING,), trigger, Reason.NOTHING_HELD)
      for trigger in (T.BOOK_DECIDED, T.SCALE_IN_DECIDED, T.REBALANCE_DECIDED)),
    *(Ignored((HALTED,), trigger, Reason.HALTED)
      for trigger in (T.BOOK_DECIDED, T.SCALE_IN_DECIDED, T.REBALANCE_DECIDED)),
    *(Ignored((CLOSING, CLOSED), trigger, Reason.CLOSED)
      for trigger in (T.BOOK_DECIDED, T.SCALE_IN_DECIDED, T.STOP_MOVE_DECIDED,
                      T.REBALANCE_DECIDED, T.RELEASE_DECIDED)),
    Ignored((CLOSED,), T.EXIT_DECIDED, Reason.CLOSED),
    Ignored((PENDING, *LIVE), T.STOP_MOVE_DECIDED, Reason.BEHIND_MARKET, {"moves_behind": True}),
    Ignored((PENDING, *LIVE), T.STOP_MOVE_DECIDED, Reason.LOOSER,
            {"moves_behind": False, "loosens": True}),
    Ignored((HALTED,), T.STOP_MOVE_DECIDED, Reason.NOTHING_HELD, {"held": False}),
    Ignored((HALTED,), T.STOP_MOVE_DECIDED, Reason.BEHIND_MARKET,
            {"held": True, "moves_behind": True}),
    Ignored((HALTED,), T.STOP_MOVE_DECIDED, Reason.LOOSER,
            {"held": True, "moves_behind": False, "loosens": True}),
)
