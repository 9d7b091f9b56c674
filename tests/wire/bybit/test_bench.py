"""How long it takes from a fill to the request that follows from it, in round trips."""

from __future__ import annotations

import math
import sys
import time
from decimal import Decimal

import anyio
import anyio.to_thread
import pytest

from exchanges.bybit.stream import Stream
from tests.wire.bybit.desk import now_ms, opened, settings
from tests.wire.bybit.private import PrivateStream
from tests.wire.bybit.server import Loopback
from tests.wire.bybit.trader import Trader, long_plan

ROUND_TRIP_S = 0.05
FILLS = 100
AIM_ROUND_TRIPS = 3
"""Of 99 in 100 fills."""


@pytest.mark.bench
async def test_stream_when_an_entry_fills_then_the_time_to_its_rungs_is_printed(
    venue: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    private = PrivateStream(venue.exchange)
    woken = anyio.Event()

    def wake() -> None:
        woken.set()

    took_s: list[float] = []
    async with opened(venue) as account, anyio.create_task_group() as group:
        chosen = settings(venue, stream_url=private.url)
        group.start_soon(Stream(chosen, wake, now_ms).run)
        assert await anyio.to_thread.run_sync(private.subscribed.wait, 20)
        trader = await Trader.start(account, long_plan())
        entry = f"{trader.ladder.terms.prefix}e1g1"
        venue.latency_s = ROUND_TRIP_S
        part = Decimal("0.003")
        for _ in range(FILLS):
            woken = anyio.Event()
            venue.requests.clear()
            began_s = time.perf_counter()
            venue.exchange.part_fill(entry, str(part))
            await woken.wait()
            await trader.poll_once()
            took_s.append(time.perf_counter() - began_s - ROUND_TRIP_S / 2)
            assert len(venue.mutations()) == 1
        group.cancel_scope.cancel()
    private.close()
    took_s.sort()
    p50, p99 = took_s[len(took_s) // 2], took_s[math.ceil(len(took_s) * 0.99) - 1]
    with capsys.disabled():
        trips = f"p50 {p50 / ROUND_TRIP_S:.2f}, p99 {p99 / ROUND_TRIP_S:.2f} round trips"
        aim = f"{ROUND_TRIP_S * 1000:.0f} ms; aim {AIM_ROUND_TRIPS}"
        sys.stdout.write(f"\n{len(took_s)} fills: {trips} of {aim}\n")
