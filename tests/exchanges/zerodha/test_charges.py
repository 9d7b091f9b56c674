"""Charges against the worked examples of the venue sheet §12.2, and against profit and loss."""

from datetime import date
from decimal import Decimal

import pytest

from exchanges.zerodha.charges import (
    Segment,
    break_even,
    brokerage,
    ceiling,
    fill_fee,
    rates,
)
from machines.words import Direction, Side

TODAY = date(2026, 11, 20)
D = Decimal


@pytest.mark.parametrize(
    ("segment", "exchange", "qty", "price", "said"),
    [
        (Segment.INTRADAY, "NSE", 10, 1500, "1501.60"),
        (Segment.INTRADAY, "NSE", 1000, 1500, "1500.58"),
        (Segment.DELIVERY, "NSE", 100, 1500, "1503.49"),
        (Segment.DELIVERY, "NSE", 1, 1500, "1518.70"),
        (Segment.FUTURES, "NFO", 65, 25000, "25014.87"),
        (Segment.OPTIONS, "NFO", 65, 100, "100.97"),
        (Segment.OPTIONS, "NFO", 65, 10, "10.75"),
    ],
)
def test_break_even_when_as_in_the_sheet_then_as_the_sheet_says(
    segment: Segment, exchange: str, qty: int, price: int, said: str
) -> None:
    given = rates(segment, exchange, TODAY)
    entry = brokerage(given, D(qty * price))
    found = break_even(given, Direction.LONG, D(qty), D(price), entry, orders=1)
    assert round(found, 2) == D(said)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("segment", [Segment.INTRADAY, Segment.FUTURES, Segment.OPTIONS])
@pytest.mark.parametrize("qty", [1, 65, 4000])
def test_break_even_when_exited_there_then_nothing_is_won_or_lost(
    direction: Direction, segment: Segment, qty: int
) -> None:
    exchange = "NSE" if segment is Segment.INTRADAY else "NFO"
    given = rates(segment, exchange, TODAY)
    entry, b = D(100) * qty, D(100)
    x = break_even(given, direction, D(qty), b, brokerage(given, entry), orders=1)
    paid = fill_fee(given, direction.entry_side, D(0), entry)
    # At the threshold the cap is judged by the entry's price, so the true exit is never dearer.
    paid += fill_fee(given, direction.exit_side, D(0), x * qty)
    profit = (x - b) * qty * direction.entry_side.sign - paid
    assert D(0) <= round(profit, 9) < D("0.02")


def test_break_even_when_slippage_is_expected_then_further_away() -> None:
    given = rates(Segment.INTRADAY, "NSE", TODAY)
    plain = break_even(given, Direction.SHORT, D(10), D(1500), D(0), 1)
    assert break_even(given, Direction.SHORT, D(10), D(1500), D(0), 1, D("0.001")) == (
        plain / D("1.001")
    )


def test_fill_fee_when_an_order_fills_in_parts_then_brokerage_is_capped_once() -> None:
    given = rates(Segment.INTRADAY, "NSE", TODAY)
    whole = fill_fee(given, Side.SELL, D(0), D(150_000))
    parts = sum(fill_fee(given, Side.SELL, D(50_000) * n, D(50_000)) for n in range(3))
    assert parts == whole
    assert whole == given.sell * 150_000 + D(20) * D("1.18")


def test_rates_when_no_table_is_that_old_then_the_first_answers() -> None:
    assert rates(Segment.DELIVERY, "BSE", date(2020, 1, 1)) == rates(
        Segment.DELIVERY, "BSE", date(2026, 4, 1)
    )


def test_ceiling_when_any_fill_then_never_below_its_fee() -> None:
    given = rates(Segment.FUTURES, "NFO", TODAY)
    for side in Side:
        assert fill_fee(given, side, D(0), D(10_000)) <= ceiling(given).taker * 10_000
