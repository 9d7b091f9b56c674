"""What is asked of a simulated account: requests in, answers out.

Pure but for the account's state: no I/O, no clock, no tasks. Knows orders and positions, never
ladders. Invariant: a request that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

from msgspec.structs import replace

from exchanges.feeds.bars import Feed
from exchanges.simulated import checks
from exchanges.simulated.checks import ALREADY, DONE, refused
from exchanges.simulated.market import Market
from exchanges.simulated.matching import Matching
from exchanges.simulated.session import SQUARE_OFF_MS, Sessions
from exchanges.simulated.settings import SimulatedSettings
from exchanges.simulated.state import Account, Working
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Key,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    PlaceOrder,
    PlacePair,
    Refusal,
    SetStop,
    Side,
)


class Engine(Matching):
    """One simulated account that can be asked for things."""

    def __init__(
        self, settings: SimulatedSettings, feeds: Mapping[str, Feed], account: Account
    ) -> None:
        super().__init__(settings, feeds, account)
        self._capabilities = settings.capabilities()
        early_ms = SQUARE_OFF_MS if settings.squared_off else 0
        self.sessions = (
            None
            if settings.session is None
            else Sessions(settings.session, feeds.values(), early_ms)
        )

    # ------------------------------------------------------------------------------ requests

    def handle(self, mutation: Mutation, *, by_person: bool = False) -> Outcome:
        """Do what is asked, or say why not; what changes is marked with who asked."""
        refusal = checks.key_refusal(mutation.key, self.settings)
        if refusal is not None:
            return refusal
        market = self.markets[mutation.key.symbol]
        last = market.last
        if isinstance(mutation, CancelOrder):
            return self._cancel(mutation, market, by_person)
        if last is None:
            if isinstance(mutation, AmendOrder):
                return _unknown(mutation)  # nothing rests before there is a price
            return refused(Refusal.OTHER, f"{market.symbol}: no price yet")
        match mutation:
            case PlaceOrder():
                return self._place(mutation, market, last)
            case AmendOrder():
                return self._amend(mutation, market, last, by_person)
            case SetStop():
                return self._set_stop(mutation, market, last, by_person)
            case _:
                assert_never(mutation)

    def closed(self, name: str, kind: OrderType = OrderType.MARKET) -> Outcome | None:
        """Refuse what is asked for outside a session; pairs are the broker's and always taken."""
        sessions, now_ms = self.sessions, self.account.now_ms
        if sessions is None or kind is OrderType.PAIR or sessions.end_of(now_ms) is not None:
            return None
        return refused(Refusal.OUT_OF_SESSION, f"{name}: orders are taken during a session only")

    def _place(self, asked: PlaceOrder, market: Market, last: Decimal) -> Outcome:
        name = asked.client_order_id
        if not name:
            return refused(Refusal.INVALID, "order '': client_order_id: must not be empty")
        if name in self.account.ids:
            text = f"order {name}: client_order_id: was used before on this account"
            return refused(Refusal.DUPLICATE_ID, text)
        order = _as_asked(asked, f"{self.settings.account}-o{self.account.placed + 1}")
        refusal = self.closed("order " + name, order.type) or checks.place_refusal(
            asked, order, self.settings, last, self.book(asked.key)
        )
        if refusal is not None:
            return refusal
        slot = self._slot(asked.key)
        self.account.placed += 1
        self.account.ids[name] = slot
        self._work(slot, self.account.placed, order, market)
        return DONE

    def _work(self, slot: int, placed: int, order: Order, market: Market) -> None:
        """Let an order act at once, or wait for what its type waits for."""
        self.changed.add(slot)
        if order.trigger_px is None or order.status is OrderStatus.TRIGGERED:
            at_px = price = market.touch(order.side)
            if order.price is None:
                price = self.slipped(market.symbol, order.side, at_px)
            self._trade(slot, placed, order, price, at_px)
            return
        working = Working(slot, placed, order.trigger_px, order.side, is_stop=True, order=order)
        if order.target is not None:
            px = order.target.trigger_px
            working.target = Working(slot, placed, px, order.side, is_stop=False, order=order)
        self.account.books[slot].live[order.client_order_id] = working
        market.wait(working)

    def _amend(self, asked: AmendOrder, market: Market, last: Decimal, by_person: bool) -> Outcome:
        slot, working, order = self._live(asked.key, asked.client_order_id)
        if working is None or order is None:
            return _unknown(asked)
        wanted = _amended(order, asked, by_person)
        alike = _waits_alike(wanted, order)
        if alike and wanted.qty == order.qty:
            return ALREADY
        book = self.account.books[slot]
        refusal = self.closed(f"order {order.client_order_id}", order.type)
        refusal = refusal or checks.amend_refusal(
            order, wanted, asked.key, self.settings, last, book
        )
        if refusal is not None:
            return refusal
        if wanted.qty <= wanted.filled_qty:
            full = wanted.qty == wanted.filled_qty
            status = OrderStatus.FILLED if full else OrderStatus.CANCELLED
            self._stop_waiting(slot, working)
            self._end(book, replace(wanted, status=status))
        elif alike:
            self.changed.add(slot)
            working.order = wanted
            if working.target is not None:
                working.target.order = wanted
        else:
            self._stop_waiting(slot, working)
            self._work(slot, working.placed, wanted, market)
        return DONE

    def _cancel(self, asked: CancelOrder, market: Market, by_person: bool) -> Outcome:
        slot, working, order = self._live(asked.key, asked.client_order_id)
        if working is None or order is None:
            known = slot >= 0 and self.account.ids.get(asked.client_order_id) == slot
            return ALREADY if known else _unknown(asked)
        self._stop_waiting(slot, working)
        order = replace(order, status=OrderStatus.CANCELLED, by_person=by_person)
        self._end(self.account.books[slot], order)
        return DONE

    def _set_stop(self, asked: SetStop, market: Market, last: Decimal, by_person: bool) -> Outcome:
        name = f"stop of {asked.key.symbol}"
        if not self._capabilities.position_stop:
            text = f"{name}: positions have no stop of their own here; place a stop_market order"
            return refused(Refusal.INVALID, text)
        book = self.book(asked.key)
        if book is None or not book.net_qty:
            return refused(Refusal.NO_POSITION, f"{name}: there is no position")
        px = asked.trigger_px
        if book.stop is not None and book.stop.px == px:
            return ALREADY
        side = Side.SELL if book.net_qty > 0 else Side.BUY
        instrument = self.settings.instruments[market.symbol]
        refusal = checks.price_refusal(name, "trigger_px", px, instrument)
        refusal = refusal or checks.stop_refusal(name, side, px, last)
        if refusal is not None:
            return refusal
        slot = self._slots[asked.key]
        if book.stop is None:
            self.account.placed += 1
            placed = self.account.placed
        else:  # moved: it keeps its place
            placed = book.stop.placed
            market.stop_waiting(book.stop)
        book.stop = Working(slot, placed, px, side, is_stop=True, by_person=by_person)
        market.wait(book.stop)
        self.changed.add(slot)
        return DONE

    # ------------------------------------------------------------------- what others do here

    def trade(self, key: Key, side: Side, qty: Decimal, price: Decimal) -> None:
        """Let somebody else's order fill on a key; it is nobody's we know."""
        slot = self._slot(key)
        self.changed.add(slot)
        self._execute(self.account.books[slot], side, price, qty)

    def end(self, working: Working, status: OrderStatus, refusal: Refusal | None = None) -> None:
        """Let the venue end an order of its own accord."""
        assert working.order is not None, "an order, not a position's stop"
        self._stop_waiting(working.slot, working)
        order = replace(working.order, status=status, refusal=refusal, by_person=False)
        self._end(self.account.books[working.slot], order)

    def drop_stop(self, key: Key) -> bool:
        """Take a position's own stop away; return whether there was one."""
        book = self.book(key)
        if book is None or book.stop is None:
            return False
        self._stop_waiting(book.stop.slot, book.stop)
        book.stop = None
        return True

    def _stop_waiting(self, slot: int, working: Working) -> None:
        self.changed.add(slot)
        market = self.markets[self.account.books[slot].key.symbol]
        market.stop_waiting(working)

    # ------------------------------------------------------------------------------ sessions

    def next_end(self) -> int | None:
        """Return when a session next ends; None when none does."""
        return None if self.sessions is None else self.sessions.next_end(self.account.now_ms)

    def next_open(self) -> int | None:
        """Return when a session next opens; None when none does."""
        return None if self.sessions is None else self.sessions.next_open(self.account.now_ms)

    def end_session(self) -> bool:
        """Let the session end, with all orders but pairs; return whether anything changed.

        *Source*: kite.md §6.4, §11; of MIS the broker cancels what rests, then closes what is held.
        """
        before = self.account.fills, sum(len(book.ended) for book in self.account.books)
        squared_off = self.settings.squared_off
        status = OrderStatus.CANCELLED if squared_off else OrderStatus.SUSPENDED
        for book in self.account.books:
            for working in list(book.live.values()):
                if working.order is not None and working.order.type is not OrderType.PAIR:
                    self.end(working, status)
            if squared_off and book.net_qty:
                side = Side.SELL if book.net_qty > 0 else Side.BUY
                price = self.market_px(book.key.symbol, side)
                self.trade(book.key, side, book.reducible(side), price)
        return before != (self.account.fills, sum(len(book.ended) for book in self.account.books))

    def _live(self, key: Key, client_order_id: str) -> tuple[int, Working | None, Order | None]:
        slot = self._slots.get(key, -1)
        if slot < 0:
            return slot, None, None
        working = self.account.books[slot].live.get(client_order_id)
        return slot, working, None if working is None else working.order


def _as_asked(asked: PlaceOrder, venue_order_id: str) -> Order:
    return Order(
        client_order_id=asked.client_order_id,
        venue_order_id=venue_order_id,
        side=asked.side,
        type=asked.type,
        qty=asked.qty,
        filled_qty=ZERO,
        status=OrderStatus.OPEN,
        price=asked.price if asked.type in _LIMITS else None,
        trigger_px=asked.trigger_px if asked.type in _STOPS else None,
        reduce_only=asked.reduce_only,
        target=asked.target if isinstance(asked, PlacePair) and asked.type in _PAIRS else None,
    )


def _amended(order: Order, asked: AmendOrder, by_person: bool) -> Order:
    """Return the order as an amendment would leave it; what is not given stays."""
    kind, price, trigger_px = asked.type, order.price, order.trigger_px
    if asked.price is not None:
        price = asked.price
    if asked.trigger_px is not None and order.status is not OrderStatus.TRIGGERED:
        trigger_px = asked.trigger_px
    return replace(
        order,
        type=kind,
        qty=asked.qty,
        price=price if kind in _LIMITS else None,
        trigger_px=trigger_px if kind in _STOPS else None,
        # A stop that has fired and became something else is an order like any.
        status=order.status if kind is order.type else OrderStatus.OPEN,
        target=order.target if asked.target is None or kind not in _PAIRS else asked.target,
        by_person=by_person,
    )


_LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.PAIR)
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.PAIR)
_PAIRS = (OrderType.PAIR,)


def _waits_alike(a: Order, b: Order) -> bool:
    """Tell whether two orders wait for the same price in the same way.

    One at market does not: asked for again, it gets today's price.
    """
    return (
        a.type is b.type
        and a.type in _WAITING
        and (a.price, a.trigger_px, a.target) == (b.price, b.trigger_px, b.target)
    )


_WAITING = (*_LIMITS, *_STOPS)


def _unknown(asked: AmendOrder | CancelOrder) -> Outcome:
    text = f"order {asked.client_order_id}: is not resting on {asked.key.symbol}"
    return refused(Refusal.UNKNOWN_ORDER, text)
