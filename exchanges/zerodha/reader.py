"""Reads an account as one consistent cut, and prices once a second.

Orders are read first and last: if they differ, the cut was taken in between and is taken again.
Knows nothing of what the payloads mean. *Source*: RELIABILITY S11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from exchanges.errors import VenueUnavailable
from exchanges.zerodha import ist
from exchanges.zerodha.books import Books
from exchanges.zerodha.client import AuthLost, Client, NotPermitted
from exchanges.zerodha.limits import Kind
from exchanges.zerodha.parse import Reading
from exchanges.zerodha.sdk import Session
from exchanges.zerodha.wire import (
    WireGtt,
    WireHolding,
    WireOrder,
    WirePosition,
    WirePositions,
    WireQuote,
    WireTrade,
)

_TRIES = 3
_QUOTE_EVERY_MS = 900
"""With a poll each second there is a price with each; the rate window makes it wait if need be."""


class Reader:
    """Reads one account. ``quote_keys`` are the names that prices are asked for."""

    def __init__(
        self,
        client: Client,
        books: Books,
        quote_keys: Sequence[str],
        now_ms: Callable[[], int],
        *,
        holdings: bool,
        gtts: bool,
    ) -> None:
        self._client = client
        self._books = books
        self._quote_keys = sorted(set(quote_keys))
        self._now_ms = now_ms
        self._holdings = holdings
        self._gtts = gtts
        self.quotes: dict[str, WireQuote] = {}
        self.quoted_ms = 0
        self.quotes_allowed = True
        """The account's plan includes quotes; false once Kite has said no."""

    async def read(self) -> Reading:
        """Read everything, whole and believable.

        *Raises*: AuthLost, VenueUnavailable.
        """
        day, doubt = f"{ist.day_of(self._now_ms())}", ""
        for _ in range(_TRIES):
            reading, doubt = await self._try(day)
            if not doubt:
                self._books.begin(day)
                return reading
        raise VenueUnavailable(doubt)

    async def read_gtts(self) -> list[WireGtt]:
        """Read all GTTs, ended ones included. *Raises*: AuthLost, VenueUnavailable."""
        return await self._client.read(lambda s: s.get_gtts(), list[WireGtt])

    async def _try(self, day: str) -> tuple[Reading, str]:
        before = await self._client.read(read_orders, list[WireOrder])
        rest = _Rest()
        async with anyio.create_task_group() as tasks:
            for part in (self._read_trades, self._read_positions, self._read_quotes):
                tasks.start_soon(part, rest)
            if self._holdings:
                tasks.start_soon(self._read_holdings, rest)
            if self._gtts:
                tasks.start_soon(self._read_gtts, rest)
        if rest.error is not None:
            raise rest.error
        after = await self._client.read(read_orders, list[WireOrder])
        reading = Reading(after, rest.trades, rest.positions, rest.holdings, rest.gtts)
        if before != after:
            return reading, "the order book changed while it was read"
        return reading, self._books.doubt(reading, day, self._now_ms())

    async def _read_trades(self, rest: _Rest) -> None:
        with rest:
            rest.trades = await self._client.read(lambda s: s.trades(), list[WireTrade])

    async def _read_positions(self, rest: _Rest) -> None:
        with rest:
            found = await self._client.read(lambda s: s.positions(), WirePositions)
            rest.positions = found.net

    async def _read_holdings(self, rest: _Rest) -> None:
        with rest:
            rest.holdings = await self._client.read(lambda s: s.holdings(), list[WireHolding])

    async def _read_gtts(self, rest: _Rest) -> None:
        with rest:
            rest.gtts = await self.read_gtts()

    async def _read_quotes(self, rest: _Rest) -> None:
        """Read prices if it is time; without them orders are looked after all the same."""
        if not self.quotes_allowed or self._now_ms() - self.quoted_ms < _QUOTE_EVERY_MS:
            return
        with rest:
            try:
                found = await self._client.read(
                    lambda session: session.quote(*self._quote_keys),
                    dict[str, WireQuote],
                    Kind.QUOTE,
                )
            except NotPermitted:
                self.quotes_allowed = False
            except AuthLost:
                raise
            except VenueUnavailable:
                return  # the older ones age, and are unknown after 15 s
            else:
                self.quotes, self.quoted_ms = found, self._now_ms()


class _Rest:
    """What is read between the two looks at the order book; keeps the first error."""

    def __init__(self) -> None:
        self.trades: list[WireTrade] = []
        self.positions: list[WirePosition] = []
        self.holdings: list[WireHolding] = []
        self.gtts: list[WireGtt] = []
        self.error: VenueUnavailable | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        # A task group would wrap it; what failed is wanted as it is.
        if not isinstance(error, VenueUnavailable):
            return False
        if self.error is None or isinstance(error, AuthLost):
            self.error = error
        return True


def read_orders(session: Session) -> object:
    """Ask for the day's order book."""
    return session.orders()
