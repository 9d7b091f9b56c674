"""Kite's books into views: pure, one reading of an account in, one view a position out.

Knows which of Kite's fields may be trusted (status and filled quantity) and which not (pending
quantity, order type of a protected market order). Trades carry no tag: they find their order by
its id. Nothing is concluded from what is missing. *Source*: the venue sheet §6.3 to §8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from exchanges.zerodha import charges, ist
from exchanges.zerodha.asked import Asked, is_stop
from exchanges.zerodha.classify import refusal_of
from exchanges.zerodha.instruments import Listing, Product
from exchanges.zerodha.wire import WireGtt, WireHolding, WireOrder, WirePosition, WireTrade
from machines.words import (
    ZERO,
    Fill,
    Key,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    Side,
    View,
)

TWIN = "~"
"""Sets a surplus twin of an order apart: ``name~2`` is nobody's wish, and is cancelled."""
_IN_FLIGHT = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "AMO REQ RECEIVED")
_CHANGING = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "CANCEL PENDING", "MODIFIED", "UPDATE")
_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "SL": OrderType.STOP_LIMIT,
    "SL-M": OrderType.STOP_MARKET,
}


class Reading(msgspec.Struct, frozen=True):
    """What was read of an account, all of one moment."""

    orders: list[WireOrder]
    trades: list[WireTrade]
    positions: list[WirePosition]
    holdings: list[WireHolding]
    gtts: list[WireGtt] = []


class Desk(msgspec.Struct, frozen=True):
    """What a reading is understood with."""

    account: str
    product: Product
    listings: Mapping[str, Listing]
    close_ms: Callable[[Listing, int], int]
    """When the session of a moment's day ends; 0 on a day without one."""
    names: Mapping[str, str] = {}
    """Client order ids of orders that carry no tag, by Kite's order id."""
    fired: Mapping[str, Decimal | None] = {}
    """Orders that a pair's leg has placed, by Kite's id: the stop's trigger, or None."""
    lagging: frozenset[str] = frozenset()
    """Symbols whose position does not show the day's trades yet."""
    pairs: Mapping[str, Sequence[Order]] = {}
    """By symbol: pairs that wait, or whose order the book does not show."""

    def key(self, symbol: str) -> Key:
        """Name the position of a symbol."""
        return Key(self.account, symbol, self.product.value)


def tag_of(order: WireOrder) -> str:
    """Return the tag that an order was placed with; empty without one."""
    if order.tag:
        return order.tag
    system = ("mktp", "autoslice")
    return next((tag for tag in order.tags or () if not tag.startswith(system)), "")


def is_live(order: WireOrder) -> bool:
    """Tell whether an order may still fill. A word we do not know may."""
    return order.status not in ("COMPLETE", "CANCELLED", "REJECTED", "CANCELLED AMO")


def name_orders(orders: Iterable[WireOrder], given: Mapping[str, str]) -> dict[str, str]:
    """Return client order ids by Kite's order id.

    Of several orders of one tag the oldest that lives or has filled is the true one; the others
    are named as its twins.
    """
    named: dict[str, str] = {}
    by_tag: dict[str, list[WireOrder]] = {}
    for order in orders:
        tag = given.get(order.order_id) or tag_of(order)
        if tag:
            by_tag.setdefault(tag, []).append(order)
    for tag, same in by_tag.items():
        same.sort(key=lambda order: (_is_dead(order), order.order_timestamp or 0, order.order_id))
        for place, order in enumerate(same, start=1):
            named[order.order_id] = tag if place == 1 else f"{tag}{TWIN}{place}"
    return named


def _is_dead(order: WireOrder) -> bool:
    return not is_live(order) and not order.filled_quantity


def ended_ms(order: WireOrder) -> int:
    """Return when an order last changed."""
    return order.exchange_update_timestamp or order.order_timestamp or 0


def status(order: WireOrder, close_ms: int) -> OrderStatus:
    """Read where an order stands; one that ended with its session is suspended.

    ``close_ms`` is when that session's orders ended.
    """
    match order.status:
        case "COMPLETE":
            return OrderStatus.FILLED
        case "REJECTED":
            return OrderStatus.REJECTED
        case "CANCELLED" | "CANCELLED AMO":
            late = ended_ms(order) >= close_ms
            return OrderStatus.SUSPENDED if late else OrderStatus.CANCELLED
        case "OPEN":
            return OrderStatus.TRIGGERED if is_stop(order) else OrderStatus.OPEN
        case "TRIGGER PENDING":
            return OrderStatus.OPEN
        case pending if pending in _IN_FLIGHT or pending in _CHANGING:
            # What fills has triggered, whatever else is under way.
            fired = is_stop(order) and order.filled_quantity > 0
            return OrderStatus.TRIGGERED if fired else OrderStatus.OPEN
        case _:
            return OrderStatus.UNKNOWN


def order_of(order: WireOrder, name: str, close_ms: int, asked: Asked) -> Order:
    """Read one order. A protected market order is one, whatever Kite has made of it."""
    stands = status(order, close_ms)
    kind = OrderType.MARKET if asked.was_market(order) else _TYPES.get(order.order_type)
    if kind is None:
        kind, stands = OrderType.LIMIT, OrderStatus.UNKNOWN
    stop = kind in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
    priced = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    by_person = stands.live and asked.moved_by_person(order)
    if stands is OrderStatus.CANCELLED:
        by_person = asked.ended_by_person(order)
    rejected = stands is OrderStatus.REJECTED
    return Order(
        client_order_id=name,
        venue_order_id=order.order_id,
        side=_side(order.transaction_type),
        type=kind,
        qty=order.quantity,
        filled_qty=order.filled_quantity,
        status=stands,
        price=order.price if priced else None,
        trigger_px=order.trigger_price if stop else None,
        refusal=refusal_of(order.status_message or "") if rejected else None,
        by_person=by_person,
    )


def _side(word: str) -> Side:
    return Side.BUY if word == "BUY" else Side.SELL


def fills_of(
    trades: Sequence[WireTrade], names: Mapping[str, str], listing: Listing
) -> tuple[Fill, ...]:
    """Read one symbol's fills, oldest first; an order's brokerage is capped over its fills.

    A twin's fill is told under its true order's name: it moved the position all the same.
    """
    found: list[Fill] = []
    turnover: dict[str, Decimal] = {}
    for trade in sorted(trades, key=lambda each: (each.fill_timestamp, each.trade_id)):
        side = _side(trade.transaction_type)
        day = ist.day_of(trade.fill_timestamp)
        value, before = trade.average_price * trade.quantity, turnover.get(trade.order_id, ZERO)
        turnover[trade.order_id] = before + value
        rates = charges.rates(listing.segment, trade.exchange, day)
        name = names.get(trade.order_id, "")
        found.append(
            Fill(
                # Kite numbers trades anew every day, at each exchange.
                fill_id=f"{trade.exchange}-{day:%Y%m%d}-{trade.trade_id}",
                client_order_id=name.partition(TWIN)[0],
                side=side,
                price=trade.average_price,
                qty=trade.quantity,
                fee=charges.fill_fee(rates, side, before, value),
                liquidity=Liquidity.TAKER,
                at_ms=int(trade.fill_timestamp),  # its own type cannot be journaled
            )
        )
    return tuple(found)


def position_of(position: WirePosition | None, kept: WireHolding | None) -> tuple[Decimal, Decimal]:
    """Return one symbol's signed quantity and average price.

    Shares bought today are a position, older ones a holding; what was sold out of the holding
    shows as a negative position, as used quantity, or as both.
    """
    today = ZERO if position is None else position.quantity
    if kept is None:
        return today, ZERO if position is None else position.average_price
    older = _carried(kept, max(kept.used_quantity, -today, ZERO))
    bought = max(today, ZERO)
    total = older + bought
    if not total:
        return ZERO, ZERO
    cost = older * kept.average_price
    if bought and position is not None:
        cost += bought * position.average_price
    return total, cost / total


def traded(position: WirePosition | None, trades: Sequence[WireTrade]) -> WirePosition | None:
    """Return the position that the day's trades have made of what was carried."""
    if not trades:
        return position
    first = trades[0]
    carried = ZERO if position is None else position.overnight_quantity
    bought = [trade for trade in trades if trade.transaction_type == "BUY"]
    sold = [trade for trade in trades if trade.transaction_type == "SELL"]
    net = carried + _sum(bought) - _sum(sold)
    grew = bought if net > 0 else sold
    average = ZERO
    if net and grew:
        average = sum((t.quantity * t.average_price for t in grew), ZERO) / _sum(grew)
    return WirePosition(first.exchange, first.tradingsymbol, first.product, net, average, carried)


def _sum(trades: Iterable[WireTrade]) -> Decimal:
    return sum((trade.quantity for trade in trades), ZERO)


def _carried(kept: WireHolding, sold: Decimal) -> Decimal:
    """Return what is left of a holding of which ``sold`` was sold today."""
    delivered = kept.quantity if kept.realised_quantity is None else kept.realised_quantity
    shown = delivered + kept.t1_quantity
    if kept.opening_quantity is not None and shown == kept.opening_quantity - sold:
        return shown  # the sale has been taken off already
    return shown - sold


def _as_asked(order: Order, desk: Desk) -> Order:
    """Show what a pair's stop has placed as the stop that it is: Kite shows a plain limit."""
    trigger_px = desk.fired.get(order.venue_order_id)
    if trigger_px is None or order.type is not OrderType.LIMIT:
        return order
    status = OrderStatus.TRIGGERED if order.status is OrderStatus.OPEN else order.status
    return msgspec.structs.replace(
        order, type=OrderType.STOP_LIMIT, trigger_px=trigger_px, status=status
    )


def views(reading: Reading, desk: Desk, asked: Asked) -> dict[Key, View]:
    """Read every listed symbol's view of the account's product."""
    names = name_orders(reading.orders, desk.names)
    found: dict[Key, View] = {}
    for symbol, listing in desk.listings.items():
        key = desk.key(symbol)
        here = _Here(listing, desk.product)
        trades = [each for each in reading.trades if here.has(each)]
        position = next((each for each in reading.positions if here.has(each)), None)
        if symbol in desk.lagging:
            position = traded(position, trades)
        kept = next((each for each in reading.holdings if here.holds(each)), None)
        net, average = position_of(position, kept)
        orders = sorted(
            (order for order in reading.orders if here.has(order)), key=lambda each: each.order_id
        )
        found[key] = View(
            key=key,
            net_qty=net,
            avg_px=average,
            orders=(
                *(_order(order, names.get(order.order_id, ""), listing, desk, asked)
                  for order in orders),
                *desk.pairs.get(symbol, ()),
            ),
            fills=fills_of(trades, names, listing),
        )  # fmt: skip
    return found


def _order(order: WireOrder, name: str, listing: Listing, desk: Desk, asked: Asked) -> Order:
    close_ms = desk.close_ms(listing, ended_ms(order))
    return _as_asked(order_of(order, name, close_ms, asked), desk)


def behind(reading: Reading, desk: Desk) -> frozenset[str]:
    """Name the symbols whose position is not what the day's trades make it.

    It lags behind them, or it was converted from another product.
    """
    found: set[str] = set()
    for symbol, listing in desk.listings.items():
        here = _Here(listing, desk.product)
        position = next((each for each in reading.positions if here.has(each)), None)
        made = traded(position, [each for each in reading.trades if here.has(each)])
        if made is not None and made.quantity != (ZERO if position is None else position.quantity):
            found.add(symbol)
    return frozenset(found)


class _Here(msgspec.Struct, frozen=True):
    """Tells what belongs to one symbol of the account's product."""

    listing: Listing
    product: Product

    def has(self, row: WireOrder | WireTrade | WirePosition) -> bool:
        return row.product == self.product and self._is(row.exchange, row.tradingsymbol)

    def holds(self, row: WireHolding) -> bool:
        # Shares are held in one demat account, whichever exchange Kite names.
        return self.product is Product.CNC and row.tradingsymbol == self.listing.tradingsymbol

    def _is(self, exchange: str, name: str) -> bool:
        return (exchange, name) == (self.listing.exchange, self.listing.tradingsymbol)
