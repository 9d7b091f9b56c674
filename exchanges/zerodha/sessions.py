"""When Zerodha's markets trade: hours, holidays, the close that ends day orders, the MIS exit.

From a vendored, dated file (`sessions.toml`) that an operator's file may override, as published
lists disagree and special sessions are announced at short notice. Reads no clock.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Iterator
from datetime import date, time, timedelta
from functools import cache
from pathlib import Path

import msgspec

from exchanges.zerodha import ist
from machines.errors import InvalidSpec

_ONE_DAY = timedelta(days=1)
_LONGEST_CLOSURE = 30
"""Days: no market has ever been shut longer; a calendar that says so is wrong."""


class Market(enum.StrEnum):
    """What has trading hours of its own."""

    CASH = "cash"
    CASH_FNO = "cash-fno"
    FNO = "fno"


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market's day, as Indian wall clocks."""

    open: time
    close: time
    mis: time

    def __post_init__(self) -> None:
        if not self.open < self.mis <= self.close:
            raise ValueError("open, mis and close must follow one another")


class DayHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The hours of every market that trades on a day; one left out is shut."""

    cash: Hours | None = None
    cash_fno: Hours | None = None
    fno: Hours | None = None

    def of(self, market: Market) -> Hours | None:
        """Return one market's hours."""
        match market:
            case Market.CASH:
                return self.cash
            case Market.CASH_FNO:
                # A special session names the cash market once for all shares.
                return self.cash if self.cash_fno is None else self.cash_fno
            case Market.FNO:
                return self.fno


class DatedHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """Hours that hold from a day on."""

    since: date
    cash: Hours | None = None
    cash_fno: Hours | None = msgspec.field(default=None, name="cash-fno")
    fno: Hours | None = None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hours: list[DatedHours] = []
    holidays: dict[str, str] = {}
    special: dict[str, DayHours] = {}
    weekends: bool = False
    """Saturdays and Sundays are days like any: for a market to practise on."""


class Session(msgspec.Struct, frozen=True):
    """One market's trading of one day. *Units*: UTC milliseconds."""

    open_ms: int
    close_ms: int
    mis_exit_ms: int


class Calendar:
    """Answers when a market trades."""

    def __init__(self, *written: _Written) -> None:
        """Lay files over one another; the last wins."""
        self._hours = sorted(
            # Stable: of two tables of one day the operator's comes later, and wins.
            (table for each in written for table in each.hours),
            key=lambda table: table.since,
        )
        self._holidays: dict[date, str] = {}
        self._special: dict[date, DayHours] = {}
        for each in written:
            for day, name in each.holidays.items():
                self._special.pop(date.fromisoformat(day), None)
                self._holidays[date.fromisoformat(day)] = name
            for day, hours in each.special.items():
                self._holidays.pop(date.fromisoformat(day), None)
                self._special[date.fromisoformat(day)] = hours
        self._weekends = any(each.weekends for each in written)
        self._before: dict[Market, dict[date, int]] = {market: {} for market in Market}

    @property
    def known_from(self) -> date:
        """Return the first day of which the hours are known."""
        return self._hours[0].since

    def holiday(self, day: date) -> str | None:
        """Name the holiday of a day, if it is one."""
        return self._holidays.get(day)

    def session(self, market: Market, day: date) -> Session | None:
        """Return a day's session, or None when the market is shut that day."""
        hours = self._hours_on(market, day)
        if hours is None:
            return None
        return Session(*(ist.at(day, clock) for clock in (hours.open, hours.close, hours.mis)))

    def _hours_on(self, market: Market, day: date) -> Hours | None:
        if day in self._special:
            return self._special[day].of(market)
        if day in self._holidays or (day.weekday() >= 5 and not self._weekends):
            return None
        held = [table for table in self._hours if table.since <= day]
        if not held:
            return None
        table = held[-1]
        return DayHours(table.cash, table.cash_fno, table.fno).of(market)

    def is_open(self, market: Market, at_ms: int) -> bool:
        """Tell whether a market trades continuously at a moment."""
        session = self.session(market, ist.day_of(at_ms))
        return session is not None and session.open_ms <= at_ms < session.close_ms

    def next_open_ms(self, market: Market, at_ms: int) -> int:
        """Return when a market opens next, at or after a moment.

        *Raises*: InvalidSpec when the calendar knows of no such day.
        """
        for session in self._sessions_from(market, ist.day_of(at_ms)):
            if session.open_ms >= at_ms:
                return session.open_ms
        day = ist.day_of(at_ms)
        raise InvalidSpec([f"calendar: {market.value} does not open in the 30 days from {day}"])

    def _sessions_from(self, market: Market, day: date) -> Iterator[Session]:
        for _ in range(_LONGEST_CLOSURE):
            session = self.session(market, day)
            if session is not None:
                yield session
            day += _ONE_DAY

    def trading_ms(self, market: Market, at_ms: int) -> int:
        """Return how long a market has traded in all, since the first day that is known."""
        day = ist.day_of(at_ms)
        session = self.session(market, day)
        today = 0
        if session is not None:
            today = min(max(at_ms, session.open_ms), session.close_ms) - session.open_ms
        return self._traded_before(market, day) + today

    def _traded_before(self, market: Market, day: date) -> int:
        """Sum the days before ``day``, once a day."""
        sums = self._before[market]
        if day not in sums:
            total, each = 0, self.known_from
            while each < day:
                session = self.session(market, each)
                total += 0 if session is None else session.close_ms - session.open_ms
                each += _ONE_DAY
            sums[day] = total
        return sums[day]


def read_calendar(override: Path | None = None) -> Calendar:
    """Read the vendored calendar and, over it, the operator's.

    *Raises*: InvalidSpec naming the file and what is wrong with it.
    """
    vendored = _vendored()
    return Calendar(vendored) if override is None else Calendar(vendored, _read(override))


@cache
def _vendored() -> _Written:
    return _read(Path(__file__).with_name("sessions.toml"))


def _read(path: Path) -> _Written:
    try:
        written = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Written)
        for day in (*written.holidays, *written.special):
            date.fromisoformat(day)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InvalidSpec([f"calendar {path}: {error}"]) from error
    return written
