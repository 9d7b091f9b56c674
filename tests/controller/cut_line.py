"""A line to a venue that a test can cut, or that refuses what is sent."""

from __future__ import annotations

from collections.abc import Sequence

from exchanges.errors import VenueUnavailable
from exchanges.venue import Venue, VenueProxy
from machines.words import (
    Mutation,
    Outcome,
    OutcomeKind,
    Snapshot,
)


class CutLine(VenueProxy[Venue]):
    """A venue's port. ``away``: nothing is answered; ``busy``: what is sent is turned away."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.away = False
        self.busy = False
        self.sent: list[Mutation] = []
        """All that has reached the venue."""

    async def snapshot(self, since_ms: int) -> Snapshot:
        if self.away:
            raise VenueUnavailable(f"account {self.account}: the line is cut")
        return await super().snapshot(since_ms)

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        if self.away or self.busy:
            kind = OutcomeKind.UNSURE if self.away else OutcomeKind.BUSY
            return [Outcome(kind) for _ in mutations]
        self.sent += mutations
        return await super().send(mutations)
