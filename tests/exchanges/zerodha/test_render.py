"""Mutations as the SDK is told to send them."""

from decimal import Decimal

import pytest

from exchanges.zerodha.instruments import Product
from exchanges.zerodha.render import Pair, Unsendable, gtt_fields, modify_fields, place_fields
from machines.words import (
    AmendOrder,
    Key,
    Leg,
    OrderType,
    PlaceOrder,
    Refusal,
    Role,
    Side,
)
from tests.exchanges.zerodha.payloads import INFY, wire_order

D = Decimal
KEY = Key("kite", "INFY", "MIS")


def place(kind: OrderType, **changes: object) -> PlaceOrder:
    fields: dict[str, object] = {
        "key": KEY,
        "client_order_id": "abcdefghijt1g1",
        "role": Role.STOP_LOSS,
        "n": 1,
        "side": Side.SELL,
        "type": kind,
        "qty": D(85),
    }
    return PlaceOrder(**(fields | changes))  # pyright: ignore[reportArgumentType]


def amend(kind: OrderType = OrderType.STOP_LIMIT, **changes: object) -> AmendOrder:
    fields: dict[str, object] = {
        "key": KEY,
        "client_order_id": "abcdefghijt1g1",
        "role": Role.STOP_LOSS,
        "n": 1,
        "type": kind,
        "qty": D(85),
        "price": D(1480),
        "trigger_px": D("1485.5"),
    }
    return AmendOrder(**(fields | changes))  # pyright: ignore[reportArgumentType]


def test_place_when_a_stop_then_trigger_and_limit_are_plain_text() -> None:
    asked = place(OrderType.STOP_LIMIT, price=D("1.48E+3"), trigger_px=D("1485.50"))
    assert place_fields(asked, INFY, Product.MIS) == {
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "SELL",
        "quantity": 85,
        "product": "MIS",
        "order_type": "SL",
        "validity": "DAY",
        "tag": "abcdefghijt1g1",
        "price": "1480",
        "trigger_price": "1485.50",
    }


def test_place_when_a_market_order_then_it_is_protected() -> None:
    fields = place_fields(place(OrderType.MARKET), INFY, Product.MIS)
    assert (fields["order_type"], fields["market_protection"]) == ("MARKET", -1)
    assert "price" not in fields


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (place(OrderType.LIMIT), "price"),
        (place(OrderType.STOP_LIMIT, price=D(1480)), "trigger_px"),
        (place(OrderType.STOP_MARKET, trigger_px=D(1480)), "stop_limit"),
        (place(OrderType.MARKET, qty=D("8.5")), "multiple of 1"),
        (place(OrderType.MARKET, qty=D(0)), "above 0"),
        (place(OrderType.MARKET, reduce_only=True), "reduce-only"),
        (place(OrderType.MARKET, client_order_id="a" * 21), "1 to 20"),
        (place(OrderType.MARKET, client_order_id="a-b"), "1 to 20"),
    ],
)
def test_place_when_kite_would_not_take_it_then_it_is_refused_here(
    asked: PlaceOrder, said: str
) -> None:
    with pytest.raises(Unsendable, match=said) as caught:
        place_fields(asked, INFY, Product.MIS)
    assert caught.value.outcome.refusal is Refusal.INVALID


def test_place_when_a_bought_stop_of_delivery_shares_then_refused() -> None:
    asked = place(OrderType.STOP_LIMIT, side=Side.BUY, price=D(1), trigger_px=D(1))
    with pytest.raises(Unsendable, match="never short"):
        place_fields(asked, INFY, Product.CNC)


def test_modify_when_only_the_trigger_moves_then_only_that_is_sent() -> None:
    fields = modify_fields(amend(trigger_px=D(1490)), wire_order(), INFY)
    assert fields == {"trigger_price": "1490"}


def test_modify_when_nothing_changes_then_nothing_is_sent() -> None:
    assert modify_fields(amend(), wire_order(), INFY) == {}
    assert modify_fields(amend(price=None, trigger_px=None), wire_order(), INFY) == {}


def test_modify_when_a_stop_becomes_a_limit_then_type_and_price_are_sent() -> None:
    asked = amend(OrderType.LIMIT, price=D(1480), trigger_px=None)
    assert modify_fields(asked, wire_order(), INFY) == {"order_type": "LIMIT", "price": "1480"}


def test_modify_when_a_stop_becomes_a_limit_without_a_price_then_it_keeps_its_own() -> None:
    asked = amend(OrderType.LIMIT, price=None, trigger_px=None)
    assert modify_fields(asked, wire_order(), INFY) == {"order_type": "LIMIT", "price": "1480"}


def test_modify_when_it_becomes_a_market_order_then_protected_and_again_if_asked() -> None:
    asked = amend(OrderType.MARKET, price=None, trigger_px=None)
    chase = {"order_type": "MARKET", "market_protection": -1}
    assert modify_fields(asked, wire_order(), INFY) == chase
    resting = wire_order(status="OPEN", order_type="LIMIT", tags=["mktp"])
    assert modify_fields(asked, resting, INFY) == chase


@pytest.mark.parametrize(
    ("asked", "resting", "refusal"),
    [
        (amend(qty=D(80)), wire_order(status="OPEN", filled_quantity=10), Refusal.OTHER),
        (amend(), wire_order(order_type="LIMIT", status="OPEN"), Refusal.INVALID),
        (amend(OrderType.STOP_MARKET), wire_order(), Refusal.INVALID),
        (amend(OrderType.LIMIT, price=None), wire_order(price=0), Refusal.INVALID),
        (amend(qty=D("0.5")), wire_order(), Refusal.INVALID),
        (amend(), wire_order(status="COMPLETE"), Refusal.UNKNOWN_ORDER),
    ],
)
def test_modify_when_it_cannot_be_then_it_is_refused_here(
    asked: AmendOrder, resting: object, refusal: Refusal
) -> None:
    with pytest.raises(Unsendable) as caught:
        modify_fields(asked, resting, INFY)  # pyright: ignore[reportArgumentType]
    assert caught.value.outcome.refusal is refusal


def pair(side: Side) -> Pair:
    stop, target = Leg(D(1485), D(1470)), Leg(D(1520), D(1519))
    if side is Side.BUY:
        stop, target = Leg(D(1520), D(1535)), Leg(D(1485), D(1486))
    return Pair(side, D(85), stop, target)


@pytest.mark.parametrize("side", list(Side))
def test_gtt_when_of_either_side_then_the_lower_leg_comes_first(side: Side) -> None:
    fields = gtt_fields(pair(side), D(1500), INFY, Product.CNC)
    assert fields["trigger_values"] == [1485.0, 1520.0]
    prices = [1470.0, 1519.0] if side is Side.SELL else [1486.0, 1535.0]
    orders = fields["orders"]
    assert orders == [
        {
            "transaction_type": side.name,
            "quantity": 85,
            "order_type": "LIMIT",
            "product": "CNC",
            "price": price,
        }
        for price in prices
    ]


@pytest.mark.parametrize("last", ["1485", "1520", "1400"])
def test_gtt_when_the_market_is_not_between_the_legs_then_refused(last: str) -> None:
    with pytest.raises(Unsendable) as caught:
        gtt_fields(pair(Side.SELL), D(last), INFY, Product.CNC)
    assert caught.value.outcome.refusal is Refusal.BEHIND_MARKET
