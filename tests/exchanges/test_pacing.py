"""Pacing on a virtual clock: no window is ever exceeded, the urgent go first, a share is theirs."""

from __future__ import annotations

import random
from collections.abc import Sequence

import anyio
import pytest
import trio
from trio.testing import MockClock

from exchanges.bybit.line import Lane as BybitLane
from exchanges.bybit.pace import SECOND_MS, BybitPacer
from exchanges.pacing import RESERVED, Lane, Pacer, Window

SECOND = Window(10, 1_000)
MINUTE = Window(40, 60_000)
KITE_SECOND = Window(10, 1_000, calendar=True)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Time jumps to the next deadline as soon as everybody waits."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Clock:
    """Trio's time as milliseconds, begun a little after a full second."""

    def __init__(self) -> None:
        self._began = trio.current_time()

    def now_ms(self) -> int:
        return 1_750_000_000_300 + round((trio.current_time() - self._began) * 1_000)

    async def sleep_until_ms(self, deadline_ms: int, ticket: int) -> None:
        await trio.sleep(max(0, deadline_ms - self.now_ms()) / 1_000)


class Desk:
    """Asks a pacer and notes when each request left: (when, lane, cost, number)."""

    def __init__(self, *windows: Window) -> None:
        self.clock = Clock()
        self.pacer = Pacer({"orders": windows}, self.clock)
        self.left: list[tuple[int, Lane, int, int]] = []

    async def ask(self, lane: Lane, cost: int = 1, number: int = 0) -> None:
        await self.pacer.admit(lane, "orders", cost)
        self.left.append((self.clock.now_ms(), lane, cost, number))

    async def ask_all(self, lanes: Sequence[Lane]) -> None:
        """Ask at one moment, in this order."""
        async with anyio.create_task_group() as tasks:
            for number, lane in enumerate(lanes):
                tasks.start_soon(self.ask, lane, 1, number)
                await anyio.lowlevel.checkpoint()

    def held(self, window: Window) -> int:
        """Return the most that any window held."""
        if window.calendar:
            sums: dict[int, int] = {}
            for at_ms, _, cost, _ in self.left:
                sums[at_ms // window.span_ms] = sums.get(at_ms // window.span_ms, 0) + cost
            return max(sums.values())
        return max(
            sum(cost for at, _, cost, _ in self.left if start <= at < start + window.span_ms)
            for start, _, _, _ in self.left
        )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("windows", [(SECOND,), (SECOND, MINUTE), (KITE_SECOND, MINUTE)])
async def test_windows_when_many_ask_at_odd_times_then_none_holds_more_than_its_limit(
    windows: tuple[Window, ...], seed: int
) -> None:
    desk, chance = Desk(*windows), random.Random(seed)

    async def come(number: int) -> None:
        await trio.sleep(chance.randint(0, 6_000) / 1_000)
        await desk.ask(chance.choice(list(Lane)), chance.choice((1, 1, 1, 2, 7)), number)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(come, number)
    assert len(desk.left) == 60
    assert [window for window in windows if desk.held(window) > window.limit] == []


async def test_second_when_it_is_full_then_the_next_leaves_as_soon_as_there_is_room() -> None:
    desk = Desk(SECOND)
    began_ms = desk.clock.now_ms()
    await desk.ask_all([Lane.STOP] * 11)
    assert [at - began_ms for at, *_ in desk.left] == [0] * 10 + [1_000]


async def test_calendar_second_when_it_is_full_then_waits_for_the_next_one() -> None:
    desk = Desk(KITE_SECOND)
    await desk.ask_all([Lane.STOP] * 21)
    seconds = [at // 1_000 for at, *_ in desk.left]
    assert [seconds.count(second) for second in sorted(set(seconds))] == [10, 10, 1]
    assert [at % 1_000 for at, *_ in desk.left[10:]] == [0] * 11


async def test_reserve_when_others_fill_the_window_then_a_stop_still_leaves_at_once() -> None:
    desk = Desk(SECOND)
    began_ms = desk.clock.now_ms()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.ask_all, [Lane.ENTRY] * 20)
        await trio.sleep(0.1)
        await desk.ask(Lane.STOP)
    at_once = [lane for at, lane, *_ in desk.left if at - began_ms <= 100]
    assert at_once == [Lane.ENTRY] * (10 - 10 // RESERVED) + [Lane.STOP]


async def test_lanes_when_all_wait_then_the_urgent_leave_first_and_each_lane_in_turn() -> None:
    desk = Desk(Window(1, 1_000))
    await desk.ask(Lane.STOP)
    asked = [Lane.BACKGROUND, Lane.ENTRY, Lane.STOP, Lane.RUNG, Lane.STOP, Lane.FLATTEN, Lane.RUNG]
    await desk.ask_all(asked)
    assert [(lane, number) for _, lane, _, number in desk.left[1:]] == [
        (Lane.FLATTEN, 5),
        *((Lane.STOP, 2), (Lane.STOP, 4)),
        *((Lane.RUNG, 3), (Lane.RUNG, 6)),
        (Lane.ENTRY, 1),
        (Lane.BACKGROUND, 0),
    ]


async def test_request_when_cancelled_while_it_waits_then_nobody_waits_for_it() -> None:
    desk = Desk(Window(1, 1_000))
    await desk.ask(Lane.STOP)
    with anyio.move_on_after(0.5):
        await desk.ask(Lane.FLATTEN)
    await desk.ask(Lane.BACKGROUND)
    assert [lane for _, lane, _, _ in desk.left] == [Lane.STOP, Lane.BACKGROUND]
    assert desk.left[1][0] - desk.left[0][0] == 1_000


async def test_bucket_when_the_venue_shuts_it_then_nothing_leaves_before_the_reset() -> None:
    desk = Desk(SECOND)
    until_ms = desk.clock.now_ms() + 700
    desk.pacer.hear("orders", 3, until_ms + 5_000)  # some are left: the windows know enough
    desk.pacer.hear("orders", 0, until_ms)
    await desk.ask(Lane.STOP)
    assert [at for at, *_ in desk.left] == [until_ms]


async def test_bybit_when_a_batch_and_single_orders_leave_then_each_counts_for_its_own() -> None:
    clock = Clock()
    bybit, began_ms = BybitPacer(clock, clock.now_ms), clock.now_ms()
    for _ in range(8):  # what is left for what is not urgent
        await bybit.admit(BybitLane.NORMAL, "place_order", 1)
    await bybit.admit(BybitLane.NORMAL, "amend_batch_order", 8)
    assert clock.now_ms() == began_ms
    await bybit.admit(BybitLane.NORMAL, "amend_batch_order", 1)
    assert clock.now_ms() - began_ms == SECOND_MS


async def test_bybit_when_its_headers_tell_of_more_then_more_leaves() -> None:
    clock = Clock()
    bybit, began_ms = BybitPacer(clock, clock.now_ms), clock.now_ms()
    headers = {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "19"}
    bybit.heard("place_order", headers, limited=False)
    for _ in range(16):
        await bybit.admit(BybitLane.NORMAL, "place_order", 1)
    assert clock.now_ms() == began_ms


@pytest.mark.parametrize(("resets_in_ms", "waits_ms"), [(300, 300), (-300, 1_100), (90_000, 1_100)])
async def test_bybit_when_limited_then_waits_for_the_reset_if_that_can_be_believed(
    resets_in_ms: int, waits_ms: int
) -> None:
    clock = Clock()
    bybit, began_ms = BybitPacer(clock, clock.now_ms), clock.now_ms()
    headers = {
        "X-Bapi-Limit": "10",
        "X-Bapi-Limit-Status": "0",
        "X-Bapi-Limit-Reset-Timestamp": str(began_ms + resets_in_ms),
    }
    bybit.heard("place_order", headers, limited=True)
    await bybit.admit(BybitLane.URGENT, "place_order", 1)
    assert clock.now_ms() - began_ms == waits_ms
