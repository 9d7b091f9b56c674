"""The exchange floor: the simulated matching engine, fed with one price at a time.

One engine for each product, as Kite keeps their positions apart. Orders are known here by Kite's
order ids. Every price is a bar of its own, so that nothing happens between two of them.
"""

from decimal import Decimal

from exchanges.feeds.bars import UNITS, Feed
from exchanges.simulated.engine import Engine
from exchanges.simulated.settings import Oversell, SimulatedSettings
from exchanges.simulated.settings import Product as SimulatedProduct
from exchanges.simulated.state import Account, Book
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    ExitStyle,
    Fill,
    Instrument,
    Key,
    Order,
    Outcome,
    PlaceOrder,
    Role,
    Side,
)

PRODUCTS = ("CNC", "MIS", "NRML")
DEEP = Decimal(10) ** 12
"""A volume that no order exhausts."""
_HALF = Decimal("0.5")


class Floor:
    """All markets of one account, by ``EXCHANGE:SYMBOL``."""

    def __init__(self, instruments: dict[str, Instrument], prices: dict[str, Decimal], at_ms: int):
        self.instruments = instruments
        self.last = dict(prices)
        self._feeds = {symbol: _first(symbol, px, at_ms) for symbol, px in prices.items()}
        self._engines = {product: self._engine(product, at_ms) for product in PRODUCTS}
        self._ended: dict[str, Order] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def _engine(self, product: str, at_ms: int) -> Engine:
        oversell = Oversell.REFUSE if product == "CNC" else Oversell.SHORT
        settings = SimulatedSettings(
            account=product,
            instruments=self.instruments,
            exits=ExitStyle.PER_RUNG,
            oversell=oversell,
            product=SimulatedProduct(product),
            fill_share=_HALF,  # so that a thin volume fills in part
        )
        state = Account(cash=ZERO, now_ms=at_ms, played=dict.fromkeys(self._feeds, 1))
        return Engine(settings, self._feeds, state)

    # ------------------------------------------------------------------------------ asking

    def place(self, product: str, asked: PlaceOrder, at_ms: int) -> Outcome:
        return self._at(product, at_ms).handle(asked)

    def amend(
        self, product: str, symbol: str, order: Order, changes: dict[str, object], at_ms: int
    ) -> Outcome:
        fields: dict[str, object] = {
            "key": self.key(product, symbol),
            "client_order_id": order.client_order_id,
            "role": Role.ENTRY,
            "n": 1,
            "type": order.type,
            "qty": order.qty,
        }
        asked = AmendOrder(**(fields | changes))  # pyright: ignore[reportArgumentType]
        return self._at(product, at_ms).handle(asked)

    def cancel(self, product: str, symbol: str, order_id: str, at_ms: int) -> Outcome:
        asked = CancelOrder(self.key(product, symbol), order_id, Role.ENTRY, 1)
        return self._at(product, at_ms).handle(asked)

    def trade(self, product: str, symbol: str, side: Side, qty: Decimal, at_ms: int) -> None:
        """Let somebody else trade on a position, at the last price."""
        self._at(product, at_ms).trade(self.key(product, symbol), side, qty, self.last[symbol])

    def _at(self, product: str, at_ms: int) -> Engine:
        engine = self._engines[product]
        engine.account.now_ms = max(engine.account.now_ms, at_ms)
        return engine

    # ------------------------------------------------------------------------------ prices

    def move(self, symbol: str, price: Decimal, at_ms: int, depth: Decimal = DEEP) -> None:
        """Let the next price happen, with ``depth`` to trade against for each product."""
        feed, units = self._feeds[symbol], _units(price)
        for column in (feed.opens, feed.highs, feed.lows, feed.closes):
            column.append(units)
        feed.volumes.append(f"{depth / _HALF:f}")
        feed.times.append(max(at_ms, feed.times[-1] + 1))
        self.last[symbol] = price
        for engine in self._engines.values():
            engine.play(engine.markets[symbol])

    # ------------------------------------------------------------------------------ seeing

    @staticmethod
    def key(product: str, symbol: str) -> Key:
        return Key(product, symbol)

    def book(self, product: str, symbol: str) -> Book:
        return self._engines[product].book(self.key(product, symbol)) or Book(
            self.key(product, symbol)
        )

    def order(self, product: str, symbol: str, order_id: str) -> Order | None:
        """Find an order, alive or ended."""
        book = self.book(product, symbol)
        working = book.live.get(order_id)
        if working is not None:
            return working.order
        seen = self._seen.get((product, symbol), 0)
        for ended in book.ended[seen:]:
            self._ended[ended.order.client_order_id] = ended.order
        self._seen[product, symbol] = len(book.ended)
        return self._ended.get(order_id)

    def fills(self, product: str, symbol: str, order_id: str) -> list[Fill]:
        fills = self.book(product, symbol).fills
        return [fill for fill in fills if fill.client_order_id == order_id]


def _first(symbol: str, price: Decimal, at_ms: int) -> Feed:
    units = _units(price)
    return Feed(symbol, 1, [at_ms], [units], [units], [units], [units], [f"{DEEP}"])


def _units(price: Decimal) -> int:
    return int(price * UNITS)
