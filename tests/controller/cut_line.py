"""A line to a venue that a test can cut, or that refuses what is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exchanges.errors import VenueUnavailable
from exchanges.venue import Venue
from machines.words import (
    Capabilities,
    Fees,
    Instrument,
    Key,
    Mutation,
    Outcome,
    OutcomeKind,
    Snapshot,
)


class CutLine:
    """A venue's port. ``away``: nothing is answered; ``busy``: what is sent is turned away."""

    def __init__(self, venue: Venue) -> None:
        self.inner = venue
        self.away = False
        self.busy = False
        self.sent: list[Mutation] = []
        """All that has reached the venue."""

    @property
    def account(self) -> str:
        return self.inner.account

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self.inner.instruments

    def fees(self, symbol: str) -> Fees:
        return self.inner.fees(symbol)

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        return self.inner.key_for(symbol, ladder_key, side)

    async def snapshot(self, since_ms: int) -> Snapshot:
        if self.away:
            raise VenueUnavailable(f"account {self.account}: the line is cut")
        return await self.inner.snapshot(since_ms)

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        if self.away or self.busy:
            kind = OutcomeKind.UNSURE if self.away else OutcomeKind.BUSY
            return [Outcome(kind) for _ in mutations]
        self.sent += mutations
        return await self.inner.send(mutations)
