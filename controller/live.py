"""Drives one account in real time: poll by deadlines, sooner when something wakes it.

A venue's stream, a decision or a deadline of a ladder wakes the poll; none of them is believed.
Time goes by the clock that is handed in, which counts suspension. Knows no venue.
"""

from __future__ import annotations

import anyio

from controller.clock import Clock
from controller.keeper import Keeper

LOOK_AGAIN_MS = 250
"""After having acted: soon enough to see what came of it, late enough for a venue's read."""
MAX_LOOKS = 8
RETRY_READ_MS = 1_000
"""After a read that told nothing."""
IDLE_POLL_MS = 12_000
"""Nothing of ours is live and nothing is due: late fills alone are looked for."""
DOZE_MS = 5_000
"""The longest wait at one time: the loop's own timers stand still while the machine sleeps."""


class Wake:
    """Something has happened: the poll need not wait. Setting it twice is setting it once."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake the poll."""
        self._event.set()

    async def wait(self, at_most_ms: int) -> bool:
        """Wait to be woken, or until the time is over; tell whether it was woken."""
        with anyio.move_on_after(max(0, at_most_ms) / 1_000):
            await self._event.wait()
        woken = self._event.is_set()
        if woken:
            self._event = anyio.Event()
        return woken


class LiveRunner:
    """One account's timetable in real time."""

    def __init__(self, keeper: Keeper, clock: Clock, poll_ms: int, wake: Wake) -> None:
        self._keeper = keeper
        self._clock = clock
        self._poll_ms = poll_ms
        self._wake = wake
        self._looks = 0

    async def run(self) -> None:
        """Keep the account until cancelled."""
        while True:
            moved = await self._keeper.look_once(self._clock.now_ms())
            await self._wait_until(self.next_ms(self._clock.now_ms(), moved=moved))

    async def _wait_until(self, at_ms: int) -> None:
        while (left_ms := at_ms - self._clock.now_ms()) > 0:
            if await self._wake.wait(min(left_ms, DOZE_MS)):
                return

    def next_ms(self, now_ms: int, *, moved: bool) -> int:
        """Return when to look next. A venue that is away is never asked without a pause."""
        keeper = self._keeper
        self._looks = self._looks + 1 if moved else 0
        if keeper.reading.missed:
            return now_ms + min(RETRY_READ_MS, self._poll_ms)
        if moved and self._looks < MAX_LOOKS:
            return now_ms + LOOK_AGAIN_MS
        idle = not keeper.open and not keeper.eager(now_ms)
        times = [now_ms + (max(self._poll_ms, IDLE_POLL_MS) if idle else self._poll_ms)]
        times += [at for at in keeper.starts_ms() if at > now_ms]
        times += [at for at in keeper.cycle_due_ms() if at > now_ms]
        due = [w.at_ms for _, w in keeper.watches if w.at_ms is not None]
        # What was due already has been looked at: the venue is given the time to show it.
        times += [max(at, now_ms + LOOK_AGAIN_MS) for at in due]
        return min(times)
