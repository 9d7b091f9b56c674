"""Rate windows and the budget of modifications."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.zerodha.limits import DAY_MS, LIMITS, SECOND_MS, Budget, Kind
from exchanges.zerodha.modifications import MOST, RESERVED, Modifications, Purpose, purpose_of
from machines.words import AmendOrder, Key, Order, OrderStatus, OrderType, Role, Side

NOW = 1_795_149_902_000
D = Decimal


def spend(budget: Budget, kind: Kind, count: int, *, urgent: bool = False) -> list[int]:
    """Let calls leave as early as they may; return when they did."""
    now, left = NOW, list[int]()
    for _ in range(count):
        now += budget.wait_ms(kind, now, urgent=urgent)
        assert budget.wait_ms(kind, now, urgent=urgent) == 0
        budget.spend(kind, now)
        left.append(now)
    return left


@given(
    st.lists(st.tuples(st.integers(0, 700), st.booleans(), st.integers(0, 99)), max_size=60),
    st.integers(0, 999),
)
def test_budget_when_calls_come_anyhow_then_no_calendar_second_holds_more_than_ten(
    calls: list[tuple[int, bool, int]], skew_ms: int
) -> None:
    budget, now, seconds = Budget(), NOW, dict[int, int]()
    for pause_ms, urgent, way_ms in calls:
        now += pause_ms
        now += budget.wait_ms(Kind.ORDER, now, urgent=urgent)
        budget.spend(Kind.ORDER, now)
        second = (now + way_ms + skew_ms) // 1_000
        seconds[second] = seconds.get(second, 0) + 1
    assert all(count <= 10 for count in seconds.values())


def test_budget_when_ordinary_calls_fill_their_share_then_urgent_ones_still_leave() -> None:
    budget = Budget()
    assert spend(budget, Kind.ORDER, 8) == [NOW] * 8
    assert budget.wait_ms(Kind.ORDER, NOW) == SECOND_MS
    assert spend(budget, Kind.ORDER, 2, urgent=True) == [NOW] * 2
    assert budget.wait_ms(Kind.ORDER, NOW, urgent=True) == SECOND_MS


def test_budget_when_a_minute_is_full_then_it_waits_for_the_minute() -> None:
    budget = Budget()
    left = spend(budget, Kind.ORDER, 321)
    assert left[320] == NOW + 60_000


def test_budget_when_the_day_is_spent_then_exits_still_leave() -> None:
    budget = Budget()
    spend(budget, Kind.ORDER, 4_000)
    later = NOW + 3_600_000
    assert budget.wait_ms(Kind.ORDER, later) > 60_000
    assert budget.wait_ms(Kind.ORDER, later, urgent=True) == 0
    assert budget.left_today(later) == 1_000
    assert budget.left_today(NOW + 2 * DAY_MS) == 5_000


def test_budget_when_a_429_came_then_that_kind_waits_a_second() -> None:
    budget = Budget()
    budget.shut(Kind.ORDER, NOW)
    assert budget.wait_ms(Kind.ORDER, NOW, urgent=True) == SECOND_MS
    assert budget.wait_ms(Kind.OTHER, NOW) == 0


def test_budget_when_quotes_are_asked_then_one_a_second() -> None:
    assert spend(Budget(), Kind.QUOTE, 3) == [NOW, NOW + SECOND_MS, NOW + 2 * SECOND_MS]
    assert set(LIMITS) == set(Kind)


def order(kind: OrderType = OrderType.STOP_LIMIT, side: Side = Side.SELL) -> Order:
    return Order("a", "1", side, kind, D(85), D(0), OrderStatus.OPEN, D(1470), D(1485))


def amend(kind: OrderType, trigger: str | None, qty: int = 85) -> AmendOrder:
    trigger_px = None if trigger is None else D(trigger)
    return AmendOrder(
        Key("kite", "INFY"), "a", Role.STOP_LOSS, 1, kind, D(qty), D(1470), trigger_px
    )


@pytest.mark.parametrize(
    ("asked", "purpose"),
    [
        (amend(OrderType.STOP_LIMIT, "1485", qty=90), Purpose.ORDINARY),
        (amend(OrderType.STOP_LIMIT, "1490"), Purpose.ORDINARY),
        (amend(OrderType.STOP_LIMIT, "1500"), Purpose.BREAK_EVEN),
        (amend(OrderType.STOP_LIMIT, "1501"), Purpose.BREAK_EVEN),
        (amend(OrderType.LIMIT, None), Purpose.EXIT),
        (amend(OrderType.MARKET, None), Purpose.EXIT),
    ],
)
def test_purpose_when_a_long_is_modified_then_by_what_changes(
    asked: AmendOrder, purpose: Purpose
) -> None:
    assert purpose_of(asked, order(), D(1500)) is purpose


def test_purpose_when_a_short_is_guarded_then_mirrored() -> None:
    short = order(side=Side.BUY)
    assert purpose_of(amend(OrderType.STOP_LIMIT, "1510"), short, D(1500)) is Purpose.ORDINARY
    assert purpose_of(amend(OrderType.STOP_LIMIT, "1499"), short, D(1500)) is Purpose.BREAK_EVEN


def test_modifications_when_twenty_are_spent_then_only_exits_and_break_even() -> None:
    made = Modifications()
    made.placed("1")
    for _ in range(MOST - RESERVED):
        assert made.allows("1", Purpose.ORDINARY)
        made.count("1")
    assert not made.allows("1", Purpose.ORDINARY)
    for _ in range(RESERVED):
        assert made.allows("1", Purpose.EXIT)
        made.count("1")
    assert not made.allows("1", Purpose.BREAK_EVEN)


def test_modifications_when_recalled_from_a_history_then_counted() -> None:
    made = Modifications()
    assert not made.known("1")
    made.recall("1", ["OPEN", "MODIFY VALIDATION PENDING", "MODIFIED", "OPEN"] * 3)
    assert made.left("1") == MOST - 3
    made.forget(["2"])
    assert not made.known("1")
