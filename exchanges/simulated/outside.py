"""How an act of a person or of the venue takes effect on the books.

A person goes through the same checks as a request and leaves a mark on what was changed; fills of
orders that are not ours carry no client order id. Pure but for the engine's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from exchanges.feeds.bars import Feed
from exchanges.simulated import checks
from exchanges.simulated.acts import Act, Deed
from exchanges.simulated.checks import ALREADY, DONE, refused
from exchanges.simulated.engine import Engine
from exchanges.simulated.settings import SimulatedSettings, Slots
from exchanges.simulated.state import Book, Working
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Direction,
    Key,
    Order,
    OrderStatus,
    Outcome,
    Refusal,
    Role,
    SetStop,
    Side,
    plain,
)

_ENDS = {
    Deed.VENUE_CANCEL: OrderStatus.CANCELLED,
    Deed.VENUE_REJECT: OrderStatus.REJECTED,
    Deed.VENUE_EXPIRE: OrderStatus.EXPIRED,
}


def faults(
    acts: Sequence[Act], settings: SimulatedSettings, feeds: Mapping[str, Feed]
) -> list[str]:
    """Say of every act that could never be done on this account why not."""
    first_ms = min(feed.times[0] for feed in feeds.values())
    last_ms = max(feed.times[-1] for feed in feeds.values())
    found: list[str] = []
    for number, act in enumerate(acts, start=1):
        where = f"account {settings.account}: act {number} ({act.do.value})"
        if not first_ms <= act.at_ms <= last_ms:
            bars = f"the feed's bars close from {_utc(first_ms)} to {_utc(last_ms)}"
            found.append(f"{where}: {_utc(act.at_ms)}: {bars}")
        refusal = None
        if not act.client_order_id:
            refusal = checks.key_refusal(_key(act, settings), settings)
        if refusal is not None:
            found.append(f"{where}: {refusal.text}")
    return found


def perform(engine: Engine, act: Act) -> Outcome:
    """Do an act, or say why it cannot be done."""
    if act.do.of_an_order:
        return _on_order(engine, act)
    key = _key(act, engine.settings)
    refusal = checks.key_refusal(key, engine.settings)
    if refusal is not None:
        return refusal
    if act.do is Deed.STOP:
        if act.price is None:
            return DONE if engine.drop_stop(key) else ALREADY
        return engine.handle(SetStop(key, act.price, ZERO), by_person=True)
    last = engine.markets[key.symbol].last
    if last is None:
        return refused(Refusal.OTHER, f"{act.do.value}: {key.symbol}: no price yet")
    match act.do:
        case Deed.BUY:
            return _trade(engine, act, key, Side.BUY, last)
        case Deed.SELL:
            return _trade(engine, act, key, Side.SELL, last)
        case Deed.CLOSE | Deed.ADL | Deed.LIQUIDATE:
            return _reduce(engine, act, key, last)
        case _:
            raise AssertionError(f"{act.do}: is done to an order")


def _trade(engine: Engine, act: Act, key: Key, side: Side, last: Decimal) -> Outcome:
    """Buy or sell at market."""
    name, settings = f"{act.do.value} {key.symbol}", engine.settings
    instrument = settings.instruments[key.symbol]
    qty = ZERO if act.qty is None else act.qty
    refusal = checks.size_refusal(name, qty, last, instrument.min_notional, instrument)
    if refusal is not None:
        return refusal
    book = engine.book(key)
    if settings.pooled and settings.slots is Slots.HEDGE and side is Direction(key.slot).exit_side:
        held = ZERO if book is None else book.reducible(side)
        if qty > held:
            return _too_much(name, qty, held)
    refusal = engine.closed(name) or checks.oversell_refusal(name, key, side, qty, settings, book)
    if refusal is not None:
        return refusal
    engine.trade(key, side, qty, engine.market_px(key.symbol, side))
    return DONE


def _reduce(engine: Engine, act: Act, key: Key, last: Decimal) -> Outcome:
    """Take a quantity, or all, off a position: by a person at market, by the venue at the last."""
    name, book = f"{act.do.value} {key.symbol}", engine.book(key)
    if book is None or not book.net_qty:
        return refused(Refusal.NO_POSITION, f"{name}: there is no position")
    side = Side.SELL if book.net_qty > 0 else Side.BUY
    qty = held = book.reducible(side)
    price = last
    match act.do:
        case Deed.ADL:
            qty = held if act.qty is None else act.qty
            instrument = engine.settings.instruments[key.symbol]
            refusal = checks.size_refusal(name, qty, last, ZERO, instrument)
            if refusal is not None:
                return refusal
            if qty > held:
                return _too_much(name, qty, held)
        case Deed.LIQUIDATE:
            # Source: Bybit cancels a position's orders before it liquidates what is held.
            for working in list(book.live.values()):
                engine.end(working, OrderStatus.CANCELLED)
        case _:
            refusal = engine.closed(name)
            if refusal is not None:
                return refusal
            if engine.settings.bound:
                # Source: kite.md §16.13, the app's "Exit" cancels the exits that rest.
                for working in list(book.live.values()):
                    if working.side is side:
                        asked = CancelOrder(key, _order(working).client_order_id, Role.EXIT, 0)
                        engine.handle(asked, by_person=True)
            price = engine.market_px(key.symbol, side)
    engine.trade(key, side, qty, price)
    return DONE


def _too_much(name: str, qty: Decimal, held: Decimal) -> Outcome:
    text = f"{name}: qty {plain(qty)}: must be at most the {plain(held)} that are held"
    return refused(Refusal.INVALID, text)


# ------------------------------------------------------------------------------------ orders


def _on_order(engine: Engine, act: Act) -> Outcome:
    found = _find(engine, act)
    if found is None:
        name = act.client_order_id or f"{act.side} {act.type} of {act.symbol}"
        return refused(Refusal.UNKNOWN_ORDER, f"{act.do.value}: no order {name} is resting")
    book, working = found
    order = _order(working)
    match act.do:
        case Deed.CANCEL:
            asked = CancelOrder(book.key, order.client_order_id, Role.ENTRY, 0)
            return engine.handle(asked, by_person=True)
        case Deed.MOVE:
            qty = order.qty if act.qty is None else act.qty
            limit, trigger_px = (None, act.price) if working.is_stop else (act.price, None)
            if trigger_px is not None and order.price is not None:
                limit = order.price + trigger_px - working.px  # keeps its distance
            amend = AmendOrder(
                *(book.key, order.client_order_id, Role.ENTRY, 0),
                *(order.type, qty, limit, trigger_px),
            )
            return engine.handle(amend, by_person=True)
        case _:
            engine.end(working, _ENDS[act.do], act.reason)
            return DONE


def _order(working: Working) -> Order:
    assert working.order is not None, "an order, not a position's stop"
    return working.order


def _find(engine: Engine, act: Act) -> tuple[Book, Working] | None:
    """Find the resting order that an act is done to."""
    if act.client_order_id:
        slot = engine.account.ids.get(act.client_order_id)
        book = None if slot is None else engine.account.books[slot]
        working = None if book is None else book.live.get(act.client_order_id)
        return None if book is None or working is None else (book, working)
    book = engine.book(_key(act, engine.settings))
    if book is None:
        return None
    fitting = sorted(
        (
            working
            for working in book.live.values()
            if working.order is not None
            and (act.side is None or working.side is act.side)
            and (act.type is None or working.order.type is act.type)
        ),
        key=lambda working: working.placed,
    )
    if act.near is not None:
        near = act.near
        fitting.sort(key=lambda working: abs(working.px - near))
    return (book, fitting[act.nth - 1]) if act.nth <= len(fitting) else None


def _key(act: Act, settings: SimulatedSettings) -> Key:
    return Key(settings.account, act.symbol, act.slot)


def _utc(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
