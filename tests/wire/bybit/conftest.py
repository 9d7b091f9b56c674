"""A loopback Bybit for each test, and none left behind."""

from collections.abc import AsyncGenerator, Callable, Generator

import pytest

from tests.wire.bybit.desk import PRICES, Asker, opened, rules
from tests.wire.bybit.server import Loopback


@pytest.fixture
def anyio_backend() -> str:
    """Sockets and threads are real here: one backend is enough."""
    return "asyncio"


StartVenue = Callable[..., Loopback]


@pytest.fixture
def start_venue() -> Generator[StartVenue]:
    """Start venues with given rules; they are closed after the test."""
    started: list[Loopback] = []

    def start(**changes: object) -> Loopback:
        venue = Loopback(rules(**changes), PRICES)
        started.append(venue)
        return venue

    yield start
    for venue in started:
        venue.close()


@pytest.fixture
async def desk(venue: Loopback) -> AsyncGenerator[Asker]:
    """An account on a loopback venue as documented."""
    async with opened(venue) as account:
        yield Asker(account)


@pytest.fixture
def venue(start_venue: StartVenue) -> Loopback:
    """A loopback venue as documented."""
    return start_venue()
