"""Drives one account in real time: poll by deadlines, sooner when something wakes it.

A venue's stream, a decision or a deadline of a ladder wakes the poll; none of them is believed.
File feeds and live venues never share a process. Knows no venue.
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


class Wake:
    """Something has happened: the poll need not wait. Setting it twice is setting it once."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake the poll."""
        self._event.set()

    async def wait(self, at_most_ms: int) -> None:
        """Wait to be woken, or until the time is over."""
        with anyio.move_on_after(max(0, at_most_ms) / 1_000):
            await self._event.wait()
        self._event = anyio.Event()


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
            now_ms = self._clock.now_ms()
            await self._wake.wait(self._next_ms(now_ms, moved=moved) - now_ms)

    def _next_ms(self, now_ms: int, *, moved: bool) -> int:
        """Return when to look next."""
        self._looks = self._looks + 1 if moved else 0
        if moved and self._looks < MAX_LOOKS:
            return now_ms + LOOK_AGAIN_MS
        times = [now_ms + self._poll_ms]
        if self._keeper.reading.missed:
            times.append(now_ms + RETRY_READ_MS)
        times += [at for at in self._keeper.starts_ms() if at > now_ms]
        times += [w.at_ms for _, w in self._keeper.watches if w.at_ms is not None]
        return max(now_ms, min(times))
