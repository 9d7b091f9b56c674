"""Zerodha's charges by dated formula, and the price at which a trade ends without loss.

Pure over a vendored table (`charges.toml`). Taxes that the contract note rounds to the rupee stay
unrounded here. Delivery shares sold on the day they were bought are cheaper than this says, never
dearer. *Source*: the venue sheet §12.1 and §12.2.
"""

from __future__ import annotations

import enum
import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

from machines.words import ZERO, Direction, Fees, Side

ONE = Decimal(1)


class Segment(enum.StrEnum):
    """What is traded, as far as it decides the charges."""

    DELIVERY = "delivery"
    INTRADAY = "intraday"
    FUTURES = "futures"
    OPTIONS = "options"


class SegmentRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One segment's rates. *Units*: fractions of turnover; ``cap`` and ``dp`` in rupees."""

    brokerage: Decimal
    cap: Decimal
    stt_buy: Decimal
    stt_sell: Decimal
    stamp: Decimal
    exchange: dict[str, Decimal]
    dp: Decimal


class RateTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """All rates that hold from a day on."""

    since: date
    gst: Decimal
    sebi: Decimal
    delivery: SegmentRates
    intraday: SegmentRates
    futures: SegmentRates
    options: SegmentRates


class Rates(msgspec.Struct, frozen=True):
    """What one instrument's trades cost, by side. *Units*: fractions, GST included; rupees.

    ``brokerage`` is the share that holds until ``cap``; zero where the cap is a flat price.
    """

    buy: Decimal
    sell: Decimal
    brokerage: Decimal
    cap: Decimal
    dp: Decimal

    def of(self, side: Side) -> Decimal:
        """Return the share of turnover that taxes and the exchange take from a side."""
        return self.buy if side is Side.BUY else self.sell


def rates(segment: Segment, exchange: str, day: date) -> Rates:
    """Return what trading ``segment`` at ``exchange`` cost on ``day``.

    A day before the first table is answered from the first. *Raises*: KeyError for an exchange
    that has no rate.
    """
    tables = _tables()
    table = max((each for each in tables if each.since <= day), default=tables[0], key=_since)
    found: SegmentRates = getattr(table, segment.value)
    with_gst = ONE + table.gst
    venue = (found.exchange[exchange] + table.sebi) * with_gst
    return Rates(
        buy=found.stt_buy + found.stamp + venue,
        sell=found.stt_sell + venue,
        brokerage=found.brokerage * with_gst,
        cap=found.cap * with_gst,
        dp=found.dp * with_gst,
    )


def brokerage(given: Rates, turnover: Decimal) -> Decimal:
    """Return one order's brokerage on what it has filled so far, GST included."""
    if not turnover:
        return ZERO
    return min(given.brokerage * turnover, given.cap) if given.brokerage else given.cap


def fill_fee(given: Rates, side: Side, before: Decimal, turnover: Decimal) -> Decimal:
    """Return what one fill adds to the cost of its order.

    ``before`` is the turnover of the order's earlier fills. The day's charge for taking shares
    from the demat account belongs to no fill and is left out.
    """
    more = brokerage(given, before + turnover) - brokerage(given, before)
    return given.of(side) * turnover + more


def ceiling(given: Rates) -> Fees:
    """Return rates that no exit costs more than, demat and flat charges aside."""
    rate = max(given.buy, given.sell) + given.brokerage
    return Fees(maker=rate, taker=rate)


def break_even(
    given: Rates,
    direction: Direction,
    qty: Decimal,
    avg_px: Decimal,
    entry_brokerage: Decimal,
    orders: int,
    slippage: Decimal = ZERO,
) -> Decimal:
    """Return the price at which ``qty`` bought (sold) at ``avg_px`` ends without loss, unrounded.

    ``entry_brokerage`` is the part of the entries' brokerage that belongs to ``qty``, GST
    included; ``orders`` is how many orders the exit takes. *Source*: the venue sheet §12.2, with
    the slippage of SPEC §4 applied to its x.
    """
    notional = qty * avg_px
    capped = given.cap if orders else ZERO
    uses_cap = not given.brokerage or given.brokerage * notional >= orders * capped
    fixed = orders * capped if uses_cap else ZERO
    rate = ZERO if uses_cap else given.brokerage
    if direction is Direction.LONG:
        cost = notional * (ONE + given.buy) + entry_brokerage + fixed + given.dp
        return cost / (qty * (ONE - given.sell - rate)) / (ONE - slippage)
    gain = notional * (ONE - given.sell) - entry_brokerage - fixed
    return gain / (qty * (ONE + given.buy + rate)) / (ONE + slippage)


def _since(table: RateTable) -> date:
    return table.since


@cache
def _tables() -> list[RateTable]:
    written = Path(__file__).with_name("charges.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(written)["rates"], list[RateTable])
