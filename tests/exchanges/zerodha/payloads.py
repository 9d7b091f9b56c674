"""Payloads as the SDK returns them, written with the fields that matter to a test."""

from datetime import datetime
from decimal import Decimal

from exchanges.zerodha import ist
from exchanges.zerodha.asked import Asked
from exchanges.zerodha.charges import Segment
from exchanges.zerodha.instruments import Listing, Product
from exchanges.zerodha.parse import Desk, Reading, views
from exchanges.zerodha.sessions import Market
from exchanges.zerodha.wire import (
    WireHolding,
    WireOrder,
    WirePosition,
    WireTrade,
    read,
)
from machines.words import Instrument, View

CLOSE = datetime(2026, 11, 20, 15, 15)  # noqa: DTZ001 - Kite's wall clock names no zone
INFY = Listing(
    "INFY",
    "NSE",
    "INFY",
    Instrument("INFY", Decimal("0.1"), Decimal(1), Decimal(1)),
    Market.CASH_FNO,
    Segment.INTRADAY,
)


ORDER: dict[str, object] = {
    "account_id": "AB1234",
    "order_id": "1990000000000000001",
    "exchange_order_id": "1300000038790001",
    "parent_order_id": None,
    "status": "TRIGGER PENDING",
    "status_message": None,
    "order_timestamp": datetime(2026, 11, 20, 10, 15, 2),  # noqa: DTZ001
    "exchange_update_timestamp": "2026-11-20 10:15:02",
    "variety": "regular",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "instrument_token": 408065,
    "order_type": "SL",
    "transaction_type": "SELL",
    "validity": "DAY",
    "product": "MIS",
    "quantity": 85,
    "price": 1480,
    "trigger_price": 1485.5,
    "average_price": 0,
    "filled_quantity": 0,
    "pending_quantity": 85,
    "cancelled_quantity": 0,
    "meta": {},
    "tag": "Lk3f9q2R1S01",
    "tags": ["Lk3f9q2R1S01"],
    "guid": None,
}
"""The venue sheet's order of §6.3."""
TRADE: dict[str, object] = {
    "trade_id": "1",
    "order_id": "1990000000000000001",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "product": "MIS",
    "average_price": 1500.05,
    "quantity": 40,
    "transaction_type": "BUY",
    "fill_timestamp": datetime(2026, 11, 20, 10, 15, 2),  # noqa: DTZ001
    "order_timestamp": "10:15:02",
}
POSITION: dict[str, object] = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "product": "MIS",
    "quantity": 100,
    "average_price": 1500.5,
}


def wire_order(order_id: str = "1990000000000000001", **changes: object) -> WireOrder:
    """The venue sheet's order of §6.3, with what a test changes."""
    return read(ORDER | {"order_id": order_id} | changes, WireOrder)


def wire_trade(
    trade_id: str, order_id: str = "1990000000000000001", **changes: object
) -> WireTrade:
    return read(TRADE | {"trade_id": trade_id, "order_id": order_id} | changes, WireTrade)


def wire_position(quantity: int, product: str = "MIS", average: float = 1500.5) -> WirePosition:
    return WirePosition("NSE", "INFY", product, Decimal(quantity), Decimal(str(average)))


def wire_holding(quantity: int, t1: int = 0, used: int = 0, average: str = "1400") -> WireHolding:
    kept, today = Decimal(t1), Decimal(used)
    return WireHolding("BSE", "INFY", Decimal(quantity), Decimal(average), kept, today)


def _close_ms(listing: Listing, at_ms: int) -> int:
    """Close at 15:15 on the Friday of the payloads, and on no other day."""
    close_ms = ist.from_wall(CLOSE)
    return close_ms if ist.day_of(at_ms) == ist.day_of(close_ms) else 0


def desk(product: Product = Product.MIS, **names: str) -> Desk:
    return Desk("kite", product, {"INFY": INFY}, _close_ms, names)


def view_of(
    *orders: WireOrder,
    trades: list[WireTrade] | None = None,
    positions: list[WirePosition] | None = None,
    holdings: list[WireHolding] | None = None,
    product: Product = Product.MIS,
    asked: Asked | None = None,
) -> View:
    reading = Reading(list(orders), trades or [], positions or [], holdings or [])
    at = desk(product)
    return views(reading, at, asked or Asked())[at.key("INFY")]
