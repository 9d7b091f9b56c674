"""Whether a request may reach the book: grid, minimums, side of the market.

Pure: requests and facts in, a refusal or None out. A refusal's text names the order, the value
and what is allowed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from exchanges.simulated.settings import PAIR_GAP, Product, SimulatedSettings, Slots
from exchanges.simulated.state import Book
from machines.words import (
    ZERO,
    Direction,
    Instrument,
    Key,
    Order,
    OrderStatus,
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
    asked: PlaceOrder, order: Order, settings: SimulatedSettings, last: Decimal, book: Book | None
) -> Outcome | None:
    """Refuse an order that this market would not take. ``book`` None: nothing held or ordered."""
    name = f"order {order.client_order_id}"
    if asked.attached_stop_px is not None:
        text = f"{name}: attached_stop_px {plain(asked.attached_stop_px)}: not supported here"
        return refused(Refusal.INVALID, text)
    instrument = settings.instruments[asked.key.symbol]
    refusal = _kind_refusal(name, asked, settings) or _values_refusal(name, order, instrument, last)
    if refusal is None and order.reduce_only and (book is None or not book.reducible(order.side)):
        text = f"{name}: reduce-only {order.side.value}: there is no position that it would reduce"
        refusal = refused(Refusal.NO_POSITION, text)
    if refusal is None and not order.reduce_only and settings.pooled:
        refusal = _hedge_refusal(name, asked, settings)
    if refusal is None and settings.bound and order.target is None:
        refusal = oversell_refusal(name, asked.key, order.side, order.qty, settings, book)
    return refusal or side_refusal(name, order, last)


def amend_refusal(
    was: Order, order: Order, key: Key, settings: SimulatedSettings, last: Decimal, book: Book
) -> Outcome | None:
    """Refuse to let ``was`` become ``order``."""
    name = f"order {order.client_order_id}"
    if order.type is not was.type and order.type not in _becomes(was, settings):
        text = f"{name}: type {order.type.value}: cannot change; it is {was.type.value}"
        return refused(Refusal.INVALID, text)
    refusal = _values_refusal(name, order, settings.instruments[key.symbol], last)
    if refusal is None and settings.bound and order.qty > was.qty and order.target is None:
        refusal = oversell_refusal(name, key, order.side, order.qty - was.qty, settings, book)
    return refusal or side_refusal(name, order, last)


def _kind_refusal(name: str, asked: PlaceOrder, settings: SimulatedSettings) -> Outcome | None:
    """Refuse a kind of order that there is not here."""
    if asked.type not in settings.kinds:
        must = ", ".join(kind.value for kind in settings.kinds)
        return refused(Refusal.INVALID, f"{name}: type {asked.type.value}: must be one of {must}")
    if asked.reduce_only and not settings.pooled:
        return refused(Refusal.INVALID, f"{name}: reduce_only: there is no such order here")
    return None


def _becomes(order: Order, settings: SimulatedSettings) -> tuple[OrderType, ...]:
    """Name the types that an amendment may give an order.

    *Source*: kite.md §6.2; a stop that has fired is a limit, and nothing becomes a stop again.
    """
    if settings.pooled:
        return ()
    match order.type:
        case OrderType.LIMIT:
            return (OrderType.MARKET,)
        case OrderType.MARKET:
            return (OrderType.LIMIT,)
        case OrderType.STOP_LIMIT if settings.stop_market and order.status is OrderStatus.OPEN:
            return (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET)
        case OrderType.STOP_LIMIT | OrderType.STOP_MARKET:
            return (OrderType.LIMIT, OrderType.MARKET)
        case OrderType.PAIR:
            return ()
        case _:
            assert_never(order.type)


def _prices(order: Order) -> tuple[tuple[str, Decimal | None], ...]:
    """Return the prices that an order of its type must have, what it waits for first."""
    match order.type:
        case OrderType.LIMIT:
            return (("price", order.price),)
        case OrderType.STOP_MARKET:
            return (("trigger_px", order.trigger_px),)
        case OrderType.STOP_LIMIT:
            return ("trigger_px", order.trigger_px), ("price", order.price)
        case OrderType.PAIR:
            target = order.target
            return (
                *(("trigger_px", order.trigger_px), ("price", order.price)),
                ("target.trigger_px", None if target is None else target.trigger_px),
                ("target.price", None if target is None else target.price),
            )
        case OrderType.MARKET:
            return ()
        case _:
            assert_never(order.type)


def _values_refusal(
    name: str, order: Order, instrument: Instrument, last: Decimal
) -> Outcome | None:
    """Refuse prices and a quantity that are missing, off the grid or too small."""
    prices = _prices(order)
    for field, px in prices:
        if px is None:
            text = f"{name}: {field}: a {order.type.value} order must have one"
            return refused(Refusal.INVALID, text)
        refusal = price_refusal(name, field, px, instrument)
        if refusal is not None:
            return refusal
    at = prices[0][1] if prices else None
    floor = ZERO if order.reduce_only else instrument.min_notional
    return size_refusal(name, order.qty, last if at is None else at, floor, instrument)


def _hedge_refusal(name: str, order: PlaceOrder, settings: SimulatedSettings) -> Outcome | None:
    if settings.slots is not Slots.HEDGE:
        return None
    if order.side is Direction(order.key.slot).entry_side:
        return None
    text = f"{name}: {order.side.value} in slot {order.key.slot!r}: must be reduce-only"
    return refused(Refusal.INVALID, text)


def oversell_refusal(
    name: str, key: Key, side: Side, qty: Decimal, settings: SimulatedSettings, book: Book | None
) -> Outcome | None:
    """Refuse to put more on sale than is held, where that is not allowed.

    *Source*: kite.md §13.1.
    """
    if not settings.bound:
        return None
    held = ZERO if book is None else book.reducible(side)
    if not held and not _only_closes(key, side, settings):
        return None  # it opens a position
    on_sale = ZERO if book is None else book.working_qty(side)
    free = max(ZERO, held - on_sale)
    if qty <= free:
        return None
    if not held:
        text = f"{name}: {side.value}: there is nothing held to {side.value}"
        return refused(Refusal.NO_POSITION, text)
    text = (
        f"{name}: qty {plain(qty)}: must be at most {plain(free)}: "
        f"{plain(held)} held, {plain(on_sale)} of it in resting {side.value} orders"
    )
    return refused(Refusal.OVERSELL, text)


def _only_closes(key: Key, side: Side, settings: SimulatedSettings) -> bool:
    """Tell whether an order of this side never opens a position here."""
    if settings.slots is Slots.HEDGE:
        return side is Direction(key.slot).exit_side
    return settings.product is Product.CNC and side is Side.SELL


def most(key: Key, order: Order, settings: SimulatedSettings, book: Book) -> Decimal:
    """Return how much of an order may fill now, as far as the position goes."""
    closes = order.reduce_only or (settings.bound and _only_closes(key, order.side, settings))
    return min(order.leaves_qty, book.reducible(order.side)) if closes else order.leaves_qty


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


def side_refusal(name: str, order: Order, last: Decimal) -> Outcome | None:
    """Refuse triggers that the last price has reached, and a limit that its trigger passes."""
    if order.trigger_px is None or order.status is OrderStatus.TRIGGERED:
        return None
    sells, stop_px = order.side is Side.SELL, order.trigger_px
    refusal = stop_refusal(name, order.side, stop_px, last)
    if refusal is None and order.type is OrderType.STOP_LIMIT:
        limit = order.price
        if limit is not None and (limit > stop_px if sells else limit < stop_px):
            must = "must be at most" if sells else "must be at least"
            text = f"{name}: price {plain(limit)}: {must} the trigger {plain(stop_px)}"
            refusal = refused(Refusal.INVALID, text)
    if refusal is None and order.target is not None:
        refusal = _target_refusal(name, order.side, order.target.trigger_px, last)
        for field, px in (("trigger_px", stop_px), ("target.trigger_px", order.target.trigger_px)):
            if refusal is None and abs(px - last) < PAIR_GAP * last:
                percent = plain((PAIR_GAP * 100).normalize())
                gap = f"must be {percent}% or more from the last price {plain(last)}"
                refusal = refused(Refusal.TOO_NEAR, f"{name}: {field} {plain(px)}: {gap}")
    return refusal


def stop_refusal(name: str, side: Side, trigger_px: Decimal, last: Decimal) -> Outcome | None:
    """Refuse a stop that the last price has already reached."""
    wrong = trigger_px >= last if side is Side.SELL else trigger_px <= last
    if not wrong:
        return None
    must = "below" if side is Side.SELL else "above"
    text = f"{name}: trigger_px {plain(trigger_px)}: must be {must} the last price {plain(last)}"
    return refused(Refusal.BEHIND_MARKET, text)


def _target_refusal(name: str, side: Side, px: Decimal, last: Decimal) -> Outcome | None:
    wrong = px <= last if side is Side.SELL else px >= last
    if not wrong:
        return None
    must = "above" if side is Side.SELL else "below"
    text = f"{name}: target.trigger_px {plain(px)}: must be {must} the last price {plain(last)}"
    return refused(Refusal.BEHIND_MARKET, text)


def _on_grid(value: Decimal, grid: Decimal) -> bool:
    return value.is_finite() and 0 < value < _LARGEST and not value % grid
