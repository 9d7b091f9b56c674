"""Without reduce-only: never more on sale than is held, in any slot, by us or by a person."""

from decimal import Decimal

import pytest

from exchanges.simulated import Act, Deed, Oversell, Product
from machines.words import Key, OrderStatus, Refusal
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import ACCEPTED, BUY, SELL, SYMBOL, Desk, Slots, refused, settings
from tests.exchanges.test_per_rung import CALM, OPEN, STOP_LIMIT, STYLE, facts, guarded

# ------------------------------------------------------------------------------- overselling


def test_exit_when_it_would_sell_more_than_is_held_then_is_refused(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    before = desk.view
    assert desk.limit("more", SELL, 1, 105) == refused(Refusal.OVERSELL)
    assert desk.text.startswith("order more: qty 1: must be at most 0: 4 held, 4 of it in resting")
    assert desk.amend("r1", 3, trigger_px=95, kind=STOP_LIMIT) == refused(Refusal.OVERSELL)
    assert desk.market("now", SELL, 1) == refused(Refusal.OVERSELL)
    assert desk.view is before
    assert desk.amend("r1", 1, kind=STOP_LIMIT) == ACCEPTED
    assert desk.market("now", SELL, 1) == ACCEPTED
    assert desk.held == 3


def test_exit_when_more_has_filled_then_may_grow(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    desk.market("in2", BUY, 1)
    assert desk.amend("r1", 4, kind=STOP_LIMIT) == refused(Refusal.OVERSELL)
    assert desk.amend("r1", 3, kind=STOP_LIMIT) == ACCEPTED


def test_entry_when_exits_rest_then_is_none_of_them(open_desk: OpenDesk) -> None:
    desk = guarded(open_desk, "")
    assert desk.limit("in2", BUY, 9, 96) == ACCEPTED


def test_sale_when_nothing_is_held_then_opens_but_never_a_delivery() -> None:
    desk = Desk(CALM, settings(**STYLE))
    desk.bar()
    assert desk.limit("short", SELL, 1, 105) == ACCEPTED
    desk = Desk(CALM, settings(**(STYLE | {"product": Product.CNC})))
    desk.bar()
    assert desk.limit("short", SELL, 1, 105) == refused(Refusal.NO_POSITION)
    assert desk.text == "order short: sell: there is nothing held to sell"
    assert desk.limit("long", BUY, 1, 99) == ACCEPTED


def test_sale_when_overselling_is_allowed_then_turns_the_position_over(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "100 106 95 95\n", oversell=Oversell.SHORT)
    assert desk.limit("target", SELL, 4, 105) == ACCEPTED
    desk.bar()
    assert [name for name, _, _ in desk.trades[1:]] == ["r1", "r2", "target"]
    assert desk.held == -4


@pytest.mark.parametrize(("product", "left"), [(Product.CNC, 0), (Product.NRML, -3)])
def test_exits_when_the_position_has_shrunk_then_only_a_delivery_stops_at_nothing(
    product: Product, left: int
) -> None:
    # kite.md §13.1: a forgotten exit is refused in CNC and opens the other side in NRML.
    desk = Desk(CALM + "100 101 93 95\n", settings(**(STYLE | {"product": product})))
    desk.bar()
    desk.market("in", BUY, 4)
    for name in ("r1", "r2"):
        desk.stop_limit(name, SELL, 2, 95, 94)
    desk.venue.act(Act(Deed.ADL, SYMBOL, qty=Decimal(3)))
    desk.bar()
    assert desk.held == left
    ends = [desk.status(name) for name in ("r1", "r2")]
    assert set(ends) == {OrderStatus.FILLED if left else OrderStatus.CANCELLED}


# ------------------------------------------------------------------------------------- slots


def test_hedge_when_per_rung_then_each_side_sells_no_more_than_it_holds() -> None:
    bars = CALM + "100 106 94 100\n"
    desk = Desk(bars, settings(**STYLE, slots=Slots.HEDGE, oversell=Oversell.SHORT))
    long, short = (Key("paper", SYMBOL, side) for side in ("long", "short"))
    desk.bar()
    for desk.key, way, back, stop, limit in (
        (long, BUY, SELL, 95, 94),
        (short, SELL, BUY, 105, 106),
    ):
        slot = desk.key.slot
        assert desk.stop_limit(f"{slot}-early", back, 2, stop, limit) == refused(
            Refusal.NO_POSITION
        )
        assert desk.market(f"{slot}-in", way, 2) == ACCEPTED
        assert desk.stop_limit(f"{slot}-more", back, 3, stop, limit) == refused(Refusal.OVERSELL)
        assert desk.stop_limit(f"{slot}-stop", back, 2, stop, limit) == ACCEPTED
    views = desk.snapshot().views
    assert (views[long].net_qty, views[short].net_qty) == (2, -2)
    desk.bar()
    views = desk.snapshot().views
    assert (views[long].net_qty, views[short].net_qty) == (0, 0)


def test_per_ladder_when_per_rung_then_each_ladder_has_its_own_to_sell() -> None:
    desk = Desk(CALM, settings(**STYLE, slots=Slots.PER_LADDER))
    desk.bar()
    one, two = (Key("paper", SYMBOL, name) for name in ("one", "two"))
    for desk.key in (one, two):
        desk.market(f"{desk.key.slot}-in", BUY, 2)
        assert desk.stop_limit(f"{desk.key.slot}-stop", SELL, 2, 95, 94) == ACCEPTED
    assert desk.limit("more", SELL, 1, 105) == refused(Refusal.OVERSELL)


# ----------------------------------------------------------------------------------- persons


def test_person_when_moving_a_stop_limit_then_its_limit_keeps_its_distance(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "")
    price = desk.px(96)
    desk.venue.act(Act(Deed.MOVE, client_order_id="r1", price=price))
    assert facts(desk, "r1") == (STOP_LIMIT, OPEN, 96, 95)
    assert desk.order("r1").by_person


def test_person_when_closing_then_the_exits_in_the_way_are_cancelled_first(
    open_desk: OpenDesk,
) -> None:
    desk = guarded(open_desk, "")
    desk.limit("in2", BUY, 1, 96)
    desk.venue.act(Act(Deed.CLOSE, SYMBOL))
    assert desk.held == 0
    ends = {name: (desk.status(name), desk.order(name).by_person) for name in ("r1", "r2")}
    assert ends == dict.fromkeys(("r1", "r2"), (OrderStatus.CANCELLED, True))
    assert desk.status("in2") is OPEN


def test_person_when_selling_what_exits_hold_back_then_is_refused() -> None:
    desk = Desk(CALM, settings(**STYLE))
    desk.bar()
    desk.market("in", BUY, 4)
    desk.stop_limit("r1", SELL, 3, 95, 94)
    sold = desk.venue.act(Act(Deed.SELL, SYMBOL, qty=Decimal(2)))
    assert (sold.kind, sold.refusal) == refused(Refusal.OVERSELL)
    assert desk.venue.act(Act(Deed.SELL, SYMBOL, qty=Decimal(1))).kind is ACCEPTED[0]
    assert desk.held == 3
