"""What the parts of one account share: its client, its listings, and what was read and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exchanges.zerodha.asked import Asked
from exchanges.zerodha.attempts import Attempts
from exchanges.zerodha.books import Books
from exchanges.zerodha.client import Client
from exchanges.zerodha.guards import Guard
from exchanges.zerodha.instruments import Listing
from exchanges.zerodha.memory import Memory
from exchanges.zerodha.pairs import Pairs
from exchanges.zerodha.sessions import Calendar, read_calendar
from exchanges.zerodha.settings import ZerodhaSettings


@dataclass(frozen=True)
class Parts:
    """One account's. Each part says itself what it is for."""

    settings: ZerodhaSettings
    client: Client
    listings: Mapping[str, Listing]
    now_ms: Callable[[], int]
    calendar: Calendar
    books: Books
    asked: Asked
    attempts: Attempts
    pairs: Pairs
    guard: Guard


def assemble(
    settings: ZerodhaSettings,
    client: Client,
    listings: Mapping[str, Listing],
    now_ms: Callable[[], int],
) -> Parts:
    """Put one account together. *Raises*: InvalidSpec for a bad calendar or memory."""
    calendar = read_calendar(settings.calendar)
    books, attempts = Books(), Attempts(settings.product)
    pairs = Pairs(Memory(settings.memory), listings)
    guard = Guard(books, attempts, pairs, settings.product, calendar, now_ms)
    return Parts(
        settings=settings,
        client=client,
        listings=listings,
        now_ms=now_ms,
        calendar=calendar,
        books=books,
        asked=Asked(),
        attempts=attempts,
        pairs=pairs,
        guard=guard,
    )
