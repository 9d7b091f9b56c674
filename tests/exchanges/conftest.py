"""What the tests of the simulated venue share."""

from collections.abc import Callable
from typing import cast

import pytest

from machines.words import Direction
from tests.exchanges.desk import Desk, settings

OpenDesk = Callable[..., Desk]


@pytest.fixture(params=[Direction.LONG, Direction.SHORT])
def open_desk(request: pytest.FixtureRequest) -> OpenDesk:
    """Open a desk on bars written for longs; the test runs once each way."""
    way = cast(Direction, request.param)

    def opened(bars: str, **changes: object) -> Desk:
        return Desk(bars, settings(**changes), way=way)

    return opened
