"""What a simulated venue is told: plain typed settings, checked once.

Knows nothing of files or of the controller's configuration.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from decimal import Decimal
from functools import cached_property

import msgspec

from exchanges.feeds.bars import UNITS
from exchanges.simulated.session import Session
from machines.errors import InvalidSpec
from machines.words import ZERO, Capabilities, ExitStyle, Fees, Instrument, OrderType, plain

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


class Oversell(enum.StrEnum):
    """What becomes of a sale of more than is held, without reduce-only (SPEC §11).

    What counts is all that is on sale: what rests, and what is asked for.
    """

    REFUSE = "refuse"
    SHORT = "short"
    """It is accepted, and may turn the position over."""


class Product(enum.StrEnum):
    """Kite's products, for exits without reduce-only. *Source*: kite.md §13.1."""

    CNC = "CNC"
    """Delivery: never short."""
    MIS = "MIS"
    """Intraday: what is open shortly before the session's end, the broker closes."""
    NRML = "NRML"


PAIR_GAP = Decimal("0.0025")
"""How near the last price a pair's triggers may be. *Source*: kite.md §7."""


MAX_AMENDMENTS = 25
"""How often one order may be changed without reduce-only. *Source*: kite.md §0, 14."""


class SimulatedSettings(msgspec.Struct, frozen=True, dict=True):
    """Everything a simulated account is made of.

    *Units*: ``slippage`` is a fraction of the price, ``fill_share`` of a bar's volume.
    ``oversell``, ``product`` and ``stop_market`` matter only without reduce-only.
    """

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
    fill_share: Decimal = ONE
    """What our orders may take together of a bar's volume; 1: all that they want, as on a market
    deeper than any of them."""
    oversell: Oversell = Oversell.REFUSE
    product: Product = Product.CNC
    stop_market: bool = True
    """Stops without a limit are taken too (Kite: not at BSE, not for options)."""
    session: Session | None = None
    """When orders are taken; they end with it. None: always."""

    # Asked for with every request, hence kept.
    @cached_property
    def pooled(self) -> bool:
        """Tell whether there are reduce-only orders, and stops that belong to a position."""
        return self.exits is ExitStyle.POOLED

    @cached_property
    def kinds(self) -> tuple[OrderType, ...]:
        """Name the types of order that there are."""
        found = [OrderType.LIMIT, OrderType.MARKET]
        if self.pooled or self.stop_market:
            found.append(OrderType.STOP_MARKET)
        if not self.pooled:
            found.append(OrderType.STOP_LIMIT)
        if self.exits is ExitStyle.PAIRS:
            found.append(OrderType.PAIR)
        return tuple(found)

    @property
    def squared_off(self) -> bool:
        """Tell whether the broker closes what is held before the session's end."""
        return self.product is Product.MIS and not self.pooled

    @cached_property
    def bound(self) -> bool:
        """Tell whether no more may be on sale than is held."""
        # A slot of hedge mode has one side: nothing in it may turn over.
        refuses = self.oversell is Oversell.REFUSE or self.slots is Slots.HEDGE
        return refuses and not self.pooled

    def capabilities(self) -> Capabilities:
        """Say what a venue of these settings can do."""
        if self.pooled:
            return Capabilities(exits=self.exits, position_stop=self.position_stop)
        return Capabilities(
            exits=self.exits,
            position_stop=False,
            reduce_only=False,
            stop_limit=True,
            stop_market=self.stop_market,
            amend_type=True,
            day_orders=self.session is not None,
            shorts=self.product is not Product.CNC,
            max_amendments=MAX_AMENDMENTS,
            pair_gap=PAIR_GAP if self.exits is ExitStyle.PAIRS else ZERO,
        )


def check(settings: SimulatedSettings, fed: Collection[str]) -> None:
    """Refuse settings that cannot trade, naming every fault. *Raises*: InvalidSpec."""
    where = f"account {settings.account}"
    faults: list[str] = []
    faults += [f"{where}: {text}" for text in _unlike(settings)]
    if not ZERO <= settings.slippage < ONE:
        faults.append(f"{where}: slippage {settings.slippage}: must be from 0 to below 1")
    if not ZERO < settings.fill_share <= ONE:
        must = "must be above 0 and at most 1"
        faults.append(f"{where}: fill_share {settings.fill_share}: {must}")
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


def _unlike(settings: SimulatedSettings) -> list[str]:
    """Name settings that do not go together."""
    faults: list[str] = []
    if settings.pooled:
        if settings.session is not None:
            faults.append("session: exits 'pooled' trade at any hour: leave it out")
        return faults
    product = settings.product.value
    if settings.product is Product.CNC and settings.oversell is Oversell.SHORT:
        faults.append("oversell 'short': product 'CNC' is never short: must be 'refuse'")
    if settings.product is Product.MIS and settings.exits is ExitStyle.PAIRS:
        faults.append(f"exits 'pairs': product {product!r} has no pairs: must be 'CNC' or 'NRML'")
    if settings.product is Product.CNC and settings.slots is Slots.HEDGE:
        must = "must be 'one-way' or 'per-ladder'"
        faults.append(f"slots 'hedge': product {product!r} is never short: {must}")
    return faults
