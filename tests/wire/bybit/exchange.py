"""A loopback Bybit: the simulated matching engine with what Bybit adds to it.

Prices move when told to. After every fill: the attached stop becomes the position's, reduce-only
orders go with their position, and everything that changed is shown under a new sequence number.
What is shown can lag behind what is. *Source*: venues/bybit.md §9.2.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec

from exchanges.feeds.bars import UNITS, Bar, Feed
from exchanges.simulated.engine import Engine
from exchanges.simulated.settings import SimulatedSettings, Slots
from exchanges.simulated.state import Account, Book, Working
from machines.words import (
    CancelOrder,
    Fill,
    Key,
    Liquidity,
    Mutation,
    Order,
    OrderStatus,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Side,
)
from tests.wire.bybit import rows
from tests.wire.bybit.rows import Meta, Row
from tests.wire.bybit.rules import Rules, Shrink

ACCOUNT = "loop"
ZERO = Decimal(0)
_REMEMBERED = 4096


class Shown(msgspec.Struct):
    """What a moment looked like. Every field is replaced, never changed."""

    at_ms: int
    open: dict[str, Row]
    ended: dict[str, Row]
    positions: dict[Key, Row]
    executions: int


class Exchange:
    """One venue and one account on it. Take ``lock`` around every call."""

    def __init__(self, rules: Rules, prices: dict[str, Decimal]) -> None:
        self.rules = rules
        self.lock = threading.RLock()
        self.executions: list[Row] = []
        self.metas: dict[str, Meta] = {}
        """By the engine's client order id."""
        self.by_order_id: dict[str, str] = {}
        self.listeners: list[Callable[[str, list[Row]], None]] = []
        self.frozen: dict[str, Shown] = {}
        """Paths that go on showing an earlier moment."""
        self.lag_ms: dict[str, int] = {}
        """Paths that show what was so long ago."""
        self._feeds = {symbol: _feed(symbol, px, self.now_ms()) for symbol, px in prices.items()}
        settings = SimulatedSettings(
            account=ACCOUNT,
            instruments=rules.instruments,
            fees=dict.fromkeys(rules.instruments, rules.fees),
            slots=Slots.HEDGE if rules.hedge else Slots.ONE_WAY,
        )
        account = Account(Decimal(1_000_000), self.now_ms(), dict.fromkeys(rules.instruments, 0))
        self.engine = Engine(settings, self._feeds, account)
        for market in self.engine.markets.values():
            self.engine.play(market)
        self.seq = 1000
        self.position_seq: dict[Key, int] = {}
        self.opened_ms: dict[Key, int] = {}
        """When each position was opened."""
        self._counted: dict[Key, int] = {}
        self._net: dict[Key, Decimal] = {}
        self._stops: dict[Key, Meta] = {}
        self._ids = 0
        self._shown: deque[Shown] = deque([Shown(0, {}, {}, {}, 0)], maxlen=_REMEMBERED)

    def now_ms(self) -> int:
        """Return the venue's time."""
        return time.time_ns() // 1_000_000 + self.rules.clock_offset_ms

    def last(self, symbol: str) -> Decimal:
        """Return the last price."""
        last = self.engine.markets[symbol].last
        assert last is not None
        return last

    def new_id(self) -> str:
        """Make an order id that looks like Bybit's."""
        self._ids += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{id(self)}-{self._ids}"))

    # ------------------------------------------------------------------------------- the market

    def move(self, symbol: str, *prices: str | Decimal, gap: bool = False) -> None:
        """Let the price go somewhere: through all prices between, or with ``gap`` over them."""
        with self.lock:
            for price in prices:
                to, market = Decimal(price), self.engine.markets[symbol]
                start = to if gap else self.last(symbol)
                bar = (self.now_ms(), start, max(start, to), min(start, to), to, Decimal(1))
                _append(self._feeds[symbol], Bar(*bar))
                self.engine.play(market)
                self.settle()

    def part_fill(self, name: str, qty: str) -> None:
        """Fill a part of a resting limit order at its price."""
        with self.lock:
            working = self.working(name)
            assert working is not None, f"{name} does not rest"
            assert working.order is not None
            book, order = self.engine.account.books[working.slot], working.order
            self.engine.account.now_ms = self.now_ms()
            part = Decimal(qty)
            assert part < order.leaves_qty, "all of it is filled by the price"
            self.engine.changed.add(working.slot)
            self.engine._execute(book, order.side, working.px, part, name, Liquidity.MAKER)
            working.order = msgspec.structs.replace(order, filled_qty=order.filled_qty + part)
            self.metas[name].updated_ms = self.now_ms()
            self.settle()

    # ------------------------------------------------------------------------------- requests

    def handle(self, mutation: Mutation) -> Outcome:
        """Let the engine do what is asked, now."""
        self.engine.account.now_ms = self.now_ms()
        outcome = self.engine.handle(mutation)
        if outcome.refusal is Refusal.NO_POSITION and isinstance(mutation, PlaceOrder):
            outcome = self._without_position(mutation)
        if outcome.kind is OutcomeKind.ACCEPTED:
            self.settle()
        return outcome

    def _without_position(self, asked: PlaceOrder) -> Outcome:
        """Place a reduce-only conditional order: it is looked at when it fires (§4.4)."""
        outcome = self.engine.handle(msgspec.structs.replace(asked, reduce_only=False))
        working = self.working(asked.client_order_id)
        if working is not None and working.order is not None:
            working.order = msgspec.structs.replace(working.order, reduce_only=True)
        return outcome

    def working(self, name: str) -> Working | None:
        """Return a resting order by the engine's id."""
        meta = self.metas.get(name)
        book = None if meta is None else self.engine.book(Key(ACCOUNT, meta.symbol, meta.slot))
        return None if book is None else book.live.get(name)

    def end(self, name: str, cancel_type: str, status: OrderStatus, reason: str = "") -> None:
        """Let the venue end an order."""
        with self.lock:
            working = self.working(name)
            assert working is not None, f"{name} does not rest"
            self.engine.account.now_ms = self.now_ms()
            meta = self.metas[name]
            meta.cancel_type = cancel_type
            meta.reject_reason = reason or meta.reject_reason
            refusal = Refusal.OTHER if status is OrderStatus.REJECTED else None
            self.engine.end(working, status, refusal)
            self.settle()

    # ------------------------------------------------------------------------ after each change

    def settle(self) -> None:
        """Count what has filled, do what follows from it, and show it."""
        touched: dict[Key, Book] = {}
        while self.engine.changed:
            for slot in sorted(self.engine.changed):
                book = self.engine.account.books[slot]
                touched[book.key] = book
            self.engine.changed.clear()
            for book in touched.values():
                self._follow(book)
        if touched:
            self._show(touched)

    def _follow(self, book: Book) -> None:
        counted = self._counted.get(book.key, 0)
        for fill in book.fills[counted:]:
            self._counted[book.key] = self._counted.get(book.key, 0) + 1
            net = self._net.get(book.key, ZERO)
            change = fill.side.sign * fill.qty
            closed = min(abs(net), fill.qty) if net * change < 0 else ZERO
            self._net[book.key] = net + change
            if not net:
                self.opened_ms[book.key] = self.now_ms()
            self.seq += 1
            self.position_seq[book.key] = self.seq
            meta = self._meta_of(book, fill)
            meta.updated_ms = self.now_ms()
            order = _order_of(book, fill.client_order_id)
            self.executions.append(rows.execution_row(fill, meta, order, closed, self.seq))
            if meta.stop_loss is not None and not closed and book.net_qty:
                self._attach(book, meta.stop_loss)
        if counted < len(book.fills):
            self._reduce_only(book)

    def _meta_of(self, book: Book, fill: Fill) -> Meta:
        """Return what is known of the order that filled; a person's is made up."""
        if fill.by_position_stop:
            return self._stop_meta(book)
        return self.metas.get(fill.client_order_id) or self.new_meta(book.key, "")

    def new_meta(self, key: Key, link_id: str) -> Meta:
        """Begin to know an order."""
        now_ms = self.now_ms()
        return Meta(
            order_id=self.new_id(),
            link_id=link_id,
            symbol=key.symbol,
            slot=key.slot,
            created_ms=now_ms,
            updated_ms=now_ms,
        )

    def _stop_meta(self, book: Book) -> Meta:
        """Return what is known of a position's own stop."""
        meta = self._stops.get(book.key)
        if meta is None:
            meta = self._stops[book.key] = self.new_meta(book.key, "")
            meta.close_on_trigger = True
            meta.direction = 2 if book.net_qty > 0 else 1
            meta.create_type, meta.stop_type = "CreateByStopLoss", "StopLoss"
        return meta

    def _attach(self, book: Book, px: Decimal) -> None:
        """Let an attached stop become the position's; one that is passed already fires."""
        if book.stop is not None and not self.rules.attached_replaces:
            return
        done = self.engine.handle(SetStop(book.key, px, ZERO))
        if done.refusal is Refusal.BEHIND_MARKET:
            side = Side.SELL if book.net_qty > 0 else Side.BUY
            last, qty = self.last(book.key.symbol), abs(book.net_qty)
            self.engine.changed.add(self.engine.account.books.index(book))
            self.engine._execute(book, side, last, qty, by_position_stop=True)

    def _reduce_only(self, book: Book) -> None:
        """Let reduce-only limits go with their position, or shrink with it."""
        closing = [
            working
            for working in book.live.values()
            if working.order is not None and working.order.reduce_only and not working.is_stop
        ]
        surplus = sum((_leaves(working) for working in closing), ZERO) - abs(book.net_qty)
        for working in reversed(closing):
            name = _name(working)
            if not book.net_qty:
                self.metas[name].cancel_type = "CancelByReduceOnly"
                self.engine.end(working, OrderStatus.CANCELLED)
            elif surplus > 0 and self.rules.shrink is not Shrink.LEAVE:
                less = min(surplus, _leaves(working))
                surplus -= less
                if less == _leaves(working) or self.rules.shrink is Shrink.CANCEL_NEWEST:
                    self.metas[name].cancel_type = "CancelByReduceOnly"
                    self.engine.end(working, OrderStatus.CANCELLED)
                else:
                    assert working.order is not None
                    qty = working.order.qty - less
                    working.order = msgspec.structs.replace(working.order, qty=qty)

    # ------------------------------------------------------------------------------ what is shown

    def _show(self, touched: dict[Key, Book]) -> None:
        before = self._shown[-1]
        opened, ended = dict(before.open), dict(before.ended)
        positions = dict(before.positions)
        changed: list[Row] = []
        for key, book in touched.items():
            for working in book.live.values():
                assert working.order is not None
                row = rows.order_row(working.order, self.metas[_name(working)], self.rules)
                opened[str(row["orderId"])] = row
                changed.append(row)
            for done in book.ended:
                meta = self.metas.get(done.order.client_order_id)
                if meta is not None and meta.order_id not in ended:
                    meta.updated_ms = self.now_ms()
                    row = rows.order_row(done.order, meta, self.rules)
                    opened.pop(meta.order_id, None)
                    ended[meta.order_id] = row
                    changed.append(row)
            self._show_stop(book, opened)
            seq = self.position_seq.get(key, -1)
            positions[key] = rows.position_row(book, key.symbol, key.slot, seq, self.rules)
        count = len(self.executions)
        self._shown.append(Shown(self.now_ms(), opened, ended, positions, count))
        self._tell("order", changed)
        self._tell("execution", self.executions[before.executions :])
        self._tell("position", [positions[key] for key in touched])

    def _show_stop(self, book: Book, opened: dict[str, Row]) -> None:
        meta = self._stops.get(book.key)
        if book.stop is not None:
            meta = self._stop_meta(book)
            meta.updated_ms = self.now_ms()
            opened[meta.order_id] = rows.stop_row(book, meta, book.stop.px, self.rules)
        elif meta is not None:
            opened.pop(meta.order_id, None)
            del self._stops[book.key]

    def _tell(self, topic: str, found: list[Row]) -> None:
        if found:
            for listener in self.listeners:
                listener(topic, found)

    def shown(self, path: str) -> Shown:
        """Return what a path shows now: it may be frozen, or lag behind."""
        frozen = self.frozen.get(path)
        if frozen is not None:
            return frozen
        lag_ms = self.lag_ms.get(path, 0)
        if lag_ms:
            since_ms = self.now_ms() - lag_ms
            for shown in reversed(self._shown):
                if shown.at_ms <= since_ms:
                    return shown
        return self._shown[-1]

    def freeze(self, *paths: str) -> None:
        """Let paths go on showing this moment until they are thawed."""
        with self.lock:
            for path in paths:
                self.frozen[path] = self._shown[-1]

    def thaw(self) -> None:
        """Let every path show the present again."""
        with self.lock:
            self.frozen.clear()

    # ------------------------------------------------------------------------ what a person does

    def person_cancels(self, name: str) -> None:
        """Cancel an order by hand."""
        with self.lock:
            meta = self.metas[name]
            meta.cancel_type = "CancelByUser"
            key = Key(ACCOUNT, meta.symbol, meta.slot)
            assert self.handle(CancelOrder(key, name, Role.ENTRY, 0)).refusal is None

    def person_trades(self, symbol: str, side: Side, qty: str, slot: str = "") -> None:
        """Buy or sell by hand at market."""
        with self.lock:
            self.engine.account.now_ms = self.now_ms()
            key = Key(ACCOUNT, symbol, slot)
            self.engine.trade(key, side, Decimal(qty), self.last(symbol))
            self.settle()


def _name(working: Working) -> str:
    assert working.order is not None
    return working.order.client_order_id


def _leaves(working: Working) -> Decimal:
    return ZERO if working.order is None else working.order.leaves_qty


def _order_of(book: Book, name: str) -> Order | None:
    working = book.live.get(name)
    if working is not None:
        return working.order
    for ended in reversed(book.ended):
        if name and ended.order.client_order_id == name:
            return ended.order
    return None


def _feed(symbol: str, price: Decimal, at_ms: int) -> Feed:
    bar = Bar(at_ms, price, price, price, price, Decimal(1))
    return Feed.of(symbol, 60_000, [bar])


def _append(feed: Feed, bar: Bar) -> None:
    feed.times.append(bar.close_ms)
    for column, px in (
        (feed.opens, bar.open),
        (feed.highs, bar.high),
        (feed.lows, bar.low),
        (feed.closes, bar.close),
    ):
        column.append(int(px * UNITS))
    feed.volumes.append("1")


__all__ = ["ACCOUNT", "Exchange", "Shown"]
