"""When a simulated venue takes orders: sessions of the days on which its feeds trade.

Knows nothing of orders. Invariant: a session begins before any of its bars and ends with, or
after, the last of them; a day without a bar has none, so a calendar is not needed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from exchanges.feeds.bars import MINUTE_MS, Feed

_WRITTEN = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}) (\S+)", re.ASCII)


class Session(msgspec.Struct, frozen=True):
    """A daily session. *Units*: minutes after midnight in ``zone``."""

    opens: int
    closes: int
    zone: str

    @classmethod
    def parse(cls, text: str) -> Session:
        """Read ``09:15-15:30 Asia/Kolkata``. *Raises*: ValueError when it is not like that."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        hours, minutes = (int(found[1]), int(found[3])), (int(found[2]), int(found[4]))
        opens, closes = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
        if max(minutes) > 59 or not opens < closes < 24 * 60:
            raise ValueError(text)
        try:
            ZoneInfo(found[5])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(text) from None
        return cls(opens, closes, found[5])

    def on_day_of(self, at_ms: int) -> tuple[int, int]:
        """Return when the session of the local day that holds ``at_ms`` opens and closes."""
        zone = ZoneInfo(self.zone)
        day = (datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone)).date()
        midnight = datetime.combine(day, time())
        opens, closes = (
            int((midnight + timedelta(minutes=each)).replace(tzinfo=zone).timestamp()) * 1000
            for each in (self.opens, self.closes)
        )
        return opens, closes


class Sessions:
    """Every session of some feeds, oldest first. ``early_ms``: how much sooner orders end."""

    __slots__ = ("_ends", "_opens")

    def __init__(self, session: Session, feeds: Iterable[Feed], early_ms: int = 0) -> None:
        found: set[tuple[int, int]] = set()
        for feed in feeds:
            at = 0
            while at < len(feed):
                # A bar that closes at midnight belongs to the day before.
                opens, closes = session.on_day_of(feed.times[at] - 1)
                if opens < feed.times[at] <= closes:
                    found.add((opens, closes - early_ms))
                    at = feed.closed_by(closes)
                else:  # before or after hours: look at the day's next bar
                    at += 1
        self._opens = [opens for opens, _ in sorted(found)]
        self._ends = [ends for _, ends in sorted(found)]

    def end_of(self, at_ms: int) -> int | None:
        """Return when the session that runs at ``at_ms`` ends; None when none does."""
        n = bisect_right(self._opens, at_ms) - 1
        return self._ends[n] if n >= 0 and at_ms < self._ends[n] else None

    def next_end(self, after_ms: int) -> int | None:
        """Return the first end after a time."""
        n = bisect_right(self._ends, after_ms)
        return self._ends[n] if n < len(self._ends) else None

    def next_open(self, after_ms: int) -> int | None:
        """Return the first opening after a time."""
        n = bisect_right(self._opens, after_ms)
        return self._opens[n] if n < len(self._opens) else None


SQUARE_OFF_MS = 10 * MINUTE_MS
"""How long before the session's end the broker closes MIS positions. *Source*: kite.md §11, 15:20
of a session to 15:30."""
