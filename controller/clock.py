"""The clock port: the only way time is read or waited for (DESIGN law 7).

`FeedClock` jumps to the next deadline when every registered task waits; one task is woken at a
time, in order of deadline and then of registration, so a run is the same on asyncio and trio.
`SystemClock` is the machine's. Knows nothing of venues.
"""

from __future__ import annotations

import heapq
import time
from typing import Protocol

import anyio
import anyio.lowlevel


class Clock(Protocol):
    """Time as milliseconds since the epoch, UTC."""

    def now_ms(self) -> int:
        """Return the present time."""
        ...

    def boot_ms(self) -> int:
        """Return a time that counts suspension and never steps back."""
        ...

    def join(self) -> int:
        """Register the calling task as one that will wait here; return its ticket."""
        ...

    def leave(self, ticket: int) -> None:
        """Tell the clock that this task will not wait here any more."""
        ...

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        """Wait until the deadline; return at once when it has passed."""
        ...


class SystemClock:
    """The machine's clocks: wall time, and boot time for ages."""

    def now_ms(self) -> int:
        """Return wall time."""
        return time.time_ns() // 1_000_000

    def boot_ms(self) -> int:
        """Return CLOCK_BOOTTIME, which counts suspension (RELIABILITY S21)."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def join(self) -> int:
        """Do nothing: real time passes by itself."""
        return 0

    def leave(self, ticket: int) -> None:
        """Do nothing."""

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        """Sleep in real time."""
        del ticket
        await anyio.sleep(max(0, deadline_ms - self.now_ms()) / 1000)


_BREATHE_EVERY = 64
"""A lone task yields to the event loop this often, so that signals and the screen get a turn."""


class FeedClock:
    """Virtual time driven by a feed. ``speed`` is simulated seconds per real one; None is max."""

    def __init__(self, start_ms: int, speed: float | None = None) -> None:
        self._now_ms = start_ms
        self._speed = speed
        self._tickets = 0
        self._members: set[int] = set()
        self._sleepers: list[tuple[int, int, anyio.Event]] = []
        self._hops = 0

    def now_ms(self) -> int:
        """Return virtual time."""
        return self._now_ms

    def boot_ms(self) -> int:
        """Return virtual time: nothing suspends it."""
        return self._now_ms

    def join(self) -> int:
        """Register a task; time stands still until it waits."""
        self._tickets += 1
        self._members.add(self._tickets)
        return self._tickets

    def leave(self, ticket: int) -> None:
        """Strike a task off, and let time go on for the others."""
        self._members.discard(ticket)
        if self._sleepers and len(self._sleepers) == len(self._members):
            self._wake_next()

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        """Wait until virtual time reaches the deadline."""
        if len(self._members) == 1:
            await self._pace(deadline_ms)
            self._now_ms = max(self._now_ms, deadline_ms)
            return
        event = anyio.Event()
        heapq.heappush(self._sleepers, (deadline_ms, ticket, event))
        if len(self._sleepers) == len(self._members):
            await self._pace(self._sleepers[0][0])
            self._wake_next()
        await event.wait()

    async def _pace(self, deadline_ms: int) -> None:
        """Let the real time pass that ``speed`` asks for."""
        self._hops += 1
        if self._speed is not None and deadline_ms > self._now_ms:
            await anyio.sleep((deadline_ms - self._now_ms) / 1000 / self._speed)
        elif self._hops % _BREATHE_EVERY == 0:
            await anyio.lowlevel.checkpoint()

    def _wake_next(self) -> None:
        deadline_ms, _, event = heapq.heappop(self._sleepers)
        self._now_ms = max(self._now_ms, deadline_ms)
        event.set()
