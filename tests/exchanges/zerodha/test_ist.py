"""Indian wall clocks and UTC milliseconds."""

from datetime import date, datetime, time

import pytest

from exchanges.errors import VenueUnavailable
from exchanges.zerodha import ist, wire

QUARTER_PAST_TEN = 1_795_149_902_000  # 2026-11-20T04:45:02Z


def test_ist_when_text_or_datetime_then_the_same_moment() -> None:
    assert ist.read("2026-11-20 10:15:02") == QUARTER_PAST_TEN
    assert ist.read(datetime(2026, 11, 20, 10, 15, 2)) == QUARTER_PAST_TEN  # noqa: DTZ001 - the SDK's
    assert ist.to_wall(QUARTER_PAST_TEN).isoformat() == "2026-11-20T10:15:02"


def test_ist_when_just_after_midnight_then_it_is_the_next_day() -> None:
    midnight = ist.at(date(2026, 11, 21), time(0, 0))
    assert ist.day_of(midnight - 1) == date(2026, 11, 20)
    assert ist.day_of(midnight) == date(2026, 11, 21)


@pytest.mark.parametrize("value", ["10:15:02", "yesterday", 5, "2026-11-20T10:15:02"])
def test_wire_when_a_time_is_strange_then_the_answer_is_not_whole(value: object) -> None:
    trade = {
        "trade_id": "1",
        "order_id": "2",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "product": "MIS",
        "average_price": 1500.05,
        "quantity": 40,
    }
    good = wire.read(trade | {"fill_timestamp": "2026-11-20 10:15:02"}, wire.WireTrade)
    assert good.fill_timestamp == QUARTER_PAST_TEN
    with pytest.raises(VenueUnavailable, match="cannot be read"):
        wire.read(trade | {"fill_timestamp": value}, wire.WireTrade)
