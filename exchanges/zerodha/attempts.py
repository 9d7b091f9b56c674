"""Placements that left and are not in the order book: whether one may leave again.

Kite takes no ids from us and refuses no twin, so an order is sent again only when the book has
been read without it often enough, late enough. Pure bookkeeping by tag; times are handed in.
*Source*: DESIGN law 4, RELIABILITY S3 and S12, the venue sheet §14.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from decimal import Decimal

import msgspec

from exchanges.zerodha import ist
from exchanges.zerodha.instruments import Product
from machines.words import ZERO, Role

ENTRY_WINDOW_MS = 60_000
"""A twin entry doubles the risk, and nobody waits for it."""
EXIT_WINDOW_MS = 25_000
DELIVERY_WINDOW_MS = 3_000
"""The broker refuses a twin of what is sold out of a holding: a naked position is worse."""
LAG_MS = 10_000
"""An accepted order may be missing from the book this long at least: eight have been seen."""
CLEAN_READS = 2


class Again(enum.StrEnum):
    """What may be done about a placement."""

    SEND = "send"
    WAIT = "wait"
    """It may be there, or may yet land."""
    DONE = "done"
    """It was accepted, and the book will show it."""


class Attempt(msgspec.Struct):
    """One placement that the book does not show."""

    role: Role
    qty: Decimal
    symbol: str
    settled_ms: int
    """When the answer came, or none came any more."""
    order_id: str = ""
    """Kite's, once it was accepted."""
    clean_reads: int = 0


class Attempts:
    """All placements of one account that the book does not show."""

    def __init__(self, product: Product) -> None:
        self._exit_window_ms = DELIVERY_WINDOW_MS if product is Product.CNC else EXIT_WINDOW_MS
        self._open: dict[str, Attempt] = {}

    def window_ms(self, role: Role) -> int:
        """Return how long a placement of unknown outcome may still land."""
        return ENTRY_WINDOW_MS if role is Role.ENTRY else self._exit_window_ms

    def again(self, tag: str, now_ms: int) -> Again:
        """Say whether a placement may leave, by what became of the last one of its tag."""
        attempt = self._open.get(tag)
        if attempt is None:
            return Again.SEND
        age_ms = now_ms - attempt.settled_ms
        if attempt.order_id and age_ms < max(LAG_MS, self.window_ms(attempt.role)):
            return Again.DONE
        if age_ms < self.window_ms(attempt.role) or attempt.clean_reads < CLEAN_READS:
            return Again.WAIT
        return Again.SEND

    def settle(self, tag: str, attempt: Attempt) -> None:
        """Note a placement that was accepted, or whose outcome is unknown."""
        self._open[tag] = attempt

    def drop(self, tag: str) -> None:
        """Note that a placement was refused: it is not there and will not be."""
        self._open.pop(tag, None)

    def order_id(self, tag: str) -> str:
        """Return Kite's id of an accepted order that the book does not show yet, or nothing."""
        attempt = self._open.get(tag)
        return "" if attempt is None else attempt.order_id

    def see(self, tags: Collection[str], started_ms: int) -> None:
        """Take a reading of the book that began at ``started_ms``."""
        for tag, attempt in list(self._open.items()):
            # Day orders end with their day, seen or not.
            if tag in tags or ist.day_of(attempt.settled_ms) < ist.day_of(started_ms):
                del self._open[tag]
            elif started_ms >= attempt.settled_ms + 1_000 * (attempt.clean_reads + 1):
                # Reads within a second of another could come out of the same stale copy.
                attempt.clean_reads += 1

    def exits_qty(self, symbol: str, but: str) -> Decimal:
        """Return how much of a symbol may be on sale without the book's knowing.

        ``but`` is the tag about to be sent: what it asks for is counted by whoever asks.
        """
        return sum(
            (
                attempt.qty
                for tag, attempt in self._open.items()
                if tag != but and attempt.symbol == symbol and attempt.role is not Role.ENTRY
            ),
            ZERO,
        )
