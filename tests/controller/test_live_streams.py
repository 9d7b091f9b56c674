"""What a person hears of a venue's stream: that it stays down, once, and that it is back."""

from __future__ import annotations

import anyio
import pytest
from trio.testing import MockClock

from controller.live_app import STREAM_LOOK_S, STREAM_PATIENCE_LOOKS, tell_stream

PATIENCE_S = STREAM_LOOK_S * STREAM_PATIENCE_LOOKS


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Time passes at once where nobody has anything to do."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def heard(*faults: tuple[float, str]) -> list[str]:
    """Return what is told while a stream is so for so many seconds, and then so."""
    told: list[str] = []
    now = [""]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_stream, lambda: now[0], told.append)
        for seconds, fault in faults:
            now[0] = fault
            await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return told


async def test_stream_when_it_stays_down_then_told_once_and_again_when_it_is_back() -> None:
    told = await heard((60, ""), (3 * PATIENCE_S, "nothing heard for 60 s"), (60, ""))
    assert told == ["stream down: nothing heard for 60 s; polling goes on", "stream back"]


async def test_stream_when_it_flaps_then_nobody_is_told() -> None:
    down = PATIENCE_S - STREAM_LOOK_S
    flaps = ((down, "the socket ended"), (STREAM_LOOK_S, "")) * 5
    assert await heard((STREAM_LOOK_S / 2, ""), *flaps) == []  # never just when it is looked at
