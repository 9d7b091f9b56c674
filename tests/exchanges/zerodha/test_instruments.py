"""Symbols found in the instruments file."""

from decimal import Decimal

import pytest

from exchanges.zerodha.charges import Segment
from exchanges.zerodha.instruments import Product, fno_names, list_symbols
from exchanges.zerodha.sessions import Market
from exchanges.zerodha.wire import WireInstrument
from machines.errors import InvalidSpec
from machines.words import Instrument

D = Decimal


def row(name: str, exchange: str, kind: str, segment: str, lot: int, tick: str) -> WireInstrument:
    underlying = "INFY" if segment.startswith("NFO") else name
    return WireInstrument(1, name, underlying, D(tick), lot, kind, segment, exchange)


NSE = [
    row("INFY", "NSE", "EQ", "NSE", 1, "0.1"),
    row("GAIL-BE", "NSE", "EQ", "NSE", 1, "0.05"),
    row("NIFTY 50", "NSE", "EQ", "INDICES", 1, "0"),
    row("ODD", "NSE", "EQ", "NSE", 0, "0"),
]
NFO = [
    row("INFY26NOVFUT", "NFO", "FUT", "NFO-FUT", 400, "0.1"),
    row("INFY26NOV1500CE", "NFO", "CE", "NFO-OPT", 400, "0.05"),
]
ROWS = {"NSE": NSE, "NFO": NFO}
FNO = fno_names(NFO)


def test_listing_when_a_share_has_derivatives_then_its_close_is_the_auctions() -> None:
    found = list_symbols(["INFY", "NSE:GAIL-BE"], ROWS, "NSE", Product.CNC, FNO)
    infy, gail = found["INFY"], found["NSE:GAIL-BE"]
    assert infy.instrument == Instrument("INFY", D("0.1"), D(1), D(1))
    assert (infy.market, infy.segment) == (Market.CASH_FNO, Segment.DELIVERY)
    assert (gail.market, gail.quote_key) == (Market.CASH, "NSE:GAIL-BE")
    assert gail.instrument.symbol == "NSE:GAIL-BE"


def test_listing_when_a_derivative_then_its_step_is_the_lot() -> None:
    names = ["NFO:INFY26NOVFUT", "NFO:INFY26NOV1500CE"]
    found = list_symbols(names, ROWS, "NSE", Product.NRML, FNO)
    assert [found[name].segment for name in names] == [Segment.FUTURES, Segment.OPTIONS]
    assert found[names[0]].instrument.step == found[names[0]].instrument.min_qty == 400
    assert found[names[1]].market is Market.FNO
    assert list_symbols(["INFY"], ROWS, "NSE", Product.MIS, FNO)["INFY"].segment is (
        Segment.INTRADAY
    )


@pytest.mark.parametrize(
    ("symbol", "product", "said"),
    [
        ("INFI", Product.MIS, "NSE lists no 'INFI' today"),
        ("MCX:GOLD", Product.MIS, "must be one of NSE, BSE, NFO"),
        ("BSE:INFY", Product.MIS, "BSE lists no 'INFY' today"),
        ("NIFTY 50", Product.MIS, "is an index"),
        ("ODD", Product.MIS, "not tradable"),
        ("INFY", Product.NRML, "carried as CNC or MIS"),
        ("NFO:INFY26NOVFUT", Product.CNC, "carried as NRML or MIS"),
    ],
)
def test_listing_when_a_symbol_cannot_be_traded_then_it_is_named(
    symbol: str, product: Product, said: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        list_symbols([symbol, "INFX"], ROWS, "NSE", product, FNO)
    assert len(caught.value.faults) == 2
    assert caught.value.faults[0].startswith(f"symbol {symbol}: ")
    assert said in caught.value.faults[0]
