"""What the trader asked for: a plan, typed, with every value still as it was written.

Knows the shape of a plan and what makes one wrong whatever the market does. Knows nothing of
files: `controller.config` reads TOML into these structs. *Source*: SPEC §4, §11.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from machines.words import ZERO, Direction


class Anchor(enum.StrEnum):
    """What percent stops and targets are taken of."""

    START = "start"
    AVERAGE = "average"


class Rounding(enum.StrEnum):
    """Which way a computed price goes to the tick."""

    FAVOURABLE = "favourable"
    NEAREST = "nearest"


class BreakEven(enum.StrEnum):
    """What break-even counts."""

    REMAINDER = "remainder"
    WHOLE_TRADE = "whole-trade"


class WhenBehind(enum.StrEnum):
    """What TP1 does when break-even is behind the market."""

    EXIT = "exit"
    KEEP = "keep"


class LateEntry(enum.StrEnum):
    """What happens to a fill of an entry that was already declared cancelled."""

    EXIT = "exit"
    KEEP = "keep"


class WhenBusy(enum.StrEnum):
    """What happens to a plan whose key is live."""

    REFUSE = "refuse"
    QUEUE = "queue"


WHEN_FLAT = "when-flat"
"""A plan that repeats starts again once its last run is closed."""


class NakedPolicy(enum.StrEnum):
    """What happens when a stop's outcome stays unknown."""

    CLOSE = "close"
    ALERT = "alert"


class Price(msgspec.Struct, frozen=True):
    """A price as written: absolute, or a signed fraction of a reference when ``percent``."""

    value: Decimal
    percent: bool = False

    def at(self, reference: Decimal) -> Decimal:
        """Return the price, unrounded."""
        return reference * (1 + self.value) if self.percent else self.value

    def __str__(self) -> str:
        """Write it as the trader would."""
        return f"{self.value.scaleb(2):f}%" if self.percent else f"{self.value:f}"


class EntrySpec(msgspec.Struct, frozen=True):
    """One entry order. ``price`` None is a market order."""

    price: Price | None
    qty: Decimal


class RoundingSpec(msgspec.Struct, frozen=True):
    """Rounding of entry prices and of exit prices (break-even follows the exits)."""

    entries: Rounding = Rounding.FAVOURABLE
    exits: Rounding = Rounding.FAVOURABLE


class Mirror(msgspec.Struct, frozen=True):
    """A second account that follows at a ratio (step 4)."""

    account: str
    ratio: Decimal


DEFAULT_SHARES = (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05"))


class LadderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for one position. Defaults are SPEC §11's ``[ladder]``.

    *Units*: ``…_ms`` milliseconds, ``be_gap`` and ``be_slippage`` fractions, ``max_qty`` a multiple
    of the planned quantity, ``touch_slack`` ticks.
    """

    name: str
    ladder: str
    """The plan's own name; ``name`` is NAME-0001, … for repeats."""
    account: str
    symbol: str
    side: Direction
    entries: tuple[EntrySpec, ...]
    stop: Price
    targets: tuple[Price, ...]
    shares: tuple[Decimal, ...] = DEFAULT_SHARES
    anchor: Anchor = Anchor.START
    rounding: RoundingSpec = RoundingSpec()
    break_even: BreakEven = BreakEven.REMAINDER
    be_slippage: Decimal | None = None
    """None: the venue's own value."""
    be_gap: Decimal = Decimal("0.002")
    when_break_even_is_behind: WhenBehind = WhenBehind.EXIT
    late_entry: LateEntry = LateEntry.EXIT
    entry_ttl_ms: int = 86_400_000
    cancel_if_missed: bool = False
    step_stop: bool = False
    when_busy: WhenBusy = WhenBusy.REFUSE
    naked_policy: NakedPolicy = NakedPolicy.CLOSE
    external_growth: str | None = None
    max_qty: Decimal = Decimal("1.25")
    max_scalings: int = 1
    scale_after_tp1: bool = False
    touch_slack: int = 2
    rules: tuple[str, ...] | bool = True
    mirrors: tuple[Mirror, ...] = ()
    follow_close: bool = True
    not_before_ms: int | None = None
    repeat: str | None = None
    """`WHEN_FLAT`, or a duration from one opening to the next, as it was written."""

    @property
    def planned_qty(self) -> Decimal:
        """Return the sum of the entry quantities."""
        return sum((entry.qty for entry in self.entries), ZERO)
