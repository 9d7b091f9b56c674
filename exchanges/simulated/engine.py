"""The matching engine: requests in, answers out; bars in, fills out.

Pure but for its own state: no I/O, no clock, no tasks. Knows prices, orders and positions, never
ladders. Invariants: whatever rests has not been reached by the last price; a bar's fills happen
at its close and in the order in which the price met them; nothing new waits during a bar, so one
pass over each leg is enough (SPEC §11).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

from msgspec.structs import replace

from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import checks
from exchanges.simulated.checks import ALREADY, DONE, refused
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.market import Market
from exchanges.simulated.settings import ONE, PricePath, SimulatedSettings
from exchanges.simulated.state import Account, Book, Ended, Working
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Key,
    Liquidity,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    PlaceOrder,
    Refusal,
    SetStop,
    Side,
)


class Engine:
    """One simulated account's market and books. ``account`` is all that it remembers."""

    def __init__(
        self, settings: SimulatedSettings, feeds: Mapping[str, Feed], account: Account
    ) -> None:
        self.settings = settings
        self.account = account
        # In the configuration's order: it decides who moves first at one instant.
        self.markets = {symbol: Market(feeds[symbol], account) for symbol in settings.instruments}
        self._ledger = Ledger(account, settings.account, settings.fees)
        self.changed: set[int] = set()
        """Books that have changed since whoever shows them took note."""
        self._slots = {book.key: slot for slot, book in enumerate(account.books)}
        for book in account.books:
            market = self.markets[book.key.symbol]
            for working in book.live.values():
                market.wait(working)
            if book.stop is not None:
                market.wait(book.stop)

    def book(self, key: Key) -> Book | None:
        """Return a key's book, or None when nothing was ever accepted for it."""
        slot = self._slots.get(key)
        return None if slot is None else self.account.books[slot]

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

    def _place(self, asked: PlaceOrder, market: Market, last: Decimal) -> Outcome:
        name = asked.client_order_id
        if not name:
            return refused(Refusal.INVALID, "order '': client_order_id: must not be empty")
        if name in self.account.ids:
            text = f"order {name}: client_order_id: was used before on this account"
            return refused(Refusal.DUPLICATE_ID, text)
        refusal = checks.place_refusal(asked, self.settings, last, self.book(asked.key))
        if refusal is not None:
            return refusal
        slot = self._slot(asked.key)
        book = self.account.books[slot]
        self.account.placed += 1
        self.account.ids[name] = slot
        self.changed.add(slot)
        is_stop = asked.type is OrderType.STOP_MARKET
        px = asked.trigger_px if is_stop else asked.price
        order = Order(
            client_order_id=name,
            venue_order_id=f"{self.settings.account}-o{self.account.placed}",
            side=asked.side,
            type=asked.type,
            qty=asked.qty,
            filled_qty=ZERO,
            status=OrderStatus.OPEN,
            price=asked.price if asked.type is OrderType.LIMIT else None,
            trigger_px=asked.trigger_px if is_stop else None,
            reduce_only=asked.reduce_only,
        )
        if px is None or asked.type is OrderType.MARKET:
            self._fill(book, order, self.slipped(asked.key.symbol, asked.side, last))
        elif not is_stop and _reached(asked.side, px, last):
            self._fill(book, order, last)
        else:
            working = Working(slot, self.account.placed, px, asked.side, is_stop, order)
            book.live[name] = working
            market.wait(working)
        return DONE

    def _amend(self, asked: AmendOrder, market: Market, last: Decimal, by_person: bool) -> Outcome:
        slot, working, order = self._live(asked.key, asked.client_order_id)
        if working is None or order is None:
            return _unknown(asked)
        wanted = asked.trigger_px if working.is_stop else asked.price
        px = working.px if wanted is None else wanted
        if asked.qty == order.qty and px == working.px and asked.type is order.type:
            return ALREADY
        instrument = self.settings.instruments[market.symbol]
        refusal = checks.amend_refusal(asked, order, px, last, instrument)
        if refusal is not None:
            return refusal
        book = self.account.books[slot]
        self.changed.add(slot)
        price, trigger_px = (None, px) if working.is_stop else (px, None)
        order = replace(
            order, qty=asked.qty, price=price, trigger_px=trigger_px, by_person=by_person
        )
        if order.qty <= order.filled_qty:
            full = order.qty == order.filled_qty
            status = OrderStatus.FILLED if full else OrderStatus.CANCELLED
            self._end(book, replace(order, status=status))
            market.stop_waiting(working)
        elif not working.is_stop and _reached(order.side, px, last):
            market.stop_waiting(working)
            self._fill(book, order, last)
        elif px == working.px:
            working.order = order
        else:
            market.stop_waiting(working)
            moved = Working(slot, working.placed, px, order.side, working.is_stop, order)
            book.live[order.client_order_id] = moved
            market.wait(moved)
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
        if not self.settings.position_stop:
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

    # ---------------------------------------------------------------------------------- bars

    def play(self, market: Market) -> None:
        """Let the next bar of one symbol happen."""
        bar = market.feed[market.played]
        market.skip_to(market.played + 1)
        self.account.now_ms = bar.close_ms
        levels = market.levels
        # The open is a point, not a leg: stops that it is at or beyond fill there, before
        # anything else; limits that it has passed fill at their own price.
        met: list[Working] = []
        while (working := levels.fall_to(bar.open)) is not None:
            met.append(working)
        while (working := levels.rise_to(bar.open)) is not None:
            met.append(working)
        met.sort(key=lambda working: not working.is_stop)  # stable: the rest keeps its order
        for working in met:
            self._meet(market, working, bar.open)
        for low_end, px in _legs(bar, self.settings.path):
            meet = levels.fall_to if low_end else levels.rise_to
            while (working := meet(px)) is not None:
                self._meet(market, working, working.px)

    def _meet(self, market: Market, working: Working, stop_px: Decimal) -> None:
        """Fill what a moving price has met; a stop at ``stop_px``, a limit at its own price."""
        if working.gone:  # by what was met a moment ago
            return
        working.gone = True
        book = self.account.books[working.slot]
        self.changed.add(working.slot)
        side = working.side
        if working.order is None:
            price = self.slipped(market.symbol, side, stop_px)
            qty = book.reducible(side)
            assert qty > 0, f"{book.key}: a stop without a position"
            book.stop = None
            self._execute(book, side, price, qty, by_position_stop=True)
        elif working.is_stop:
            self._fill(book, working.order, self.slipped(market.symbol, side, stop_px))
        else:
            self._fill(book, working.order, working.px, Liquidity.MAKER)

    # --------------------------------------------------------------------------------- fills

    def _fill(
        self, book: Book, order: Order, price: Decimal, liquidity: Liquidity = Liquidity.TAKER
    ) -> None:
        """Fill all that may fill of an order, which ends it."""
        qty = order.leaves_qty
        if order.reduce_only:
            qty = min(qty, book.reducible(order.side))
        if qty > 0:
            self._execute(book, order.side, price, qty, order.client_order_id, liquidity)
        filled = order.filled_qty + qty
        status = OrderStatus.FILLED if filled == order.qty else OrderStatus.CANCELLED
        self._end(book, replace(order, filled_qty=filled, status=status, by_person=False))

    def _execute(
        self,
        book: Book,
        side: Side,
        price: Decimal,
        qty: Decimal,
        client_order_id: str = "",
        liquidity: Liquidity = Liquidity.TAKER,
        *,
        by_position_stop: bool = False,
    ) -> None:
        self._ledger.execute(
            *(book, side, price, qty, liquidity, client_order_id),
            by_position_stop=by_position_stop,
        )
        self.markets[book.key.symbol].forget_band()  # a stop may have gone with its position

    def _end(self, book: Book, order: Order) -> None:
        book.live.pop(order.client_order_id, None)
        book.ended.append(Ended(order, self.account.now_ms))

    def slipped(self, symbol: str, side: Side, price: Decimal) -> Decimal:
        """Worsen a price by the slippage, rounded to the tick against us."""
        slippage = self.settings.slippage
        if not slippage:
            return price
        tick = self.settings.instruments[symbol].tick
        if side is Side.SELL:
            return max(tick, price * (ONE - slippage) // tick * tick)
        ticks, rest = divmod(price * (ONE + slippage), tick)  # rounds down: a rest goes up
        return (ticks + 1 if rest else ticks) * tick

    # --------------------------------------------------------------------------------- books

    def _slot(self, key: Key) -> int:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = len(self.account.books)
            self.account.books.append(Book(key))
        return slot

    def _live(self, key: Key, client_order_id: str) -> tuple[int, Working | None, Order | None]:
        slot = self._slots.get(key, -1)
        if slot < 0:
            return slot, None, None
        working = self.account.books[slot].live.get(client_order_id)
        return slot, working, None if working is None else working.order


def _unknown(asked: AmendOrder | CancelOrder) -> Outcome:
    text = f"order {asked.client_order_id}: is not resting on {asked.key.symbol}"
    return refused(Refusal.UNKNOWN_ORDER, text)


def _reached(side: Side, limit: Decimal, last: Decimal) -> bool:
    """Tell whether a limit is at or through the last price."""
    return limit >= last if side is Side.BUY else limit <= last


def _legs(bar: Bar, path: PricePath) -> tuple[tuple[bool, Decimal], ...]:
    """Return the bar's three legs as (falling, where to)."""
    high_first = path is PricePath.OHLC or bar.high - bar.open < bar.open - bar.low
    if high_first:
        return (False, bar.high), (True, bar.low), (False, bar.close)
    return (True, bar.low), (False, bar.high), (True, bar.close)
