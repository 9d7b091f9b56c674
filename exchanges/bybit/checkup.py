"""What a person should know of a Bybit account before it trades.

Judges what was read when the account was opened, and what one look takes. What makes the account
unsafe has kept it from opening.
"""

from __future__ import annotations

from exchanges.bybit.capabilities import Found
from exchanges.bybit.client import BybitVenue
from exchanges.bybit.pace import WINDOWS
from exchanges.bybit.settings import BybitSettings, StopStyle
from exchanges.findings import Finding, budget, fine, warning

SKEWED_MS = 500
"""Half of what the venue takes: such a clock is on its way out."""


async def look_over(
    venue: BybitVenue, settings: BybitSettings, poll_ms: int, now_ms: int
) -> list[Finding]:
    """Look an account over and judge it. *Raises*: VenueUnavailable."""
    await venue.snapshot(now_ms)  # the first one reads twice
    before = sum(venue.line.calls.values())
    await venue.snapshot(now_ms)
    (address,) = WINDOWS["address"]
    what = f"{address.limit} in {address.span_ms / 1000:g} s"
    reads = sum(venue.line.calls.values()) - before
    return [
        *findings(venue.found, settings),
        budget(reads, poll_ms, address.limit, address.span_ms, what),
    ]


def findings(found: Found, settings: BybitSettings) -> list[Finding]:
    """Judge what was read when the account was opened."""
    environment = settings.environment.value
    key = [warning("key", text.partition(": key: ")[2] or text) for text in found.warnings]
    if settings.allow_transfers:
        key.append(warning("key", "allow_transfers is set", "leave it out, and take Wallet away"))
    skew = f"this clock is {found.skew_ms} ms ahead of Bybit's"
    late = abs(found.skew_ms) > SKEWED_MS
    own = settings.stop_style is StopStyle.POSITION
    return [
        fine("environment", f"the key belongs to {environment}"),
        *(key or [fine("key", "may trade and move no money; bound to an address")]),
        warning("clock", skew, "set it: NTP") if late else fine("clock", skew),
        fine("position mode", "hedge" if found.mode.hedge else "one-way"),
        fine("stop", "the position's own" if own else "a reduce-only conditional order"),
    ]
