"""Positions, holdings, quotes and the instruments file, as Kite writes them."""

from collections.abc import Iterable
from decimal import Decimal

from machines.words import ZERO
from tests.wire.zerodha.broker import Broker
from tests.wire.zerodha.floor import PRODUCTS
from tests.wire.zerodha.tickets import plain, wall

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
)
_ZEROES = (
    "close_price value pnl m2m unrealised realised buy_quantity buy_price "
    "buy_value buy_m2m sell_quantity sell_price sell_value sell_m2m day_buy_quantity "
    "day_buy_price day_buy_value day_sell_quantity day_sell_price day_sell_value"
)


def positions(broker: Broker, by_ms: int) -> dict[str, object]:
    """Write net positions as fills up to ``by_ms`` made them; closed ones stay as zero rows."""
    rows: list[dict[str, object]] = []
    for product in PRODUCTS:
        for symbol in broker.floor.instruments:
            book = broker.floor.book(product, symbol)
            late = sum(
                (fill.side.sign * fill.qty for fill in book.fills if fill.at_ms > by_ms), ZERO
            )
            net = book.net_qty - late
            if product == "CNC":
                net -= broker.holdings.get(symbol, (ZERO, ZERO))[0]
            if not book.fills or (product == "CNC" and not _traded(broker, symbol)):
                continue
            exchange, _, name = symbol.partition(":")
            carried = broker.carried.get(symbol, ZERO) if product == "NRML" else ZERO
            zeroes = dict.fromkeys(_ZEROES.split(), 0)
            rows.append(
                {
                    **zeroes,
                    "exchange": exchange,
                    "tradingsymbol": name,
                    "instrument_token": 1,
                    "product": product,
                    "quantity": plain(net),
                    "overnight_quantity": plain(carried),
                    "multiplier": 1,
                    # Of a closed position Kite shows none.
                    "average_price": plain(book.avg_px) if net else 0,
                    "last_price": plain(broker.floor.last[symbol]),
                }
            )
    return {"net": rows, "day": rows}


def _traded(broker: Broker, symbol: str) -> bool:
    return any(
        ticket.symbol == symbol and ticket.product == "CNC" and ticket.fills
        for ticket in broker.tickets.values()
    )


def holdings(broker: Broker) -> list[dict[str, object]]:
    """Write shares that were held when the day began."""
    rows: list[dict[str, object]] = []
    for symbol, (qty, average) in broker.holdings.items():
        if not qty:
            continue
        exchange, _, name = symbol.partition(":")
        sold = max(ZERO, qty - broker.floor.book("CNC", symbol).net_qty)
        shown = qty if broker.quirks.gross_holdings else qty - sold
        rows.append(
            {
                "exchange": exchange,
                "tradingsymbol": name,
                "instrument_token": 1,
                "isin": "INE000000000",
                "product": "CNC",
                "price": 0,
                "quantity": plain(shown),
                "used_quantity": plain(sold) if broker.quirks.gross_holdings else 0,
                "t1_quantity": 0,
                "realised_quantity": plain(shown),
                "opening_quantity": plain(qty),
                "average_price": plain(average),
                "last_price": plain(broker.floor.last[symbol]),
            }
        )
    return rows


def quotes(broker: Broker, names: Iterable[str], now_ms: int) -> dict[str, object]:
    """Write quotes; names that do not exist are left out."""
    return {name: _quote(broker, name, now_ms) for name in names if name in broker.floor.last}


def _quote(broker: Broker, symbol: str, now_ms: int) -> dict[str, object]:
    last, tick = broker.floor.last[symbol], broker.floor.instruments[symbol].tick
    low, high = broker.circuit(symbol)

    def level(price: Decimal) -> dict[str, object]:
        return {"price": plain(price), "quantity": 100, "orders": 1}

    return {
        "instrument_token": 1,
        "timestamp": wall(now_ms),
        "last_trade_time": wall(now_ms),
        "last_price": plain(last),
        "last_quantity": 1,
        "buy_quantity": 0,
        "sell_quantity": 0,
        "volume": 125_000,
        "average_price": plain(last),
        "oi": 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
        "net_change": 0,
        "lower_circuit_limit": plain(low),
        "upper_circuit_limit": plain(high),
        "ohlc": {"open": plain(last), "high": plain(last), "low": plain(last), "close": 0},
        "depth": {"buy": [level(last)] * 5, "sell": [level(last + tick)] * 5},
    }


def instruments(broker: Broker, exchange: str) -> str:
    """Write the instruments file of an exchange."""
    lines = [HEADER]
    for symbol, instrument in broker.floor.instruments.items():
        place, _, name = symbol.partition(":")
        if place != exchange:
            continue
        kind, segment, underlying = "EQ", place, name
        if place == "NFO":
            kind = "FUT" if name.endswith("FUT") else name[-2:]
            segment = "NFO-FUT" if kind == "FUT" else "NFO-OPT"
            underlying = name.rstrip("CEPFUT")[:-5]
        lines.append(
            f"1,1,{name},{underlying},0,,0,{instrument.tick},{instrument.step},{kind},{segment},{place}"
        )
    return "\n".join(lines) + "\n"
