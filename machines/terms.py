"""What a ladder is opened with, and what it doubts: parts of `machines.ladder`.

Frozen data and nothing else.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines.spec import LadderSpec
from machines.words import Alias, ExitStyle, Fees, Instrument, Key


class Terms(msgspec.Struct, frozen=True):
    """What never changes after the ladder is opened. *Units*: ``opened_trading_ms`` venue time."""

    spec: LadderSpec
    instrument: Instrument
    fees: Fees
    key: Key
    prefix: str
    """Leads every client order id of this ladder."""
    be_slippage: Decimal
    opened_ms: int
    opened_trading_ms: int
    start_px: Decimal
    merges: bool = True
    """What this venue's plans do with foreign growth unless they say otherwise."""
    exits: ExitStyle = ExitStyle.POOLED
    adopted: tuple[Alias, ...] = ()
    """Orders that rested before the ladder was ours."""


class Doubt(msgspec.Struct, frozen=True):
    """Something the venue shows that our books do not explain yet (M1, M2, H1)."""

    reason: str
    """Empty for a plain difference in quantity."""
    qty: Decimal
    """Toward the ladder's direction; zero with a reason."""
    times: int
    """Consecutive consistent reads that showed just this."""
    changes: int
    """Consecutive reads that each showed another difference than the one before."""
    read_ms: int
