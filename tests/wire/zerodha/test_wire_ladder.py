"""The core's own ladders on the loopback venue: scheme B from the first entry to the last stop."""

import random
from decimal import Decimal

import pytest

from exchanges.zerodha.instruments import Product
from exchanges.zerodha.settings import Scheme
from machines.ladder import State
from machines.words import OrderType
from tests.wire.zerodha.faults import Faults
from tests.wire.zerodha.ladders import Keeper, in_a_row, plan
from tests.wire.zerodha.rig import Rig, connected
from tests.wire.zerodha.server import Venue
from tests.wire.zerodha.test_wire_storm import STORM
from tests.wire.zerodha.watch import Watch

D = Decimal


@pytest.fixture
def watch(rig: Rig) -> Watch:
    """Look at the venue's books after each request."""
    rig.wire.watch = Watch(rig.wire.broker)
    return rig.wire.watch


def stops(rig: Rig) -> list[tuple[Decimal, Decimal]]:
    """What rests at the venue as a stop, as (quantity, trigger)."""
    return sorted(
        (ticket.quantity, ticket.trigger)
        for ticket in rig.wire.broker.tickets.values()
        if ticket.status == "TRIGGER PENDING"
    )


async def test_ladder_when_it_lives_its_whole_life_then_flat_and_nothing_was_oversold(
    rig: Rig, watch: Watch
) -> None:
    keeper = await Keeper.start(rig, plan())
    rig.wire.move("1490")
    await keeper.poll()
    assert keeper.state is State.FULLY_FILLED
    assert stops(rig) == [*[(D(5), D(1470))] * 3, (D(85), D(1470))]
    rig.wire.move("1515")
    await keeper.poll()
    await keeper.poll()
    assert keeper.state is State.STOP_AT_BREAK_EVEN
    assert keeper.ladder.held == 15
    assert keeper.ladder.break_even is not None
    assert stops(rig) == [(D(5), keeper.ladder.break_even)] * 3
    rig.wire.move("1530")
    await keeper.poll()
    assert keeper.ladder.held == 10
    rig.wire.move(keeper.ladder.break_even)
    await keeper.poll()
    assert keeper.state is State.CLOSED
    assert in_a_row(keeper.states) == [
        *(State.PENDING_LIMITS, State.FULLY_FILLED, State.TP1_HIT),
        *(State.STOP_AT_BREAK_EVEN, State.CLOSING, State.CLOSED),
    ]
    assert watch.violations == []
    assert keeper.ladder.realised > 0


async def test_ladder_when_the_stop_is_gapped_through_then_it_is_chased_till_flat(
    rig: Rig, watch: Watch
) -> None:
    keeper = await Keeper.start(rig, plan())
    rig.wire.move("1490")
    await keeper.poll()
    rig.wire.move("1440")
    for _ in range(4):
        await keeper.poll()
    assert keeper.state is State.CLOSED
    assert not rig.wire.broker.floor.book("MIS", keeper.ladder.terms.key.symbol).net_qty
    assert watch.violations == []


async def test_ladder_when_the_target_is_left_again_then_a_stop_rests_again(
    rig: Rig, watch: Watch
) -> None:
    keeper = await Keeper.start(rig, plan())
    rig.wire.move("1490")
    await keeper.poll()
    rig.wire.move("1515", depth=40)  # it converts, and half of it finds nobody
    await keeper.poll()
    rig.wire.move("1505", depth=0)
    for _ in range(8):
        await keeper.poll()
    resting = {ticket.order_type for ticket in rig.wire.broker.tickets.values() if not ticket.ended}
    assert resting == {"SL"}
    assert sum(qty for qty, _ in stops(rig)) == keeper.ladder.held
    assert watch.violations == []


async def test_ladder_when_entries_fill_in_parts_then_what_is_held_is_always_covered(
    rig: Rig, watch: Watch
) -> None:
    keeper = await Keeper.start(rig, plan())
    for depth in (10, 25, 30, 35):
        rig.wire.move("1490", depth=depth)
        await keeper.poll()
        assert sum(qty for qty, _ in stops(rig)) == keeper.ladder.held
    assert keeper.ladder.held == 100
    await keeper.poll()
    assert [qty for qty, _ in stops(rig)] == [5, 5, 5, 85]
    assert watch.violations == []
    types = {ticket.order_type for ticket in rig.wire.broker.tickets.values()}
    assert types == {"LIMIT", "SL"}
    assert OrderType.STOP_LIMIT in {order.type for order in (await rig.view()).orders}


@pytest.mark.parametrize("seed", range(3))
async def test_ladder_when_it_storms_then_flat_and_nothing_was_ever_wrong(
    rig: Rig, watch: Watch, seed: int
) -> None:
    chance = random.Random(seed)
    keeper = await Keeper.start(rig, plan())
    rig.wire.faults = Faults(share=0.15, kinds=STORM, pattern=r"\w+ /", seed=seed)
    for price in ("1490", "1515", "1531", "1520"):
        rig.wire.move(price)
        for _ in range(chance.randrange(5, 20)):
            await keeper.try_poll()
    rig.wire.faults.share = 0.0
    rig.wire.move("1460")
    for _ in range(120):
        await keeper.try_poll()
        if keeper.state is State.CLOSED:
            break
    assert keeper.state is State.CLOSED
    assert not rig.wire.broker.floor.book("MIS", keeper.ladder.terms.key.symbol).net_qty
    assert watch.violations == []


async def test_ladder_when_carried_by_pairs_then_each_rung_has_one_till_flat(wire: Venue) -> None:
    wire.watch = Watch(wire.broker)
    async with connected(wire, Product.CNC, Scheme.A) as rig:
        keeper = await Keeper.start(rig, plan())
        wire.move("1490")
        await keeper.poll()
        waiting = [each for each in wire.triggers.all.values() if each.status == "active"]
        assert sorted(each.legs[0].quantity for each in waiting) == [5, 5, 5, 85]
        wire.move("1515")
        await keeper.poll()
        await keeper.poll()
        assert keeper.ladder.held == 15
        assert keeper.ladder.break_even is not None
        active = [each for each in wire.triggers.all.values() if each.status == "active"]
        assert {each.values[0] for each in active} == {keeper.ladder.break_even}
        wire.move(keeper.ladder.break_even)
        for _ in range(3):
            await keeper.poll()
        assert keeper.state is State.CLOSED
        assert not any(each.status == "active" for each in wire.triggers.all.values())
    assert wire.watch.violations == []
