"""What the simulated venue answers to a request, and what then rests."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from machines.words import (
    AmendOrder,
    CancelOrder,
    Instrument,
    Key,
    OrderStatus,
    OrderType,
    Refusal,
    Role,
)
from tests.exchanges.conftest import OpenDesk
from tests.exchanges.desk import (
    ACCEPTED,
    ALREADY_DONE,
    BUY,
    COIN,
    KEY,
    SELL,
    Desk,
    at_once,
    refused,
    settings,
)

CALM = "100 100 100 100\n"


def opened(bars: str = CALM, **changes: object) -> Desk:
    desk = Desk(bars, settings(**changes))
    desk.bar()
    return desk


# ------------------------------------------------------------------------------ placing


def test_request_when_no_bar_has_happened_then_there_is_no_price_yet() -> None:
    desk = Desk(CALM)
    assert desk.limit("a", BUY, 1, 100) == refused(Refusal.OTHER)
    assert desk.text == "BTCUSDT: no price yet"
    assert desk.set_stop(90) == refused(Refusal.OTHER)
    assert desk.amend("a", 1, 99) == refused(Refusal.UNKNOWN_ORDER)
    assert desk.cancel("a") == refused(Refusal.UNKNOWN_ORDER)
    assert desk.snapshot().quotes == {}
    assert desk.snapshot().views == {}


@pytest.mark.parametrize("end", ["resting", "filled", "cancelled"])
def test_place_when_the_id_was_used_before_then_is_refused(end: str) -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 100 if end == "filled" else 99)
    if end == "cancelled":
        desk.cancel("a")
    before = desk.view
    assert desk.limit("a", BUY, 1, 98) == refused(Refusal.DUPLICATE_ID)
    assert desk.view is before


def test_place_when_an_order_of_that_id_was_refused_then_the_id_is_free() -> None:
    desk = opened()
    assert desk.limit("a", BUY, 1, "99.3") == refused(Refusal.INVALID)
    assert desk.limit("a", BUY, 1, 99) == ACCEPTED


@pytest.mark.parametrize(
    ("qty", "price", "refusal", "says"),
    [
        ("1.5", "99", Refusal.INVALID, "qty 1.5: must be a multiple of the step 1"),
        ("0", "99", Refusal.INVALID, "qty 0: must be a multiple"),
        ("-1", "99", Refusal.INVALID, "qty -1: must be a multiple"),
        ("NaN", "99", Refusal.INVALID, "qty NaN: must be a multiple"),
        ("1E+30", "99", Refusal.INVALID, "must be a multiple"),
        ("1", "99.3", Refusal.INVALID, "price 99.3: must be a multiple of the tick 0.5"),
        ("1", "0", Refusal.INVALID, "price 0: must be"),
        ("1", "-99", Refusal.INVALID, "price -99: must be"),
        ("1", "Infinity", Refusal.INVALID, "price Infinity: must be"),
        ("1", "1E+30", Refusal.INVALID, "must be a multiple of the tick"),
        ("1", "4.5", Refusal.TOO_SMALL, "is worth 4.5: must be worth at least 5"),
    ],
)
def test_place_when_off_the_grid_or_too_small_then_the_refusal_says_what_is_allowed(
    qty: str, price: str, refusal: Refusal, says: str
) -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 50)
    assert desk.limit("bad", BUY, qty, price) == refused(refusal)
    assert desk.text.startswith("order bad: ")
    assert says in desk.text
    assert len(desk.view.orders) == 1


def test_place_when_below_the_minimum_quantity_then_is_too_small() -> None:
    desk = Desk(CALM, settings(instruments={"BTCUSDT": _instrument(min_qty=3)}))
    desk.bar()
    assert desk.market("a", BUY, 2) == refused(Refusal.TOO_SMALL)
    assert desk.text == "order a: qty 2: must be at least 3"
    assert desk.market("b", BUY, 3) == ACCEPTED


def test_place_when_reduce_only_then_needs_no_minimum_notional() -> None:
    desk = Desk(CALM, settings(instruments={"BTCUSDT": _instrument(min_notional=150)}))
    desk.bar()
    assert desk.market("in", BUY, 2) == ACCEPTED
    assert desk.limit("less", BUY, 1, 99) == refused(Refusal.TOO_SMALL)
    assert desk.limit("out", SELL, 1, 101, reduce_only=True) == ACCEPTED
    assert desk.amend("out", 1, 102) == ACCEPTED


def _instrument(**changes: int) -> Instrument:
    return replace(COIN, **{field: Decimal(value) for field, value in changes.items()})


@pytest.mark.parametrize(
    ("kind", "prices", "says"),
    [
        (OrderType.LIMIT, (None, None, None), "price: a limit order must have one"),
        (OrderType.STOP_MARKET, (99, None, None), "trigger_px: a stop_market order must have one"),
        (OrderType.STOP_LIMIT, (99, 98, None), "type stop_limit: must be"),
        (OrderType.LIMIT, (99, None, 90), "attached_stop_px 90: not supp"),
    ],
)
def test_place_when_the_venue_has_no_such_order_then_is_invalid(
    kind: OrderType, prices: tuple[int | None, ...], says: str
) -> None:
    desk = opened()
    price, trigger_px, attached = prices
    answer = desk.place(
        "a", BUY, 1, kind, price=price, trigger_px=trigger_px, attached_stop_px=attached
    )
    assert answer == refused(Refusal.INVALID)
    assert says in desk.text


def test_place_when_the_id_is_empty_then_is_invalid() -> None:
    assert opened().limit("", BUY, 1, 99) == refused(Refusal.INVALID)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (Key("other", "BTCUSDT"), "account 'other': this is account 'paper'"),
        (Key("paper", "ETHUSDT"), "symbol 'ETHUSDT': not traded here; there are BTCUSDT"),
        (Key("paper", "BTCUSDT", "long"), "slot 'long': one-way accounts"),
    ],
)
def test_request_when_the_account_has_no_such_position_then_is_invalid(key: Key, says: str) -> None:
    desk = opened()
    assert desk.send(CancelOrder(key, "a", Role.ENTRY, 1)) == refused(Refusal.INVALID)
    assert says in desk.text


def test_reduce_only_when_flat_then_has_no_position(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM)
    desk.bar()
    assert desk.limit("a", SELL, 1, 101, reduce_only=True) == refused(Refusal.NO_POSITION)
    assert desk.market("b", SELL, 1, reduce_only=True) == refused(Refusal.NO_POSITION)
    assert desk.stop_order("c", SELL, 1, 99) == refused(Refusal.NO_POSITION)


def test_reduce_only_when_it_would_grow_the_position_then_has_none_to_reduce(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.market("in", BUY, 1)
    assert desk.limit("a", BUY, 1, 99, reduce_only=True) == refused(Refusal.NO_POSITION)


@pytest.mark.parametrize("trigger_px", [100, 101])
def test_stop_order_when_the_market_has_reached_it_then_is_behind(
    open_desk: OpenDesk, trigger_px: int
) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.market("in", BUY, 1)
    assert desk.stop_order("a", SELL, 1, trigger_px) == refused(Refusal.BEHIND_MARKET)
    assert "the last price 100" in desk.text


def test_mutations_when_sent_together_then_are_done_in_order_one_answer_each() -> None:
    desk = opened()
    cancel = CancelOrder(KEY, "a", Role.ENTRY, 1)
    amend = AmendOrder(KEY, "a", Role.ENTRY, 1, OrderType.LIMIT, desk.venue.cash, None)
    desk.limit("a", BUY, 1, 99)
    kinds = [each.kind.value for each in at_once(desk.venue.send([cancel, cancel, amend]))]
    assert kinds == ["accepted", "already_done", "refused"]


# ----------------------------------------------------------------------------- amending


def test_amend_when_quantity_and_price_change_then_the_order_keeps_its_id(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(CALM + "100 101 96 100\n100 101 95 100")
    desk.bar()
    desk.limit("a", BUY, 1, 97)
    before = desk.order("a")
    assert desk.amend("a", 3, 95) == ACCEPTED
    after = desk.order("a")
    assert (after.qty, after.price) == (3, desk.px(95))
    assert after.venue_order_id == before.venue_order_id
    desk.bar()
    assert desk.trades == []
    desk.bar()
    assert desk.trades == [("a", "95", "3")]


def test_amend_when_only_the_quantity_changes_then_the_price_keeps(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 97 100")
    desk.bar()
    desk.limit("a", BUY, 1, 97)
    assert desk.amend("a", 4) == ACCEPTED
    desk.bar()
    assert desk.trades == [("a", "97", "4")]


def test_amend_when_nothing_changes_then_is_already_done() -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 97)
    before = desk.view
    assert desk.amend("a", 1, 97) == ALREADY_DONE
    assert desk.amend("a", "1.0", "97.0") == ALREADY_DONE
    assert desk.amend("a", 1) == ALREADY_DONE
    assert desk.view is before


@pytest.mark.parametrize("price", [100, 103])
def test_amend_when_the_price_reaches_the_last_one_then_fills_at_once_as_taker(
    open_desk: OpenDesk, price: int
) -> None:
    desk = open_desk(CALM + "100 101 90 95")
    desk.bar()
    desk.limit("a", BUY, 2, 97)
    assert desk.amend("a", 2, price) == ACCEPTED
    assert desk.trades == [("a", "100", "2")]
    assert desk.fills[0].liquidity.value == "taker"
    assert desk.status("a") is OrderStatus.FILLED
    desk.bar()
    assert len(desk.fills) == 1


def test_amend_when_the_total_is_at_or_below_what_filled_then_the_order_ends() -> None:
    for total, status in ((2, OrderStatus.FILLED), (1, OrderStatus.CANCELLED)):
        desk = opened(CALM + "100 101 97 100")
        desk.limit("a", BUY, 5, 97)
        # A partly filled order: candles fill in full, so it is written into the state.
        working = desk.venue.state.books[0].live["a"]
        assert working.order is not None
        working.order = replace(working.order, filled_qty=Decimal(2))
        assert desk.amend("a", total) == ACCEPTED
        assert desk.status("a") is status
        desk.bar()
        assert desk.trades == []


@pytest.mark.parametrize("end", ["never placed", "filled", "cancelled"])
def test_amend_when_the_order_does_not_rest_then_is_unknown(end: str) -> None:
    desk = opened()
    if end != "never placed":
        desk.limit("a", BUY, 1, 100 if end == "filled" else 99)
        desk.cancel("a")
    assert desk.amend("a", 2, 98) == refused(Refusal.UNKNOWN_ORDER)
    assert desk.text == "order a: is not resting on BTCUSDT"


def test_amend_when_the_new_values_are_not_allowed_then_the_old_order_rests() -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 97)
    before = desk.view
    assert desk.amend("a", 1, "97.3") == refused(Refusal.INVALID)
    assert desk.amend("a", 0) == refused(Refusal.INVALID)
    assert desk.amend("a", 1, 1) == refused(Refusal.TOO_SMALL)
    assert desk.amend("a", 1, trigger_px=98, kind=OrderType.STOP_MARKET) == refused(Refusal.INVALID)
    assert desk.view is before


def test_amend_when_a_stop_order_moves_then_waits_at_the_new_trigger(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 96 98\n98 98 93 94", position_stop=False)
    desk.bar()
    desk.market("in", BUY, 2)
    desk.stop_order("guard", SELL, 2, 97)
    kind = OrderType.STOP_MARKET
    assert desk.amend("guard", 2, trigger_px=100, kind=kind) == refused(Refusal.BEHIND_MARKET)
    assert desk.amend("guard", 1, trigger_px=94, kind=kind) == ACCEPTED
    desk.bar()
    assert desk.held == 2
    desk.bar()
    assert desk.trades[1:] == [("guard", "94", "1")]


# --------------------------------------------------------------------------- cancelling


def test_cancel_when_the_order_rests_then_it_never_fills(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM + "100 101 90 95")
    desk.bar()
    desk.limit("a", BUY, 1, 97)
    assert desk.cancel("a") == ACCEPTED
    assert desk.status("a") is OrderStatus.CANCELLED
    assert desk.order("a").leaves_qty == 0
    desk.bar()
    assert desk.trades == []


def test_cancel_when_the_order_has_ended_then_is_already_done() -> None:
    desk = opened()
    desk.limit("filled", BUY, 1, 100)
    desk.limit("cancelled", BUY, 1, 99)
    desk.cancel("cancelled")
    before = desk.view
    assert desk.cancel("filled") == ALREADY_DONE
    assert desk.cancel("cancelled") == ALREADY_DONE
    assert desk.view is before


def test_cancel_when_the_order_was_never_placed_then_is_unknown() -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 99)
    assert desk.cancel("b") == refused(Refusal.UNKNOWN_ORDER)


# ------------------------------------------------------------------------ position stops


def test_set_stop_when_flat_then_has_no_position(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM)
    desk.bar()
    assert desk.set_stop(90) == refused(Refusal.NO_POSITION)
    desk.limit("a", BUY, 1, 99)
    assert desk.set_stop(90) == refused(Refusal.NO_POSITION)


@pytest.mark.parametrize("trigger_px", [100, 103])
def test_set_stop_when_at_or_beyond_the_last_price_then_is_behind_and_the_old_rests(
    open_desk: OpenDesk, trigger_px: int
) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.market("in", BUY, 1)
    desk.set_stop(95)
    assert desk.set_stop(trigger_px) == refused(Refusal.BEHIND_MARKET)
    assert desk.stop == 95


def test_set_stop_when_a_tick_from_the_last_price_then_is_accepted(open_desk: OpenDesk) -> None:
    desk = open_desk(CALM)
    desk.bar()
    desk.market("in", BUY, 1)
    assert desk.set_stop("99.5") == ACCEPTED


def test_set_stop_when_the_same_then_is_already_done() -> None:
    desk = opened()
    desk.market("in", BUY, 1)
    desk.set_stop(95)
    before = desk.view
    assert desk.set_stop("95.0") == ALREADY_DONE
    assert desk.view is before


def test_set_stop_when_off_the_tick_then_is_invalid() -> None:
    desk = opened()
    desk.market("in", BUY, 1)
    assert desk.set_stop("95.3") == refused(Refusal.INVALID)
    assert "trigger_px 95.3: must be a multiple of the tick 0.5" in desk.text


def test_set_stop_when_the_venue_has_no_position_stops_then_is_invalid() -> None:
    desk = opened(position_stop=False)
    desk.market("in", BUY, 1)
    assert not desk.venue.capabilities.position_stop
    assert desk.set_stop(95) == refused(Refusal.INVALID)
