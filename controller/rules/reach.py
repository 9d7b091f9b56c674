"""Which rules a plan can never see fire, because its last rung closes it before (SPEC §7).

Judged on the best average that the plan's entries can have, so that nothing is called unreachable
that may be reached. Knows no market but the price that the plan starts from.
"""

from __future__ import annotations

from decimal import Decimal

from controller.rules import settings as names
from controller.rules.settings import RuleSettings
from machines.spec import Anchor, LadderSpec, Price
from machines.words import Direction


def best_profit(spec: LadderSpec, start_px: Decimal) -> Decimal:
    """Return the most profit that anything held can have before the last rung is hit.

    *Units*: a fraction, on price.
    """
    sign = 1 if spec.side is Direction.LONG else -1
    prices = [start_px if one.price is None else one.price.at(start_px) for one in spec.entries]
    best_px = min(prices, key=lambda price: sign * price)
    return max(sign * (_target_px(spec, each, start_px, best_px) / best_px - 1)
               for each in spec.targets)  # fmt: skip


def _target_px(spec: LadderSpec, target: Price, start_px: Decimal, average: Decimal) -> Decimal:
    return target.at(average if spec.anchor is Anchor.AVERAGE else start_px)


def unreachable(spec: LadderSpec, start_px: Decimal, rules: RuleSettings) -> dict[str, Decimal]:
    """Return the rules of a plan that cannot fire before the last rung, with the profit each wants.

    *Units*: fractions.
    """
    wants = {
        names.BOOK_50: rules.book_50.profit,
        names.BOOK_75: rules.book_75.profit,
        names.SCALE: rules.scale.profit,
        names.LOCK: rules.lock.profit,
    }
    if rules.trail.rung >= len(spec.targets):  # else that rung arms it before the last one
        wants[names.TRAIL] = rules.trail.profit
    most = best_profit(spec, start_px)
    chosen = spec.rules if isinstance(spec.rules, tuple) else rules.enabled if spec.rules else ()
    on = [name for name in rules.enabled if name in chosen]
    return {name: wants[name] for name in on if name in wants and wants[name] >= most}


def warning(spec: LadderSpec, start_px: Decimal, rules: RuleSettings) -> str:
    """Say which rules of a plan cannot fire; empty when each of them may."""
    found = unreachable(spec, start_px, rules)
    if not found:
        return ""
    listed = ", ".join(f"{name} ({_percent(profit)})" for name, profit in found.items())
    most = _percent(round(best_profit(spec, start_px), 4))
    return f"cannot fire before the last rung, at {most}: {listed}"


def _percent(fraction: Decimal) -> str:
    return str(Price(fraction.normalize(), percent=True))
