"""Mutations into the SDK's arguments: pure. What Kite would not take is refused here, by name.

Quantities are whole numbers and prices plain text, as the SDK writes whatever it is given.
*Source*: the venue sheet §2, §6.1, §6.2, §7, §11.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from exchanges.zerodha.instruments import Listing, Product
from exchanges.zerodha.parse import is_live
from exchanges.zerodha.wire import WireOrder
from machines.words import (
    AmendOrder,
    Leg,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Side,
    plain,
)

Fields = dict[str, object]
VARIETY = "regular"
AUTO_PROTECTION = -1
"""Market orders must name a protection; this lets Kite choose the band."""
_TAG = re.compile(r"[A-Za-z0-9]{1,20}")
_TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_LIMIT: "SL",
}


class Pair(msgspec.Struct, frozen=True):
    """What a two-leg GTT is to do."""

    side: Side
    qty: Decimal
    stop: Leg
    target: Leg


class Unsendable(Exception):
    """Carry the refusal of a request that must not leave."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        self.outcome = Outcome(OutcomeKind.REFUSED, refusal, text)
        super().__init__(text)


def place_fields(asked: PlaceOrder, listing: Listing, product: Product) -> Fields:
    """Return the arguments of ``place_order``. *Raises*: Unsendable."""
    _check(asked, listing, product)
    fields: Fields = {
        "variety": VARIETY,
        "exchange": listing.exchange,
        "tradingsymbol": listing.tradingsymbol,
        "transaction_type": asked.side.name,
        "quantity": int(asked.qty),
        "product": product.value,
        "order_type": _TYPES[asked.type],
        "validity": "DAY",
        "tag": asked.client_order_id,
    }
    if asked.type is OrderType.MARKET:
        fields["market_protection"] = AUTO_PROTECTION
    else:
        fields["price"] = plain(_needed(asked, "price", asked.price))
    if asked.type is OrderType.STOP_LIMIT:
        fields["trigger_price"] = plain(_needed(asked, "trigger_px", asked.trigger_px))
    return fields


def _check(asked: PlaceOrder, listing: Listing, product: Product) -> None:
    name = f"order {asked.client_order_id}"
    if not _TAG.fullmatch(asked.client_order_id):
        text = f"{name}: client_order_id: a tag is 1 to 20 letters and digits"
        raise Unsendable(Refusal.INVALID, text)
    if asked.type not in _TYPES:
        text = f"{name}: type {asked.type.value}: must be limit, market or stop_limit at Zerodha"
        raise Unsendable(Refusal.INVALID, text)
    if asked.attached_stop_px is not None or asked.reduce_only:
        text = f"{name}: Zerodha has neither attached stops nor reduce-only orders"
        raise Unsendable(Refusal.INVALID, text)
    _check_size(name, asked.qty, listing)
    if asked.side is Side.BUY and asked.type is OrderType.STOP_LIMIT and product is Product.CNC:
        text = f"{name}: shares of product CNC are never short: nothing is bought at a stop"
        raise Unsendable(Refusal.INVALID, text)


def _check_size(name: str, qty: Decimal, listing: Listing) -> None:
    step = listing.instrument.step
    if qty <= 0 or qty % step:
        text = f"{name}: qty {plain(qty)}: must be a multiple of {plain(step)}, above 0"
        raise Unsendable(Refusal.INVALID, text)


def _needed(asked: PlaceOrder | AmendOrder, field: str, price: Decimal | None) -> Decimal:
    if price is None:
        text = f"order {asked.client_order_id}: {field}: a {asked.type.value} order must have one"
        raise Unsendable(Refusal.INVALID, text)
    return price


def modify_fields(asked: AmendOrder, resting: WireOrder, listing: Listing) -> Fields:
    """Return the arguments of ``modify_order``: what changes and nothing else; empty, nothing does.

    *Raises*: Unsendable where Kite would not do it, or nobody knows what it would do.
    """
    name = f"order {asked.client_order_id}"
    if not is_live(resting):
        raise Unsendable(Refusal.UNKNOWN_ORDER, f"{name}: has ended: {resting.status}")
    if asked.type not in _TYPES or asked.attached_stop_px is not None:
        text = f"{name}: type {asked.type.value}: cannot be had by a change at Zerodha"
        raise Unsendable(Refusal.INVALID, text)
    kind = _TYPES[asked.type]
    if kind == "SL" and resting.order_type != "SL":
        text = f"{name}: nothing turns back into a stop: cancel it and place another"
        raise Unsendable(Refusal.INVALID, text)
    fields: Fields = {}
    if asked.qty != resting.quantity:
        if resting.filled_quantity:
            # Whether Kite would take the total or the rest is not known: never ask.
            text = f"{name}: partly filled: its quantity cannot change any more"
            raise Unsendable(Refusal.OTHER, text)
        _check_size(name, asked.qty, listing)
        fields["quantity"] = int(asked.qty)
    if kind == "MARKET":  # again, too: it chases with the band of the moment
        fields |= {"order_type": kind, "market_protection": AUTO_PROTECTION}
    elif kind != resting.order_type:
        price = resting.price if asked.price is None else asked.price  # one left out stays
        fields |= {"order_type": kind, "price": plain(_needed(asked, "price", price or None))}
    elif asked.price not in (None, resting.price):
        fields["price"] = plain(_needed(asked, "price", asked.price))
    if kind == "SL" and asked.trigger_px not in (None, resting.trigger_price):
        fields["trigger_price"] = plain(_needed(asked, "trigger_px", asked.trigger_px))
    return fields


def gtt_fields(pair: Pair, last: Decimal, listing: Listing, product: Product) -> Fields:
    """Return the arguments of ``place_gtt`` and ``modify_gtt``, the lower leg first.

    The SDK writes these through JSON, which knows no Decimal. *Raises*: Unsendable when the legs
    are not on both sides of the last price.
    """
    lower, upper = pair.stop, pair.target
    if pair.side is Side.BUY:
        lower, upper = upper, lower
    if not lower.trigger_px < last < upper.trigger_px:
        text = (
            f"pair {plain(lower.trigger_px)} / {plain(upper.trigger_px)}: its triggers must lie on "
            f"both sides of the last price {plain(last)}"
        )
        raise Unsendable(Refusal.BEHIND_MARKET, text)
    _check_size(f"pair of {listing.symbol}", pair.qty, listing)
    return {
        "trigger_type": "two-leg",
        "exchange": listing.exchange,
        "tradingsymbol": listing.tradingsymbol,
        "trigger_values": [float(lower.trigger_px), float(upper.trigger_px)],
        "last_price": float(last),
        "orders": [
            {
                "transaction_type": pair.side.name,
                "quantity": int(pair.qty),
                "order_type": "LIMIT",
                "product": product.value,
                "price": float(leg.price),
            }
            for leg in (lower, upper)
        ],
    }
