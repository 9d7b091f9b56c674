"""A loopback venue and the adapter that talks to it through the unmodified SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, cast

from exchanges.secrets import Secret
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.settings import Scheme, ZerodhaSettings
from exchanges.zerodha.venue import ZerodhaVenue
from machines.words import (
    AmendOrder,
    CancelOrder,
    Instrument,
    Mutation,
    Order,
    OrderType,
    Outcome,
    PlaceOrder,
    Role,
    Side,
    Snapshot,
    View,
)
from tests.wire.zerodha.faults import WRITES, Fault
from tests.wire.zerodha.server import KEY, TOKEN, Venue

D = Decimal
SYMBOL = "NSE:INFY"
INFY = Instrument(SYMBOL, D("0.1"), D(1), D(1))


def infy(price: str = "1500", **more: str) -> Venue:
    """Open a market of one share, and of others by name and price."""
    prices = {SYMBOL: D(price)} | {f"NSE:{name}": D(px) for name, px in more.items()}
    grid = {name: Instrument(name, D("0.1"), D(1), D(1)) for name in prices}
    return Venue(grid, prices)


class Tokens:
    """Where the adapter finds its token, as a file that a login rewrites."""

    def __init__(self) -> None:
        self.token = Secret(TOKEN)

    def __call__(self) -> Secret:
        return self.token


class Rig:
    """Short words for what tests ask the adapter and see through it."""

    def __init__(self, wire: Venue, venue: ZerodhaVenue, tokens: Tokens) -> None:
        self.wire = wire
        self.venue = venue
        self.tokens = tokens
        self.key = venue.key_for(SYMBOL, "", "long")

    async def snapshot(self) -> Snapshot:
        """Read everything a second later: the windows of the reads are free again."""
        self.wire.clock.jump(1_001)
        return await self.venue.snapshot(0)

    def spoil(self, fault: Fault, pattern: str = WRITES, *, times: int = 1, skip: int = 0) -> None:
        """Let a request go wrong; of one that hangs, lose patience soon."""
        self.wire.faults.plan(fault, pattern, times=times, skip=skip)
        if fault in (Fault.HANG, Fault.APPLIED_HANG):
            client = self.venue.client
            for session in (client._reads, client._writes):
                cast("Any", session).timeout = (1.0, 0.4)

    async def view(self, symbol: str = SYMBOL) -> View:
        return (await self.snapshot()).views[self.venue.key_for(symbol, "", "long")]

    async def order(self, name: str) -> Order:
        (order,) = [each for each in (await self.view()).orders if each.client_order_id == name]
        return order

    async def send(self, *mutations: Mutation) -> list[Outcome]:
        return await self.venue.send(mutations)

    async def one(self, mutation: Mutation) -> Outcome:
        (outcome,) = await self.send(mutation)
        return outcome

    def place(
        self,
        name: str,
        qty: int,
        kind: OrderType = OrderType.LIMIT,
        *,
        side: Side = Side.BUY,
        role: Role = Role.ENTRY,
        price: str | None = None,
        trigger: str | None = None,
        n: int = 1,
    ) -> PlaceOrder:
        price_px, trigger_px = _decimal(price), _decimal(trigger)
        return PlaceOrder(self.key, name, role, n, side, kind, D(qty), price_px, trigger_px)

    def stop(self, name: str, qty: int, trigger: str = "1480", price: str = "1470") -> PlaceOrder:
        """Ask for a rung's stop: SL to sell."""
        return self.place(
            *(name, qty, OrderType.STOP_LIMIT),
            side=Side.SELL,
            role=Role.STOP_LOSS,
            price=price,
            trigger=trigger,
        )

    def amend(
        self,
        name: str,
        qty: int,
        kind: OrderType = OrderType.STOP_LIMIT,
        price: str | None = "1470",
        trigger: str | None = "1480",
        role: Role = Role.STOP_LOSS,
    ) -> AmendOrder:
        return AmendOrder(self.key, name, role, 1, kind, D(qty), _decimal(price), _decimal(trigger))

    def cancel(self, name: str, role: Role = Role.STOP_LOSS) -> CancelOrder:
        return CancelOrder(self.key, name, role, 1)

    async def bought(self, qty: int, name: str = "ladder0001e1g1") -> None:
        """Hold ``qty``, bought by an entry of ours."""
        await self.snapshot()
        await self.one(self.place(name, qty, OrderType.MARKET))
        assert (await self.view()).net_qty == qty


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else D(text)


@asynccontextmanager
async def connected(
    wire: Venue, product: Product = Product.MIS, scheme: Scheme = Scheme.B, *symbols: str
) -> AsyncIterator[Rig]:
    """Open the adapter on a venue that is being served."""
    settings = ZerodhaSettings(
        account="kite",
        symbols=symbols or tuple(wire.broker.floor.instruments),
        product=product,
        scheme=scheme,
        url=wire.url,
    )
    tokens = Tokens()
    clock = wire.clock
    venue = await ZerodhaVenue.open(settings, Secret(KEY), tokens, clock.now_ms, clock.sleep)
    try:
        yield Rig(wire, venue, tokens)
    finally:
        venue.close()
