"""Exits without reduce-only: stop-limits, conversions in place, never more on sale than held."""

from decimal import Decimal

import pytest

from exchanges.simulated import Product
from machines.words import ExitStyle, Liquidity, OrderStatus, OrderType, Refusal
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import (
    ACCEPTED,
    ALREADY_DONE,
    BUY,
    SELL,
    Desk,
    refused,
    settings,
)

CALM = "100 100 100 100\n"
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
STOP_LIMIT, STOP_MARKET = OrderType.STOP_LIMIT, OrderType.STOP_MARKET
OPEN, TRIGGERED = OrderStatus.OPEN, OrderStatus.TRIGGERED
STYLE: dict[str, object] = {"exits": ExitStyle.PER_RUNG, "product": Product.NRML}


def guarded(open_desk: OpenDesk, bars: str, **changes: object) -> Desk:
    """Hold 4 at 100 with one stop-limit for each 2."""
    desk = open_desk(CALM + bars, **(STYLE | changes))
    desk.bar()
    assert desk.market("in", BUY, 4) == ACCEPTED
    assert desk.stop_limit("r1", SELL, 2, 95, 94) == ACCEPTED
    assert desk.stop_limit("r2", SELL, 2, 95, 94) == ACCEPTED
    return desk


def facts(desk: Desk, name: str) -> tuple[OrderType, OrderStatus, Decimal | None, Decimal | None]:
    order = desk.order(name)
    return order.type, order.status, desk.px(order.trigger_px), desk.px(order.price)


# ----------------------------------------------------------------------------- capabilities


@pytest.mark.parametrize("style", [ExitStyle.PER_RUNG, ExitStyle.PAIRS])
def test_capabilities_when_without_reduce_only_then_say_so(style: ExitStyle) -> None:
    found = Desk(CALM, settings(exits=style)).venue.capabilities
    assert (found.exits, found.reduce_only, found.position_stop) == (style, False, False)
    assert (found.stop_limit, found.amend_type, found.day_orders) == (True, True, False)
    assert found.pair_gap == (Decimal("0.0025") if style is ExitStyle.PAIRS else 0)


def test_capabilities_when_pooled_then_types_never_change() -> None:
    found = Desk(CALM).venue.capabilities
    assert (found.reduce_only, found.position_stop) == (True, True)
    assert (found.stop_limit, found.amend_type, found.stop_market) == (False, False, True)


def test_request_when_it_needs_reduce_only_then_is_invalid(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    assert desk.set_stop(95) == refused(Refusal.INVALID)
    assert desk.limit("out", SELL, 1, 105, reduce_only=True) == refused(Refusal.INVALID)
    assert desk.text == "order out: reduce_only: there is no such order here"
    assert desk.pair("p", SELL, 1, (95, 94), (105, 105)) == refused(Refusal.INVALID)
    assert desk.text.endswith("type pair: must be one of limit, market, stop_market, stop_limit")


def test_stop_market_when_switched_off_then_is_invalid(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "", stop_market=False)
    assert not desk.venue.capabilities.stop_market
    answer = desk.stop_order("s", SELL, 1, 95, reduce_only=False)
    assert answer == refused(Refusal.INVALID)
    assert desk.text.endswith("type stop_market: must be one of limit, market, stop_limit")
    assert desk.amend("r1", 2, trigger_px=95, kind=STOP_MARKET) == refused(Refusal.INVALID)


def test_stop_market_when_switched_on_then_fills_at_its_trigger(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 94 95\n", **STYLE)
    desk.bar()
    desk.market("in", BUY, 1)
    assert desk.stop_order("s", SELL, 1, 96, reduce_only=False) == ACCEPTED
    desk.bar()
    assert desk.trades[1:] == [("s", "96", "1")]


# ------------------------------------------------------------------------------- stop-limits


def test_stop_limit_when_it_waits_then_shows_both_prices(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    assert facts(desk, "r1") == (STOP_LIMIT, OPEN, 95, 94)
    assert not desk.order("r1").reduce_only


def test_stop_limit_when_the_price_falls_to_its_trigger_then_fills_there_as_taker(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "100 101 93 95\n")
    desk.bar()
    assert desk.trades[1:] == [("r1", "95", "2"), ("r2", "95", "2")]
    assert {fill.liquidity for fill in desk.fills} == {Liquidity.TAKER}
    assert facts(desk, "r1") == (STOP_LIMIT, OrderStatus.FILLED, 95, 94)


def test_stop_limit_when_the_open_is_between_trigger_and_limit_then_fills_at_the_open(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "94.5 96 93 95\n")
    desk.bar()
    assert desk.trades[1:] == [("r1", "94.5", "2"), ("r2", "94.5", "2")]


def test_stop_limit_when_the_open_gaps_through_its_limit_then_rests_triggered(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "90 93.5 89 92\n92 93 91 92\n92 94 91 92\n")
    desk.bar(2)
    assert len(desk.fills) == 1
    assert facts(desk, "r1") == (STOP_LIMIT, TRIGGERED, 95, 94)
    assert desk.order("r1").leaves_qty == 2
    desk.bar()
    assert desk.trades[1:] == [("r1", "94", "2"), ("r2", "94", "2")]
    assert desk.fills[-1].liquidity is Liquidity.MAKER


def test_stop_limit_when_it_triggers_at_the_open_and_the_bar_comes_back_then_fills_in_that_bar(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "90 96 89 92\n")
    desk.bar()
    assert desk.trades[1:] == [("r1", "94", "2"), ("r2", "94", "2")]


def test_stop_limit_when_slippage_is_larger_than_its_room_then_fills_at_its_limit(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 90 95\n", **STYLE, slippage=Decimal("0.03"))
    desk.bar()
    desk.market("in", BUY, 1)
    desk.stop_limit("s", SELL, 1, 95, 94)
    desk.bar()
    assert desk.trades[-1] == ("s", "94", "1")


@pytest.mark.parametrize(
    ("trigger_px", "price", "refusal", "says"),
    [
        (95, "95.5", Refusal.INVALID, "the trigger"),
        (100, 99, Refusal.BEHIND_MARKET, "the last price 100"),
        (101, 99, Refusal.BEHIND_MARKET, "the last price 100"),
        ("95.3", 94, Refusal.INVALID, "trigger_px"),
        (95, "94.3", Refusal.INVALID, "price"),
    ],
)
def test_stop_limit_when_its_prices_are_wrong_then_is_refused(
    open_desk: OpenDesk, trigger_px: str, price: str, refusal: Refusal, says: str
) -> None:
    desk = guarded(open_desk, "")
    desk.cancel("r2")
    assert desk.stop_limit("s", SELL, 1, trigger_px, price) == refused(refusal)
    assert says in desk.text
    assert len(desk.view.orders) == 3


def test_stop_limit_when_a_price_is_missing_then_is_invalid() -> None:
    desk = Desk(CALM, settings(**STYLE))
    desk.bar()
    assert desk.place("s", BUY, 1, STOP_LIMIT, trigger_px=105) == refused(Refusal.INVALID)
    assert desk.text == "order s: price: a stop_limit order must have one"


def test_stop_limit_when_an_entry_of_the_other_side_then_opens(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 106 99 104\n", **STYLE)
    desk.bar()
    assert desk.stop_limit("breakout", BUY, 2, 103, 104) == ACCEPTED
    desk.bar()
    assert desk.trades == [("breakout", "103", "2")]


# ------------------------------------------------------------------------------- conversions


def test_stop_limit_when_converted_to_a_marketable_limit_then_fills_at_once(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "100 106 99 105\n")
    desk.bar()
    venue_order_id = desk.order("r1").venue_order_id
    assert desk.amend("r1", 2, 104, kind=LIMIT) == ACCEPTED
    assert desk.trades[1:] == [("r1", "105", "2")]
    assert facts(desk, "r1") == (LIMIT, OrderStatus.FILLED, None, 104)
    assert desk.order("r1").venue_order_id == venue_order_id
    assert facts(desk, "r2") == (STOP_LIMIT, OPEN, 95, 94)


def test_stop_limit_when_converted_to_a_limit_out_of_reach_then_rests_without_its_stop(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "100 101 93 94\n94 107 94 100\n")
    assert desk.amend("r1", 2, 106, kind=LIMIT) == ACCEPTED
    assert facts(desk, "r1") == (LIMIT, OPEN, None, 106)
    desk.bar()
    assert desk.trades[1:] == [("r2", "95", "2")]
    desk.bar()
    assert desk.trades[2:] == [("r1", "106", "2")]


def test_stop_limit_when_converted_without_a_price_then_keeps_its_limit(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "")
    assert desk.amend("r1", 2, kind=LIMIT) == ACCEPTED
    assert desk.trades[1:] == [("r1", "100", "2")]


@pytest.mark.parametrize("kind", [STOP_LIMIT, LIMIT])
def test_exit_when_converted_to_market_then_fills_at_once_with_slippage(
    open_desk: OpenDesk, kind: OrderType
) -> None:
    desk = guarded(open_desk, "", slippage=Decimal("0.005"))
    if kind is LIMIT:
        desk.amend("r1", 2, 106, kind=LIMIT)
    assert desk.amend("r1", 2, kind=MARKET) == ACCEPTED
    assert desk.trades[-1] == ("r1", "99.5", "2")
    assert facts(desk, "r1") == (MARKET, OrderStatus.FILLED, None, None)


def test_conversion_when_the_stop_has_just_triggered_then_the_rest_waits_at_the_target(
    open_desk: OpenDesk,
) -> None:
    # kite.md §13.2 race (i): the answer is yes, and the exit is nowhere near the market.
    desk = guarded(open_desk, "90 93 89 92\n")
    desk.bar()
    assert desk.status("r1") is TRIGGERED
    assert desk.amend("r1", 2, 105, kind=LIMIT) == ACCEPTED
    assert facts(desk, "r1") == (LIMIT, OPEN, None, 105)


def test_chase_when_a_triggered_stop_rests_then_its_limit_moves_or_it_becomes_market(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "90 93 89 92\n92 92 92 92\n")
    desk.bar()
    assert desk.amend("r1", 2, 93, kind=STOP_LIMIT) == ACCEPTED
    assert facts(desk, "r1") == (STOP_LIMIT, TRIGGERED, 95, 93)
    # What has fired has no trigger any more: one that is asked for is not heard.
    assert desk.amend("r1", 2, 93, trigger_px=80, kind=STOP_LIMIT) == ALREADY_DONE
    assert desk.amend("r1", 2, 91, kind=STOP_LIMIT) == ACCEPTED
    assert desk.amend("r2", 2, kind=MARKET) == ACCEPTED
    assert desk.trades[1:] == [("r1", "92", "2"), ("r2", "92", "2")]


@pytest.mark.parametrize("kind", [STOP_LIMIT, STOP_MARKET])
def test_limit_when_asked_to_become_a_stop_again_then_is_refused(
    open_desk: OpenDesk, kind: OrderType
) -> None:
    desk = guarded(open_desk, "")
    desk.amend("r1", 2, 106, kind=LIMIT)
    before = desk.view
    assert desk.amend("r1", 2, 94, trigger_px=95, kind=kind) == refused(Refusal.INVALID)
    assert desk.text == f"order r1: type {kind.value}: cannot change; it is limit"
    assert desk.view is before


def test_stop_limit_when_it_becomes_a_stop_market_then_fills_at_any_price(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "90 93 89 92\n")
    assert desk.amend("r1", 2, kind=STOP_MARKET) == ACCEPTED
    assert facts(desk, "r1") == (STOP_MARKET, OPEN, 95, None)
    desk.bar()
    assert desk.trades[1:] == [("r1", "90", "2")]


def test_conversion_when_repeated_then_is_already_done(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    desk.amend("r1", 2, 106, kind=LIMIT)
    before = desk.view
    assert desk.amend("r1", 2, 106, kind=LIMIT) == ALREADY_DONE
    assert desk.amend("r1", 2, kind=LIMIT) == ALREADY_DONE
    assert desk.view is before


def test_break_even_when_moved_in_place_then_both_prices_move(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "100 106 99 105\n105 105 100 101\n")
    desk.bar()
    assert desk.amend("r1", 2, "100.5", trigger_px=101, kind=STOP_LIMIT) == ACCEPTED
    assert facts(desk, "r1") == (STOP_LIMIT, OPEN, 101, Decimal("100.5"))
    assert desk.amend("r2", 2, 105, trigger_px=105, kind=STOP_LIMIT) == refused(
        Refusal.BEHIND_MARKET
    )
    assert facts(desk, "r2") == (STOP_LIMIT, OPEN, 95, 94)
    desk.bar()
    assert desk.trades[1:] == [("r1", "101", "2")]
