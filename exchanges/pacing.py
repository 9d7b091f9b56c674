"""Requests no faster than a venue takes them, the urgent first (SPEC §6, RELIABILITY S16).

A bucket is what a venue counts together. Its windows are filled by the lanes in their order, and a
share of each window is kept for the first three: stops, exits and bookings. Nothing here knows a
venue; time comes from the clock that is handed in, so a virtual one works as well. Invariants: no
window ever holds more than its limit; within a lane it is first come, first served.
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import anyio
import anyio.lowlevel
import msgspec

RESERVED = 5
"""One in this many of every window is kept for the urgent lanes: 20 %."""


class Lane(enum.IntEnum):
    """How urgent a request is; lower goes first."""

    FLATTEN = 0
    STOP = 1
    EXIT = 2
    """Bookings, too."""
    CANCEL_ENTRY = 3
    RUNG = 4
    ENTRY = 5
    BACKGROUND = 6

    @property
    def urgent(self) -> bool:
        """Tell whether the reserved share is open to it."""
        return self <= Lane.EXIT


class Window(msgspec.Struct, frozen=True):
    """At most ``limit`` in ``span_ms``; ``calendar``: counted anew at each multiple of it."""

    limit: int
    span_ms: int
    calendar: bool = False


class Sleeper(Protocol):
    """The part of a clock that pacing needs."""

    def now_ms(self) -> int:
        """Return the present time."""
        ...

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        """Wait until the deadline."""
        ...


class _Bucket:
    """What has left, window by window."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self.windows = windows
        self.left: deque[tuple[int, int]] = deque()
        """(when, how many), oldest first."""
        self.shut_until_ms = 0

    def free_ms(self, cost: int, now_ms: int, *, urgent: bool) -> int:
        """Return when ``cost`` more may leave: now or later."""
        free = max(now_ms, self.shut_until_ms)
        for window in self.windows:
            room = window.limit if urgent else window.limit - window.limit // RESERVED
            free = max(free, self._free_in(window, max(cost, room) - cost, now_ms))
        return free

    def _free_in(self, window: Window, room: int, now_ms: int) -> int:
        """Return when a window holds no more than ``room``."""
        begins = now_ms - window.span_ms + 1
        if window.calendar:
            begins = now_ms - now_ms % window.span_ms
        held = 0
        for at_ms, cost in reversed(self.left):
            if at_ms < begins:
                break
            held += cost
            if held > room:
                return begins + window.span_ms if window.calendar else at_ms + window.span_ms
        return now_ms

    def spend(self, cost: int, now_ms: int) -> None:
        """Count what leaves now."""
        self.left.append((now_ms, cost))
        longest = max(window.span_ms for window in self.windows)
        while self.left and self.left[0][0] <= now_ms - 2 * longest:
            self.left.popleft()


class Pacer:
    """One account's pacing. *Shape*: ``windows`` by bucket; an unknown bucket is not paced."""

    def __init__(self, windows: Mapping[str, tuple[Window, ...]], clock: Sleeper) -> None:
        self._buckets = {name: _Bucket(found) for name, found in windows.items() if found}
        self._clock = clock
        self._waiting: dict[str, list[tuple[Lane, int]]] = {name: [] for name in self._buckets}
        self._moved = {name: anyio.Event() for name in self._buckets}
        """Set when somebody leaves a bucket's queue."""
        self._came = 0
        self.waited_ms: dict[Lane, int] = dict.fromkeys(Lane, 0)
        """How long requests of a lane have waited in all."""

    async def admit(self, lane: Lane, bucket: str, cost: int = 1) -> None:
        """Wait until a request that costs this much may leave, and count it."""
        found = self._buckets.get(bucket)
        if found is None:
            return
        began_ms = self._clock.now_ms()
        self._came += 1
        mine = (lane, self._came)
        heapq.heappush(self._waiting[bucket], mine)
        try:
            while True:
                if self._outranked(bucket, mine):
                    await self._moved[bucket].wait()
                    continue
                now_ms = self._clock.now_ms()
                free_ms = found.free_ms(cost, now_ms, urgent=lane.urgent)
                if free_ms <= now_ms:
                    found.spend(cost, now_ms)
                    self.waited_ms[lane] += now_ms - began_ms
                    return
                await self._clock.sleep_until_ms(free_ms, 0)
                await anyio.lowlevel.checkpoint()
        finally:
            self._waiting[bucket].remove(mine)
            heapq.heapify(self._waiting[bucket])
            self._moved[bucket].set()
            self._moved[bucket] = anyio.Event()

    def _outranked(self, bucket: str, mine: tuple[Lane, int]) -> bool:
        """Tell whether somebody more urgent, or earlier in the same lane, waits too."""
        return self._waiting[bucket][0] < mine

    def shut(self, bucket: str, until_ms: int) -> None:
        """Hear that the venue takes nothing more until then (its limit was reached after all)."""
        found = self._buckets.get(bucket)
        if found is not None:
            found.shut_until_ms = max(found.shut_until_ms, until_ms)

    def resize(self, bucket: str, windows: tuple[Window, ...]) -> None:
        """Hear that a bucket takes more, or less, than was known."""
        found = self._buckets.get(bucket)
        if found is not None:
            found.windows = windows

    def hear(self, bucket: str, left: int, resets_ms: int) -> None:
        """Learn from a venue's headers how many requests are left until a reset."""
        if left <= 0:
            self.shut(bucket, resets_ms)
