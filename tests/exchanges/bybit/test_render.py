"""Mutations as requests: exact parameters, few calls, each position's order kept."""

from decimal import Decimal

import msgspec
import pytest

from exchanges.bybit.classify import Op
from exchanges.bybit.render import BATCH, Call, Endpoint, cannot, waves
from machines.words import (
    AmendOrder,
    CancelOrder,
    Key,
    Leg,
    Mutation,
    OrderType,
    PlaceOrder,
    PlacePair,
    Role,
    SetStop,
    Side,
)

KEY, OTHER = Key("main", "BTCUSDT"), Key("main", "ETHUSDT")
E = Endpoint


def place(name: str = "a", key: Key = KEY, **changes: object) -> PlaceOrder:
    order = PlaceOrder(
        *(key, name, Role.TAKE_PROFIT, 1, Side.SELL, OrderType.LIMIT),
        *(Decimal("0.010"), Decimal("71500.00"), None, True),
    )
    return msgspec.structs.replace(order, **changes)


def stop(key: Key = KEY, **changes: object) -> PlaceOrder:
    kind = {"type": OrderType.STOP_MARKET, "price": None, "trigger_px": Decimal("66000.0")}
    return place("s", key, **{"role": Role.STOP_LOSS, **kind, **changes})


def amend(name: str = "a", key: Key = KEY, **changes: object) -> AmendOrder:
    order = AmendOrder(
        *(key, name, Role.TAKE_PROFIT, 1, OrderType.LIMIT), Decimal("0.012"), Decimal("71500.0")
    )
    return msgspec.structs.replace(order, **changes)


def cancel(name: str = "a", key: Key = KEY) -> CancelOrder:
    return CancelOrder(key, name, Role.TAKE_PROFIT, 1)


def set_stop(key: Key = KEY, price: str = "66000.0") -> SetStop:
    return SetStop(key, Decimal(price), Decimal("0.040"))


def only(mutation: Mutation) -> Call:
    ((call,),) = waves([mutation])
    return call


def shape(*mutations: Mutation) -> list[list[tuple[Endpoint, tuple[int, ...]]]]:
    return [[(call.endpoint, call.of) for call in wave] for wave in waves(mutations)]


def test_rung_when_placed_then_a_reduce_only_limit() -> None:
    call = only(place())
    assert (call.endpoint, call.op) == (E.PLACE, Op.PLACE)
    assert call.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Limit",
        "qty": "0.010",
        "price": "71500.00",
        "timeInForce": "GTC",
        "positionIdx": 0,
        "reduceOnly": True,
        "orderLinkId": "a",
    }


def test_entry_when_it_carries_a_stop_then_for_the_whole_position() -> None:
    entry = place(side=Side.BUY, reduce_only=False, attached_stop_px=Decimal("66000.0"))
    params = only(entry).params
    assert (params["stopLoss"], params["tpslMode"], params["slTriggerBy"]) == (
        *("66000.0", "Full"),
        "LastPrice",
    )
    assert params["reduceOnly"] is False
    assert "closeOnTrigger" not in params


def test_market_order_when_placed_then_has_no_price_and_no_time_in_force() -> None:
    params = only(place(type=OrderType.MARKET, price=None)).params
    assert params["orderType"] == "Market"
    assert not params.keys() & {"price", "timeInForce", "triggerPrice"}


@pytest.mark.parametrize(("side", "direction"), [(Side.SELL, 2), (Side.BUY, 1)])
def test_stop_order_when_placed_then_waits_for_its_direction(side: Side, direction: int) -> None:
    call = only(stop(side=side))
    assert call.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell" if side is Side.SELL else "Buy",
        "orderType": "Market",
        "qty": "0.010",
        "positionIdx": 0,
        "reduceOnly": True,
        "closeOnTrigger": True,
        "orderLinkId": "s",
        "triggerPrice": "66000.0",
        "triggerDirection": direction,
        "triggerBy": "LastPrice",
    }
    assert call.urgent


def test_numbers_when_small_then_plain_decimals() -> None:
    params = only(place(qty=Decimal("1E-7"), price=Decimal("1E+2"))).params
    assert (params["qty"], params["price"]) == ("0.0000001", "100")


def test_positions_stop_when_set_then_full_and_at_the_last_price() -> None:
    call = only(set_stop())
    assert (call.endpoint, call.op, call.urgent) == (E.TRADING_STOP, Op.SET_STOP, True)
    assert call.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "tpslMode": "Full",
        "positionIdx": 0,
        "stopLoss": "66000.0",
        "slTriggerBy": "LastPrice",
    }


@pytest.mark.parametrize(("slot", "index"), [("", 0), ("long", 1), ("short", 2)])
def test_slot_when_hedged_then_named_by_its_index(slot: str, index: int) -> None:
    key = Key("main", "BTCUSDT", slot)
    assert only(place(key=key)).params["positionIdx"] == index
    assert only(set_stop(key)).params["positionIdx"] == index


def test_amendment_when_sent_then_names_only_what_may_change() -> None:
    assert only(amend()).params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": "a",
        "qty": "0.012",
        "price": "71500.0",
    }
    moved = amend(price=None, attached_stop_px=Decimal(66500))
    assert only(moved).params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": "a",
        "qty": "0.012",
        "stopLoss": "66500",
    }


def test_cancel_when_sent_then_one_id() -> None:
    assert only(cancel()).params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": "a",
    }


def test_batch_when_sent_then_items_have_no_category_of_their_own() -> None:
    ((call,),) = waves([cancel("a"), cancel("b", OTHER)])
    assert call.params == {
        "category": "linear",
        "request": [
            {"symbol": "BTCUSDT", "orderLinkId": "a"},
            {"symbol": "ETHUSDT", "orderLinkId": "b"},
        ],
    }


def test_rungs_when_resized_after_a_fill_then_one_request() -> None:
    assert shape(*(amend(f"t{n}") for n in range(4))) == [[(E.AMEND_BATCH, (0, 1, 2, 3))]]


def test_rungs_when_resized_beside_a_conditional_stop_then_two_requests() -> None:
    moved = amend("s", type=OrderType.STOP_MARKET, price=None, trigger_px=Decimal(66000))
    assert shape(moved, *(amend(f"t{n}") for n in range(4))) == [
        [(E.AMEND, (0,))],
        [(E.AMEND_BATCH, (1, 2, 3, 4))],
    ]


def test_positions_when_resized_together_then_share_a_batch_after_their_stops() -> None:
    mutations = [
        set_stop(),
        amend("a1"),
        place("a2"),
        set_stop(OTHER),
        amend("b1", OTHER),
        cancel("b2", OTHER),
    ]
    assert shape(*mutations) == [
        [(E.TRADING_STOP, (0,)), (E.TRADING_STOP, (3,))],
        [(E.AMEND_BATCH, (1, 4))],
        [(E.CANCEL, (5,))],
        [(E.PLACE, (2,))],
    ]


def test_batch_when_too_long_then_split() -> None:
    wave = waves([place(f"t{n}") for n in range(BATCH + 2)])
    assert [[len(call.items) for call in each] for each in wave] == [[BATCH, 2]]


def test_urgent_when_it_closes_then_an_entry_beside_it_rides_along() -> None:
    entry = place("e", side=Side.BUY, reduce_only=False)
    assert only(place()).urgent
    assert not only(entry).urgent
    assert not only(cancel()).urgent


def test_what_bybit_cannot_do_when_asked_then_in_no_call() -> None:
    pair = PlacePair(
        *(KEY, "p", Role.TAKE_PROFIT, 1, Side.SELL, OrderType.PAIR, Decimal(1), Decimal(1)),
        target=Leg(Decimal(2), Decimal(2)),
    )
    stranger = place(key=Key("main", "BTCUSDT", "NAME"))
    assert waves([pair, stranger]) == []
    assert "pairs" in (cannot(pair) or "")
    assert "slot 'NAME'" in (cannot(stranger) or "")
