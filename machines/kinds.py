"""The closed sets of words: sides, roles, types, statuses, refusals.

Part of the vocabulary (`machines.words`), which shows them; import them from there.
"""

from __future__ import annotations

import enum
from decimal import Decimal


class Direction(enum.StrEnum):
    """Which way a position points."""

    LONG = "long"
    SHORT = "short"

    @property
    def entry_side(self) -> Side:
        """Name the order side that opens or grows this direction."""
        return Side.BUY if self is Direction.LONG else Side.SELL

    @property
    def exit_side(self) -> Side:
        """Name the order side that reduces this direction."""
        return Side.SELL if self is Direction.LONG else Side.BUY

    def beyond(self, price: Decimal, mark: Decimal) -> bool:
        """Tell whether ``price`` lies strictly on the profit side of ``mark``."""
        return price > mark if self is Direction.LONG else price < mark

    def tighter(self, a: Decimal, b: Decimal) -> Decimal:
        """Return whichever of two stop prices protects more."""
        return b if self.beyond(b, a) else a


class Side(enum.StrEnum):
    """Side of an order or a fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for a buy and −1 for a sell."""
        return 1 if self is Side.BUY else -1


class Role(enum.StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    EXIT = "exit"


class OrderType(enum.StrEnum):
    """How an order executes."""

    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    PAIR = "pair"
    """Two legs, a stop and a target: one fires and becomes an order, the other is gone."""


class OrderStatus(enum.StrEnum):
    """A venue's word for where an order stands."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    TRIGGERED = "triggered"
    """A stop that has fired; what it has not filled yet may still work."""
    SUSPENDED = "suspended"
    """Ended by the session's end; it is sent again at the next one."""
    UNKNOWN = "unknown"
    """A word of the venue that we do not know: it may still fill, and a person must look (H1)."""

    @property
    def live(self) -> bool:
        """Tell whether an order of this status may still fill."""
        return self in (OrderStatus.OPEN, OrderStatus.TRIGGERED, OrderStatus.UNKNOWN)


class Liquidity(enum.StrEnum):
    """Whether a fill gave or took liquidity (it decides the fee)."""

    MAKER = "maker"
    TAKER = "taker"


class Refusal(enum.StrEnum):
    """Why a venue refused a request, as far as it decides what to do next."""

    BEHIND_MARKET = "behind_market"
    TOO_SMALL = "too_small"
    NO_POSITION = "no_position"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ID = "duplicate_id"
    OVERSELL = "oversell"
    """More would be on sale than is held."""
    TOO_NEAR = "too_near"
    """A pair's trigger within the distance from the last price that the venue insists on."""
    OUT_OF_SESSION = "out_of_session"
    INVALID = "invalid"
    OTHER = "other"


class ExitStyle(enum.StrEnum):
    """How exits rest at a venue."""

    POOLED = "pooled"
    """One stop for all that is held beside reduce-only rungs."""
    PER_RUNG = "per-rung"
    PAIRS = "pairs"
