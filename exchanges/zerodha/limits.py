"""Kite's rate limits, and how long a call must wait for its turn.

Windows slide here where Kite's are calendar seconds and minutes of its own clock: whatever fits a
sliding window fits every calendar window, whoever's clock is right. A second is a little longer
here, as calls that left in two may arrive in one. A share of each window is kept for stops, exits
and bookings (SPEC §6). Pure: times are handed in. *Source*: the venue sheet §0.14.
"""

from __future__ import annotations

import enum
from collections import deque

import msgspec

SECOND_MS = 1_100
"""A tenth is for the way."""
MINUTE_MS, DAY_MS = 60_000, 86_400_000


class Kind(enum.StrEnum):
    """What a call counts as."""

    ORDER = "order"
    """Place, modify, cancel, refused ones included; GTTs are taken to count, too."""
    QUOTE = "quote"
    OTHER = "other"


class Window(msgspec.Struct, frozen=True):
    """At most ``calls`` in any ``span_ms``; ``reserved`` of them are for urgent calls."""

    span_ms: int
    calls: int
    reserved: int = 0


LIMITS: dict[Kind, tuple[Window, ...]] = {
    Kind.ORDER: (
        Window(SECOND_MS, 10, 2),
        Window(MINUTE_MS, 400, 80),
        Window(DAY_MS, 5_000, 1_000),
    ),
    Kind.QUOTE: (Window(SECOND_MS, 1),),
    Kind.OTHER: (Window(SECOND_MS, 10, 2),),
}


class Budget:
    """What an account has spent of its limits."""

    def __init__(self, limits: dict[Kind, tuple[Window, ...]] = LIMITS) -> None:
        self._limits = limits
        self._spent: dict[Kind, deque[int]] = {kind: deque() for kind in limits}
        self._shut_ms = dict.fromkeys(limits, 0)

    def wait_ms(self, kind: Kind, now_ms: int, *, urgent: bool = False) -> int:
        """Return how long a call must wait; zero when it may leave now."""
        spent = self._spent[kind]
        free_ms = self._shut_ms[kind]
        for window in self._limits[kind]:
            room = window.calls if urgent else window.calls - window.reserved
            if len(spent) >= room:
                free_ms = max(free_ms, spent[-room] + window.span_ms)
        return max(0, free_ms - now_ms)

    def spend(self, kind: Kind, now_ms: int) -> None:
        """Count a call that leaves now."""
        spent = self._spent[kind]
        spent.append(now_ms)
        longest = max(window.span_ms for window in self._limits[kind])
        while spent[0] <= now_ms - longest:
            spent.popleft()

    def shut(self, kind: Kind, now_ms: int) -> None:
        """Take a 429: nothing of this kind leaves before the venue's next second has begun."""
        self._shut_ms[kind] = now_ms + SECOND_MS

    def left_today(self, now_ms: int) -> int:
        """Return how many order calls the last 24 hours leave."""
        spent = sum(at_ms > now_ms - DAY_MS for at_ms in self._spent[Kind.ORDER])
        return self._limits[Kind.ORDER][-1].calls - spent
