"""What a loopback Bybit is like: figures that are documented, and switches for what is not.

*Source*: venues/bybit.md §5, §9.2, §11.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from machines.words import Fees, Instrument


class Shrink(enum.Enum):
    """What becomes of resting reduce-only orders that are more than what is held."""

    LEAVE = "leave"
    SHRINK_NEWEST = "shrink_newest"
    CANCEL_NEWEST = "cancel_newest"


def _permissions() -> dict[str, list[str]]:
    return {"ContractTrade": ["Order", "Position"], "Wallet": []}


def _ips() -> list[str]:
    return ["192.0.2.1"]


class Rules(msgspec.Struct, kw_only=True):
    """One loopback venue. Undocumented behaviour is a switch; tests run both ways."""

    instruments: dict[str, Instrument]
    fees: Fees = Fees(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
    hedge: bool = False
    key: str = "loopback-key"
    secret: str = "loopback-secret"
    permissions: dict[str, list[str]] = msgspec.field(default_factory=_permissions)
    read_only: int = 0
    ips: list[str] = msgspec.field(default_factory=_ips)
    deadline_day: int = 83
    unified: int = 5
    clock_offset_ms: int = 0
    """How far the venue's clock is ahead of this machine's."""
    limits: bool = True
    """Rate limits are kept."""
    per_second: dict[str, int] = {}
    """Other limits than the documented ones, by path."""

    attached_replaces: bool = True
    """An attached stop replaces the position's at each fill (§0.1 no. 13); else only where there
    is none."""
    shrink: Shrink = Shrink.LEAVE
    deactivated: bool = False
    """A conditional order cancelled before it fired ends ``Deactivated``."""
    small_closes: bool = False
    """Reduce-only orders need no minimal notional."""
    full_stop_shows_size: bool = True
    """The row of a position's stop shows the position's size; else ``"0"``."""
    nothing: str = ""
    """How "no value" is spelt: ``""``, ``"0"`` or ``"0.00"``."""
    no_stop_type: str = ""
    """``stopOrderType`` of what is no stop: ``""`` or ``"UNKNOWN"``."""
    visible_position_ms: int = 0
    """trading-stop and reduce-only orders see a new position only after so long."""
    depth: dict[str, Decimal] = {}
    """What a market order can fill at once; the rest of it dies (§4.3)."""
    conditional_limit: int = 10
    active_limit: int = 500
