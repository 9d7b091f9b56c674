"""Stops, the position's own and conditional orders. Written for longs; each runs mirrored too."""

from machines.words import Liquidity, OrderStatus
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import ACCEPTED, BUY, SELL

CALM = "100 100 100 100\n"


# ------------------------------------------------------------------------ position stops


def test_stop_when_touched_exactly_then_closes_all_at_its_trigger_as_taker(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 95 99")
    desk.bar()
    desk.market("entry", BUY, 3)
    assert desk.set_stop(95) == ACCEPTED
    assert desk.stop == 95
    desk.bar()
    fill = desk.fills[-1]
    assert desk.trades[1:] == [("stop", "95", "3")]
    assert fill.client_order_id == ""
    assert fill.by_position_stop
    assert fill.liquidity is Liquidity.TAKER
    assert desk.held == 0
    assert desk.stop is None


def test_stop_when_missed_by_a_tick_then_rests(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 95.5 99")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.set_stop(95)
    desk.bar()
    assert desk.held == 3
    assert desk.stop == 95


def test_stop_when_the_open_is_beyond_it_then_fills_at_the_open(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "90 92 85 91")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("stop", "90", "3")]


def test_stop_when_the_open_is_at_it_then_fills_at_the_open(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "95 96 94 95")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("stop", "95", "3")]


def test_stop_when_an_entry_filled_earlier_in_the_bar_then_closes_that_too(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 93 94")
    desk.bar()
    desk.market("first", BUY, 3)
    desk.limit("second", BUY, 2, 97)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("second", "97", "2"), ("stop", "95", "5")]
    assert desk.held == 0


def test_stop_when_an_entry_waits_at_its_price_then_acts_first(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 93 94")
    desk.bar()
    desk.market("first", BUY, 3)
    desk.limit("second", BUY, 2, 95)  # placed before the stop, yet met after it
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("stop", "95", "3"), ("second", "95", "2")]
    assert desk.held == 2
    assert desk.stop is None


def test_stop_when_the_open_gaps_beyond_it_and_entries_then_acts_before_them(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "90 92 85 91")
    desk.bar()
    desk.market("first", BUY, 3)
    desk.limit("near", BUY, 1, 98)
    desk.limit("far", BUY, 1, 92)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("stop", "90", "3"), ("near", "98", "1"), ("far", "92", "1")]
    assert desk.held == 2
    assert desk.stop is None


def test_stop_when_a_target_closed_the_position_before_then_is_gone(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 102 90 95")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("target", SELL, 3, 101, reduce_only=True)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("target", "101", "3")]
    assert desk.stop is None


def test_stop_when_target_and_stop_are_in_the_bar_then_the_path_decides(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 107 94 95")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("target", SELL, 2, 105, reduce_only=True)
    desk.set_stop(95)
    desk.bar()
    # The low is nearer: the stop fires, and the target has nothing left to reduce.
    assert desk.trades[1:] == [("stop", "95", "3")]
    assert desk.status("target") is OrderStatus.CANCELLED


def test_stop_when_part_of_the_position_was_sold_then_closes_the_rest(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 105 94 95")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("target", SELL, 2, 104, reduce_only=True)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("target", "104", "2"), ("stop", "95", "1")]


def test_stop_when_an_order_turns_the_position_over_then_is_gone(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 105 94 95")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.set_stop(95)
    desk.market("over", SELL, 5)
    assert desk.held == -2
    assert desk.view.avg_px == 100
    assert desk.stop is None
    desk.bar()
    assert desk.held == -2


def test_stop_when_moved_then_only_the_new_one_counts(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 96 99\n" + "99 99 93 94")
    desk.bar()
    desk.market("entry", BUY, 1)
    desk.set_stop(97)
    assert desk.set_stop(94) == ACCEPTED
    desk.bar()
    assert desk.held == 1
    desk.bar()
    assert desk.trades[1:] == [("stop", "94", "1")]


def test_stop_when_moved_to_a_stop_orders_price_then_keeps_its_place(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 94 99")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.set_stop(96)
    desk.stop_order("order", SELL, 1, 95)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("stop", "95", "3")]
    assert desk.status("order") is OrderStatus.CANCELLED


def test_stop_when_an_order_closed_the_position_at_the_same_gap_then_does_nothing(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "90 92 85 91")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.stop_order("order", SELL, 3, 98)
    desk.set_stop(95)
    desk.bar()
    assert desk.trades[1:] == [("order", "90", "3")]
    assert desk.held == 0


# --------------------------------------------------------------- conditional stop orders


def test_stop_order_when_touched_then_fills_at_its_trigger_as_taker(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 94 99", position_stop=False)
    desk.bar()
    desk.market("entry", BUY, 3)
    assert desk.stop_order("guard", SELL, 3, 95) == ACCEPTED
    desk.bar()
    assert desk.trades[1:] == [("guard", "95", "3")]
    assert not desk.fills[-1].by_position_stop
    assert desk.fills[-1].liquidity is Liquidity.TAKER
    assert desk.status("guard") is OrderStatus.FILLED


def test_stop_order_when_the_open_is_beyond_it_then_fills_at_the_open(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "90 92 85 91", position_stop=False)
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("second", BUY, 1, 98)
    desk.stop_order("guard", SELL, 3, 95)
    desk.bar()
    assert desk.trades[1:] == [("guard", "90", "3"), ("second", "98", "1")]


def test_stop_order_when_larger_than_the_position_then_is_clipped_and_cancelled(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 94 99", position_stop=False)
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.stop_order("guard", SELL, 5, 95)
    desk.bar()
    assert desk.trades[1:] == [("guard", "95", "3")]
    assert desk.status("guard") is OrderStatus.CANCELLED
    assert desk.order("guard").filled_qty == 3


def test_stop_order_when_it_opens_then_fills_in_full(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 103 99 101")
    desk.bar()
    assert desk.stop_order("breakout", BUY, 2, 102, reduce_only=False) == ACCEPTED
    desk.bar()
    assert desk.trades == [("breakout", "102", "2")]
