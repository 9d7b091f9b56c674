"""The instruments file: from a symbol as written to what Kite calls it, its grid and its market.

Pure over the rows of one day's file. Quantities are in shares; a future's or option's step is its
lot. *Source*: the venue sheet §5.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from exchanges.zerodha.charges import Segment
from exchanges.zerodha.sessions import Market
from exchanges.zerodha.wire import WireInstrument
from machines.errors import InvalidSpec
from machines.words import Instrument

EXCHANGES = ("NSE", "BSE", "NFO")


class Product(enum.StrEnum):
    """How a position is carried."""

    CNC = "CNC"
    """Delivery of shares."""
    MIS = "MIS"
    """Closed the same day, by the broker if need be."""
    NRML = "NRML"
    """Futures and options, carried overnight."""


class Listing(msgspec.Struct, frozen=True):
    """One tradable thing under the name that the plan uses."""

    symbol: str
    exchange: str
    tradingsymbol: str
    instrument: Instrument
    market: Market
    segment: Segment

    @property
    def quote_key(self) -> str:
        """Name it the way quotes are asked for."""
        return f"{self.exchange}:{self.tradingsymbol}"


def split(symbol: str, exchange: str) -> tuple[str, str]:
    """Return exchange and trading symbol of a name, with the account's exchange by default."""
    named, colon, rest = symbol.partition(":")
    return (named, rest) if colon else (exchange, symbol)


def fno_names(rows: Iterable[WireInstrument]) -> frozenset[str]:
    """Return the shares that have derivatives: their cash trading ends with an auction.

    *Source*: the venue sheet §0.19.
    """
    return frozenset(row.name for row in rows if row.segment == "NFO-FUT")


def list_symbols(
    symbols: Sequence[str],
    rows: Mapping[str, Sequence[WireInstrument]],
    exchange: str,
    product: Product,
    fno: frozenset[str],
) -> dict[str, Listing]:
    """Find every symbol in the files of the exchanges.

    *Raises*: InvalidSpec naming every symbol that is not there or does not fit the product.
    """
    found: dict[str, Listing] = {}
    faults: list[str] = []
    for symbol in symbols:
        place, name = split(symbol, exchange)
        row = next((each for each in rows.get(place, ()) if each.tradingsymbol == name), None)
        if place not in EXCHANGES:
            faults.append(f"symbol {symbol}: exchange {place!r}: must be one of {_listed()}")
        elif row is None:
            faults.append(f"symbol {symbol}: {place} lists no {name!r} today")
        elif fault := _misfit(row, product):
            faults.append(f"symbol {symbol}: {fault}")
        else:
            found[symbol] = _listing(symbol, row, product, fno)
    if faults:
        raise InvalidSpec(faults)
    return found


def _listed() -> str:
    return ", ".join(EXCHANGES)


def _misfit(row: WireInstrument, product: Product) -> str:
    if row.segment == "INDICES":
        return "is an index, which nobody can hold"
    if row.tick_size <= 0 or row.lot_size <= 0:
        return f"the file gives tick {row.tick_size} and lot {row.lot_size}: not tradable"
    derivative = row.exchange == "NFO"
    if product is Product.CNC and derivative:
        return "product CNC: futures and options are carried as NRML or MIS"
    if product is Product.NRML and not derivative:
        return "product NRML: shares are carried as CNC or MIS"
    return ""


def _listing(symbol: str, row: WireInstrument, product: Product, fno: frozenset[str]) -> Listing:
    lot = Decimal(row.lot_size)
    instrument = Instrument(symbol=symbol, tick=row.tick_size, step=lot, min_qty=lot)
    if row.exchange == "NFO":
        market = Market.FNO
        segment = Segment.FUTURES if row.instrument_type == "FUT" else Segment.OPTIONS
    else:
        market = Market.CASH_FNO if row.tradingsymbol in fno else Market.CASH
        segment = Segment.DELIVERY if product is Product.CNC else Segment.INTRADAY
    return Listing(symbol, row.exchange, row.tradingsymbol, instrument, market, segment)
