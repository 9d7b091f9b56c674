"""The rules' thresholds (SPEC §7), with its defaults. `controller.config_rules` reads them.

*Units*: ``profit``, ``change``, ``book``, ``add``, ``lock`` and ``distance`` are fractions, times
are milliseconds, ``atr``, ``volume`` and ``ratio`` are multiples.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from pathlib import Path

import msgspec

BOOK_50 = "PARTIAL_PROFIT_BOOKING_50"
BOOK_75 = "PARTIAL_PROFIT_BOOKING_75"
SCALE = "POSITION_SCALING_MOMENTUM"
LOCK = "STOP_LOSS_ADJUSTMENT"
TIGHTEN = "TIME_BASED_TIGHTENING"
VOLATILITY = "VOLATILITY_ADJUSTMENT"
TRAIL = "TRAILING_STOP"
EXIT = "FULL_EXIT"
NAMES = (BOOK_50, BOOK_75, SCALE, LOCK, TIGHTEN, VOLATILITY, TRAIL, EXIT)
"""SPEC §7's order, names without the percent sign."""

_HOUR_MS = 3_600_000


class BookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One tier of booking."""

    enabled: bool = True
    profit: Decimal
    age_ms: int = 0
    book: Decimal


class ScaleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Scaling in on momentum; how often is the ladder's own ``max_scalings``."""

    enabled: bool = True
    profit: Decimal = Decimal("0.05")
    change: Decimal = Decimal("0.01")
    volume: Decimal = Decimal(2)
    add: Decimal = Decimal("0.25")


class LockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Locking in a part of the profit: the stop goes ``lock`` beyond the average entry."""

    enabled: bool = True
    profit: Decimal = Decimal("0.10")
    lock: Decimal = Decimal("0.02")


class TightenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Tightening by time, in ``steps`` equal steps from S0 to break-even."""

    enabled: bool = True
    age_ms: int = 4 * _HOUR_MS
    every_ms: int = _HOUR_MS
    steps: int = 4


class VolatilitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Keeping a distance when the market moves more than it uses to."""

    enabled: bool = True
    ratio: Decimal = Decimal("1.5")
    atr: Decimal = Decimal(3)
    sessions: int = 20
    """How many whole sessions the usual ATR is the median of."""


class Behind(enum.StrEnum):
    """What a trailing stop trails behind."""

    ATR = "atr"
    """The best price less some ATR; while there is no ATR yet, less ``distance``."""
    PERCENT = "percent"
    RUNG = "rung"
    """The rung before the furthest one hit."""


class TrailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Trailing, armed by a profit or by a rung, whichever comes first."""

    enabled: bool = True
    profit: Decimal = Decimal("0.10")
    rung: int = 2
    behind: Behind = Behind.ATR
    atr: Decimal = Decimal(3)
    distance: Decimal = Decimal("0.02")


class ExitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Leaving after a greatest age (None: never). MIS is squared off whatever stands here."""

    enabled: bool = True
    max_age_ms: int | None = None


class UserRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the user's own. *Shape*: ``function`` is ``module:function``."""

    name: str
    function: str
    enabled: bool = True


def file_of(function: str, folder: Path) -> Path:
    """Return the file that ``module:function`` is read from."""
    module, _, _ = function.partition(":")
    return folder.joinpath(*module.split(".")).with_suffix(".py")


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every rule's thresholds, and the user's own rules in the order of the file."""

    book_50: BookSettings = BookSettings(
        profit=Decimal("0.15"), age_ms=_HOUR_MS // 2, book=Decimal("0.50")
    )
    book_75: BookSettings = BookSettings(profit=Decimal("0.25"), book=Decimal("0.75"))
    scale: ScaleSettings = ScaleSettings()
    lock: LockSettings = LockSettings()
    tighten: TightenSettings = TightenSettings()
    volatility: VolatilitySettings = VolatilitySettings()
    trail: TrailSettings = TrailSettings()
    exit: ExitSettings = ExitSettings()
    user: tuple[UserRule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that a ladder may list."""
        return (*NAMES, *(rule.name for rule in self.user))

    @property
    def enabled(self) -> tuple[str, ...]:
        """Return the names of the rules that are switched on, in order."""
        each = (self.book_50, self.book_75, self.scale, self.lock, self.tighten, self.volatility,
                self.trail, self.exit)  # fmt: skip
        builtin = [name for name, rule in zip(NAMES, each, strict=True) if rule.enabled]
        return (*builtin, *(rule.name for rule in self.user if rule.enabled))
