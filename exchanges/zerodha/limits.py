"""Kite's rate limits, as buckets of `exchanges.pacing`.

Windows slide here where Kite's are calendar seconds and minutes of its own clock: whatever fits a
sliding window fits every calendar window, whoever's clock is right. A second is a little longer
here, as calls that left in two may arrive in one. *Source*: the venue sheet §0.14.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable

from exchanges.pacing import Lane, Window
from machines.words import Role

SECOND_MS = 1_100
"""A tenth is for the way."""
MINUTE_MS, DAY_MS = 60_000, 86_400_000
ORDERS_A_DAY = 5_000


class Kind(enum.StrEnum):
    """What a call counts as."""

    ORDER = "order"
    """Place, modify, cancel, refused ones included; GTTs are taken to count, too."""
    QUOTE = "quote"
    OTHER = "other"


LIMITS: dict[str, tuple[Window, ...]] = {
    Kind.ORDER: (Window(10, SECOND_MS), Window(400, MINUTE_MS), Window(ORDERS_A_DAY, DAY_MS)),
    Kind.QUOTE: (Window(1, SECOND_MS),),
    Kind.OTHER: (Window(10, SECOND_MS),),
}

_LANES = {
    Role.STOP_LOSS: Lane.STOP,
    Role.EXIT: Lane.EXIT,
    # A rung that is converted is on its way out, as a booking is.
    Role.TAKE_PROFIT: Lane.EXIT,
    Role.ENTRY: Lane.ENTRY,
}


def lane_of(role: Role, *, ends: bool = False) -> Lane:
    """Say how urgent a request about an order is; ``ends``: it asks for the order's end."""
    return Lane.CANCEL_ENTRY if ends and role is Role.ENTRY else _LANES[role]


class Waits:
    """A clock as pacing wants it, of a present time and a way to wait for seconds."""

    def __init__(
        self, now_ms: Callable[[], int], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.now_ms = now_ms
        self._sleep = sleep

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        """Wait until the deadline."""
        await self._sleep(max(0, deadline_ms - self.now_ms()) / 1_000)
