"""Bybit's payloads, read: every spelling of nothing, every status, and nothing guessed."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.bybit import parse
from exchanges.bybit.parse import Misread
from exchanges.bybit.wire import (
    ExecutionRow,
    FeeRow,
    InstrumentRow,
    OrderRow,
    PositionRow,
    TickerRow,
)
from machines.words import (
    Fees,
    Fill,
    Instrument,
    Key,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    PositionStop,
    Refusal,
    Side,
)
from tests.exchanges.bybit.payloads import (
    BATCH,
    EXECUTION,
    INSTRUMENT,
    ORDER,
    POSITION,
    TICKER,
    body,
    changed,
    page_of,
)

NOTHING = ["", "0", "0.00", None]


def order(**changes: object) -> Order:
    return parse.order(msgspec.convert(changed(ORDER, **changes), OrderRow))


def fill(**changes: object) -> Fill:
    return parse.fill(msgspec.convert(changed(EXECUTION, **changes), ExecutionRow))


def position(**changes: object) -> PositionRow:
    return msgspec.convert(changed(POSITION, **changes), PositionRow)


def test_order_when_limit_then_every_field_is_read() -> None:
    assert order() == Order(
        client_order_id="c1-a83f-tp1-0",
        venue_order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
        side=Side.SELL,
        type=OrderType.LIMIT,
        qty=Decimal("0.010"),
        filled_qty=Decimal(0),
        status=OrderStatus.OPEN,
        price=Decimal("71500.00"),
        reduce_only=True,
    )


@pytest.mark.parametrize("nothing", NOTHING)
def test_order_when_there_is_no_value_then_none_however_it_is_spelt(nothing: str | None) -> None:
    found = order(triggerPrice=nothing, stopLoss=nothing, stopOrderType="UNKNOWN")
    assert (found.type, found.trigger_px) == (OrderType.LIMIT, None)
    assert found.attached_stop_px is None
    assert order(price=nothing).price is None


def test_order_when_conditional_then_waits_at_its_trigger() -> None:
    found = order(
        orderType="Market",
        price="0",
        orderStatus="Untriggered",
        stopOrderType="Stop",
        triggerPrice="66000.00",
        triggerDirection=2,
    )
    assert (found.type, found.trigger_px) == (OrderType.STOP_MARKET, Decimal(66000))
    assert (found.status, found.price) == (OrderStatus.OPEN, None)
    limit = order(triggerPrice="66000", price="65900")
    assert (limit.type, limit.price) == (OrderType.STOP_LIMIT, Decimal(65900))


def test_order_when_a_stop_is_attached_then_it_is_no_trigger_of_its_own() -> None:
    found = order(stopLoss="66000", reduceOnly=False, side="Buy")
    assert (found.type, found.attached_stop_px) == (OrderType.LIMIT, Decimal(66000))


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("New", "0", OrderStatus.OPEN),
        ("PartiallyFilled", "0.004", OrderStatus.OPEN),
        ("Untriggered", "0", OrderStatus.OPEN),
        ("Triggered", "0", OrderStatus.TRIGGERED),
        ("Filled", "0.010", OrderStatus.FILLED),
        ("Cancelled", "0.004", OrderStatus.CANCELLED),
        ("PartiallyFilledCanceled", "0.004", OrderStatus.CANCELLED),
        ("Deactivated", "0", OrderStatus.CANCELLED),
        ("Rejected", "0", OrderStatus.REJECTED),
        ("Rejected", "0.004", OrderStatus.CANCELLED),
    ],
)
def test_status_when_read_then_one_of_ours(word: str, filled: str, status: OrderStatus) -> None:
    found = order(orderStatus=word, cumExecQty=filled, rejectReason="EC_Others", leavesQty="0")
    assert (found.status, found.filled_qty) == (status, Decimal(filled))
    assert found.refusal is (Refusal.OTHER if status is OrderStatus.REJECTED else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"orderStatus": "Banana"},
        {"side": ""},
        {"orderType": "UNKNOWN"},
        {"qty": "1e3"},
        {"cumExecQty": "-1"},
        {"price": "NaN"},
        {"triggerPrice": "1_000"},
        {"price": "-1"},
        {"price": "9" * 41},
    ],
)
def test_order_when_not_understood_then_it_is_not_guessed(changes: dict[str, object]) -> None:
    with pytest.raises(Misread, match="order c1-a83f-tp1-0"):
        order(**changes)


@pytest.mark.parametrize(
    ("kind", "link", "own"),
    [
        ("StopLoss", "", True),
        ("TakeProfit", "", True),
        ("PartialStopLoss", "", False),
        ("Stop", "", False),
        ("StopLoss", "ours", False),
    ],
)
def test_stop_row_when_made_by_the_position_then_is_no_order(
    kind: str, link: str, own: bool
) -> None:
    row = msgspec.convert(changed(ORDER, stopOrderType=kind, orderLinkId=link), OrderRow)
    assert parse.belongs_to_position(row) is own


def test_fill_when_read_then_every_field_is_there() -> None:
    assert fill() == Fill(
        fill_id="e0cbe81d",
        client_order_id="c1-a83f-tp1-0",
        side=Side.SELL,
        price=Decimal("71500.00"),
        qty=Decimal("0.006"),
        fee=Decimal("0.0858"),
        liquidity=Liquidity.MAKER,
        at_ms=1795219090123,
    )


def test_fill_when_by_the_positions_stop_then_says_so() -> None:
    assert fill(orderLinkId="", stopOrderType="StopLoss").by_position_stop
    assert fill(orderLinkId="", createType="CreateByStopLoss").by_position_stop
    assert not fill(orderLinkId="", stopOrderType="PartialStopLoss").by_position_stop
    assert not fill(stopOrderType="Stop", createType="CreateByStopOrder").by_position_stop


def test_fee_when_paid_in_another_coin_then_counts_at_its_rate() -> None:
    found = fill(feeCurrency="MNT", execFee="0.05", feeRate="0.0002")
    assert found.fee == Decimal(71500) * Decimal("0.006") * Decimal("0.0002")


def test_execution_when_it_is_funding_then_no_fill() -> None:
    def kind(word: str) -> bool:
        return parse.is_trade(msgspec.convert(changed(EXECUTION, execType=word), ExecutionRow))

    assert [kind(word) for word in ("Trade", "AdlTrade", "BustTrade", "Settle")] == [True] * 4
    assert not kind("Funding")
    with pytest.raises(Misread, match="execType: 'Banana'"):
        kind("Banana")


@pytest.mark.parametrize(
    ("side", "closed", "slot"),
    [("Buy", "0", "long"), ("Sell", "0.006", "long"), ("Sell", "", "short"), ("Buy", "1", "short")],
)
def test_fill_when_in_hedge_mode_then_what_it_closed_tells_its_slot(
    side: str, closed: str, slot: str
) -> None:
    row = msgspec.convert(changed(EXECUTION, side=side, closedSize=closed), ExecutionRow)
    assert parse.fill_slot(row, hedge=True) == slot
    assert parse.fill_slot(row, hedge=False) == ""


def test_fills_when_they_come_newest_first_then_sorted_by_time_and_sequence() -> None:
    def row(name: str, at: str, seq: int) -> ExecutionRow:
        return msgspec.convert(changed(EXECUTION, execId=name, execTime=at, seq=seq), ExecutionRow)

    rows = [row("d", "3", 9), row("c", "2", 7), row("a", "2", 6), row("b", "2", 6)]
    assert [each.exec_id for each in parse.in_venue_order(rows)] == ["b", "a", "c", "d"]


def test_position_when_read_then_signed_and_with_its_stop() -> None:
    assert parse.net_qty(position()) == Decimal("0.040")
    assert parse.net_qty(position(side="Sell")) == Decimal("-0.040")
    assert parse.net_qty(position(side="", size="0")) == 0
    assert parse.position_stop(position()) == PositionStop(Decimal(66000))
    for nothing in NOTHING:
        assert parse.position_stop(position(stopLoss=nothing)) is None
    assert parse.position_key("main", "BTCUSDT", 2) == Key("main", "BTCUSDT", "short")
    with pytest.raises(Misread):
        parse.net_qty(position(side=""))
    with pytest.raises(Misread):
        parse.position_key("main", "BTCUSDT", 3)


def test_instrument_when_read_then_the_grid_is_there() -> None:
    row = msgspec.convert(INSTRUMENT, InstrumentRow)
    grid = Decimal("0.10"), Decimal("0.001"), Decimal("0.001"), Decimal(5)
    assert parse.instrument(row) == Instrument("BTCUSDT", *grid)
    zero = changed(INSTRUMENT, priceFilter=changed(INSTRUMENT["priceFilter"], tickSize="0"))
    with pytest.raises(Misread, match="BTCUSDT: tickSize"):
        parse.instrument(msgspec.convert(zero, InstrumentRow))


def test_quote_when_read_then_has_both_sides() -> None:
    found = parse.quote(msgspec.convert(TICKER, TickerRow), 7)
    assert (found.last, found.bid, found.ask, found.at_ms) == (
        Decimal("70010.10"),
        Decimal("70010.00"),
        Decimal("70010.10"),
        7,
    )
    with pytest.raises(Misread, match="lastPrice"):
        parse.quote(msgspec.convert(changed(TICKER, lastPrice=""), TickerRow), 7)


def test_fees_when_read_then_fractions() -> None:
    assert parse.fees(FeeRow("BTCUSDT", "0.00055", "0.0002")) == Fees(
        maker=Decimal("0.0002"), taker=Decimal("0.00055")
    )
    with pytest.raises(Misread):
        parse.fees(FeeRow("BTCUSDT", "", "0.0002"))


def test_page_when_read_then_rows_and_cursor() -> None:
    rows, cursor = parse.page(page_of(ORDER, cursor="page%3D2"), OrderRow)
    assert ([row.order_link_id for row in rows], cursor) == (["c1-a83f-tp1-0"], "page%3D2")
    assert parse.page(page_of(cursor=None), OrderRow) == ([], "")


def test_batch_when_read_then_one_result_an_item() -> None:
    assert [result.code for result in parse.results(BATCH)] == [0, 110001]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"result": None},
        body({}),
        body({"list": None}),
        page_of({"orderId": 1}),
        page_of(changed(ORDER, orderId=None)),
        page_of(changed(ORDER, positionIdx="0")),
    ],
)
def test_page_when_it_makes_no_sense_then_misread(answer: object) -> None:
    with pytest.raises(Misread):
        parse.page(answer, OrderRow)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(ORDER)), JSON)
def test_order_when_any_field_is_anything_then_read_or_misread(field: str, value: object) -> None:
    try:
        rows, _ = parse.page(page_of(changed(ORDER, **{field: value})), OrderRow)
        parse.order(rows[0])
    except Misread:
        return


@given(st.sampled_from(sorted(EXECUTION)), JSON)
def test_fill_when_any_field_is_anything_then_read_or_misread(field: str, value: object) -> None:
    try:
        rows, _ = parse.page(page_of(changed(EXECUTION, **{field: value})), ExecutionRow)
        parse.is_trade(rows[0])
        parse.fill(rows[0])
    except Misread:
        return
