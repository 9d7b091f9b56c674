"""What may go wrong on the line to a loopback Bybit: by script and by rate.

Each is one of the sheet's, and one of the outcomes that pybit was seen to make of it. *Source*:
venues/bybit.md §1.3, §9.3.
"""

from __future__ import annotations

import enum
import random
import threading
from collections import deque

import msgspec


class Wrong(enum.Enum):
    """One class of fault."""

    DROP_BEFORE = "drop_before"
    """The connection closes before the request is looked at."""
    DROP_AFTER = "drop_after"
    """The request takes effect; the connection closes without an answer."""
    SILENT_BEFORE = "silent_before"
    SILENT_AFTER = "silent_after"
    """The request takes effect; no answer comes."""
    HALF = "half"
    """The request takes effect; the answer is cut in half."""
    STALL = "stall"
    """The request takes effect; the answer stops in the middle."""
    HTML_502 = "html_502"
    HTML_200 = "html_200"
    EMPTY = "empty"
    A_LIST = "a_list"
    NULL = "null"
    STATUS_401 = "status_401"
    STATUS_403 = "status_403"
    STATUS_404 = "status_404"
    STATUS_429 = "status_429"
    STATUS_500 = "status_500"
    REDIRECT = "redirect"
    LIMITED = "limited"
    """10006, with a reset in the future."""
    LIMITED_PAST = "limited_past"
    """10006, with a reset that has passed: pybit's own retry would crash."""
    LIMITED_BARE = "limited_bare"
    """10006 without the headers."""
    CLOCK = "clock"
    """10002."""
    TIMEOUT_BEFORE = "timeout_before"
    """10000, and it did not take effect."""
    TIMEOUT_AFTER = "timeout_after"
    """10000, and it did."""
    INTERNAL_AFTER = "internal_after"
    """10016, and it did."""
    PROCESSING = "processing"
    """110079."""
    TWICE = "twice"
    """The request arrives twice; the second answer is heard."""
    NO_TEXT = "no_text"
    """A code without a retMsg."""
    ODD_CODE = "odd_code"
    """A code that is text."""
    NO_EXTRA = "no_extra"
    """A batch's answer without its items' results."""

    @property
    def takes_effect(self) -> bool:
        """Tell whether the request is done although its answer is not heard."""
        return self in (
            *(Wrong.DROP_AFTER, Wrong.SILENT_AFTER, Wrong.HALF, Wrong.STALL, Wrong.EMPTY),
            *(Wrong.TIMEOUT_AFTER, Wrong.INTERNAL_AFTER, Wrong.TWICE, Wrong.A_LIST),
            *(Wrong.NULL, Wrong.HTML_200, Wrong.NO_EXTRA),
        )


CODES: dict[Wrong, tuple[int, str]] = {
    Wrong.LIMITED: (10006, "Too many visits. Exceeded the API Rate Limit."),
    Wrong.LIMITED_PAST: (10006, "Too many visits. Exceeded the API Rate Limit."),
    Wrong.LIMITED_BARE: (10006, "Too many visits. Exceeded the API Rate Limit."),
    Wrong.CLOCK: (10002, "invalid request, please check your server timestamp"),
    Wrong.TIMEOUT_BEFORE: (10000, "Server Timeout"),
    Wrong.TIMEOUT_AFTER: (10000, "Server Timeout"),
    Wrong.INTERNAL_AFTER: (10016, "Internal System Error"),
    Wrong.PROCESSING: (110079, "The order is processing and can not be operated"),
}
STATUSES = {
    Wrong.STATUS_401: 401,
    Wrong.STATUS_403: 403,
    Wrong.STATUS_404: 404,
    Wrong.STATUS_429: 429,
    Wrong.STATUS_500: 500,
    Wrong.HTML_502: 502,
}


class Scripted(msgspec.Struct, frozen=True):
    """A fault of the next request whose path ends so."""

    path: str
    wrong: Wrong


class Faults:
    """All that goes wrong on one line. *Units*: rates are fractions of the requests."""

    def __init__(self) -> None:
        self.rates: dict[Wrong, float] = {}
        self.hits: dict[Wrong, int] = {}
        self._random = random.Random(0)
        self._script: deque[Scripted] = deque()
        self._lock = threading.Lock()

    def seed(self, seed: int) -> None:
        """Begin the draws anew."""
        self._random = random.Random(seed)

    def next(self, path: str, *wrongs: Wrong) -> None:
        """Let the next requests to a path meet these, one each."""
        self._script += [Scripted(path, wrong) for wrong in wrongs]

    @property
    def pending(self) -> int:
        """Count the scripted faults that nothing has met yet."""
        return len(self._script)

    def draw(self, path: str) -> Wrong | None:
        """Say what a request meets."""
        with self._lock:
            for line in self._script:
                if path.endswith(line.path):
                    self._script.remove(line)
                    return self._hit(line.wrong)
            chance = self._random.random()
            for wrong, rate in self.rates.items():
                chance -= rate
                if chance < 0:
                    return self._hit(wrong)
        return None

    def _hit(self, wrong: Wrong) -> Wrong:
        self.hits[wrong] = self.hits.get(wrong, 0) + 1
        return wrong
