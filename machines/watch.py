"""When a ladder must be looked at again although its venue position has not changed.

What is not named here is woken by a change at the venue. Skipping a poll that this says is idle
gives the same run as taking it: a property in `tests/controller`. Pure; knows no venue.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines import carriers
from machines.carrier import Phase
from machines.detectors import CHASE_AFTER_MS
from machines.flights import wakes_ms
from machines.ladder import LIVE, Ladder, State
from machines.lower import lower
from machines.lower.per_rung import held_back, quiet_ms
from machines.observe import Scene
from machines.plan import differs, plan
from machines.recipes import RETRY_MS
from machines.touch import LEFT_AFTER_MS
from machines.words import Direction, Quote


class Watch(msgspec.Struct, frozen=True):
    """Deadlines of one ladder. *Units*: ``at_ms`` UTC, ``trading_ms`` the venue's trading time."""

    every_poll: bool = False
    """The price alone may change what is to be done."""
    at_ms: int | None = None
    trading_ms: int | None = None
    touch: Touch | None = None
    """A price that is to be answered when the market shows it, as nothing rests there."""


class Touch(msgspec.Struct, frozen=True):
    """The nearest target of a ladder whose orders rest as stops."""

    price: Decimal
    direction: Direction

    def by(self, quote: Quote | None) -> bool:
        """Tell whether a quote's exit-side price is at it or beyond."""
        if quote is None:
            return False
        return not self.direction.beyond(self.price, quote.exit_px(self.direction))


def _touch(ladder: Ladder) -> Touch | None:
    waiting = [
        rung.price
        for rung in ladder.rungs
        if rung.qty and rung.price is not None and rung.carrier.phase is Phase.STOP
    ]
    if not carriers.in_turn(ladder) or not waiting:
        return None
    nearest = min(waiting) if ladder.direction is Direction.LONG else max(waiting)
    return Touch(nearest, ladder.direction)


def watch(ladder: Ladder, here: Scene) -> Watch:
    """Say when to look again.

    What was asked of the venue at ``here`` may have been refused or lost, and then nothing there
    changes: it is looked at until nothing more is asked.
    """
    terms = ladder.terms
    if ladder.state is State.CLOSED:
        return Watch()
    restless = bool(ladder.flights) or ladder.doubt is not None or differs(ladder, here)
    restless = restless or bool(plan(ladder, lower(ladder, here), here))
    # What a session's end has suspended is sent again in the next, whose beginning changes nothing.
    restless |= (
        here.capabilities.day_orders and here.quote is not None and not here.quote.in_session
    )
    restless = restless or held_back(ladder, here)
    if ladder.state is State.PENDING_LIMITS:
        due = terms.opened_trading_ms + terms.spec.entry_ttl_ms
        restless = restless or terms.spec.cancel_if_missed
        return Watch(restless, min(wakes_ms(ladder, here.now_ms), default=None), due)
    unsettled = ladder.state not in LIVE or ladder.state is State.TP1_HIT
    # An order that is no stop is filled, or left behind, by the price.
    unsettled |= any(rung.qty and rung.carrier.phase is not Phase.STOP for rung in ladder.rungs)
    due = min(_times(ladder, here.now_ms), default=None)
    return Watch(unsettled or restless, due, touch=_touch(ladder))


def _times(ladder: Ladder, now_ms: int) -> list[int]:
    """Return when a pause, a window or the patience with an exit ends; a naked second, too."""
    stop = () if ladder.stop is None else (ladder.stop,)
    orders = (*ladder.rungs, *ladder.exits, *stop)
    times = [order.not_before_ms for order in orders if order.not_before_ms > now_ms]
    times += wakes_ms(ladder, now_ms)
    times += [e.expires_ms for e in ladder.entries if e.working and e.expires_ms is not None]
    if carriers.in_turn(ladder):
        times += [at for at in turns_ms(ladder) if at > now_ms]
    if ladder.naked_since_ms is not None:
        times.append(now_ms + RETRY_MS)
    closing = ladder.state not in LIVE and ladder.exit_since_ms is not None and ladder.held
    if closing and ladder.exit_since_ms is not None:
        times.append(max(ladder.exit_since_ms + CHASE_AFTER_MS, now_ms + 1))
    return times


def turns_ms(ladder: Ladder) -> list[int]:
    """Return when entries will be quiet, and when a limit at its target has waited enough."""
    quiet = quiet_ms(ladder)
    limits = (rung for rung in ladder.rungs if rung.carrier.phase is Phase.TARGET and rung.qty)
    return [
        *(() if quiet is None else (quiet,)),
        *(rung.carrier.since_ms + LEFT_AFTER_MS for rung in limits),
    ]
