"""When a ladder must be looked at again although its venue position has not changed.

What is not named here is woken by a change at the venue. Skipping a poll that this says is idle
gives the same run as taking it: a property in `tests/controller`. Pure; knows no venue.
"""

from __future__ import annotations

import msgspec

from machines.ladder import LIVE, Ladder, State
from machines.lower.pooled import lower
from machines.observe import CHASE_AFTER_MS, Scene
from machines.plan import differs, plan


class Watch(msgspec.Struct, frozen=True):
    """Deadlines of one ladder. *Units*: ``at_ms`` UTC, ``trading_ms`` the venue's trading time."""

    every_poll: bool = False
    """The price alone may change what is to be done."""
    at_ms: int | None = None
    trading_ms: int | None = None


def watch(ladder: Ladder, here: Scene) -> Watch:
    """Say when to look again.

    What was asked of the venue at ``here`` may have been refused or lost, and then nothing there
    changes: it is looked at until nothing more is asked.
    """
    terms = ladder.terms
    if ladder.state is State.CLOSED:
        return Watch()
    asks = bool(plan(ladder, lower(ladder, here.capabilities), here))
    if ladder.state is State.PENDING_LIMITS:
        due = terms.opened_trading_ms + terms.spec.entry_ttl_ms
        return Watch(terms.spec.cancel_if_missed or differs(ladder, here) or asks, None, due)
    times = [
        order.not_before_ms
        for order in (
            *ladder.rungs,
            *ladder.exits,
            *(() if ladder.stop is None else (ladder.stop,)),
        )
        if order.not_before_ms > here.now_ms
    ]
    if ladder.state is State.CLOSING and ladder.exit_since_ms is not None and ladder.held:
        times.append(max(ladder.exit_since_ms + CHASE_AFTER_MS, here.now_ms + 1))
    unsettled = ladder.state not in LIVE or ladder.state is State.TP1_HIT
    restless = unsettled or differs(ladder, here) or asks
    return Watch(restless, min(times, default=None))
