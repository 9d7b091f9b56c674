"""Whether a request may reach the book: grid, minimums, side of the market.

Pure: requests and facts in, a refusal or None out. A refusal's text names the order, the value
and what is allowed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from exchanges.simulated.settings import SimulatedSettings, Slots
from exchanges.simulated.state import Book
from machines.words import (
    ZERO,
    AmendOrder,
    Direction,
    Instrument,
    Key,
    Order,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Side,
    plain,
)

DONE = Outcome(OutcomeKind.ACCEPTED)
ALREADY = Outcome(OutcomeKind.ALREADY_DONE)


# With the finest grid that settings allow, a remainder still fits in 28 digits.
_LARGEST = Decimal(10) ** 17


def refused(refusal: Refusal, text: str) -> Outcome:
    """Answer no, and why."""
    return Outcome(OutcomeKind.REFUSED, refusal, text)


def key_refusal(key: Key, settings: SimulatedSettings) -> Outcome | None:
    """Refuse a position that this account cannot have."""
    if key.account != settings.account:
        text = f"account {key.account!r}: this is account {settings.account!r}"
    elif key.symbol not in settings.instruments:
        known = ", ".join(settings.instruments)
        text = f"symbol {key.symbol!r}: not traded here; there are {known}"
    elif settings.slots is Slots.ONE_WAY and key.slot:
        text = f"slot {key.slot!r}: one-way accounts have one position a symbol, slot ''"
    elif settings.slots is Slots.HEDGE and key.slot not in (Direction.LONG, Direction.SHORT):
        text = f"slot {key.slot!r}: hedge accounts have the slots 'long' and 'short'"
    elif settings.slots is Slots.PER_LADDER and not key.slot:
        text = "slot '': per-ladder accounts name the ladder"
    else:
        return None
    return refused(Refusal.INVALID, text)


def place_refusal(
    order: PlaceOrder, settings: SimulatedSettings, last: Decimal, book: Book | None
) -> Outcome | None:
    """Refuse an order that this market would not take. ``book`` None: nothing held or ordered."""
    name = f"order {order.client_order_id}"
    instrument = settings.instruments[order.key.symbol]
    if order.attached_stop_px is not None:
        text = f"{name}: attached_stop_px {plain(order.attached_stop_px)}: not supported here"
        return refused(Refusal.INVALID, text)
    match order.type:
        case OrderType.LIMIT:
            field, px = "price", order.price
        case OrderType.STOP_MARKET:
            field, px = "trigger_px", order.trigger_px
        case OrderType.MARKET:
            field, px = "price", last
        case OrderType.STOP_LIMIT:
            text = f"{name}: type stop_limit: must be limit, market or stop_market"
            return refused(Refusal.INVALID, text)
        case _:
            assert_never(order.type)
    if px is None:
        text = f"{name}: {field}: a {order.type.value} order must have one"
        return refused(Refusal.INVALID, text)
    floor = ZERO if order.reduce_only else instrument.min_notional
    refusal = None
    if order.type is not OrderType.MARKET:
        refusal = price_refusal(name, field, px, instrument)
    refusal = refusal or size_refusal(name, order.qty, px, floor, instrument)
    if refusal is None and order.reduce_only and (book is None or not book.reducible(order.side)):
        text = f"{name}: reduce-only {order.side.value}: there is no position that it would reduce"
        refusal = refused(Refusal.NO_POSITION, text)
    if refusal is None and settings.slots is Slots.HEDGE and not order.reduce_only:
        refusal = _hedge_refusal(name, order)
    if refusal is None and order.type is OrderType.STOP_MARKET:
        refusal = stop_refusal(name, order.side, px, last)
    return refusal


def _hedge_refusal(name: str, order: PlaceOrder) -> Outcome | None:
    if order.side is Direction(order.key.slot).entry_side:
        return None
    text = f"{name}: {order.side.value} in slot {order.key.slot!r}: must be reduce-only"
    return refused(Refusal.INVALID, text)


def amend_refusal(
    amend: AmendOrder, order: Order, px: Decimal, last: Decimal, instrument: Instrument
) -> Outcome | None:
    """Refuse a change that this market would not take. ``px`` is the price it would wait for."""
    name = f"order {amend.client_order_id}"
    if amend.type is not order.type:
        text = f"{name}: type {amend.type.value}: cannot change; it is {order.type.value}"
        return refused(Refusal.INVALID, text)
    floor = ZERO if order.reduce_only else instrument.min_notional
    field = "price" if order.type is OrderType.LIMIT else "trigger_px"
    refusal = price_refusal(name, field, px, instrument)
    refusal = refusal or size_refusal(name, amend.qty, px, floor, instrument)
    if refusal is None and order.type is OrderType.STOP_MARKET:
        refusal = stop_refusal(name, order.side, px, last)
    return refusal


def size_refusal(
    name: str, qty: Decimal, px: Decimal, min_notional: Decimal, instrument: Instrument
) -> Outcome | None:
    """Refuse a quantity off the step or below a minimum."""
    if not _on_grid(qty, instrument.step):
        step = plain(instrument.step)
        text = f"{name}: qty {plain(qty)}: must be a multiple of the step {step}, above 0"
        return refused(Refusal.INVALID, text)
    if qty < instrument.min_qty:
        text = f"{name}: qty {plain(qty)}: must be at least {plain(instrument.min_qty)}"
        return refused(Refusal.TOO_SMALL, text)
    if qty * px < min_notional:
        text = (
            f"{name}: qty {plain(qty)} at {plain(px)} is worth {plain(qty * px)}: "
            f"must be worth at least {plain(min_notional)}"
        )
        return refused(Refusal.TOO_SMALL, text)
    return None


def price_refusal(name: str, field: str, px: Decimal, instrument: Instrument) -> Outcome | None:
    """Refuse a price off the tick."""
    if not _on_grid(px, instrument.tick):
        tick = plain(instrument.tick)
        text = f"{name}: {field} {plain(px)}: must be a multiple of the tick {tick}, above 0"
        return refused(Refusal.INVALID, text)
    return None


def stop_refusal(name: str, side: Side, trigger_px: Decimal, last: Decimal) -> Outcome | None:
    """Refuse a stop that the last price has already reached."""
    wrong = trigger_px >= last if side is Side.SELL else trigger_px <= last
    if not wrong:
        return None
    must = "below" if side is Side.SELL else "above"
    text = f"{name}: trigger_px {plain(trigger_px)}: must be {must} the last price {plain(last)}"
    return refused(Refusal.BEHIND_MARKET, text)


def _on_grid(value: Decimal, grid: Decimal) -> bool:
    return value.is_finite() and 0 < value < _LARGEST and not value % grid
