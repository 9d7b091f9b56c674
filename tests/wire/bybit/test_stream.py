"""The private stream through pybit: it wakes, and whatever becomes of it, it only wakes."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio
import pytest

from exchanges.bybit.stream import Patience, Stream, StreamState
from machines.words import Side
from tests.wire.bybit.desk import Asker, now_ms, settings
from tests.wire.bybit.private import PrivateStream
from tests.wire.bybit.server import Loopback

# pybit leaves a socket that failed it to the garbage collector, which complains of it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

QUICK = Patience(look_s=0.01, silence_s=30, connect_s=5, back_off_s=(0.01, 0.02))
BUY = Side.BUY


class Sleeper:
    """Counts what it was woken for."""

    def __init__(self) -> None:
        self.wakes = 0
        self._changed = anyio.Event()

    def wake(self) -> None:
        self.wakes += 1
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; a test that hangs fails."""
        with anyio.fail_after(20):
            while not true():
                with anyio.move_on_after(0.02):
                    await self._changed.wait()


@pytest.fixture
def private(venue: Loopback) -> Generator[PrivateStream]:
    stream = PrivateStream(venue.exchange)
    yield stream
    stream.close()
    gc.collect()  # so that it complains here


@asynccontextmanager
async def running(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper, patience: Patience = QUICK
) -> AsyncGenerator[Stream]:
    chosen = settings(venue, stream_url=private.url)
    stream = Stream(chosen, sleeper.wake, now_ms, patience)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        yield stream
        group.cancel_scope.cancel()


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


async def subscribed(private: PrivateStream, sleeper: Sleeper) -> None:
    await sleeper.until(private.subscribed.is_set)
    private.subscribed.clear()


async def test_stream_when_something_fills_then_the_poll_is_woken(
    desk: Asker, venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    async with running(venue, private, sleeper) as stream:
        await subscribed(private, sleeper)
        assert private.greeted == 1
        await sleeper.until(lambda: stream.health.state is StreamState.UP)
        await desk.done(desk.limit("a", BUY, "0.1", "104000"))
        before = sleeper.wakes
        venue.exchange.move("BTCUSDT", "104000")
        await sleeper.until(lambda: sleeper.wakes > before)
        assert (await desk.view()).net_qty == Decimal("0.1")


async def test_stream_when_a_person_cancels_then_the_poll_is_woken(
    desk: Asker, venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    async with running(venue, private, sleeper):
        await subscribed(private, sleeper)
        before = sleeper.wakes
        venue.exchange.person_cancels("a")
        await sleeper.until(lambda: sleeper.wakes > before)


async def test_stream_when_cut_then_every_connection_wakes(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    async with running(venue, private, sleeper) as stream:
        for connections in (1, 2, 3):
            await subscribed(private, sleeper)
            await sleeper.until(lambda n=connections: stream.health.connections >= n)
            assert sleeper.wakes >= connections
            private.drop()


@pytest.mark.parametrize("garbage", ["{", "[1]", '{"topic":"unasked","data":[]}', '{"op":"auth"}'])
async def test_stream_when_it_hears_garbage_then_a_new_one_is_built(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper, garbage: str
) -> None:
    async with running(venue, private, sleeper) as stream:
        await subscribed(private, sleeper)
        await sleeper.until(lambda: stream.health.state is StreamState.UP)
        private.say(garbage)
        if garbage != '{"op":"auth"}':
            await subscribed(private, sleeper)
        await sleeper.until(lambda: stream.health.state is StreamState.UP)


async def test_stream_when_the_key_is_refused_then_health_shows_it_and_polls_go_on(
    desk: Asker, venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    private.refuses_keys = True
    async with running(venue, private, sleeper) as stream:
        await sleeper.until(lambda: stream.health.failures > 2)
        await desk.done(desk.market("e", BUY, "0.1"))
        assert (await desk.view()).net_qty == Decimal("0.1")
        private.refuses_keys = False
        await subscribed(private, sleeper)


async def test_stream_when_its_topics_are_refused_then_tried_again(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    private.refuses_topics = True
    async with running(venue, private, sleeper) as stream:
        await sleeper.until(lambda: stream.health.failures > 1)
        private.refuses_topics = False
        await subscribed(private, sleeper)


async def test_stream_when_silent_then_a_new_one_is_built(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    impatient = Patience(look_s=0.01, silence_s=0.2, connect_s=5, back_off_s=(0.01,))
    async with running(venue, private, sleeper, impatient) as stream:
        await subscribed(private, sleeper)
        private.mute()
        await sleeper.until(lambda: stream.health.failures > 0)
        private.silent = False
        await subscribed(private, sleeper)


async def test_stream_when_flapping_then_polls_go_on_and_health_counts(
    desk: Asker, venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    private.flaps = True
    async with running(venue, private, sleeper) as stream:
        await sleeper.until(lambda: stream.health.connections > 3)
        await desk.done(desk.market("e", BUY, "0.1"))
        assert (await desk.view()).net_qty == Decimal("0.1")


async def test_stream_when_nobody_listens_then_down_until_somebody_does(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper
) -> None:
    private.close()
    private.exchange.listeners.append(private.tell)
    async with running(venue, private, sleeper) as stream:
        await sleeper.until(lambda: stream.health.failures > 1)
        assert stream.health.connections == 0


async def test_stream_when_it_goes_wrong_then_secrets_are_told_to_nobody(
    venue: Loopback, private: PrivateStream, sleeper: Sleeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    private.refuses_keys = True
    async with running(venue, private, sleeper) as stream:
        await sleeper.until(lambda: stream.health.failures > 2)
    told = caplog.text + repr(stream.health) + repr(stream)
    assert "Auth" in caplog.text
    for secret in (venue.rules.key, venue.rules.secret):
        assert secret not in told
