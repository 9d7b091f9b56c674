"""A served loopback venue, and the adapter on it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.wire.zerodha.rig import Rig, connected, infy
from tests.wire.zerodha.server import Venue, serve


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def wire() -> Iterator[Venue]:
    with serve(infy()) as venue:
        yield venue


@pytest.fixture
async def rig(wire: Venue) -> AsyncIterator[Rig]:
    async with connected(wire) as opened:
        yield opened
