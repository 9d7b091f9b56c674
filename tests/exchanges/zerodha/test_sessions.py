"""Sessions, holidays and trading time."""

from datetime import date, time
from pathlib import Path

import pytest

from exchanges.zerodha import ist
from exchanges.zerodha.sessions import Market, read_calendar
from machines.errors import InvalidSpec

FRIDAY, TUESDAY = date(2026, 11, 20), date(2026, 11, 24)
CALENDAR = read_calendar()
MINUTE = 60_000


def at(day: date, clock: str) -> int:
    return ist.at(day, time.fromisoformat(clock))


@pytest.mark.parametrize(
    ("market", "closes", "mis"),
    [
        (Market.CASH, "15:30", "15:05"),
        (Market.CASH_FNO, "15:15", "15:05"),
        (Market.FNO, "15:40", "15:20"),
    ],
)
def test_session_when_a_day_of_the_closing_auction_then_its_hours_hold(
    market: Market, closes: str, mis: str
) -> None:
    session = CALENDAR.session(market, FRIDAY)
    assert session is not None
    assert session.open_ms == at(FRIDAY, "09:15")
    assert session.close_ms == at(FRIDAY, closes)
    assert session.mis_exit_ms == at(FRIDAY, mis)


def test_session_when_before_the_closing_auction_then_the_older_hours_hold() -> None:
    session = CALENDAR.session(Market.CASH_FNO, date(2026, 7, 31))
    assert session is not None
    assert session.close_ms == at(date(2026, 7, 31), "15:30")


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2026, 11, 22), TUESDAY])
def test_session_when_weekend_or_holiday_then_there_is_none(day: date) -> None:
    assert CALENDAR.session(Market.CASH, day) is None
    assert not CALENDAR.is_open(Market.CASH, at(day, "11:00"))


def test_is_open_when_at_the_edges_then_the_close_is_out() -> None:
    opens, closes = at(FRIDAY, "09:15"), at(FRIDAY, "15:30")
    asked = [CALENDAR.is_open(Market.CASH, ms) for ms in (opens - 1, opens, closes - 1, closes)]
    assert asked == [False, True, True, False]


def test_next_open_when_a_weekend_lies_between_then_monday() -> None:
    assert CALENDAR.next_open_ms(Market.CASH, at(FRIDAY, "09:16")) == at(
        date(2026, 11, 23), "09:15"
    )
    assert CALENDAR.next_open_ms(Market.CASH, at(FRIDAY, "09:15")) == at(FRIDAY, "09:15")
    assert CALENDAR.next_open_ms(Market.FNO, at(TUESDAY, "00:00")) == at(
        date(2026, 11, 25), "09:15"
    )


def test_trading_ms_when_nights_and_holidays_pass_then_only_sessions_count() -> None:
    close = at(FRIDAY, "15:29")
    tuesday_noon = at(TUESDAY, "12:00")
    wednesday = at(date(2026, 11, 25), "09:17")
    passed = CALENDAR.trading_ms(Market.CASH, wednesday) - CALENDAR.trading_ms(Market.CASH, close)
    assert passed == (1 + 375 + 2) * MINUTE
    assert CALENDAR.trading_ms(Market.CASH, tuesday_noon) == CALENDAR.trading_ms(
        Market.CASH, at(date(2026, 11, 23), "18:00")
    )


def test_override_when_a_special_session_is_written_then_it_trades(tmp_path: Path) -> None:
    own = tmp_path / "calendar.toml"
    own.write_text(
        "[special.2026-11-24]\n"
        "cash = { open = 18:00:00, close = 19:00:00, mis = 18:45:00 }\n"
        "[holidays]\n2026-11-23 = 'a day of mourning'\n"
    )
    calendar = read_calendar(own)
    assert calendar.is_open(Market.CASH_FNO, at(TUESDAY, "18:30"))
    assert not calendar.is_open(Market.FNO, at(TUESDAY, "18:30"))
    assert calendar.holiday(date(2026, 11, 23)) == "a day of mourning"
    assert calendar.next_open_ms(Market.CASH, at(FRIDAY, "18:00")) == at(TUESDAY, "18:00")


def test_override_when_weekends_trade_then_a_sunday_does(tmp_path: Path) -> None:
    own = tmp_path / "calendar.toml"
    own.write_text("weekends = true")
    assert read_calendar(own).is_open(Market.CASH, at(date(2026, 11, 22), "11:00"))


def test_override_when_hours_are_dated_then_they_hold_from_that_day(tmp_path: Path) -> None:
    own = tmp_path / "calendar.toml"
    own.write_text(
        "[[hours]]\nfrom = 2026-11-20\n"
        "cash = { open = 10:00:00, close = 12:00:00, mis = 11:45:00 }\n"
    )
    calendar = read_calendar(own)
    assert not calendar.is_open(Market.CASH, at(FRIDAY, "09:30"))
    assert calendar.is_open(Market.CASH, at(date(2026, 11, 19), "09:30"))


@pytest.mark.parametrize(
    "text",
    [
        "holidays = 5",
        "[holidays]\n2026-13-01 = 'x'",
        "[[hours]]\nfrom = 2026-01-01\n"
        "cash = { open = 15:00:00, close = 09:00:00, mis = 10:00:00 }",
        "[[hours]]\nfrom = 2026-01-01\nbonds = 1",
        "not toml",
    ],
)
def test_override_when_it_is_wrong_then_the_file_is_named(tmp_path: Path, text: str) -> None:
    own = tmp_path / "calendar.toml"
    own.write_text(text)
    with pytest.raises(InvalidSpec, match=r"calendar .*calendar\.toml: "):
        read_calendar(own)


def test_override_when_it_is_missing_then_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"nowhere\.toml"):
        read_calendar(tmp_path / "nowhere.toml")
