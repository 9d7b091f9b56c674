"""Reads a venue and judges whether the read tells anything (DESIGN laws 4 and 5).

A read that failed says nothing, for however long; one of an earlier moment than the one asked for
may show what we have changed since, and says nothing either.
"""

from __future__ import annotations

import anyio

from controller.alerts import OnAlert
from exchanges.errors import VenueUnavailable
from exchanges.venue import Venue
from machines.words import Snapshot


class Reading:
    """One account's reads. ``missed``: the last one told nothing, so look again soon."""

    def __init__(self, venue: Venue, on_alert: OnAlert) -> None:
        self.missed = False
        self.down_since_ms: int | None = None
        """Since when the venue has not answered."""
        self.as_of_ms = 0
        """When the last accepted snapshot was taken."""
        self.settled_ms = 0
        """When the last answer to a request of ours came: reads begun before are stale."""
        self.last: Snapshot | None = None
        self._heard: anyio.Event | None = None
        """Set at the next accepted snapshot, where somebody waits for it."""
        self._venue = venue
        self._on_alert = on_alert

    async def read(self, since_ms: int, now_ms: int) -> Snapshot | None:
        """Return a snapshot that can be believed, or None."""
        self.missed = True
        try:
            snapshot = await self._venue.snapshot(since_ms)
        except VenueUnavailable as error:
            if self.down_since_ms is None:
                self.down_since_ms = now_ms
                self._on_alert(self._venue.account, f"venue away: {error}", now_ms)
            return None
        if snapshot.started_ms < max(now_ms, self.settled_ms, self.as_of_ms):
            return None
        if self.down_since_ms is not None:
            seconds = (now_ms - self.down_since_ms) / 1000
            self._on_alert(self._venue.account, f"venue back after {seconds:g} s", now_ms)
        self.missed, self.down_since_ms = False, None
        self.as_of_ms, self.last = snapshot.as_of_ms, snapshot
        if self._heard is not None:
            self._heard.set()
            self._heard = None
        return snapshot

    @property
    def wanted(self) -> bool:
        """Tell whether somebody waits for a snapshot."""
        return self._heard is not None

    async def heard(self) -> None:
        """Wait for the next snapshot that can be believed."""
        if self._heard is None:
            self._heard = anyio.Event()
        await self._heard.wait()
