"""Bybit's payloads → the vocabulary. Pure; the one place where its words are given a meaning.

What cannot be understood raises ``Misread`` and is never guessed: an unknown status might fill.
*Source*: venues/bybit.md §3, §4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from exchanges.bybit.wire import (
    BatchResults,
    ExecutionRow,
    FeeRow,
    InstrumentRow,
    ItemResult,
    Number,
    OrderRow,
    Page,
    PositionRow,
    TickerRow,
)
from machines.errors import RungkeeperError
from machines.words import (
    NAMELESS,
    ZERO,
    Fees,
    Fill,
    Instrument,
    Key,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    PositionStop,
    Quote,
    Refusal,
    Side,
)

T = TypeVar("T")

SLOTS = {0: "", 1: "long", 2: "short"}
"""Position index → slot. Source: §3.9; in hedge mode the index names the position."""
INDEX = {slot: index for index, slot in SLOTS.items()}

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_STATUSES = {
    "New": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "Triggered": OrderStatus.TRIGGERED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
_REASONS = {
    "EC_ReachRiskPriceLimit": Refusal.INVALID,
    "EC_PostOnlyWillTakeLiquidity": Refusal.BEHIND_MARKET,
}
_POSITION_STOPS = ("StopLoss", "TakeProfit", "TrailingStop")
"""Orders that belong to the position and have no id of ours."""
_TRADES = {
    *("Trade", "AdlTrade", "BustTrade", "Delivery", "Settle", "BlockTrade", "MovePosition"),
    "CorporateAction",
}
_PAYMENTS = {"Funding"}
"""Executions that move money and no quantity."""
_COINS = ("", "USDT", "USDC")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class Misread(RungkeeperError):
    """A payload is not what the venue documents. The venue's fault; nothing follows from it."""


def read(body: object, kind: type[T]) -> T:
    """Take the ``result`` of an answer's body. *Raises*: Misread."""
    return _inner(body, "result", kind)


def page(body: object, row: type[T]) -> tuple[list[T], str]:
    """Take one page: its rows, and the cursor of the next. *Raises*: Misread."""
    found = read(body, Page[row])
    return found.rows, found.next_page_cursor or ""


def results(body: object) -> list[ItemResult]:
    """Take what became of each item of a batch. *Raises*: Misread."""
    return _inner(body, "retExtInfo", BatchResults).rows


def _inner(body: object, field: str, kind: type[T]) -> T:
    if not isinstance(body, dict) or field not in body:
        raise Misread(f"the answer has no {field}")
    try:
        return msgspec.convert(body[field], kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Misread(f"{field}: {error}") from None


def number(text: Number, what: str = "a number") -> Decimal | None:
    """Read a number; None where the venue says that there is none. *Raises*: Misread."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        raise Misread(f"{what}: {text[:40]!r} is no number")
    return Decimal(text)


def price(text: Number, what: str) -> Decimal | None:
    """Read a price, for which zero means none. *Raises*: Misread."""
    found = number(text, what)
    if found is not None and found < ZERO:
        raise Misread(f"{what}: {text!r} is no price")
    return found or None


def _quantity(text: Number, what: str) -> Decimal:
    found = number(text, what)
    if found is not None and found < ZERO:
        raise Misread(f"{what}: {text!r} is no quantity")
    return ZERO if found is None else found


def _instant(text: Number, what: str) -> int:
    if not text or not text.isascii() or not text.isdigit() or len(text) > 16:
        raise Misread(f"{what}: {text!r} is no time")
    return int(text)


def _one(words: dict[str, T], word: str, what: str) -> T:
    try:
        return words[word]
    except KeyError:
        raise Misread(f"{what}: {word!r} is not known") from None


# ------------------------------------------------------------------------------------- orders


def belongs_to_position(row: OrderRow) -> bool:
    """Tell whether this is a position's own stop, which its position row shows."""
    return not row.order_link_id and row.stop_order_type in _POSITION_STOPS


def name_of(row: OrderRow | ExecutionRow) -> str:
    """Name an order by what it was placed with, else by what the venue calls it."""
    return row.order_link_id or f"{NAMELESS}{row.order_id}"


def order(row: OrderRow) -> Order:
    """Read an order. *Raises*: Misread."""
    name = f"order {row.order_link_id or row.order_id}"
    filled = _quantity(row.cum_exec_qty, f"{name}: cumExecQty")
    status = _one(_STATUSES, row.order_status, f"{name}: orderStatus")
    if status is OrderStatus.REJECTED and filled:
        status = OrderStatus.CANCELLED  # what has filled was not refused (§3.6)
    kind = _order_type(row, name)
    stop = kind in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    return Order(
        client_order_id=name_of(row),
        venue_order_id=row.order_id,
        side=_one(_SIDES, row.side, f"{name}: side"),
        type=kind,
        qty=_quantity(row.qty, f"{name}: qty"),
        filled_qty=filled,
        status=status,
        price=None
        if kind in (OrderType.MARKET, OrderType.STOP_MARKET)
        else price(row.price, f"{name}: price"),
        trigger_px=price(row.trigger_price, f"{name}: triggerPrice") if stop else None,
        reduce_only=row.reduce_only,
        attached_stop_px=None if stop else price(row.stop_loss, f"{name}: stopLoss"),
        refusal=_REASONS.get(row.reject_reason, Refusal.OTHER)
        if status is OrderStatus.REJECTED
        else None,
        # Ours are called so too; whoever reads this knows what it has asked for (§3.6).
        by_person=status is OrderStatus.CANCELLED and row.cancel_type == "CancelByUser",
    )


def _order_type(row: OrderRow, name: str) -> OrderType:
    kinds = {"Limit": OrderType.LIMIT, "Market": OrderType.MARKET}
    kind = _one(kinds, row.order_type, f"{name}: orderType")
    # The price it waits for makes an order conditional; stopOrderType is "UNKNOWN" on some builds.
    if price(row.trigger_price, f"{name}: triggerPrice") is None:
        return kind
    return OrderType.STOP_LIMIT if kind is OrderType.LIMIT else OrderType.STOP_MARKET


def order_time(row: OrderRow) -> int:
    """Return when an order last changed. *Raises*: Misread."""
    return _instant(row.updated_time, f"order {row.order_link_id or row.order_id}: updatedTime")


# -------------------------------------------------------------------------------------- fills


def is_trade(row: ExecutionRow) -> bool:
    """Tell whether an execution changes a quantity. *Raises*: Misread when nobody knows."""
    if row.exec_type in _TRADES:
        return True
    if row.exec_type in _PAYMENTS:
        return False
    raise Misread(f"execution {row.exec_id}: execType: {row.exec_type!r} is not known")


def fill_time(row: ExecutionRow) -> int:
    """Return when an execution happened. *Raises*: Misread."""
    return _instant(row.exec_time, f"execution {row.exec_id}: execTime")


def fill(row: ExecutionRow) -> Fill:
    """Read a fill. *Raises*: Misread."""
    name = f"execution {row.exec_id}"
    px, qty = price(row.exec_price, f"{name}: execPrice"), _quantity(row.exec_qty, name)
    if px is None or not qty:
        raise Misread(f"{name}: {row.exec_qty!r} at {row.exec_price!r} is no fill")
    own_stop = "StopLoss" in (row.stop_order_type, row.create_type.removeprefix("CreateBy"))
    own_stop = own_stop and not row.order_link_id
    return Fill(
        fill_id=row.exec_id,
        client_order_id="" if own_stop else name_of(row),
        side=_one(_SIDES, row.side, f"{name}: side"),
        price=px,
        qty=qty,
        fee=_fee(row, px * qty, name),
        liquidity=Liquidity.MAKER if row.is_maker else Liquidity.TAKER,
        at_ms=fill_time(row),
        by_position_stop=own_stop,
    )


def _fee(row: ExecutionRow, value: Decimal, name: str) -> Decimal:
    """Return the fee in the quote currency; one paid in another coin counts at its rate."""
    if (row.fee_currency or "") not in _COINS:
        return value * (number(row.fee_rate, f"{name}: feeRate") or ZERO)
    return number(row.exec_fee, f"{name}: execFee") or ZERO


def fill_slot(row: ExecutionRow, *, hedge: bool) -> str:
    """Name the position that an execution belongs to; the row itself does not say.

    In hedge mode an execution closes or opens, never both: what it closed tells which (§3.8).
    """
    if not hedge:
        return ""
    closes = bool(number(row.closed_size, f"execution {row.exec_id}: closedSize"))
    return "long" if (row.side == "Buy") is not closes else "short"


def in_venue_order(rows: Iterable[ExecutionRow]) -> list[ExecutionRow]:
    """Sort executions oldest first; they come newest first, and within a ms in no order."""
    oldest_first = list(rows)[::-1]
    return sorted(oldest_first, key=lambda row: (fill_time(row), row.seq))


# ---------------------------------------------------------------------------------- positions


def net_qty(row: PositionRow) -> Decimal:
    """Return a position's quantity, negative when short. *Raises*: Misread."""
    size = _quantity(row.size, f"position {row.symbol}: size")
    if not size:
        return ZERO
    return size * _one(_SIDES, row.side, f"position {row.symbol}: side").sign


def position_key(account: str, symbol: str, index: int) -> Key:
    """Name the key of a position index. *Raises*: Misread."""
    if index not in SLOTS:
        raise Misread(f"position {symbol}: positionIdx {index} is not known")
    return Key(account, symbol, SLOTS[index])


def position_stop(row: PositionRow) -> PositionStop | None:
    """Return the position's own stop. *Raises*: Misread."""
    px = price(row.stop_loss, f"position {row.symbol}: stopLoss")
    return None if px is None else PositionStop(px)


# ----------------------------------------------------------------------------------- the rest


def instrument(row: InstrumentRow) -> Instrument:
    """Read an instrument's grid. *Raises*: Misread."""
    lot = row.lot_size_filter

    def need(text: Number, what: str) -> Decimal:
        found = price(text, f"{row.symbol}: {what}")
        if found is None:
            raise Misread(f"{row.symbol}: {what}: {text!r} is no step")
        return found

    return Instrument(
        symbol=row.symbol,
        tick=need(row.price_filter.tick_size, "tickSize"),
        step=need(lot.qty_step, "qtyStep"),
        min_qty=need(lot.min_order_qty, "minOrderQty"),
        min_notional=_quantity(lot.min_notional_value, f"{row.symbol}: minNotionalValue"),
    )


def quote(row: TickerRow, at_ms: int) -> Quote:
    """Read a symbol's market. *Raises*: Misread."""
    last = price(row.last_price, f"{row.symbol}: lastPrice")
    if last is None:
        raise Misread(f"{row.symbol}: lastPrice: there is none")
    return Quote(
        symbol=row.symbol,
        last=last,
        at_ms=at_ms,
        trading_ms=at_ms,  # it never closes
        bid=price(row.bid1_price, f"{row.symbol}: bid1Price"),
        ask=price(row.ask1_price, f"{row.symbol}: ask1Price"),
    )


def fees(row: FeeRow) -> Fees:
    """Read a symbol's fee rates. *Raises*: Misread."""
    maker = number(row.maker_fee_rate, f"{row.symbol}: makerFeeRate")
    taker = number(row.taker_fee_rate, f"{row.symbol}: takerFeeRate")
    if maker is None or taker is None:
        raise Misread(f"{row.symbol}: the fee rates are missing")
    return Fees(maker=maker, taker=taker)
