"""What a simulated venue is told: plain typed settings, checked once.

Knows nothing of files or of the controller's configuration.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from decimal import Decimal

import msgspec

from exchanges.feeds.bars import UNITS
from machines.errors import InvalidSpec
from machines.words import ZERO, ExitStyle, Fees, Instrument, plain

ONE = Decimal(1)
FINEST = ONE / UNITS
"""The finest grid: what a feed's prices are kept in."""


class PricePath(enum.StrEnum):
    """Which way the price goes inside a bar (SPEC §11)."""

    ADAPTIVE = "adaptive"
    """To the nearer of high and low first; to the low when neither is nearer."""
    OHLC = "ohlc"
    """Always open, high, low, close."""


class Slots(enum.StrEnum):
    """How many positions a symbol has (SPEC §1)."""

    ONE_WAY = "one-way"
    HEDGE = "hedge"
    PER_LADDER = "per-ladder"
    """Every ladder has a paper sub-account of its own."""


class SimulatedSettings(msgspec.Struct, frozen=True):
    """Everything a simulated account is made of. *Units*: ``slippage`` is a fraction."""

    account: str
    instruments: dict[str, Instrument]
    fees: dict[str, Fees] = {}
    """By symbol; one that is missing trades free."""
    path: PricePath = PricePath.ADAPTIVE
    slots: Slots = Slots.ONE_WAY
    slippage: Decimal = ZERO
    balance: Decimal = Decimal(100_000)
    position_stop: bool = True
    """Stops belong to the position (``SetStop``); else they are conditional orders."""
    exits: ExitStyle = ExitStyle.POOLED


def check(settings: SimulatedSettings, fed: Collection[str]) -> None:
    """Refuse settings that cannot trade, naming every fault. *Raises*: InvalidSpec."""
    where = f"account {settings.account}"
    faults: list[str] = []
    if settings.exits is not ExitStyle.POOLED:
        faults.append(f"{where}: exits {settings.exits.value!r}: only 'pooled' is built yet")
    if not ZERO <= settings.slippage < ONE:
        faults.append(f"{where}: slippage {settings.slippage}: must be from 0 to below 1")
    if not settings.balance.is_finite():
        faults.append(f"{where}: balance {settings.balance}: must be a number")
    for symbol, rates in settings.fees.items():
        for field, rate in (("maker", rates.maker), ("taker", rates.taker)):
            if not (rate.is_finite() and abs(rate) < 1):
                text = f"{field} {rate}: must be a fraction between -1 and 1"
                faults.append(f"{where}: fees of {symbol}: {text}")
    if not settings.instruments:
        faults.append(f"{where}: instruments: must name at least one symbol")
    for symbol, instrument in settings.instruments.items():
        for field in ("tick", "step", "min_qty"):
            value: Decimal = getattr(instrument, field)
            if not (value.is_finite() and value >= FINEST):
                must = f"must be at least {plain(FINEST)}"
                faults.append(f"{where}: {symbol}: {field} {value}: {must}")
        if symbol not in fed:
            faults.append(f"{where}: {symbol}: has no feed")
    faults += [
        f"{where}: {symbol}: has a feed and no instrument"
        for symbol in fed
        if symbol not in settings.instruments
    ]
    if faults:
        raise InvalidSpec(faults)
