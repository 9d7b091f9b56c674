"""`fill_share`: our orders together take no more than a share of a bar's volume; the rest waits."""

from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest

from exchanges.simulated import record
from machines.words import ExitStyle, Liquidity, OrderStatus, OrderType
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import ACCEPTED, BUY, SELL, Desk, settings
from tests.exchanges.test_pairs import STYLE as PAIRS
from tests.exchanges.test_per_rung import STYLE
from tests.exchanges.venue_files import tree

CALM = "100 100 100 100 1000\n"
HALF = Decimal("0.5")
OPEN, CANCELLED = OrderStatus.OPEN, OrderStatus.CANCELLED


def opened(open_desk: OpenDesk, bars: str, **changes: object) -> Desk:
    desk = open_desk(CALM + bars, **({"fill_share": HALF} | changes))
    desk.bar()
    return desk


def test_limit_when_the_volume_is_too_small_then_fills_in_part_and_the_rest_waits(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 101 97 100 7\n100 101 97 100 6\n100 101 97 100 100\n")
    desk.limit("a", BUY, 8, 98)
    desk.bar()
    assert desk.trades == [("a", "98", "3")]
    order = desk.order("a")
    assert (order.status, order.filled_qty, order.leaves_qty) == (OPEN, 3, 5)
    desk.bar(2)
    assert desk.trades == [("a", "98", "3"), ("a", "98", "3"), ("a", "98", "2")]
    assert desk.status("a") is OrderStatus.FILLED


def test_share_when_whole_then_every_order_fills_in_full(open_desk: OpenDesk) -> None:
    desk = opened(open_desk, "100 101 97 100 0\n", fill_share=Decimal(1))
    desk.limit("a", BUY, 8, 98)
    desk.bar()
    assert desk.trades == [("a", "98", "8")]


def test_orders_when_they_share_a_bar_then_price_comes_before_time(open_desk: OpenDesk) -> None:
    desk = opened(open_desk, "100 101 96 100 10\n")
    desk.limit("low", BUY, 2, 97)
    desk.limit("first", BUY, 3, 98)
    desk.limit("second", BUY, 3, 98)
    desk.bar()
    assert desk.trades == [("first", "98", "3"), ("second", "98", "2")]
    assert desk.order("second").leaves_qty == 1
    assert desk.order("low").filled_qty == 0


def test_limit_when_the_price_had_passed_it_unfilled_then_takes_a_better_open(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 101 94 95 2\n93 94 92 93 4\n99 99 96 98 4\n")
    desk.limit("a", BUY, 4, 98)
    desk.bar(2)
    assert desk.trades == [("a", "98", "1"), ("a", "93", "2")]
    assert desk.fills[-1].liquidity is Liquidity.TAKER
    desk.bar()  # opened above it again, then fell to it
    assert desk.trades[2:] == [("a", "98", "1")]
    assert desk.fills[-1].liquidity is Liquidity.MAKER


def test_market_order_when_the_last_bar_leaves_too_little_then_the_rest_is_cancelled(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 101 97 100 8\n")
    desk.limit("a", BUY, 1, 98)
    desk.bar()
    assert desk.market("b", BUY, 5) == ACCEPTED
    assert desk.trades == [("a", "98", "1"), ("b", "100", "3")]
    assert (desk.status("b"), desk.order("b").filled_qty) == (CANCELLED, 3)
    assert desk.limit("c", BUY, 1, 100) == ACCEPTED  # nothing is left of this bar
    assert desk.status("c") is OPEN


def test_market_order_when_without_reduce_only_then_the_rest_waits_at_its_price(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 100 100 100 2\n101 101 101 101 9\n99 99 99 99 9\n", **STYLE)
    desk.bar()
    assert desk.market("b", BUY, 5) == ACCEPTED
    order = desk.order("b")
    assert (order.type, order.status, order.filled_qty) == (OrderType.MARKET, OPEN, 1)
    assert order.price is None
    desk.bar()
    assert len(desk.fills) == 1  # the market has left it
    desk.bar()
    assert desk.trades[1:] == [("b", "100", "4")]


def test_market_order_when_its_rest_waits_then_is_chased_in_place(open_desk: OpenDesk) -> None:
    desk = opened(open_desk, "100 100 100 100 2\n101 101 101 101 20\n", **STYLE)
    desk.bar()
    desk.market("b", BUY, 5)
    desk.bar()
    assert desk.amend("b", 5, kind=OrderType.MARKET) == ACCEPTED
    assert desk.trades[1:] == [("b", "101", "4")]


def test_position_stop_when_the_volume_is_too_small_then_closes_what_it_can_and_is_gone(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 101 94 95 6\n")
    desk.market("in", BUY, 5)
    desk.set_stop(97)
    desk.bar()
    assert desk.trades[1:] == [("stop", "97", "3")]
    assert (desk.held, desk.stop) == (2, None)


def test_stop_limit_when_the_volume_is_too_small_then_the_rest_waits_triggered(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 101 94 94 4\n94 95 93 93 100\n", **STYLE)
    desk.market("in", BUY, 5)
    desk.stop_limit("s", SELL, 5, 97, 95)
    desk.bar()
    order = desk.order("s")
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.TRIGGERED)
    assert (order.filled_qty, order.leaves_qty) == (2, 3)
    desk.bar()
    assert desk.trades[1:] == [("s", "97", "2"), ("s", "95", "3")]


def test_pair_when_the_volume_is_too_small_then_its_order_waits_without_the_other_leg(
    open_desk: OpenDesk,
) -> None:
    desk = opened(open_desk, "100 106 99 104 4\n104 105 90 91 100\n", **PAIRS)
    desk.market("in", BUY, 5)
    desk.pair("p", SELL, 5, (95, 94), (105, "104.5"))
    desk.bar()
    order = desk.order("p")
    assert (order.type, order.status, order.filled_qty) == (OrderType.LIMIT, OPEN, 2)
    desk.bar()
    assert desk.trades[1:] == [("p", "105", "2"), ("p", "104.5", "3")]


def test_order_when_cancelled_in_part_then_its_fill_counts(open_desk: OpenDesk) -> None:
    desk = opened(open_desk, "100 101 97 100 4\n")
    desk.limit("a", BUY, 8, 98)
    desk.bar()
    assert desk.cancel("a") == ACCEPTED
    assert (desk.status("a"), desk.order("a").filled_qty, desk.held) == (CANCELLED, 2, 2)


@pytest.mark.parametrize(("total", "status"), [(2, OrderStatus.FILLED), (1, CANCELLED), (3, OPEN)])
def test_order_when_amended_in_part_then_the_quantity_is_the_total(
    open_desk: OpenDesk, total: int, status: OrderStatus
) -> None:
    desk = opened(open_desk, "100 101 97 100 4\n")
    desk.limit("a", BUY, 8, 98)
    desk.bar()
    assert desk.amend("a", total) == ACCEPTED
    assert (desk.status("a"), desk.order("a").filled_qty) == (status, 2)


def test_share_when_a_step_does_not_fit_then_the_step_is_whole(open_desk: OpenDesk) -> None:
    desk = opened(open_desk, "100 101 97 100 3\n100 101 97 100 1.9\n")
    desk.limit("a", BUY, 8, 98)
    desk.bar(2)
    assert desk.trades == [("a", "98", "1")]


def test_venue_when_killed_after_a_part_then_what_was_taken_stays_taken(tmp_path: Path) -> None:
    path, bars = tmp_path / "venue.db", CALM + "100 101 97 100 8\n100 101 97 100 2\n"
    given = settings(fill_share=HALF, exits=ExitStyle.PER_RUNG)
    desk, memory = Desk(bars, given, path=path), Desk(bars, given)
    with patch.object(record, "CHECKPOINT_EVERY", 2):
        for one in (desk, memory):
            one.bar()
            one.limit("a", BUY, 3, 98)
            one.bar()
        desk.venue.close()
    again = Desk(bars, given, path=path)
    for one in (again, memory):
        one.limit("b", BUY, 3, 100)
        one.bar()
    assert tree(again.venue) == tree(memory.venue)
    assert again.trades == [("a", "98", "3"), ("b", "100", "1"), ("b", "100", "1")]
    again.venue.close()
