"""The candle rules of SPEC §11, one by one. Written for longs; each runs mirrored too."""

from decimal import Decimal

from machines.words import Liquidity, OrderStatus
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import ACCEPTED, BUY, SELL, Desk, PricePath, settings

CALM = "100 100 100 100\n"
START_MS = 1_735_689_600_000


def test_limit_when_touched_exactly_then_fills_in_full_at_its_limit_as_maker(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 98 100 0.5")  # less volume than the order
    desk.bar()
    assert desk.limit("entry", BUY, 3, 98) == ACCEPTED
    desk.bar()
    (fill,) = desk.fills
    assert desk.trades == [("entry", "98", "3")]
    assert fill.liquidity is Liquidity.MAKER
    assert fill.fee == fill.price * 3 * desk.venue.fees("BTCUSDT").maker
    assert desk.order("entry").status is OrderStatus.FILLED
    assert desk.order("entry").filled_qty == 3


def test_fill_when_a_bar_causes_it_then_happens_at_the_bars_close(open_desk: OpenDesk) -> None:
    desk = open_desk("start 2025-01-01T00:00:00Z bar 5m\n" + CALM + "100 101 98 100")
    desk.bar()
    desk.limit("entry", BUY, 1, 99)
    desk.bar()
    assert [fill.at_ms for fill in desk.fills] == [START_MS + 2 * 300_000]


def test_limit_when_missed_by_a_tick_then_rests(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 98.5 100")
    desk.bar()
    desk.limit("entry", BUY, 1, 98)
    desk.bar()
    assert desk.trades == []
    assert desk.status("entry") is OrderStatus.OPEN


def test_limit_when_the_open_gaps_through_it_then_fills_at_its_limit(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "90 91 89 90")
    desk.bar()
    desk.limit("entry", BUY, 1, 98)
    desk.bar()
    assert desk.trades == [("entry", "98", "1")]
    assert desk.fills[0].liquidity is Liquidity.MAKER


def test_limits_when_met_on_one_leg_then_fill_in_the_order_of_their_prices(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 90 95")
    desk.bar()
    for name, price in (("low", 91), ("high", 99), ("middle", 95)):
        desk.limit(name, BUY, 1, price)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["high", "middle", "low"]


def test_limits_when_at_one_price_then_fill_in_the_order_of_placing(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 90 95")
    desk.bar()
    for name in ("first", "second", "third"):
        desk.limit(name, BUY, 1, 95)
    desk.amend("second", 2, 94)
    desk.amend("second", 2, 95)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["first", "second", "third"]


def test_limit_when_placed_at_the_last_price_then_fills_at_once_as_taker(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + CALM)
    desk.bar()
    desk.limit("at", BUY, 1, 100)
    assert desk.trades == [("at", "100", "1")]
    assert desk.fills[0].liquidity is Liquidity.TAKER
    assert desk.fills[0].at_ms == START_MS + 60_000


def test_limit_when_placed_through_the_last_price_then_fills_at_the_last_price(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.limit("through", BUY, 1, 104)
    assert desk.trades == [("through", "100", "1")]
    assert desk.order("through").price == desk.px(104)


def test_market_order_when_placed_then_fills_at_once_at_the_last_price_as_taker(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk("100 110 90 103")
    desk.bar()
    desk.market("now", BUY, 2)
    assert desk.trades == [("now", "103", "2")]
    assert desk.fills[0].liquidity is Liquidity.TAKER
    assert desk.held == 2


def test_order_when_amended_ever_so_often_then_is_remembered_once(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 90 95")
    desk.bar()
    desk.limit("still", BUY, 1, 92)
    desk.limit("moved", BUY, 1, 96)
    for price in [93, 91, 94] * 100:
        desk.amend("moved", 1, price)
    levels = desk.venue._engine.markets["BTCUSDT"].levels
    assert len(levels) < 100
    desk.bar()
    assert desk.trades == [("moved", "94", "1"), ("still", "92", "1")]
    assert len(levels) == 0


# ------------------------------------------------------------------------------- the path


def test_adaptive_path_when_the_open_is_nearer_the_high_then_the_high_comes_first(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 102 95 97")
    desk.bar()
    desk.limit("below", BUY, 1, 96)
    desk.limit("above", SELL, 1, 101)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["above", "below"]


def test_adaptive_path_when_the_open_is_nearer_the_low_then_the_low_comes_first(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 105 98 104")
    desk.bar()
    desk.limit("below", BUY, 1, 99)
    desk.limit("above", SELL, 1, 101)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["below", "above"]


def test_adaptive_path_when_the_open_is_midway_then_the_low_comes_first() -> None:
    desk = Desk(CALM + "100 104 96 100")
    desk.bar()
    desk.limit("above", SELL, 1, 101)
    desk.limit("below", BUY, 1, 99)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["below", "above"]


def test_ohlc_path_when_the_open_is_nearer_the_low_then_the_high_still_comes_first() -> None:
    desk = Desk(CALM + "100 105 98 104", settings(path=PricePath.OHLC))
    desk.bar()
    desk.limit("below", BUY, 1, 99)
    desk.limit("above", SELL, 1, 101)
    desk.bar()
    assert [name for name, _, _ in desk.trades] == ["above", "below"]


def test_stop_when_the_last_leg_reaches_it_then_fires_there(open_desk: OpenDesk) -> None:
    # The low comes first, then the high, then the close: a stop of the other side at 103.
    desk = open_desk(CALM + "100 105 99 104")
    desk.bar()
    desk.market("entry", SELL, 1)
    desk.set_stop(103)
    desk.bar()
    assert desk.trades[1:] == [("stop", "103", "1")]


# -------------------------------------------------------------------------- reduce-only


def test_reduce_only_limit_when_larger_than_the_position_then_is_clipped_and_cancelled(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 105 99 101")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("target", SELL, 5, 104, reduce_only=True)
    desk.bar()
    assert desk.trades[1:] == [("target", "104", "3")]
    assert desk.held == 0
    assert desk.status("target") is OrderStatus.CANCELLED


def test_reduce_only_market_order_when_larger_than_the_position_then_is_clipped(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.market("out", SELL, 5, reduce_only=True)
    assert desk.held == 0
    assert desk.status("out") is OrderStatus.CANCELLED


def test_reduce_only_limit_when_flat_then_rests_until_it_is_touched(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + CALM + "100 105 99 101")
    desk.bar()
    desk.market("entry", BUY, 3)
    desk.limit("target", SELL, 3, 104, reduce_only=True)
    desk.market("out", SELL, 3)
    desk.bar()
    assert desk.status("target") is OrderStatus.OPEN
    desk.bar()
    assert desk.status("target") is OrderStatus.CANCELLED
    assert len(desk.fills) == 2


def test_reduce_only_limits_when_two_share_a_position_then_the_later_takes_the_rest(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 105 99 101")
    desk.bar()
    desk.market("entry", BUY, 5)
    desk.limit("near", SELL, 4, 103, reduce_only=True)
    desk.limit("far", SELL, 4, 104, reduce_only=True)
    desk.bar()
    assert desk.trades[1:] == [("near", "103", "4"), ("far", "104", "1")]
    assert desk.status("near") is OrderStatus.FILLED
    assert desk.status("far") is OrderStatus.CANCELLED


# ----------------------------------------------------------------------------- slippage


def test_slippage_when_a_market_order_fills_then_worsens_it_to_the_next_tick() -> None:
    desk = Desk("100.5 100.5 100.5 100.5", settings(slippage=Decimal("0.001")))
    desk.bar()
    desk.market("in", BUY, 1)  # 100.6005, rounded up
    desk.market("out", SELL, 1)  # 100.3995, rounded down
    assert desk.trades == [("in", "101.0", "1"), ("out", "100.0", "1")]


def test_slippage_when_it_ends_on_a_tick_then_is_not_rounded_on() -> None:
    desk = Desk("100 100 100 100", settings(slippage=Decimal("0.005")))
    desk.bar()
    desk.market("in", BUY, 1)
    desk.market("out", SELL, 1)
    assert desk.trades == [("in", "100.5", "1"), ("out", "99.5", "1")]


def test_slippage_when_a_stop_fires_then_worsens_trigger_or_open() -> None:
    for second, price in (("100 101 90 92", "94.5"), ("90 92 88 92", "89.5")):
        desk = Desk("100 100 100 100\n" + second, settings(slippage=Decimal("0.005")))
        desk.bar()
        desk.market("in", BUY, 1)
        desk.set_stop(95)
        desk.bar()
        assert desk.trades[1:] == [("stop", price, "1")]


def test_slippage_when_a_limit_fills_then_leaves_it_alone() -> None:
    desk = Desk("100 100 100 100\n100 101 98 99", settings(slippage=Decimal("0.005")))
    desk.bar()
    desk.limit("taker", BUY, 1, 101)
    desk.limit("maker", BUY, 1, 98)
    desk.bar()
    assert desk.trades == [("taker", "100", "1"), ("maker", "98", "1")]


def test_slippage_when_nearly_everything_then_a_sale_still_brings_a_tick() -> None:
    desk = Desk("100 100 100 100", settings(slippage=Decimal("0.999")))
    desk.bar()
    desk.market("out", SELL, 1)
    assert desk.trades == [("out", "0.5", "1")]
