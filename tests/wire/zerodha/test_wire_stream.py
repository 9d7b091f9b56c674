"""The ticker on loopback: it wakes the poll, and its end changes nothing."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from exchanges.secrets import Secret
from exchanges.zerodha import stream
from exchanges.zerodha.stream import Stream, StreamState
from tests.wire.common_ws import WebSocketServer
from tests.wire.zerodha.server import KEY, TOKEN, Venue

UPDATE = json.dumps({"type": "order", "data": {"order_id": "1", "status": "COMPLETE"}})


class Ears:
    """Counts wakes, and waits for what is to come."""

    def __init__(self) -> None:
        self.wakes = 0
        self.token = Secret(TOKEN)
        self.now = 0
        self.changed = anyio.Event()

    def wake(self) -> None:
        self.wakes += 1
        self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, true: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not true():
                await self.changed.wait()


class Told(Stream):
    """Tells of every change of its health."""

    ears: Ears

    def _note(self, **changes: object) -> None:
        super()._note(**changes)
        self.ears.tell()


@pytest.fixture
def line() -> Iterator[WebSocketServer]:
    server = WebSocketServer(lambda _connection, _text: None)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.01)


@asynccontextmanager
async def running(root: str) -> AsyncIterator[tuple[Stream, Ears]]:
    ears = Ears()
    opened = Told(Secret(KEY), lambda: ears.token, root, ears.wake, lambda: ears.now)
    opened.ears = ears
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(opened.run)
        yield opened, ears
        tasks.cancel_scope.cancel()


async def test_stream_when_an_order_changes_then_the_poll_is_woken(line: WebSocketServer) -> None:
    async with running(f"ws://127.0.0.1:{line.port}") as (opened, ears):
        await ears.until(lambda: opened.health.state is StreamState.UP)
        assert ears.wakes == 1  # whatever was missed before
        (connection,) = line.connections
        assert f"access_token={TOKEN}" in connection.path
        connection.send(UPDATE)
        await ears.until(lambda: ears.wakes == 2)


async def test_stream_when_only_its_heart_beats_then_nobody_is_woken(line: WebSocketServer) -> None:
    async with running(f"ws://127.0.0.1:{line.port}") as (opened, ears):
        await ears.until(lambda: opened.health.state is StreamState.UP)
        ears.now = 5_000
        line.connections[0].frame(0x2, b"\x00")
        await ears.until(lambda: opened.health.heard_ms == 5_000)
        assert ears.wakes == 1


async def test_stream_when_silent_then_the_line_is_dropped_and_built_anew(
    line: WebSocketServer,
) -> None:
    async with running(f"ws://127.0.0.1:{line.port}") as (opened, ears):
        await ears.until(lambda: opened.health.state is StreamState.UP)
        ears.now = 10_001
        await ears.until(lambda: opened.health.connections == 2)
        assert (opened.health.state, opened.health.failures) == (StreamState.UP, 1)
        assert ears.wakes == 2


async def test_stream_when_the_line_is_cut_then_it_comes_back(line: WebSocketServer) -> None:
    async with running(f"ws://127.0.0.1:{line.port}") as (opened, ears):
        await ears.until(lambda: opened.health.state is StreamState.UP)
        line.drop_all()
        await ears.until(lambda: opened.health.connections == 2)
        assert ears.wakes == 2


async def test_stream_when_the_token_is_dead_then_it_waits_for_a_login(
    wire: Venue, line: WebSocketServer
) -> None:
    # The HTTP side answers an upgrade without a token as Kite does: 403.
    async with running(wire.url.replace("http", "ws")) as (opened, ears):
        await ears.until(lambda: opened.health.state is StreamState.AUTH_LOST)
        before = len(wire.log)
        opened._root = f"ws://127.0.0.1:{line.port}"
        ears.token = Secret("todays-token")
        await ears.until(lambda: opened.health.state is StreamState.UP)
        assert len(wire.log) == before
        assert "access_token=todays-token" in line.connections[0].path
