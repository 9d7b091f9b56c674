"""Indian time: Kite speaks in wall clocks without a zone, the product in UTC milliseconds.

India has kept UTC+5:30 without summer time since 1945, so plain arithmetic is exact. Knows no
sessions and reads no clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

DAY_MS = 86_400_000
OFFSET_MS = 19_800_000
"""UTC+5:30."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Ist(int):
    """UTC milliseconds of a time that Kite wrote as an Indian wall clock."""


def from_wall(wall: datetime) -> int:
    """Return the UTC milliseconds of a wall clock in India that names no zone."""
    return (wall.replace(tzinfo=UTC) - _EPOCH) // _MS - OFFSET_MS


def to_wall(at_ms: int) -> datetime:
    """Return the Indian wall clock of a moment, without a zone, as Kite writes it."""
    return (_EPOCH + (at_ms + OFFSET_MS) * _MS).replace(tzinfo=None)


def read(value: object) -> Ist:
    """Read a time as the SDK hands it over: a naive datetime, or text it left alone.

    *Raises*: ValueError for anything else.
    """
    if isinstance(value, datetime):
        return Ist(from_wall(value))
    if isinstance(value, str):
        return Ist(from_wall(datetime.strptime(value, "%Y-%m-%d %H:%M:%S")))  # noqa: DTZ007 - Kite's wall clock names no zone
    raise ValueError(f"{value!r} is no time that Kite writes")


def day_of(at_ms: int) -> date:
    """Return the Indian calendar day of a moment."""
    return to_wall(at_ms).date()


def at(day: date, clock: time) -> int:
    """Return the UTC milliseconds of a wall clock on an Indian day."""
    return from_wall(datetime.combine(day, clock))
