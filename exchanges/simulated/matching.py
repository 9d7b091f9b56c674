"""Matching: bars in, fills out.

Pure but for the account's state: no I/O, no clock, no tasks. Knows prices, orders and positions,
never requests or ladders. Invariants: whatever rests has not been reached by the last price, but
for what a bar's volume left unfilled; a bar's fills happen at its close and in the order in which
the price met them; nothing is met twice in a bar, so one pass over each leg is enough (SPEC §11).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import checks
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.market import Market
from exchanges.simulated.settings import ONE, PricePath, SimulatedSettings
from exchanges.simulated.state import Account, Book, Ended, Taken, Working
from machines.words import (
    ZERO,
    Key,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    Side,
)


class Matching:
    """One simulated account's market and books. ``account`` is all that it remembers."""

    def __init__(
        self, settings: SimulatedSettings, feeds: Mapping[str, Feed], account: Account
    ) -> None:
        self.settings = settings
        self.account = account
        # In the configuration's order: it decides who moves first at one instant.
        self.markets = {symbol: Market(feeds[symbol], account) for symbol in settings.instruments}
        self._ledger = Ledger(account, settings.account, settings.fees)
        self._shares = settings.fill_share < ONE
        self._starved: list[Working] | None = None
        """During a bar, what was met and found no volume: it waits again from the bar's end on."""
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

    # ---------------------------------------------------------------------------------- bars

    def play(self, market: Market) -> None:
        """Let the next bar of one symbol happen."""
        # Of orders between bid and ask the last price says nothing.
        before = market.last if self._shares and not market.feed.quoted else None
        bar = market.feed[market.played]
        market.skip_to(market.played + 1)
        self.account.now_ms = bar.close_ms
        self._starved = []
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
            self._meet(market, working, bar.open, before)
        for low_end, px in _legs(bar, self.settings.path):
            meet = levels.fall_to if low_end else levels.rise_to
            while (working := meet(px)) is not None:
                self._meet(market, working, working.px)
        for working in self._starved:
            market.wait(working)
        self._starved = None

    def _meet(
        self, market: Market, working: Working, at_px: Decimal, before: Decimal | None = None
    ) -> None:
        """Fill what a moving price has met; what waited as a trigger acts at ``at_px``.

        ``before`` is the last price before the bar, where a lack of volume could leave an order
        that it had reached: that one takes the open, if it is better than its limit.
        """
        if working.gone:  # by what was met a moment ago
            return
        working.gone = True
        slot, book = working.slot, self.account.books[working.slot]
        self.changed.add(slot)
        side, order = working.side, working.order
        if order is None:
            price = self.slipped(market.symbol, side, at_px)
            qty = book.reducible(side)
            assert qty > 0, f"{book.key}: a stop without a position"
            book.stop = None
            qty = self._within_volume(book.key.symbol, qty)
            if qty:
                self._execute(book, side, price, qty, by_position_stop=True)
        elif order.type is OrderType.PAIR:
            self._fire(slot, order, working, at_px)
        elif working.is_stop:
            order = replace(order, status=OrderStatus.TRIGGERED)
            self._trade(
                slot, working.placed, order, self.slipped(market.symbol, side, at_px), at_px
            )
        elif before is not None and reached(side, working.px, before):
            at_px = min(working.px, at_px) if side is Side.BUY else max(working.px, at_px)
            self._fill(slot, working.placed, order, at_px, rest_px=working.px)
        else:
            self._fill(slot, working.placed, order, working.px, Liquidity.MAKER, working.px)

    def _fire(self, slot: int, pair: Order, leg: Working, at_px: Decimal) -> None:
        """Let a leg of a pair place its order; the other leg is gone, whatever becomes of it."""
        book = self.account.books[slot]
        both = book.live[pair.client_order_id]
        both.gone = True
        if both.target is not None:
            both.target.gone = True
        self.markets[book.key.symbol].forget_band()
        price = at_px
        if leg.is_stop:
            order = replace(
                pair, type=OrderType.STOP_LIMIT, status=OrderStatus.TRIGGERED, target=None
            )
            price = self.slipped(book.key.symbol, pair.side, at_px)
        else:
            assert pair.target is not None, f"{pair.client_order_id}: a pair has two legs"
            order = replace(
                pair, type=OrderType.LIMIT, price=pair.target.price, trigger_px=None, target=None
            )
        # Nothing was held back for it: only now is it seen whether there is enough to sell.
        name = f"order {order.client_order_id}"
        refusal = checks.oversell_refusal(
            *(name, book.key, order.side, order.leaves_qty, self.settings, book)
        )
        if refusal is None:
            self._trade(slot, leg.placed, order, price, at_px)
        else:
            order = replace(order, status=OrderStatus.REJECTED, refusal=refusal.refusal)
            self._end(book, replace(order, by_person=False))

    def _trade(self, slot: int, placed: int, order: Order, price: Decimal, at_px: Decimal) -> None:
        """Let an order act at once where the market is: at ``price``, but never beyond its limit.

        A limit that ``at_px`` has not reached waits for its price.
        """
        limit = None if order.type in _UNLIMITED else order.price
        if limit is None:
            # Without reduce-only, what finds no volume waits as a limit at the price that it got.
            # *Source*: kite.md §11, market protection; Bybit cancels the rest of a market order.
            rest_px = None if self.settings.pooled else price
            self._fill(slot, placed, order, price, rest_px=rest_px)
        elif reached(order.side, limit, at_px):
            price = min(price, limit) if order.side is Side.BUY else max(price, limit)
            self._fill(slot, placed, order, price, rest_px=limit)
        else:
            self._rest(slot, placed, order, limit)

    # --------------------------------------------------------------------------------- fills

    def _fill(
        self,
        slot: int,
        placed: int,
        order: Order,
        price: Decimal,
        liquidity: Liquidity = Liquidity.TAKER,
        rest_px: Decimal | None = None,
    ) -> None:
        """Fill all that may fill of an order, which ends it, unless volume is what it lacks.

        ``rest_px`` is where it then waits; None: nowhere, the rest is cancelled.
        """
        book = self.account.books[slot]
        may = checks.most(book.key, order, self.settings, book)
        qty = self._within_volume(book.key.symbol, may)
        if qty > 0:
            self._execute(book, order.side, price, qty, order.client_order_id, liquidity)
        filled = order.filled_qty + qty
        if qty < may and rest_px is not None:
            self._rest(slot, placed, replace(order, filled_qty=filled), rest_px, starved=True)
            return
        status = OrderStatus.FILLED if filled == order.qty else OrderStatus.CANCELLED
        self._end(book, replace(order, filled_qty=filled, status=status, by_person=False))

    def _rest(
        self, slot: int, placed: int, order: Order, px: Decimal, *, starved: bool = False
    ) -> None:
        """Let an order wait for a price as a limit does."""
        book = self.account.books[slot]
        working = Working(slot, placed, px, order.side, is_stop=False, order=order)
        book.live[order.client_order_id] = working
        if starved and self._starved is not None:
            self._starved.append(working)
        else:
            self.markets[book.key.symbol].wait(working)

    def _within_volume(self, symbol: str, qty: Decimal) -> Decimal:
        """Return how much of a quantity the last bar's volume leaves to us, and take it."""
        if not self._shares or qty <= 0:
            return qty
        market, step = self.markets[symbol], self.settings.instruments[symbol].step
        taken = self.account.taken.get(symbol)
        used = taken.qty if taken is not None and taken.bar == market.played else ZERO
        room = market.volume * self.settings.fill_share - used
        qty = max(ZERO, min(qty, room // step * step))
        self.account.taken[symbol] = Taken(market.played, used + qty)
        return qty

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

    def market_px(self, symbol: str, side: Side) -> Decimal:
        """Return what an order at market gets now."""
        return self.slipped(symbol, side, self.markets[symbol].touch(side))

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


_UNLIMITED = (OrderType.MARKET, OrderType.STOP_MARKET)


def reached(side: Side, limit: Decimal, last: Decimal) -> bool:
    """Tell whether a limit is at or through the last price."""
    return limit >= last if side is Side.BUY else limit <= last


def _legs(bar: Bar, path: PricePath) -> tuple[tuple[bool, Decimal], ...]:
    """Return the bar's three legs as (falling, where to)."""
    high_first = path is PricePath.OHLC or bar.high - bar.open < bar.open - bar.low
    if high_first:
        return (False, bar.high), (True, bar.low), (False, bar.close)
    return (True, bar.low), (False, bar.high), (True, bar.close)
