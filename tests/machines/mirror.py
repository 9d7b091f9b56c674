"""A scenario seen in the mirror: every price reflected at the opening's, long for short.

Only where that is exact: absolute prices, no fees, no slippage, no bid beside an ask, and a
minimum notional that decides nothing.
"""

import re
from decimal import Decimal
from functools import cache

from msgspec.structs import replace

from machines.spec import Anchor, EntrySpec, Price
from machines.words import ZERO, Direction, Fees, plain
from tests.machines.script import Script, Step, tidy

PRICE = re.compile(
    "|".join(
        rf"(?<={word} )[\d.]+"
        for word in ("@", "market", "opened at", "back to", "break-even", "decide stop")
    )
)
OTHER = {Direction.LONG: Direction.SHORT, Direction.SHORT: Direction.LONG}


@cache
def mirrored(script: Script) -> Script | None:
    """Return the scenario in the mirror, or None where the mirror would be bent."""
    spec = script.spec
    prices = [spec.stop, *spec.targets, *(entry.price for entry in spec.entries if entry.price)]
    bent = (
        any(price.percent for price in prices)
        or spec.anchor is Anchor.AVERAGE
        or script.fees != Fees()
        or bool(spec.be_slippage)
        or spec.be_gap == ZERO
        or any(" / " in words for step in script.steps for words in step.happens)
        or "notional" in script.name
        or "minimum" in script.name
    )
    if bent:
        return None
    middle = 2 * Decimal(script.steps[0].happens[0].split()[-1])

    def other_side(price: Price) -> Price:
        return Price(middle - price.value)

    def across(text: str) -> str:
        return tidy(PRICE.sub(lambda found: plain(middle - Decimal(found.group())), text))

    return replace(
        script,
        spec=replace(
            spec,
            side=OTHER[spec.side],
            entries=tuple(
                EntrySpec(None if entry.price is None else other_side(entry.price), entry.qty)
                for entry in spec.entries
            ),
            stop=other_side(spec.stop),
            targets=tuple(map(other_side, spec.targets)),
        ),
        steps=tuple(
            Step(step.line, tuple(map(across, step.happens)), tuple(map(across, step.follows)))
            for step in script.steps
        ),
    )
