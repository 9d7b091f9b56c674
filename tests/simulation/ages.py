"""A ladder without what cannot matter: how old it is in all, and what it only counts or tells.

States that differ in nothing else are one state, so the search ends. Times are known by their
names, which end in ``_ms``: a new one grows older with the others.
"""

from functools import cache

import msgspec
from msgspec.structs import replace

from machines.ladder import Ladder
from machines.words import ZERO
from tests.simulation.tiny import NOW_MS

OLD_MS = 16_000
"""Nothing that waits waits longer than this since something happened."""
HORIZONS_MS = {"until_ms": 4_000, "exit_since_ms": 6_000, "stop_refused_ms": 12_000}
"""Where less is enough. A read held back grows older than any end of a window does."""
_TOLD = {
    "version": 0,
    "intents": 0,
    "reason": "",
    "realised": ZERO,
    "cash": ZERO,
    "unprotected_ms": 0,
    "entered_ms": 0,
}
"""Fields that no decision looks at: ``entered_ms`` is for exits per rung, not explored here."""
_UNTIL = ("not_before_ms",)
"""Times that mean nothing any more once they are over."""


def plainly(ladder: Ladder) -> Ladder:
    """Return a ladder as the decisions to come see it."""
    flights = [replace(flight, intent=flight.slot) for flight in ladder.flights]
    return replace(
        ladder,
        seen_fills=tuple(sorted(ladder.seen_fills)),
        sent_stops=tuple(sorted(ladder.sent_stops)),
        flights=tuple(sorted(flights, key=lambda flight: flight.slot)),
        # What is done waits from when it was found out; since when only adds up.
        naked_since_ms=None if ladder.naked_since_ms is None else ladder.naked_found_ms,
        **_TOLD,
    )


def older(ladder: Ladder, by_ms: int) -> Ladder:
    """Return a ladder as it is ``by_ms`` later, seen from the same now."""
    changed = {
        name: _aged(name, getattr(ladder, name), by_ms)
        for name in Ladder.__struct_fields__
        if name != "terms"
    }
    return replace(ladder, **changed)


def _aged(name: str, value: object, by_ms: int) -> object:
    if isinstance(value, tuple):
        return tuple([_aged("", each, by_ms) for each in value])  # pyright: ignore[reportUnknownVariableType]  # any tuple
    if isinstance(value, msgspec.Struct):
        return _part(value, by_ms)
    if not name.endswith("_ms") or not isinstance(value, int) or not value:
        return value
    if name in _UNTIL and value - by_ms <= NOW_MS:
        return 0
    return max(value - by_ms, NOW_MS - HORIZONS_MS.get(name, OLD_MS))


@cache
def _part(value: msgspec.Struct, by_ms: int) -> msgspec.Struct:
    changed = {name: _aged(name, getattr(value, name), by_ms) for name in value.__struct_fields__}
    return replace(value, **changed)
