"""What waits for a price on one symbol, in the order in which a moving price meets it.

Two heaps: a falling price meets buy limits and sell stops from the highest down, a rising one
sell limits and buy stops from the lowest up. At one price stops come first, then the order of
placing. Knows nothing of positions or fills. Invariant: what is gone stays in its heap until it
comes to the top or the heap is swept, and is never handed out.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heapify, heappop, heappush
from itertools import count

from exchanges.simulated.state import Working

_Entry = tuple[Decimal, int, int, int, Working]
_SWEEP_FROM = 64


class Levels:
    """The waiting prices of one symbol."""

    __slots__ = ("_falling", "_rising", "_serial", "_sweep_at")

    def __init__(self) -> None:
        self._falling: list[_Entry] = []
        self._rising: list[_Entry] = []
        # Makes entries of one order distinct, so that a heap never compares the orders.
        self._serial = count()
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        """Count what is kept, what is gone and not yet swept included."""
        return len(self._falling) + len(self._rising)

    def add(self, working: Working) -> None:
        """Wait for the price of ``working`` until it is gone."""
        rank = 0 if working.is_stop else 1
        if working.falling:
            entry = (-working.px, rank, working.placed, next(self._serial), working)
            heappush(self._falling, entry)
        else:
            entry = (working.px, rank, working.placed, next(self._serial), working)
            heappush(self._rising, entry)
        if len(self) > self._sweep_at:
            self._sweep()

    def below(self) -> Decimal | None:
        """Return the highest price that a falling price would meet."""
        _purge(self._falling)
        return self._falling[0][4].px if self._falling else None

    def above(self) -> Decimal | None:
        """Return the lowest price that a rising price would meet."""
        _purge(self._rising)
        return self._rising[0][4].px if self._rising else None

    def fall_to(self, px: Decimal) -> Working | None:
        """Take what a price that falls to ``px`` meets first, or None."""
        met = self.below()
        return heappop(self._falling)[4] if met is not None and met >= px else None

    def rise_to(self, px: Decimal) -> Working | None:
        """Take what a price that rises to ``px`` meets first, or None."""
        met = self.above()
        return heappop(self._rising)[4] if met is not None and met <= px else None

    def _sweep(self) -> None:
        for heap in (self._falling, self._rising):
            heap[:] = [entry for entry in heap if not entry[4].gone]
            heapify(heap)
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self))


def _purge(heap: list[_Entry]) -> None:
    while heap and heap[0][4].gone:
        heappop(heap)
