"""SPEC §4 *Sharing* word for word, in fractions and without haste: what `share_out` must equal."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import ceil, floor

from machines.sharing import Share
from machines.words import Instrument

exact = cache(Fraction)
"""A decimal as a fraction; remembered, because the same ones come by a hundred thousand times."""


@cache
def minimum(instrument: Instrument, price: Decimal) -> int:
    """max(step, minimum quantity, minimum notional ÷ its price), in steps, rounded up."""
    step, notional = exact(instrument.step), exact(instrument.min_notional)
    return ceil(max(step, exact(instrument.min_qty), notional / exact(price)) / step)


def shared(
    held: Decimal, entered: Decimal, rungs: Sequence[Share], instrument: Instrument
) -> list[int]:
    """Share what is held over rungs neither hit nor off; the answer is in steps."""
    zero, nothing = Fraction(0), [0 for _ in rungs]
    # w_k = max(0, share_k · E − F_k)
    w = [max(zero, exact(r.share) * exact(entered) - exact(r.filled_qty)) for r in rungs]
    # if Σw = 0 and something is held, w_k = share_k
    if not any(w):
        w = [exact(rung.share) for rung in rungs]
    # Rung k wants held · w_k / Σw.
    steps_held = exact(held) / exact(instrument.step)
    each = steps_held / sum(w)
    wish = [each * one for one in w]
    joined: set[int] = set()

    def too_small(k: int) -> bool:
        return floor(wish[k]) < minimum(instrument, rungs[k].price)

    # From the second to the last, one whose wish (with what has joined it), floored to the step,
    # is below its minimum joins the nearest earlier open rung.
    for k in range(1, len(rungs)):
        if too_small(k):
            earlier = max(j for j in range(k) if j not in joined)
            wish[earlier] += wish[k]
            joined.add(k)
    # The first is tested last and joins the nearest later; nothing representable: stop only.
    if too_small(0):
        later = [j for j in range(1, len(rungs)) if j not in joined]
        if not later:
            return nothing
        wish[later[0]] += wish[0]
        joined.add(0)
    # Then floor to the step; spare steps go to the largest fraction, ties to the earliest rung.
    standing = [k for k in range(len(rungs)) if k not in joined]
    steps = {k: floor(wish[k]) for k in standing}
    spare = floor(steps_held) - sum(steps.values())
    for k in sorted(standing, key=lambda k: (steps[k] - wish[k], k))[:spare]:
        steps[k] += 1
    return [steps.get(k, 0) for k in range(len(rungs))]
