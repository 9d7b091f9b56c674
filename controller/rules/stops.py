"""Which stops a rule may ask for (SPEC §7): tighter by enough, and not too near the market.

What no rule may do is refused here once, for the built-in rules and the user's alike. Invariant:
what leaves here tightens the declared stop.
"""

from __future__ import annotations

from decimal import Decimal

from controller.config_accounts import VenueName
from controller.rules.views import PositionView
from machines.words import ZERO

LEAST_TICKS = 2
LEAST_MOVE = Decimal("0.001")
"""A stop moves by at least this fraction of where it is, and by `LEAST_TICKS`."""
LEAST_DISTANCE = Decimal("0.003")
"""A rule's stop keeps at least this fraction of the market's price away from it."""
ZERODHA_GAP_MS = 60_000
"""At Zerodha a rule's stop is sent at most once a minute. *Source*: 25 modifications an order."""


def allowed_stop(view: PositionView, price: Decimal) -> Decimal | None:
    """Return the stop on the tick if a rule may send it now, else None."""
    if view.stop_px is None or view.exit_px is None or not price > ZERO:
        return None
    if _too_soon(view):
        return None
    stop_px = view.on_tick(price)
    if view.ahead(stop_px, view.stop_px) < least_move(view, view.stop_px):
        return None
    if view.ahead(view.exit_px, stop_px) < view.exit_px * LEAST_DISTANCE:
        return None
    return stop_px


def least_move(view: PositionView, stop_px: Decimal) -> Decimal:
    """Return by how much a stop has to be tighter than another to be worth sending."""
    return max(LEAST_TICKS * view.tick, stop_px * LEAST_MOVE)


def _too_soon(view: PositionView) -> bool:
    if view.venue is not VenueName.ZERODHA or view.stop_sent_ms is None:
        return False
    return view.now_ms - view.stop_sent_ms < ZERODHA_GAP_MS
