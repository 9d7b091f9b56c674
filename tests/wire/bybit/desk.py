"""What tests of the Bybit adapter share: a loopback venue, and the adapter on it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec

from exchanges.bybit.client import BybitVenue, open_account
from exchanges.bybit.line import Pacer
from exchanges.bybit.settings import BybitSettings
from exchanges.secrets import Secret
from machines.words import Instrument
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.server import Loopback

BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
ETH = Instrument("ETHUSDT", Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(5))
PRICES = {"BTCUSDT": "104500", "ETHUSDT": "2500"}
TIMEOUT_S = (1.0, 0.4)
"""The venue answers within a few ms; what it does not answer should not take long."""


def now_ms() -> int:
    """Return the time, as the controller's clock would."""
    return time.time_ns() // 1_000_000


def rules(**changes: object) -> Rules:
    """Make the rules of a venue with two symbols."""
    given: dict[str, object] = {"instruments": {"BTCUSDT": BTC, "ETHUSDT": ETH}, "limits": False}
    return Rules(**(given | changes))  # pyright: ignore[reportArgumentType] - checked by msgspec


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
    account = await open_account(settings(venue, **changes), clock, pacer, TIMEOUT_S)
    try:
        yield account
    finally:
        account.close()
