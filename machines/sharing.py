"""How what is held is shared over the rungs (SPEC §4 *Sharing*).

One formula serves fills, bookings, shrinkage, merges and the rebalancer. Works in integers, so
that a wish joined from three thirds is exactly one. Knows nothing of orders or states.
Invariant: the result sums to exactly what is held in whole steps, or to nothing ("stop only").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from machines.words import ZERO, Instrument

_DIGITS = 24
"""Decimal places kept exact: far below any step times any share."""


class Share(msgspec.Struct, frozen=True):
    """What the formula needs to know of one rung that is neither hit nor off."""

    share: Decimal
    filled_qty: Decimal
    price: Decimal


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """Round a positive value up to a whole number of units."""
    return _steps_up(value, unit) * unit


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """Round a positive value down to a whole number of units."""
    return value // unit * unit


def min_rung_qty(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the least quantity a rung at ``price`` may hold."""
    return _least_steps(instrument, (price,))[0] * instrument.step


def _least_steps(instrument: Instrument, prices: Iterable[Decimal]) -> list[int]:
    """Return how many steps a rung must have at least, for each price."""
    step, notional = instrument.step, instrument.min_notional
    least = max(1, _steps_up(instrument.min_qty, step))
    if not notional:
        return [least for _ in prices]
    return [max(least, _steps_up(notional, price * step)) for price in prices]


def _steps_up(value: Decimal, unit: Decimal) -> int:
    units, rest = divmod(value, unit)
    return int(units) + 1 if rest else int(units)


def weights(rungs: Sequence[Share], entered: Decimal) -> list[Decimal]:
    """Return w_k = max(0, share_k · E − F_k), or the plain shares when nothing is left to want."""
    found = [max(ZERO, rung.share * entered - rung.filled_qty) for rung in rungs]
    return found if any(found) else [rung.share for rung in rungs]


def _exact(value: Decimal) -> int:
    return int(value.scaleb(_DIGITS))


def share_out(
    held: Decimal, entered: Decimal, rungs: Sequence[Share], instrument: Instrument
) -> list[Decimal]:
    """Share ``held`` over the open rungs.

    *Shape*: one quantity a rung, in the order given; zero means folded away. *Source*: SPEC §4.
    """
    if not rungs or held < instrument.step:
        return [ZERO] * len(rungs)
    step = instrument.step
    wanted = [_exact(weight) for weight in weights(rungs, entered)]
    # A wish in steps is held · w / (Σw · step): numerators over one common denominator.
    whole = _exact(held)
    wishes = [whole * weight for weight in wanted]
    unit = sum(wanted) * _exact(step)
    prices = [rung.price for rung in rungs]
    steps = [wish // unit for wish in wishes]
    standing: Sequence[int] = range(len(rungs))
    if min(steps) < _least_steps(instrument, (min(prices),))[0]:  # the strictest: else all stand
        standing = _fold(wishes, unit, _least_steps(instrument, prices))
        if not standing:
            return [ZERO] * len(rungs)
        steps = [wish // unit for wish in wishes]
    spare = int(held // step) - sum(steps)
    if spare:
        by_fraction = sorted(standing, key=lambda k: (-(wishes[k] % unit), k))
        for k in by_fraction[:spare]:
            steps[k] += 1
    return [count * step for count in steps]


def _fold(wishes: list[int], unit: int, least: list[int]) -> list[int]:
    """Let each rung too small to rest join a neighbour; return those that stand."""
    standing = [0]
    for k in range(1, len(wishes)):
        if wishes[k] // unit < least[k]:
            wishes[standing[-1]] += wishes[k]
            wishes[k] = 0
        else:
            standing.append(k)
    if wishes[0] // unit < least[0]:
        standing.remove(0)
        if standing:
            wishes[standing[0]] += wishes[0]
        wishes[0] = 0
    return standing
