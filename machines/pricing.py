"""Prices: rounding to the tick and break-even (SPEC §4 *Rounding*, *Break-even*).

Pure arithmetic over ``Decimal``. Knows nothing of orders, states or venues.
"""

from __future__ import annotations

from decimal import Context, Decimal

import msgspec

from machines.spec import Rounding
from machines.words import ZERO, Direction

ONE = Decimal(1)
_SETTLE = Context(prec=20)
"""A quotient such as 312387.3 / 3 carries noise in its 28th digit; settled to 20 digits first, a
price that is exactly on the tick stays there instead of being rounded one tick up."""


def tick_down(value: Decimal, tick: Decimal) -> Decimal:
    """Round a positive price down to the tick."""
    return _SETTLE.plus(value) // tick * tick


def tick_up(value: Decimal, tick: Decimal) -> Decimal:
    """Round a positive price up to the tick."""
    ticks, rest = divmod(_SETTLE.plus(value), tick)
    return (ticks + 1 if rest else ticks) * tick


def tick_nearest(value: Decimal, tick: Decimal) -> Decimal:
    """Round a positive price to the nearest tick, half to even."""
    ticks, rest = divmod(_SETTLE.plus(value), tick)
    twice = rest + rest
    up = twice > tick or (twice == tick and int(ticks) % 2 == 1)
    return (ticks + 1 if up else ticks) * tick


def entry_px(value: Decimal, tick: Decimal, direction: Direction, mode: Rounding) -> Decimal:
    """Round an entry price; favourable is down for a long, up for a short."""
    if mode is Rounding.NEAREST:
        return tick_nearest(value, tick)
    return tick_down(value, tick) if direction is Direction.LONG else tick_up(value, tick)


def exit_px(value: Decimal, tick: Decimal, direction: Direction, mode: Rounding) -> Decimal:
    """Round a target, a stop or break-even; favourable is up for a long, down for a short."""
    if mode is Rounding.NEAREST:
        return tick_nearest(value, tick)
    return tick_up(value, tick) if direction is Direction.LONG else tick_down(value, tick)


class Costs(msgspec.Struct, frozen=True):
    """What break-even has to earn back, per unit held. *Units*: quote currency, rates."""

    avg_px: Decimal
    """b: average entry of what is held."""
    entry_fee: Decimal = ZERO
    """φ: all entry fees ÷ all entry quantity."""
    funding: Decimal = ZERO
    """u: Σ of each funding payment ÷ the quantity held then; received is negative."""
    taker: Decimal = ZERO
    """f: the rate the stop's fill will pay."""
    slippage: Decimal = ZERO
    """s: how far a stop is expected to slip, as a fraction."""
    banked: Decimal = ZERO
    """What exits so far earned, net, ÷ the quantity held now; zero unless ``whole-trade``."""


def break_even(direction: Direction, costs: Costs) -> Decimal:
    """Return the stop trigger at which what is held ends without loss, unrounded.

    *Source*: SPEC §4: long T = (b + φ + u) / ((1 − f)(1 − s)); short T = (b − φ − u) /
    ((1 + f)(1 + s)).
    """
    burden = costs.entry_fee + costs.funding - costs.banked
    if direction is Direction.LONG:
        return (costs.avg_px + burden) / ((ONE - costs.taker) * (ONE - costs.slippage))
    return (costs.avg_px - burden) / ((ONE + costs.taker) * (ONE + costs.slippage))
