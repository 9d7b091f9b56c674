"""What persons and the venue do at a simulated venue, and what a snapshot shows of it."""

from decimal import Decimal

import pytest

from exchanges.simulated import Act, Deed
from machines.words import Fill, OrderStatus, OrderType, PositionStop, Refusal
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import (
    ACCEPTED,
    ALREADY_DONE,
    BUY,
    FEES,
    SELL,
    SYMBOL,
    Desk,
    Key,
    Number,
    Slots,
    refused,
    settings,
)

CALM = "100 100 100 100\n"


def act(desk: Desk, do: Deed, **given: object) -> tuple[object, object]:
    """Do an act on the desk's key; prices are turned the desk's way."""
    for field in ("price", "near"):
        if field in given:
            given[field] = desk.px(given[field])  # pyright: ignore[reportArgumentType]
    if "qty" in given:
        given["qty"] = Decimal(str(given["qty"]))
    if "side" in given:
        given["side"] = desk.side(given["side"])  # pyright: ignore[reportArgumentType]
    if "client_order_id" not in given:
        given |= {"symbol": desk.key.symbol, "slot": desk.key.slot}
    outcome = desk.venue.act(Act(do, **given))  # pyright: ignore[reportArgumentType]
    desk.text = outcome.text
    return outcome.kind, outcome.refusal


def trade(desk: Desk, do: Deed, qty: Number) -> tuple[object, object]:
    """Buy or sell the desk's way."""
    if desk.short:
        do = Deed.SELL if do is Deed.BUY else Deed.BUY
    return act(desk, do, qty=qty)


def laddered(desk: Desk) -> Desk:
    """Hold 4 at 100 with a stop and three rungs, one entry resting."""
    desk.bar()
    desk.market("in", BUY, 4)
    desk.limit("entry", BUY, 1, 95)
    desk.set_stop(90)
    for n, price in enumerate((104, 106, 108), start=1):
        desk.limit(f"tp{n}", SELL, 1, price, reduce_only=True)
    return desk


def live(desk: Desk) -> list[str]:
    return [order.client_order_id for order in desk.view.orders if order.status.live]


def foreign(desk: Desk) -> list[Fill]:
    return [fill for fill in desk.fills if not fill.client_order_id]


# ------------------------------------------------------------------------------ a person's orders


def test_cancel_when_a_person_does_it_then_the_end_says_so(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM))
    assert act(desk, Deed.CANCEL, client_order_id="entry") == ACCEPTED
    desk.cancel("tp1")
    entry, rung = desk.order("entry"), desk.order("tp1")
    assert (entry.status, entry.by_person) == (OrderStatus.CANCELLED, True)
    assert (rung.status, rung.by_person) == (OrderStatus.CANCELLED, False)


def test_move_when_a_person_does_it_then_the_order_waits_there_and_says_so(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM + "100 105 100 105\n"))
    assert act(desk, Deed.MOVE, client_order_id="tp1", price=105, qty=2) == ACCEPTED
    order = desk.order("tp1")
    assert (order.price, order.qty, order.by_person) == (desk.px(105), 2, True)
    desk.bar()
    assert desk.trades[-1] == ("tp1", "105", "2")


def test_move_when_only_one_thing_changes_then_the_other_stays(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM))
    act(desk, Deed.MOVE, client_order_id="tp1", price=105)
    act(desk, Deed.MOVE, client_order_id="tp2", qty=2)
    assert (desk.order("tp1").price, desk.order("tp1").qty) == (desk.px(105), 1)
    assert (desk.order("tp2").price, desk.order("tp2").qty) == (desk.px(106), 2)


def test_order_when_we_amend_it_after_a_person_then_the_last_change_is_ours(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM))
    act(desk, Deed.MOVE, client_order_id="tp1", price=105)
    desk.amend("tp1", 1, 107)
    assert not desk.order("tp1").by_person


def test_order_when_it_ends_by_itself_after_a_person_moved_it_then_the_end_is_not_a_persons(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM + "100 111 100 111\n"))
    for name, price in (("tp1", 109), ("tp2", 110)):
        act(desk, Deed.MOVE, client_order_id=name, price=price)
    act(desk, Deed.MOVE, client_order_id="tp3", qty=3)
    desk.bar()
    ends = {name: (desk.status(name).value, desk.order(name).by_person) for name in ("tp1", "tp2")}
    assert ends == {"tp1": ("filled", False), "tp2": ("cancelled", False)}


def test_stop_order_when_a_person_moves_it_then_its_trigger_moves(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM, position_stop=False)
    desk.bar()
    desk.market("in", BUY, 1)
    desk.stop_order("sl", SELL, 1, 90)
    kind = {"side": SELL, "type": OrderType.STOP_MARKET, "near": 80}
    assert act(desk, Deed.MOVE, **kind, price=92) == ACCEPTED
    assert (desk.order("sl").trigger_px, desk.order("sl").by_person) == (desk.px(92), True)


@pytest.mark.parametrize(("near", "name"), [(104, "tp1"), (105, "tp1"), (106, "tp2"), (200, "tp3")])
def test_order_when_named_by_a_price_then_is_the_nearest(
    open_desk: OpenDesk, near: int, name: str
) -> None:
    desk = laddered(open_desk(CALM))
    found = {"side": SELL, "type": OrderType.LIMIT, "near": near}
    assert act(desk, Deed.CANCEL, **found) == ACCEPTED
    assert desk.status(name) is OrderStatus.CANCELLED
    assert len(live(desk)) == 3


def test_order_when_named_by_its_number_then_is_the_nth_placed(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM))
    desk.amend("tp1", 1, 110)  # an amendment keeps its place
    found = {"side": SELL, "type": OrderType.LIMIT}
    assert act(desk, Deed.CANCEL, **found, nth=2) == ACCEPTED
    assert live(desk) == ["entry", "tp1", "tp3"]
    assert act(desk, Deed.CANCEL, **found, nth=3) == refused(Refusal.UNKNOWN_ORDER)
    assert desk.text == f"cancel: no order {desk.side(SELL)} limit of BTCUSDT is resting"
    assert act(desk, Deed.CANCEL) == ACCEPTED  # whatever was placed first
    assert live(desk) == ["tp1", "tp3"]


@pytest.mark.parametrize("do", [Deed.CANCEL, Deed.MOVE, Deed.VENUE_CANCEL, Deed.VENUE_EXPIRE])
def test_order_when_none_such_rests_then_nothing_happens(do: Deed) -> None:
    desk = laddered(Desk(CALM))
    before = desk.view
    for name in ("in", "none"):
        assert act(desk, do, client_order_id=name, price=99) == refused(Refusal.UNKNOWN_ORDER)
    desk.key = Key("paper", SYMBOL)
    assert act(desk, do, side=BUY, type=OrderType.STOP_MARKET) == refused(Refusal.UNKNOWN_ORDER)
    assert desk.view is before
    assert act(Desk(CALM), do) == refused(Refusal.UNKNOWN_ORDER)


def test_person_when_off_the_grid_then_is_refused_like_anybody() -> None:
    desk = laddered(Desk(CALM))
    before = desk.view
    assert act(desk, Deed.MOVE, client_order_id="tp1", price="104.3") == refused(Refusal.INVALID)
    assert act(desk, Deed.BUY, qty="0.5") == refused(Refusal.INVALID)
    assert act(desk, Deed.STOP, price=100) == refused(Refusal.BEHIND_MARKET)
    assert act(desk, Deed.ADL, qty=5) == refused(Refusal.INVALID)
    assert desk.text == "adl BTCUSDT: qty 5: must be at most the 4 that are held"
    assert act(desk, Deed.ADL, qty="0.1") == refused(Refusal.INVALID)
    assert desk.venue.act(Act(Deed.CLOSE, "ETHUSDT")).refusal is Refusal.INVALID
    assert desk.view is before


# ------------------------------------------------------------------------------ a person's stop


def test_stop_when_a_person_moves_it_then_says_so_until_we_move_it(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM))
    assert act(desk, Deed.STOP, price=92) == ACCEPTED
    assert desk.view.stop == PositionStop(desk.px(92) or Decimal(0), by_person=True)
    assert act(desk, Deed.STOP, price=92) == ALREADY_DONE
    desk.set_stop(91)
    assert desk.view.stop == PositionStop(desk.px(91) or Decimal(0), by_person=False)


def test_stop_when_a_person_sets_one_where_none_was_then_closes_all_when_met(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 100 90 91\n")
    desk.bar()
    desk.market("in", BUY, 2)
    assert act(desk, Deed.STOP, price=95) == ACCEPTED
    desk.bar()
    assert desk.trades[-1] == ("stop", "95", "2")
    assert desk.fills[-1].by_position_stop


def test_stop_when_a_person_removes_it_then_none_fires(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM + "100 100 96 96\n96 96 80 80\n"))
    assert act(desk, Deed.STOP) == ACCEPTED
    assert act(desk, Deed.STOP) == ALREADY_DONE
    assert desk.view.stop is None
    desk.bar(2)
    assert desk.held == 5
    assert not any(fill.by_position_stop for fill in desk.fills)


# --------------------------------------------------------------------------- a person's trades


def test_person_when_adding_then_size_and_average_follow_and_the_fill_is_nobodys(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM + "100 103 100 103\n"))
    desk.bar()
    cash = desk.venue.cash
    assert trade(desk, Deed.BUY, 2) == ACCEPTED
    (fill,) = foreign(desk)
    assert (fill.qty, fill.price, fill.by_position_stop) == (2, desk.px(103), False)
    assert fill.fee == 2 * fill.price * FEES.taker
    assert desk.venue.cash == cash - fill.side.sign * 2 * fill.price - fill.fee
    assert (desk.held, desk.px(desk.view.avg_px)) == (6, 101)
    assert desk.stop == 90


def test_person_when_reducing_then_stop_and_rungs_stay(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM))
    assert trade(desk, Deed.SELL, 3) == ACCEPTED
    assert (desk.held, desk.stop, desk.view.avg_px) == (1, 90, 100)
    assert len(live(desk)) == 4


def test_person_when_closing_then_flat_and_the_stop_goes_with_the_position(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM + "100 109 100 109\n"))
    assert act(desk, Deed.CLOSE) == ACCEPTED
    assert (desk.held, desk.stop, desk.view.avg_px) == (0, None, 0)
    assert len(live(desk)) == 4
    assert act(desk, Deed.CLOSE) == refused(Refusal.NO_POSITION)
    assert desk.text == "close BTCUSDT: there is no position"
    desk.bar()
    assert desk.held == 0  # rungs that are met find nothing to reduce


def test_person_when_turning_the_position_over_then_it_points_the_other_way(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM))
    assert trade(desk, Deed.SELL, 7) == ACCEPTED
    assert (desk.held, desk.stop, desk.view.avg_px) == (-3, None, 100)


def test_person_when_nothing_was_ever_ordered_then_opens_a_position() -> None:
    desk = Desk(CALM)
    desk.bar()
    assert act(desk, Deed.SELL, qty=2) == ACCEPTED
    assert desk.held == -2
    assert [fill.client_order_id for fill in desk.fills] == [""]


def test_person_when_there_is_no_price_yet_then_cannot_trade() -> None:
    assert act(Desk(CALM), Deed.BUY, qty=1) == refused(Refusal.OTHER)


def test_person_when_the_account_slips_then_pays_for_it(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM, slippage=Decimal("0.01")))
    act(desk, Deed.CLOSE)
    assert desk.px(foreign(desk)[0].price) == 99


def test_person_when_in_hedge_mode_then_a_slot_never_turns_over() -> None:
    desk = Desk(CALM, settings(slots=Slots.HEDGE), key=Key("paper", SYMBOL, "long"))
    desk.bar()
    assert act(desk, Deed.SELL, qty=1) == refused(Refusal.INVALID)
    act(desk, Deed.BUY, qty=2)
    assert act(desk, Deed.SELL, qty=3) == refused(Refusal.INVALID)
    assert act(desk, Deed.SELL, qty=2) == ACCEPTED
    assert desk.held == 0


# ----------------------------------------------------------------------------- the venue's acts


def test_adl_when_it_comes_then_takes_a_quantity_at_the_last_price(open_desk: OpenDesk) -> None:
    desk = laddered(open_desk(CALM, slippage=Decimal("0.01")))
    assert act(desk, Deed.ADL, qty=3) == ACCEPTED
    assert (desk.held, desk.stop, len(live(desk))) == (1, 90, 4)
    assert [(fill.qty, fill.price) for fill in foreign(desk)] == [(3, 100)]
    assert act(desk, Deed.ADL) == ACCEPTED  # without a quantity: all
    assert desk.held == 0


def test_liquidation_when_it_comes_then_all_is_closed_and_every_order_cancelled(
    open_desk: OpenDesk,
) -> None:
    desk = laddered(open_desk(CALM))
    assert act(desk, Deed.LIQUIDATE) == ACCEPTED
    assert (desk.held, desk.stop, live(desk)) == (0, None, [])
    assert [(fill.qty, fill.price) for fill in foreign(desk)] == [(4, 100)]
    assert not any(order.by_person for order in desk.view.orders)
    assert act(desk, Deed.LIQUIDATE) == refused(Refusal.NO_POSITION)


@pytest.mark.parametrize(
    ("do", "status"),
    [
        (Deed.VENUE_CANCEL, OrderStatus.CANCELLED),
        (Deed.VENUE_REJECT, OrderStatus.REJECTED),
        (Deed.VENUE_EXPIRE, OrderStatus.EXPIRED),
    ],
)
def test_order_when_the_venue_ends_it_then_no_person_did(do: Deed, status: OrderStatus) -> None:
    desk = laddered(Desk(CALM + "100 105 100 105\n"))
    act(desk, Deed.MOVE, client_order_id="tp1", price=105)
    assert act(desk, do, client_order_id="tp1", reason=Refusal.OTHER) == ACCEPTED
    order = desk.order("tp1")
    assert (order.status, order.refusal, order.by_person) == (status, Refusal.OTHER, False)
    desk.bar()
    assert desk.held == 4
    assert desk.cancel("tp1") == ALREADY_DONE
