"""Preview's warning: which rules a plan can never see fire."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from controller.rules.reach import best_profit, unreachable, warning
from controller.rules.settings import (
    BOOK_50,
    BOOK_75,
    LOCK,
    SCALE,
    TRAIL,
    LockSettings,
    RuleSettings,
    TrailSettings,
)
from machines.spec import Anchor, EntrySpec, LadderSpec, Price
from machines.words import Direction

ONE = Decimal(1)
AVERAGE = Decimal(1800)


def plan(*percents: str, side: Direction = Direction.LONG, **more: object) -> LadderSpec:
    """A plan whose targets lie so many percent away."""
    sign = 1 if side is Direction.LONG else -1
    targets = tuple(Price(sign * Decimal(each) / 100, percent=True) for each in percents)
    spec = LadderSpec(
        name="kotak",
        ladder="kotak",
        account="paper",
        symbol="KOTAKBANK",
        side=side,
        entries=(EntrySpec(None, ONE),),
        stop=Price(Decimal(-sign) / 100, percent=True),
        targets=targets,
    )
    return replace(spec, **more)


@pytest.mark.parametrize("side", list(Direction))
def test_rules_when_the_last_rung_comes_first_then_are_named(side: Direction) -> None:
    rules = RuleSettings()
    found = unreachable(plan("1", "2", "3", "4", side=side), AVERAGE, rules)
    # TP2 arms the trailing stop.
    assert list(found) == [BOOK_50, BOOK_75, SCALE, LOCK]
    assert found[BOOK_50] == Decimal("0.15")
    assert unreachable(plan("10", "26", side=side), AVERAGE, rules) == {}
    assert list(unreachable(plan("1", "9", side=side), AVERAGE, rules)) == [
        *(BOOK_50, BOOK_75, LOCK, TRAIL),
    ]


def test_rule_when_it_fires_at_the_last_rung_itself_then_is_too_late() -> None:
    assert BOOK_50 in unreachable(plan("1", "15"), AVERAGE, RuleSettings())
    assert BOOK_50 not in unreachable(plan("1", "15.01"), AVERAGE, RuleSettings())


def test_rules_when_off_or_not_chosen_then_are_not_named() -> None:
    rules = RuleSettings(lock=LockSettings(enabled=False))
    assert list(unreachable(plan("1", "2"), AVERAGE, rules)) == [BOOK_50, BOOK_75, SCALE, TRAIL]
    chosen = plan("1", "2", rules=(BOOK_75, LOCK))
    assert list(unreachable(chosen, AVERAGE, rules)) == [BOOK_75]
    assert unreachable(plan("1", "2", rules=False), AVERAGE, rules) == {}


def test_trailing_when_its_rung_is_not_the_last_then_may_be_armed() -> None:
    first = RuleSettings(trail=TrailSettings(rung=1))
    assert TRAIL not in unreachable(plan("1", "2"), AVERAGE, first)
    assert TRAIL in unreachable(plan("1", "2"), AVERAGE, RuleSettings())


def test_profit_when_entries_are_staggered_then_is_of_the_best_of_them() -> None:
    lower = (EntrySpec(None, ONE), EntrySpec(Price(Decimal("-0.1"), percent=True), ONE))
    spec = replace(plan("8"), entries=lower)
    assert best_profit(spec, Decimal(100)) == Decimal("0.2")  # bought at 90, sold at 108
    assert best_profit(replace(spec, anchor=Anchor.AVERAGE), Decimal(100)) == Decimal("0.08")


def test_warning_when_rules_cannot_fire_then_names_them_with_what_they_want() -> None:
    said = warning(plan("1", "4"), AVERAGE, RuleSettings())
    assert said == (
        "cannot fire before the last rung, at 4%: PARTIAL_PROFIT_BOOKING_50 (15%), "
        "PARTIAL_PROFIT_BOOKING_75 (25%), POSITION_SCALING_MOMENTUM (5%), "
        "STOP_LOSS_ADJUSTMENT (10%), TRAILING_STOP (10%)"
    )
    assert warning(plan("1", "40"), AVERAGE, RuleSettings()) == ""
