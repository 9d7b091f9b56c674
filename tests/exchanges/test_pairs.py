"""Pairs: two legs at the broker, of which one fires once and becomes an order (kite.md §7, §13.4).

A pair is nobody's order at the exchange until then: it blocks nothing, checks nothing, outlives
the session.
"""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from exchanges.simulated import Act, Deed, Product
from machines.words import ExitStyle, Leg, Liquidity, OrderStatus, OrderType, Refusal
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import (
    ACCEPTED,
    ALREADY_DONE,
    BUY,
    COIN,
    SELL,
    SYMBOL,
    Desk,
    refused,
    settings,
)
from tests.exchanges.test_sessions import CLOSES, DAYS, HOURS, OPENS, QUIET, at, days
from tests.exchanges.venue_files import tree

CALM = "100 100 100 100\n"
STYLE: dict[str, object] = {"exits": ExitStyle.PAIRS, "product": Product.NRML}
PAIR = OrderType.PAIR
FINE = replace(COIN, tick=Decimal("0.1"))


def paired(open_desk: OpenDesk, bars: str, **changes: object) -> Desk:
    """Hold 4 at 100 with two pairs, of 3 and of 1."""
    desk = open_desk(CALM + bars, **(STYLE | changes))
    desk.bar()
    assert desk.market("in", BUY, 4) == ACCEPTED
    assert desk.pair("p1", SELL, 3, (95, 93), (105, "104.5")) == ACCEPTED
    assert desk.pair("p2", SELL, 1, (95, 93), (110, 109)) == ACCEPTED
    return desk


def test_pair_when_it_waits_then_shows_both_legs(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    order = desk.order("p1")
    assert (order.type, order.status, order.qty) == (PAIR, OrderStatus.OPEN, 3)
    assert (desk.px(order.trigger_px), desk.px(order.price)) == (95, 93)
    assert order.target is not None
    assert (desk.px(order.target.trigger_px), desk.px(order.target.price)) == (105, 104.5)


def test_target_when_touched_then_its_order_fills_there_and_the_stop_is_gone(
    open_desk: OpenDesk,
) -> None:
    desk = paired(open_desk, "100 106 99 104\n104 105 90 91\n")
    desk.bar()
    assert desk.trades[1:] == [("p1", "105", "3")]
    assert desk.fills[-1].liquidity is Liquidity.TAKER
    order = desk.order("p1")
    assert (order.type, order.status) == (OrderType.LIMIT, OrderStatus.FILLED)
    assert (desk.px(order.price), order.trigger_px, order.target) == (Decimal("104.5"), None, None)
    assert desk.order("p2").type is PAIR
    desk.bar()
    assert desk.trades[2:] == [("p2", "95", "1")]


def test_stop_when_touched_then_its_order_fills_there_and_the_target_is_gone(
    open_desk: OpenDesk,
) -> None:
    desk = paired(open_desk, "100 101 94 96\n96 120 96 120\n")
    desk.bar()
    assert desk.trades[1:] == [("p1", "95", "3"), ("p2", "95", "1")]
    order = desk.order("p1")
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.FILLED)
    assert (desk.px(order.trigger_px), desk.px(order.price)) == (95, 93)
    desk.bar()
    assert len(desk.fills) == 3


def test_stop_when_the_open_gaps_through_its_limit_then_the_rung_is_open_and_bare(
    open_desk: OpenDesk,
) -> None:
    desk = paired(open_desk, "90 92 89 91\n91 112 91 92\n")
    desk.bar()
    order = desk.order("p1")
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.TRIGGERED)
    assert order.target is None
    assert desk.held == 4
    assert desk.amend("p1", 3, 91, kind=OrderType.STOP_LIMIT) == ACCEPTED  # chased
    assert desk.trades[1:] == [("p1", "91", "3")]
    desk.bar()
    assert desk.trades[2:] == [("p2", "93", "1")]


def test_target_when_the_open_gaps_through_it_then_fills_at_the_open(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "107 108 104 105\n")
    desk.bar()
    assert desk.trades[1:] == [("p1", "107", "3")]


def test_target_when_its_limit_is_beyond_its_trigger_then_waits_for_it(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 105 99 104\n104 107 103 104\n", **STYLE)
    desk.bar()
    desk.market("in", BUY, 1)
    desk.pair("p", SELL, 1, (95, 94), (105, 106))
    desk.bar()
    assert (desk.order("p").type, desk.status("p")) == (OrderType.LIMIT, OrderStatus.OPEN)
    desk.bar()
    assert desk.trades[1:] == [("p", "106", "1")]


def test_legs_when_one_bar_touches_both_then_the_first_on_the_path_fires(
    open_desk: OpenDesk,
) -> None:
    desk = paired(open_desk, "100 112 94 95\n")  # nearer the low: down, up, down
    desk.bar()
    assert [(name, price) for name, price, _ in desk.trades[1:]] == [("p1", "95"), ("p2", "95")]


# ------------------------------------------------------------------------- what is not checked


def test_pair_when_nothing_is_held_then_is_accepted_and_its_order_is_rejected_when_it_fires() -> (
    None
):
    given = settings(**(STYLE | {"product": Product.CNC}))
    desk = Desk(CALM + "100 101 94 95\n95 120 95 120\n", given)
    desk.bar()
    assert desk.pair("orphan", SELL, 1, (95, 94), (105, 104)) == ACCEPTED
    desk.bar()
    order = desk.order("orphan")
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.REJECTED)
    assert order.refusal is Refusal.NO_POSITION
    desk.bar()
    assert desk.trades == []


def test_pair_when_an_orphan_of_a_product_that_may_be_short_then_opens_the_other_side() -> None:
    desk = Desk(CALM + "100 101 94 95\n", settings(**STYLE))
    desk.bar()
    desk.pair("orphan", SELL, 1, (95, 94), (105, 104))
    desk.bar()
    assert desk.held == -1


def test_pairs_when_several_cover_the_same_shares_then_the_last_to_fire_is_rejected(
    open_desk: OpenDesk,
) -> None:
    desk = paired(open_desk, "100 101 94 96\n")
    assert desk.pair("more", SELL, 2, (94, 93), (112, 111)) == ACCEPTED
    assert desk.amend("p1", 4, kind=PAIR) == ACCEPTED
    desk.cancel("p2")
    desk.limit("rest", SELL, 1, 111)
    desk.bar()
    order = desk.order("p1")
    assert (order.status, order.refusal) == (OrderStatus.REJECTED, Refusal.OVERSELL)
    assert desk.trades[1:] == [("more", "94", "2")]


def test_pair_when_it_waits_then_blocks_no_shares(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    assert desk.limit("out", SELL, 4, 120) == ACCEPTED
    assert desk.limit("out2", SELL, 1, 120) == refused(Refusal.OVERSELL)


# ------------------------------------------------------------------------------ its prices


@pytest.mark.parametrize(
    ("stop", "target", "refusal", "says"),
    [
        ((100, 99), (105, 104), Refusal.BEHIND_MARKET, "trigger_px 100: must be"),
        ((95, 94), (100, 99), Refusal.BEHIND_MARKET, "target.trigger_px 100: must be"),
        (("99.8", 94), (105, 104), Refusal.TOO_NEAR, "0.25% or more from the last price 100"),
        ((95, 94), ("100.2", 100), Refusal.TOO_NEAR, "target.trigger_px"),
        ((95, 94), ("105.05", 105), Refusal.INVALID, "target.trigger_px"),
        ((95, 94), (105, "104.05"), Refusal.INVALID, "target.price"),
        ((95, "94.05"), (105, 104), Refusal.INVALID, "price"),
    ],
)
def test_pair_when_its_prices_are_wrong_then_is_refused(
    open_desk: OpenDesk,
    stop: tuple[str, str],
    target: tuple[str, str],
    refusal: Refusal,
    says: str,
) -> None:
    desk = paired(open_desk, "", instruments={SYMBOL: FINE})
    before = desk.view
    assert desk.pair("p3", SELL, 1, stop, target) == refused(refusal)
    if not desk.short or "last" in says:
        assert says in desk.text
    assert desk.view is before


def test_pair_when_a_quarter_percent_away_then_is_accepted(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    assert desk.pair("p3", SELL, 1, ("99.5", 99), ("100.5", 100)) == ACCEPTED


def test_pair_when_not_asked_for_as_one_then_is_invalid(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    assert desk.place("x", SELL, 1, PAIR, price=94, trigger_px=95) == refused(Refusal.INVALID)


# ----------------------------------------------------------------------------- its changes


def test_pair_when_amended_then_waits_at_the_new_triggers(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "100 106 98 106\n106 107 101 102\n")
    assert desk.amend("p1", 2, 98, trigger_px=99, kind=PAIR, target=(107, 106)) == ACCEPTED
    assert desk.amend("p1", 2, 98, trigger_px=99, kind=PAIR, target=(107, 106)) == ALREADY_DONE
    assert desk.amend("p2", 1, 96, trigger_px=97, kind=PAIR) == ACCEPTED
    assert desk.order("p2").target == Leg(desk._turned(110), desk._turned(109))
    desk.bar()
    assert desk.trades[1:] == [("p1", "99", "2")]


def test_pair_when_only_its_quantity_changes_then_both_legs_have_it(open_desk: OpenDesk) -> None:
    for bars, price in (("100 101 94 95\n", "95"), ("100 106 99 100\n", "105")):
        desk = paired(open_desk, bars)
        assert desk.amend("p1", 2, kind=PAIR) == ACCEPTED
        desk.bar()
        assert desk.trades[1] == ("p1", price, "2")


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT])
def test_pair_when_asked_to_become_an_order_then_is_refused(
    open_desk: OpenDesk, kind: OrderType
) -> None:
    desk = paired(open_desk, "")
    assert desk.amend("p1", 3, 99, kind=kind) == refused(Refusal.INVALID)


def test_order_when_asked_to_become_a_pair_then_is_refused(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    desk.limit("in2", BUY, 1, 90)
    answer = desk.amend("in2", 1, 94, trigger_px=95, kind=PAIR, target=(105, 104))
    assert answer == refused(Refusal.INVALID)


def test_break_even_when_too_near_then_the_old_stop_stays(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "100 104 99 103\n")
    desk.bar()
    before = desk.view
    assert desk.amend("p1", 3, 102, trigger_px=103, kind=PAIR) == refused(Refusal.BEHIND_MARKET)
    answer = desk.amend("p1", 3, 102, trigger_px=Decimal("102.8"), kind=PAIR)
    assert answer == refused(Refusal.INVALID)  # off the tick, which is looked at first
    assert desk.view is before
    assert desk.amend("p1", 3, 102, trigger_px=102, kind=PAIR) == ACCEPTED


def test_pair_when_cancelled_then_neither_leg_fires(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "100 120 80 100\n")
    assert desk.cancel("p1") == ACCEPTED
    assert desk.cancel("p1") == ALREADY_DONE
    assert (desk.order("p1").type, desk.status("p1")) == (PAIR, OrderStatus.CANCELLED)
    desk.venue.act(Act(Deed.CANCEL, client_order_id="p2"))
    assert desk.order("p2").by_person
    assert desk.venue.next_ms(None) == desk.venue.next_bar_ms()
    desk.bar()
    assert len(desk.fills) == 1


def test_person_when_moving_a_pair_then_its_stop_moves_with_its_limit(open_desk: OpenDesk) -> None:
    desk = paired(open_desk, "")
    desk.venue.act(Act(Deed.MOVE, client_order_id="p1", price=desk.px(96)))
    order = desk.order("p1")
    assert (desk.px(order.trigger_px), desk.px(order.price), order.by_person) == (96, 94, True)


def test_next_when_a_pair_waits_then_is_the_bar_that_touches_either_leg(
    open_desk: OpenDesk,
) -> None:
    for bar in ("100 105 99 100\n", "100 101 95 100\n"):
        desk = open_desk(CALM * 3 + bar + CALM, **STYLE)
        desk.bar()
        desk.market("in", BUY, 1)
        desk.pair("p", SELL, 1, (95, 94), (105, 104))
        assert desk.venue.next_ms(None) == desk.snapshot().as_of_ms + 3 * 60_000


# ----------------------------------------------------------------------------- its session


def test_pair_when_the_session_ends_then_waits_on_but_its_order_does_not() -> None:
    prices = [*QUIET[:4], (DAYS[1], "03:50", 94), *QUIET[5:]]
    desk = Desk(days(*prices), settings(**STYLE, session=HOURS))
    desk.bar()
    desk.market("in", BUY, 3)
    desk.venue.advance(at(DAYS[0], CLOSES))
    assert desk.pair("near", SELL, 1, (97, 95), (105, 104)) == ACCEPTED  # taken at any hour
    assert desk.pair("far", SELL, 2, (90, 89), (105, 104)) == ACCEPTED
    assert desk.amend("far", 1, kind=PAIR) == ACCEPTED
    desk.venue.advance(at(DAYS[1], OPENS))
    assert desk.status("near") is OrderStatus.OPEN
    desk.venue.advance(at(DAYS[1], "03:50"))
    order = desk.order("near")
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.TRIGGERED)
    desk.amend("near", 1, 101, kind=OrderType.LIMIT)
    desk.venue.advance(at(DAYS[1], CLOSES))
    assert desk.status("near") is OrderStatus.SUSPENDED
    assert desk.order("far").type is PAIR
    assert desk.status("far") is OrderStatus.OPEN


# ------------------------------------------------------------------------------ determinism


def test_venue_when_killed_while_pairs_wait_then_goes_on_from_there(tmp_path: Path) -> None:
    path, bars = tmp_path / "venue.db", CALM + "100 101 94 96\n96 112 96 111\n"
    given = settings(**STYLE)
    desk, memory = Desk(bars, given, path=path), Desk(bars, given)
    for one in (desk, memory):
        one.bar()
        one.market("in", BUY, 4)
        one.pair("p1", SELL, 3, (95, 93), (105, 104))
        one.pair("p2", SELL, 1, (90, 89), (110, 109))
    desk.venue.close()
    again = Desk(bars, given, path=path)
    assert tree(again.venue) == tree(memory.venue)
    for one in (again, memory):
        one.bar(2)
    assert (
        again.trades
        == memory.trades
        == [
            *(("in", "100", "4"), ("p1", "95", "3")),
            ("p2", "110", "1"),
        ]
    )
    again.venue.close()
