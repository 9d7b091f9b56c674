"""The vocabulary → Bybit's payloads: what a loopback venue shows. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from exchanges.simulated.state import Book
from machines.words import Fill, Order, OrderStatus, OrderType, Side, plain
from tests.wire.bybit.rules import Rules

Row = dict[str, object]
INDEX = {"": 0, "long": 1, "short": 2}
_SIDE = {Side.BUY: "Buy", Side.SELL: "Sell"}


class Meta(msgspec.Struct, kw_only=True):
    """What the matching engine does not know of an order."""

    order_id: str
    link_id: str
    symbol: str
    slot: str
    created_ms: int
    updated_ms: int
    stop_loss: Decimal | None = None
    close_on_trigger: bool = False
    direction: int = 0
    asked_qty: Decimal | None = None
    """More than the engine was given: the rest found nobody."""
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    status: str = ""
    """A status that overrides the engine's."""
    create_type: str = "CreateByUser"
    stop_type: str = ""


def order_row(order: Order, meta: Meta, rules: Rules) -> Row:
    """Show an order (§3.6)."""
    stop = order.type is OrderType.STOP_MARKET
    qty = order.qty if meta.asked_qty is None else meta.asked_qty
    status = meta.status or _status(order, stop=stop)
    cancelled = status in ("Cancelled", "Deactivated", "Rejected", "Filled")
    return {
        "orderId": meta.order_id,
        "orderLinkId": meta.link_id,
        "parentOrderLinkId": "",
        "symbol": meta.symbol,
        "side": _SIDE[order.side],
        "orderType": "Limit" if order.type is OrderType.LIMIT else "Market",
        "price": rules.nothing or "0" if order.price is None else plain(order.price),
        "qty": plain(qty),
        "timeInForce": "GTC" if order.type is OrderType.LIMIT else "IOC",
        "orderStatus": status,
        "positionIdx": INDEX[meta.slot],
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": meta.close_on_trigger,
        "createType": meta.create_type,
        "cancelType": meta.cancel_type,
        "rejectReason": meta.reject_reason,
        "stopOrderType": meta.stop_type or ("Stop" if stop else rules.no_stop_type),
        "triggerPrice": rules.nothing if order.trigger_px is None else plain(order.trigger_px),
        "triggerDirection": meta.direction,
        "triggerBy": "LastPrice" if stop else "",
        "avgPrice": "",
        "leavesQty": "0" if cancelled else plain(qty - order.filled_qty),
        "cumExecQty": plain(order.filled_qty),
        "cumExecFee": "0",
        "cumFeeDetail": {},
        "takeProfit": rules.nothing,
        "stopLoss": rules.nothing if meta.stop_loss is None else plain(meta.stop_loss),
        "tpslMode": "Full" if meta.stop_type or meta.stop_loss is not None else "",
        "slTriggerBy": "LastPrice" if meta.stop_loss is not None else "",
        "createdTime": str(meta.created_ms),
        "updatedTime": str(meta.updated_ms),
    }


def _status(order: Order, *, stop: bool) -> str:
    match order.status:
        case OrderStatus.OPEN:
            if stop and not order.filled_qty:
                return "Untriggered"
            return "PartiallyFilled" if order.filled_qty else "New"
        case OrderStatus.FILLED:
            return "Filled"
        case OrderStatus.REJECTED:
            return "Rejected"
        case _:
            return "Cancelled"


def stop_row(book: Book, meta: Meta, px: Decimal, rules: Rules) -> Row:
    """Show a position's own stop as an order (§3.6)."""
    size = abs(book.net_qty) if rules.full_stop_shows_size else Decimal(0)
    order = Order(
        *("", meta.order_id, Side.SELL if book.net_qty > 0 else Side.BUY, OrderType.STOP_MARKET),
        *(size, Decimal(0), OrderStatus.OPEN, None, px, True),
    )
    return order_row(order, meta, rules)


def execution_row(fill: Fill, meta: Meta, order: Order | None, closed: Decimal, seq: int) -> Row:
    """Show an execution (§3.8)."""
    own_stop = fill.by_position_stop
    conditional = order is not None and order.type is OrderType.STOP_MARKET
    create = "CreateByStopLoss" if own_stop else "CreateByUser"
    return {
        "symbol": meta.symbol,
        "orderId": meta.order_id,
        "orderLinkId": meta.link_id,
        "side": _SIDE[fill.side],
        "orderPrice": "0",
        "orderQty": plain(fill.qty if order is None else order.qty),
        "leavesQty": "0",
        "createType": "CreateByStopOrder" if conditional else create,
        "orderType": "Limit" if fill.liquidity.value == "maker" else "Market",
        "stopOrderType": "StopLoss" if own_stop else ("Stop" if conditional else "UNKNOWN"),
        "execId": f"{meta.order_id[:8]}-{fill.fill_id}",
        "execPrice": plain(fill.price),
        "execQty": plain(fill.qty),
        "execValue": plain(fill.price * fill.qty),
        "execFee": plain(fill.fee),
        "feeRate": "0.0002" if fill.liquidity.value == "maker" else "0.00055",
        "feeCurrency": "USDT",
        "execType": "Trade",
        "execTime": str(fill.at_ms),
        "isMaker": fill.liquidity.value == "maker",
        "closedSize": plain(closed) if closed else "0",
        "seq": seq,
    }


def funding_row(exec_id: str, symbol: str, side: Side, qty: Decimal, at_ms: int, seq: int) -> Row:
    """Show a funding payment: an execution that is no fill (§3.8)."""
    return {
        "symbol": symbol,
        "orderId": exec_id,
        "orderLinkId": "",
        "side": _SIDE[side],
        "orderType": "UNKNOWN",
        "createType": "",
        "stopOrderType": "UNKNOWN",
        "execId": exec_id,
        "execPrice": "100",
        "execQty": plain(qty),
        "execFee": "0.01",
        "feeRate": "0.0001",
        "feeCurrency": "",
        "execType": "Funding",
        "execTime": str(at_ms),
        "isMaker": False,
        "closedSize": "",
        "seq": seq,
    }


def position_row(book: Book, symbol: str, slot: str, seq: int, rules: Rules) -> Row:
    """Show a position, flat or not (§3.9)."""
    net = book.net_qty
    stop = book.stop
    return {
        "positionIdx": INDEX[slot],
        "symbol": symbol,
        "side": "" if not net else ("Buy" if net > 0 else "Sell"),
        "size": plain(abs(net)),
        "avgPrice": plain(book.avg_px) if net else "0",
        "leverage": "10",
        "takeProfit": rules.nothing,
        "stopLoss": rules.nothing if stop is None else plain(stop.px),
        "trailingStop": "0",
        "positionStatus": "Normal",
        "tpslMode": "Full",
        "isReduceOnly": False,
        "tradeMode": 0,
        "seq": seq,
    }
