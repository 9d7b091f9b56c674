"""A loopback Bybit for each test, and none left behind."""

from collections.abc import Callable, Generator

import pytest

from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.server import Loopback

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
def venue(start_venue: StartVenue) -> Loopback:
    """A loopback venue as documented."""
    return start_venue()
