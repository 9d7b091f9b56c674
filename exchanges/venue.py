"""The port to one account at one venue: read a snapshot, send mutations.

Knows the vocabulary, never the tables. Everything a controller learns about the world comes
through here; acknowledgements are hints (DESIGN law 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from machines.words import Capabilities, Fees, Instrument, Key, Mutation, Outcome, Snapshot


class Venue(Protocol):
    """One account at one venue."""

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Say what this venue can do."""
        ...

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the known instruments by symbol."""
        ...

    def fees(self, symbol: str) -> Fees:
        """Return the fee rates of a symbol."""
        ...

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol and side would own."""
        ...

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read orders, fills, positions, stops and prices.

        *Shape*: fills at or after ``since_ms``; orders that live or ended at or after it.
        *Raises*: VenueUnavailable when the venue did not answer whole.
        """
        ...

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations in order and return one outcome for each."""
        ...


V = TypeVar("V", bound=Venue)


class VenueProxy(Generic[V]):
    """A venue behind something that stands before it; what is not changed there passes through."""

    def __init__(self, inner: V) -> None:
        self.inner = inner

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        return self.inner.account

    @property
    def capabilities(self) -> Capabilities:
        """Say what this venue can do."""
        return self.inner.capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the known instruments by symbol."""
        return self.inner.instruments

    def fees(self, symbol: str) -> Fees:
        """Return the fee rates of a symbol."""
        return self.inner.fees(symbol)

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol and side would own."""
        return self.inner.key_for(symbol, ladder_key, side)

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read as `Venue.snapshot` does. *Raises*: VenueUnavailable."""
        return await self.inner.snapshot(since_ms)

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations in order and return one outcome for each."""
        return await self.inner.send(mutations)


class FeedDriven(Protocol):
    """A venue whose market moves by a feed that the controller's clock drives."""

    def next_ms(self, limit_ms: int | None) -> int | None:
        """Return when something of ours may next change (a bar's close), at most ``limit_ms``.

        None: the feed has ended. Bars that touch nothing of ours are passed over.
        """
        ...

    def next_bar_ms(self) -> int | None:
        """Return the close of the next bar, or a session's opening, or None at the feed's end."""
        ...

    def advance(self, now_ms: int) -> None:
        """Let the market move up to and including ``now_ms``."""
        ...
