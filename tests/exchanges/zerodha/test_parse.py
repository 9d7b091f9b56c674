"""Kite's books, read: statuses, twins, fills, positions and what a person did."""

from datetime import datetime
from decimal import Decimal

import msgspec
import pytest

from exchanges.errors import VenueUnavailable
from exchanges.zerodha import charges
from exchanges.zerodha.asked import Asked, Shape
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.wire import WireOrder, read
from machines.words import OrderStatus, OrderType, Refusal, Side, View
from tests.exchanges.zerodha.payloads import (
    INFY,
    view_of,
    wire_holding,
    wire_order,
    wire_position,
    wire_trade,
)

D = Decimal
S = OrderStatus
EVENING = "2026-11-20 15:31:00"


@pytest.mark.parametrize(
    ("word", "filled", "stands"),
    [
        ("PUT ORDER REQ RECEIVED", 0, S.OPEN),
        ("VALIDATION PENDING", 0, S.OPEN),
        ("OPEN PENDING", 0, S.OPEN),
        ("AMO REQ RECEIVED", 0, S.OPEN),
        ("TRIGGER PENDING", 0, S.OPEN),
        ("MODIFY VALIDATION PENDING", 0, S.OPEN),
        ("MODIFY PENDING", 0, S.OPEN),
        ("MODIFY PENDING", 10, S.TRIGGERED),
        ("CANCEL PENDING", 0, S.OPEN),
        ("OPEN", 0, S.TRIGGERED),
        ("OPEN", 10, S.TRIGGERED),
        ("COMPLETE", 85, S.FILLED),
        ("CANCELLED", 0, S.CANCELLED),
        ("CANCELLED", 10, S.CANCELLED),
        ("CANCELLED AMO", 0, S.CANCELLED),
        ("REJECTED", 0, S.REJECTED),
        ("HALF CANCELLED", 0, S.UNKNOWN),
    ],
)
def test_status_when_a_stop_says_it_then_it_stands_so(word: str, filled: int, stands: S) -> None:
    (order,) = view_of(wire_order(status=word, filled_quantity=filled)).orders
    assert order.status is stands
    live = stands in (S.OPEN, S.TRIGGERED, S.UNKNOWN)
    assert order.leaves_qty == (85 - filled if live else 0)


def test_order_when_a_stop_rests_then_it_is_read_whole() -> None:
    (order,) = view_of(wire_order()).orders
    assert (order.client_order_id, order.venue_order_id) == ("Lk3f9q2R1S01", "1990000000000000001")
    assert (order.side, order.type, order.qty) == (Side.SELL, OrderType.STOP_LIMIT, D(85))
    assert (order.price, order.trigger_px) == (D(1480), D("1485.5"))


def test_order_when_a_limit_is_open_then_it_has_not_triggered() -> None:
    (order,) = view_of(wire_order(status="OPEN", order_type="LIMIT", trigger_price=0)).orders
    assert (order.status, order.type, order.trigger_px) == (S.OPEN, OrderType.LIMIT, None)


def test_order_when_a_market_order_was_protected_then_it_still_is_one() -> None:
    made = wire_order(status="OPEN", order_type="LIMIT", tags=["Lk3f9q2R1S01", "mktp", "mktp:2.00"])
    (order,) = view_of(made).orders
    assert (order.type, order.price, order.status) == (OrderType.MARKET, None, S.OPEN)


def test_order_when_the_type_is_strange_then_a_person_must_look() -> None:
    (order,) = view_of(wire_order(order_type="ICEBERG")).orders
    assert order.status is S.UNKNOWN


def test_order_when_the_session_ended_it_then_it_is_suspended() -> None:
    ended = wire_order(status="CANCELLED", exchange_update_timestamp=EVENING)
    assert view_of(ended).orders[0].status is S.SUSPENDED


def test_order_when_it_ended_on_an_earlier_day_then_that_days_close_decides() -> None:
    friday, saturday = "2026-11-20 11:00:00", "2026-11-21 08:00:00"
    for at, stands in ((friday, S.CANCELLED), (EVENING, S.SUSPENDED), (saturday, S.SUSPENDED)):
        order = wire_order(status="CANCELLED", exchange_update_timestamp=at)
        assert view_of(order).orders[0].status is stands


def test_order_when_rejected_then_the_reason_is_read_from_its_message() -> None:
    said = "16316 : The trigger price is not a multiple of tick size"
    (order,) = view_of(wire_order(status="REJECTED", status_message=said)).orders
    assert order.refusal is Refusal.INVALID


def test_order_when_the_tag_is_only_in_the_list_then_it_is_found() -> None:
    (order,) = view_of(wire_order(tag=None, tags=["mktp", "Lk3f9q2R1S01"])).orders
    assert order.client_order_id == "Lk3f9q2R1S01"


def test_order_when_it_is_not_ours_then_it_has_no_name() -> None:
    (order,) = view_of(wire_order(tag=None, tags=None)).orders
    assert order.client_order_id == ""


def test_orders_when_of_another_product_or_symbol_then_they_are_not_in_the_view() -> None:
    others = [wire_order("2", product="CNC"), wire_order("3", tradingsymbol="SBIN")]
    assert view_of(*others).orders == ()


def test_orders_when_twins_share_a_tag_then_the_oldest_that_lives_is_the_true_one() -> None:
    dead = wire_order("1", status="REJECTED")
    first = wire_order("2")
    later = wire_order("3")
    names = [order.client_order_id for order in view_of(dead, later, first).orders]
    assert names == ["Lk3f9q2R1S01~3", "Lk3f9q2R1S01", "Lk3f9q2R1S01~2"]


# ---------------------------------------------------------------------------------- a person's act


def seen(order: WireOrder) -> Asked:
    asked = Asked()
    asked.see([order])
    return asked


def test_order_when_cancelled_without_us_then_by_a_person() -> None:
    asked = seen(wire_order())
    gone = wire_order(status="CANCELLED")
    assert view_of(gone, asked=asked).orders[0].by_person
    told = wire_order(status="CANCELLED", status_message="RMS: blocked")
    assert not view_of(told, asked=asked).orders[0].by_person
    asked.cancel(gone.order_id)
    assert not view_of(gone, asked=asked).orders[0].by_person


def test_order_when_never_seen_alive_then_its_end_is_nobodys_act() -> None:
    assert not view_of(wire_order(status="CANCELLED")).orders[0].by_person


def test_order_when_moved_without_us_then_by_a_person() -> None:
    asked = seen(wire_order())
    moved = wire_order(trigger_price=1490)
    assert view_of(moved, asked=asked).orders[0].by_person
    asked.shape(moved.order_id, Shape(D(85), D(1480), D(1490)))
    assert not view_of(moved, asked=asked).orders[0].by_person
    assert not view_of(wire_order(), asked=asked).orders[0].by_person


def test_order_when_made_a_market_order_then_its_moving_price_is_nobodys_act() -> None:
    asked = seen(wire_order())
    asked.shape("1990000000000000001", Shape(D(85), D(0), D(0)))
    tags = ["Lk3f9q2R1S01", "mktp"]
    chased = wire_order(status="OPEN", order_type="LIMIT", price=1470, tags=tags)
    assert not view_of(chased, asked=asked).orders[0].by_person


def test_asked_when_an_order_has_left_the_book_then_it_is_forgotten() -> None:
    asked = seen(wire_order())
    asked.cancel("1990000000000000001")
    asked.see([])
    assert not view_of(wire_order(trigger_price=1490), asked=asked).orders[0].by_person


# ------------------------------------------------------------------------------ fills and positions


def test_fills_when_an_order_fills_in_parts_then_oldest_first_and_brokerage_capped() -> None:
    entry = wire_order(order_type="LIMIT", transaction_type="BUY", status="COMPLETE")
    late = datetime(2026, 11, 20, 10, 16)  # noqa: DTZ001
    trades = [wire_trade("9", fill_timestamp=late, quantity=45), wire_trade("12")]
    first, second = view_of(entry, trades=trades).fills
    assert (first.fill_id, second.fill_id) == ("NSE-20261120-12", "NSE-20261120-9")
    assert (first.client_order_id, first.side, first.qty) == ("Lk3f9q2R1S01", Side.BUY, D(40))
    assert first.price == D("1500.05")
    given = charges.rates(INFY.segment, "NSE", late.date())
    turnover = D("1500.05") * 85
    assert first.fee + second.fee == given.buy * turnover + charges.brokerage(given, turnover)


def test_fills_when_an_order_is_not_ours_then_they_have_no_name() -> None:
    (fill,) = view_of(trades=[wire_trade("12", "7")]).fills
    assert fill.client_order_id == ""


def test_fills_when_a_twin_fills_then_under_the_true_name() -> None:
    twins = [wire_order("1"), wire_order("2", status="COMPLETE", filled_quantity=85)]
    (fill,) = view_of(*twins, trades=[wire_trade("12", "2")]).fills
    assert fill.client_order_id == "Lk3f9q2R1S01"


@pytest.mark.parametrize(
    ("quantity", "t1", "used", "today", "total"),
    [
        (0, 0, 0, 100, 100),
        (100, 0, 0, 0, 100),
        (60, 40, 0, 0, 100),
        (100, 0, 30, 0, 70),
        (100, 0, 30, -30, 70),
        (100, 0, 0, -30, 70),
        (100, 0, 0, 50, 150),
    ],
)
def test_position_when_shares_are_delivered_then_holding_and_trades_add_up(
    quantity: int, t1: int, used: int, today: int, total: int
) -> None:
    view = view_of(
        positions=[wire_position(today, "CNC")],
        holdings=[wire_holding(quantity, t1, used)],
        product=Product.CNC,
    )
    assert view.net_qty == total


def test_position_when_bought_on_top_of_a_holding_then_the_average_is_of_both() -> None:
    view = view_of(
        positions=[wire_position(50, "CNC", 1500)],
        holdings=[wire_holding(150)],
        product=Product.CNC,
    )
    assert view.avg_px == D(1425)


def test_position_when_intraday_then_holdings_are_somebody_elses() -> None:
    view = view_of(positions=[wire_position(-10)], holdings=[wire_holding(100)])
    assert (view.net_qty, view.avg_px) == (-10, D("1500.5"))
    assert view_of(holdings=[wire_holding(100)]).net_qty == 0


def test_view_when_nothing_changed_then_it_is_equal() -> None:
    assert view_of(wire_order()) == view_of(wire_order())


def test_view_when_written_down_then_it_is_made_of_plain_words() -> None:
    view = view_of(wire_order(), trades=[wire_trade("12")], positions=[wire_position(40)])
    assert type(view.fills[0].at_ms) is int
    assert msgspec.json.decode(msgspec.json.encode(view), type=View) == view


def test_wire_when_a_field_is_missing_then_nothing_is_known() -> None:
    with pytest.raises(VenueUnavailable, match="order_id"):
        read([{"status": "OPEN"}], list[WireOrder])
    with pytest.raises(VenueUnavailable):
        read(None, list[WireOrder])
