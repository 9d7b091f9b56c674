"""The clock port: the only way time is read or waited for (DESIGN law 7).

`FeedClock` jumps to the next deadline when every registered task waits; one task is woken at a
time, in order of deadline and then of registration, so a run is the same on asyncio and trio.
`SystemClock` is the machine's. Knows nothing of venues.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.lowlevel

JUMP_MS = 1_000
"""A step of the wall clock beyond this is a jump."""


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
    """The machine's clocks. Time goes by the boot clock and follows the wall clock's small steps.

    A wall clock that jumps (by more than `JUMP_MS`) is not followed: a window or a pause must not
    end because somebody set the clock. ``on_jump`` hears of it once (RELIABILITY S21).
    """

    def __init__(
        self,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        boot: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        on_jump: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._wall, self._boot, self._on_jump = wall, boot, on_jump
        self._ahead_ms = wall() - boot()
        self._jumped = False

    def now_ms(self) -> int:
        """Return the present time, UTC."""
        boot_ms = self._boot()
        step_ms = self._wall() - boot_ms - self._ahead_ms
        if abs(step_ms) <= JUMP_MS:
            self._ahead_ms += step_ms
            self._jumped = False
        elif not self._jumped:
            self._jumped = True
            self._on_jump(step_ms)
        return boot_ms + self._ahead_ms

    def boot_ms(self) -> int:
        """Return CLOCK_BOOTTIME, which counts suspension (RELIABILITY S21)."""
        return self._boot()

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
        self._nudge = anyio.Event()
        self._pace_began = 0.0
        """When the running wait began, by the machine's own clock; zero when none runs."""
        self._pace_until_ms = start_ms

    @property
    def is_paced(self) -> bool:
        """Tell whether real time passes, so that a person can act in between."""
        return self._speed is not None

    def paced_ms(self) -> int:
        """Return virtual time as a person lives through it, between two turns, too."""
        if self._speed is None or not self._pace_began:
            return self._now_ms
        passed_ms = int((time.monotonic() - self._pace_began) * 1000 * self._speed)
        return min(self._pace_until_ms, self._now_ms + passed_ms)

    def nudge(self) -> None:
        """Let whoever waits look now: a person has acted."""
        self._nudge.set()

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
            self._now_ms = max(self._now_ms, await self._pace(deadline_ms))
            return
        event = anyio.Event()
        heapq.heappush(self._sleepers, (deadline_ms, ticket, event))
        if len(self._sleepers) == len(self._members):
            self._wake_next(await self._pace(self._sleepers[0][0]))
        await event.wait()

    async def _pace(self, deadline_ms: int) -> int:
        """Let the real time pass that ``speed`` asks for; return the virtual time reached.

        That is the deadline, or earlier when somebody nudged.
        """
        self._hops += 1
        if self._speed is not None and deadline_ms > self._now_ms:
            self._pace_began, self._pace_until_ms = time.monotonic(), deadline_ms
            self._nudge = anyio.Event()
            with anyio.move_on_after((deadline_ms - self._now_ms) / 1000 / self._speed) as waiting:
                await self._nudge.wait()
            reached_ms = deadline_ms if waiting.cancelled_caught else self.paced_ms()
            self._pace_began = 0.0
            return reached_ms
        if self._hops % _BREATHE_EVERY == 0:
            await anyio.lowlevel.checkpoint()
        return deadline_ms

    def _wake_next(self, reached_ms: int | None = None) -> None:
        deadline_ms, _, event = heapq.heappop(self._sleepers)
        self._now_ms = max(self._now_ms, deadline_ms if reached_ms is None else reached_ms)
        event.set()
