"""What tests of the Bybit adapter share: a loopback venue, and the adapter on it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any, cast

import msgspec

from exchanges.bybit.client import BybitVenue, open_account
from exchanges.bybit.line import Pacer
from exchanges.bybit.settings import BybitSettings
from exchanges.secrets import Secret
from machines.words import (
    AmendOrder,
    CancelOrder,
    Instrument,
    Key,
    Mutation,
    Order,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Side,
    View,
)
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.server import Loopback

BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
ETH = Instrument("ETHUSDT", Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(5))
PRICES = {"BTCUSDT": "104500", "ETHUSDT": "2500"}
PAUSES_S = (0.02, 0.05, 0.1)
"""A loopback venue is quick to catch up."""


def now_ms() -> int:
    """Return the time, as the controller's clock would."""
    return time.time_ns() // 1_000_000


def rules(**changes: object) -> Rules:
    """Make the rules of a venue with two symbols."""
    given: dict[str, object] = {"instruments": {"BTCUSDT": BTC, "ETHUSDT": ETH}, "limits": False}
    return Rules(**(given | changes))  # pyright: ignore[reportArgumentType] - any rule


def settings(venue: Loopback, **changes: object) -> BybitSettings:
    """Make the settings of an account on a loopback venue."""
    made = BybitSettings(
        account="main",
        key=Secret(venue.rules.key),
        secret=Secret(venue.rules.secret),
        url=venue.url,
        symbols=("BTCUSDT",),
    )
    return msgspec.structs.replace(made, **changes)


@asynccontextmanager
async def opened(
    venue: Loopback,
    pacer: Pacer | None = None,
    clock: Callable[[], int] = now_ms,
    **changes: object,
) -> AsyncGenerator[BybitVenue]:
    """Open an account on a loopback venue, and close it."""
    account = await open_account(settings(venue, **changes), clock, pacer, PAUSES_S)
    try:
        yield account
    finally:
        account.close()


@contextmanager
def impatient(account: BybitVenue) -> Generator[None]:
    """Let a request wait only briefly for an answer that will not come."""
    http = cast("Any", account.line._sdk._http)
    patience, http.timeout = http.timeout, 0.2
    try:
        yield
    finally:
        http.timeout = patience


class Asker:
    """Sends mutations of one key in few words."""

    def __init__(self, account: BybitVenue, key: Key | None = None) -> None:
        self.account = account
        self.key = account.key_for("BTCUSDT", "", "long") if key is None else key
        self.began_ms = now_ms()

    def limit(
        self, name: str, side: Side, qty: str, price: str, *, closes: bool = False, **more: object
    ) -> PlaceOrder:
        """Make a limit order; ``closes`` makes it reduce-only."""
        order = PlaceOrder(
            *(self.key, name, Role.ENTRY, 1, side, OrderType.LIMIT),
            *(Decimal(qty), Decimal(price), None, closes),
        )
        return msgspec.structs.replace(order, **more)

    def market(self, name: str, side: Side, qty: str, *, closes: bool = False) -> PlaceOrder:
        """Make a market order."""
        return PlaceOrder(
            *(self.key, name, Role.EXIT, 1, side, OrderType.MARKET),
            *(Decimal(qty), None, None, closes),
        )

    def stop(self, name: str, side: Side, qty: str, trigger_px: str) -> PlaceOrder:
        """Make a reduce-only conditional order."""
        return PlaceOrder(
            *(self.key, name, Role.STOP_LOSS, 1, side, OrderType.STOP_MARKET),
            *(Decimal(qty), None, Decimal(trigger_px), True),
        )

    def amend(self, name: str, qty: str, price: str | None, **more: object) -> AmendOrder:
        """Make an amendment of a limit order."""
        px = None if price is None else Decimal(price)
        amend = AmendOrder(self.key, name, Role.ENTRY, 1, OrderType.LIMIT, Decimal(qty), px)
        return msgspec.structs.replace(amend, **more)

    def cancel(self, name: str) -> CancelOrder:
        """Make a cancel."""
        return CancelOrder(self.key, name, Role.ENTRY, 1)

    def set_stop(self, trigger_px: str) -> SetStop:
        """Make a move of the position's stop."""
        return SetStop(self.key, Decimal(trigger_px), Decimal(1))

    async def ask(self, *mutations: Mutation) -> list[Outcome]:
        """Send mutations and return what is heard of each."""
        return await self.account.send(mutations)

    async def done(self, *mutations: Mutation) -> None:
        """Send mutations that must be accepted."""
        outcomes = await self.ask(*mutations)
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}, outcomes

    async def refusal(self, mutation: Mutation) -> tuple[OutcomeKind, Refusal | None]:
        """Send one mutation and return what is known."""
        (outcome,) = await self.ask(mutation)
        return outcome.kind, outcome.refusal

    async def view(self) -> View:
        """Read what the venue shows for the key."""
        snapshot = await self.account.snapshot(self.began_ms)
        return snapshot.views.get(self.key, View(self.key))

    async def order(self, name: str) -> Order:
        """Read one order."""
        found = [each for each in (await self.view()).orders if each.client_order_id == name]
        (order,) = found
        return order
