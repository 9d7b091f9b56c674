"""The line: paced by what the venue says, waited for whoever is cancelled, open to nobody else."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import anyio.lowlevel
import pytest

from exchanges.bybit.line import Lane
from machines.words import OutcomeKind, Side
from tests.wire.bybit.desk import Asker, opened
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

BUY, SELL = Side.BUY, Side.SELL


class Listener:
    """A pacer that lets everything through and remembers."""

    def __init__(self) -> None:
        self.admitted: list[tuple[Lane, str, int]] = []
        self.told: list[tuple[str, str | None, bool]] = []

    async def admit(self, lane: Lane, bucket: str, cost: int) -> None:
        self.admitted.append((lane, bucket, cost))

    def heard(self, bucket: str, headers: Mapping[str, str], *, limited: bool) -> None:
        self.told.append((bucket, headers.get("X-Bapi-Limit-Status"), limited))


async def test_pacer_when_requests_leave_then_knows_lane_bucket_and_cost(venue: Loopback) -> None:
    pacer = Listener()
    async with opened(venue, pacer) as account:
        desk = Asker(account)
        await desk.done(*(desk.limit(name, BUY, "0.1", "104000") for name in "abc"))
        await desk.done(desk.market("e", BUY, "0.1"))
        pacer.admitted.clear()
        await desk.done(
            desk.set_stop("101500"),
            desk.cancel("a"),
            desk.amend("b", "0.2", "103000"),
            desk.amend("c", "0.2", "103000"),
            desk.limit("t", SELL, "0.1", "106000", closes=True),
        )
        assert pacer.admitted == [
            (Lane.URGENT, "set_trading_stop", 1),
            (Lane.NORMAL, "cancel_order", 1),
            (Lane.NORMAL, "amend_batch_order", 2),
            (Lane.URGENT, "place_order", 1),
        ]
        pacer.admitted.clear()
        await desk.view()
        assert {lane for lane, _, _ in pacer.admitted} == {Lane.READ}
        assert {"get_open_orders", "get_executions", "get_positions"} <= {
            bucket for _, bucket, _ in pacer.admitted
        }


async def test_pacer_when_answers_come_then_hears_what_is_left_of_the_second(
    venue: Loopback,
) -> None:
    venue.rules.limits, venue.rules.per_second = True, {"/v5/order/create": 2}
    pacer = Listener()
    async with opened(venue, pacer) as account:
        desk = Asker(account)
        pacer.told.clear()
        for name in "abc":
            await desk.ask(desk.limit(name, BUY, "0.1", "104000"))
        venue.faults.next("/order/cancel", Wrong.DROP_BEFORE)
        await desk.ask(desk.cancel("a"))
        assert pacer.told == [
            ("place_order", "1", False),
            ("place_order", "0", False),
            ("place_order", "0", True),
            ("cancel_order", None, False),
        ]


async def test_request_when_whoever_sent_it_is_cancelled_then_waited_for(
    desk: Asker, venue: Loopback
) -> None:
    venue.latency_s = 0.05
    sent: list[OutcomeKind] = []

    async def send() -> None:
        (outcome,) = await desk.ask(desk.limit("a", BUY, "0.1", "104000"))
        sent.append(outcome.kind)

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        while not venue.asked("/v5/order/create"):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    # The scope is left only when the request is over: nothing can land after this.
    assert venue.exchange.working("a") is not None
    assert sent == []


async def test_snapshot_when_cancelled_then_the_next_one_is_whole(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    venue.latency_s = 0.02
    with anyio.move_on_after(0.01):
        await desk.view()
    venue.latency_s = 0.0
    assert len((await desk.view()).fills) == 1


@pytest.mark.parametrize("count", [1, 10, 11, 25])
async def test_orders_when_many_then_in_batches_of_ten(
    desk: Asker, venue: Loopback, count: int
) -> None:
    await desk.done(*(desk.limit(f"e{n}", BUY, "0.01", "104000") for n in range(count)))
    assert len(venue.mutations()) == -(-count // 10)
    assert len((await desk.view()).orders) == count
