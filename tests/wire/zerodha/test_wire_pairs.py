"""Two-leg GTTs on the loopback venue (scheme A)."""

import dataclasses
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.secrets import Secret
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.settings import Scheme, ZerodhaSettings
from exchanges.zerodha.venue import ZerodhaVenue
from machines.errors import InvalidSpec
from machines.words import (
    AmendOrder,
    Leg,
    OrderStatus,
    OrderType,
    OutcomeKind,
    PlacePair,
    Refusal,
    Role,
    Side,
)
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rig import SYMBOL, Rig, Tokens, connected
from tests.wire.zerodha.server import KEY, Venue

D = Decimal
ONE, TWO = "ladder0001t1g1", "ladder0001t2g1"
K = OutcomeKind
PAIR = OrderType.PAIR
POST = "POST /gtt"


@pytest.fixture
async def rig(wire: Venue) -> AsyncIterator[Rig]:
    async with connected(wire, Product.CNC, Scheme.A) as opened:
        await opened.bought(100)
        yield opened


def pair(rig: Rig, name: str = ONE, qty: int = 85, stop: str = "1480") -> PlacePair:
    trigger = D(stop)
    return PlacePair(
        rig.key,
        name,
        Role.STOP_LOSS,
        1,
        Side.SELL,
        PAIR,
        D(qty),
        trigger - 20,
        trigger,
        target=Leg(D(1520), D(1519)),
    )


def amend(rig: Rig, qty: int, trigger: str | None = None, name: str = ONE) -> AmendOrder:
    moved = None if trigger is None else D(trigger)
    return AmendOrder(rig.key, name, Role.STOP_LOSS, 1, PAIR, D(qty), None, moved)


async def test_pair_when_it_waits_then_it_shows_both_legs_and_blocks_nothing(rig: Rig) -> None:
    assert (await rig.one(pair(rig))).kind is K.ACCEPTED
    order = await rig.order(ONE)
    assert (order.type, order.status, order.qty) == (PAIR, OrderStatus.OPEN, 85)
    assert (order.trigger_px, order.price) == (1480, 1460)
    assert order.target == Leg(D(1520), D(1519))
    assert not order.by_person
    assert (await rig.one(pair(rig))).kind is K.ALREADY_DONE


async def test_pair_when_more_than_is_held_would_be_sold_then_refused_here(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    before = len(rig.wire.writes())
    assert (await rig.one(pair(rig, TWO, 16))).refusal is Refusal.OVERSELL
    assert len(rig.wire.writes()) == before
    assert (await rig.one(pair(rig, TWO, 15))).kind is K.ACCEPTED


async def test_pair_when_its_stop_fires_then_the_order_is_its_stop(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    rig.wire.move("1480")
    view = await rig.view()
    (order,) = [each for each in view.orders if each.client_order_id == ONE]
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.FILLED)
    assert (order.trigger_px, order.price, order.target) == (1480, 1460, None)
    assert (view.net_qty, view.fills[-1].client_order_id) == (15, ONE)


async def test_pair_when_its_target_fires_then_the_order_is_a_limit(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    rig.wire.move("1520")
    order = await rig.order(ONE)
    assert (order.type, order.status, order.price) == (OrderType.LIMIT, OrderStatus.FILLED, 1519)


async def test_pair_when_its_stop_is_gapped_through_then_it_is_chased_in_place(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    rig.wire.move("1450")
    order = await rig.order(ONE)
    assert (order.type, order.status) == (OrderType.STOP_LIMIT, OrderStatus.TRIGGERED)
    chase = AmendOrder(
        rig.key, ONE, Role.STOP_LOSS, 1, OrderType.STOP_LIMIT, D(85), D(1440), D(1480)
    )
    assert (await rig.one(chase)).kind is K.ACCEPTED
    view = await rig.view()
    assert view.net_qty == 15
    assert not view.orders[-1].by_person


async def test_pair_when_its_order_is_refused_then_it_has_ended_so(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    now_ms = rig.wire.clock.now_ms()
    rig.wire.broker.floor.trade("CNC", SYMBOL, Side.SELL, D(100), now_ms)  # by a person
    rig.wire.move("1480")
    order = await rig.order(ONE)
    assert (order.status, order.refusal) == (OrderStatus.REJECTED, Refusal.OVERSELL)
    assert order.leaves_qty == 0


async def test_pair_when_moved_then_replaced_whole_in_one_request(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    before = len(rig.wire.writes())
    assert (await rig.one(amend(rig, 80, "1490"))).kind is K.ACCEPTED
    order = await rig.order(ONE)
    assert (order.qty, order.trigger_px, order.price) == (80, 1490, 1460)
    assert order.target == Leg(D(1520), D(1519))
    assert len(rig.wire.writes()) == before + 1
    assert (await rig.one(amend(rig, 80, "1490"))).kind is K.ALREADY_DONE
    assert not order.by_person


async def test_pair_when_a_growth_is_not_shown_yet_then_it_counts_all_the_same(rig: Rig) -> None:
    await rig.one(pair(rig, qty=50))
    await rig.snapshot()
    first, second = await rig.send(amend(rig, 85), pair(rig, TWO, 50))
    assert first.kind is K.ACCEPTED
    assert second.refusal is Refusal.OVERSELL
    await rig.snapshot()
    assert (await rig.one(amend(rig, 100, "1499"))).kind is K.REFUSED  # too near: it stays 85
    assert (await rig.one(pair(rig, TWO, 15))).kind is K.ACCEPTED


async def test_pair_when_its_trigger_is_too_near_then_refused_by_name(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    assert (await rig.one(amend(rig, 85, "1499"))).refusal is Refusal.TOO_NEAR
    assert (await rig.one(amend(rig, 85, "1500"))).refusal is Refusal.BEHIND_MARKET


async def test_pair_when_cancelled_then_it_is_gone_and_by_us(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    assert (await rig.one(rig.cancel(ONE))).kind is K.ACCEPTED
    order = await rig.order(ONE)
    assert (order.status, order.by_person) == (OrderStatus.CANCELLED, False)
    assert (await rig.one(pair(rig, TWO, 100))).kind is K.ACCEPTED


async def test_pair_when_a_person_deletes_or_moves_it_then_it_shows(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.one(pair(rig, TWO, 15))
    await rig.snapshot()
    one, two = sorted(rig.wire.triggers.all)
    rig.wire.triggers.delete(one, rig.wire.clock.now_ms())
    rig.wire.triggers.all[two].values[0] = D(1490)
    gone, moved = await rig.order(ONE), await rig.order(TWO)
    assert (gone.status, gone.by_person) == (OrderStatus.CANCELLED, True)
    assert (moved.trigger_px, moved.by_person) == (1490, True)
    del rig.wire.triggers.all[one]  # Kite lists what has ended for a while only
    assert (await rig.order(ONE)).by_person


async def test_pair_when_a_list_or_two_lack_it_then_it_still_waits(rig: Rig) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    (number,) = rig.wire.triggers.all
    kept = rig.wire.triggers.all.pop(number)
    for _ in range(2):
        assert (await rig.order(ONE)).status is OrderStatus.OPEN
        assert (await rig.one(pair(rig))).kind is K.ALREADY_DONE
    rig.wire.triggers.all[number] = kept
    assert (await rig.order(ONE)).status is OrderStatus.OPEN
    del rig.wire.triggers.all[number]
    for _ in range(2):
        assert (await rig.order(ONE)).status is OrderStatus.OPEN
    for _ in range(2):
        gone = await rig.order(ONE)
        assert (gone.status, gone.by_person) == (OrderStatus.CANCELLED, True)


@pytest.mark.parametrize(
    "fault",
    [Fault.APPLIED_RESET, Fault.APPLIED_504_HTML, Fault.APPLIED_CUT, Fault.APPLIED_400_TIMED_OUT],
)
async def test_pair_when_it_landed_unheard_then_it_is_recognised_by_its_shape(
    rig: Rig, fault: Fault
) -> None:
    rig.spoil(fault, POST)
    assert (await rig.one(pair(rig))).kind is K.ACCEPTED
    assert (await rig.order(ONE)).status is OrderStatus.OPEN
    assert (await rig.one(pair(rig))).kind is K.ALREADY_DONE
    assert len(rig.wire.triggers.all) == 1


async def test_pair_when_it_did_not_land_then_it_leaves_again_after_its_window(rig: Rig) -> None:
    rig.spoil(Fault.RESET, POST)
    assert (await rig.one(pair(rig))).kind is K.UNSURE
    await rig.snapshot()
    assert (await rig.one(pair(rig))).kind is K.BUSY
    await rig.snapshot()
    await rig.snapshot()
    assert (await rig.one(pair(rig))).kind is K.ACCEPTED
    assert len(rig.wire.triggers.all) == 1


async def test_pair_when_a_late_twin_lands_then_it_is_set_apart_and_can_be_deleted(
    rig: Rig,
) -> None:
    await rig.one(pair(rig))
    await rig.snapshot()
    (number,) = rig.wire.triggers.all
    twin = dataclasses.replace(rig.wire.triggers.all[number], number=number + 50)
    rig.wire.triggers.all[twin.number] = twin
    assert (await rig.order(f"{ONE}~2")).status is OrderStatus.OPEN
    assert (await rig.one(rig.cancel(f"{ONE}~2"))).kind is K.ACCEPTED
    assert rig.wire.triggers.all[number].status == "active"
    assert rig.wire.triggers.all[number + 50].status == "deleted"


async def test_pair_when_there_is_no_fresh_price_then_it_waits(rig: Rig) -> None:
    rig.wire.clock.jump(16_000)
    assert (await rig.one(pair(rig))).kind is K.BUSY
    assert rig.wire.triggers.all == {}


async def test_pair_when_the_scheme_has_none_then_refused(wire: Venue) -> None:
    async with connected(wire, Product.CNC) as plain:
        await plain.bought(100)
        assert (await plain.one(pair(plain))).refusal is Refusal.INVALID


async def test_memory_when_restarted_then_pairs_are_still_ours(wire: Venue, tmp_path: Path) -> None:
    settings = ZerodhaSettings(
        account="kite",
        symbols=(SYMBOL,),
        product=Product.CNC,
        scheme=Scheme.A,
        url=wire.url,
        memory=tmp_path / "kite.pairs",
    )
    for _ in range(2):
        venue = await ZerodhaVenue.open(settings, Secret(KEY), Tokens(), wire.clock.now_ms)
        rig = Rig(wire, venue, Tokens())
        if not wire.triggers.all:
            await rig.bought(100)
            await rig.one(pair(rig))
        assert (await rig.order(ONE)).type is PAIR
        venue.close()
    assert len(wire.triggers.all) == 1


async def test_memory_when_killed_before_the_answer_then_the_pair_is_found(
    wire: Venue, tmp_path: Path
) -> None:
    settings = ZerodhaSettings(
        account="kite",
        symbols=(SYMBOL,),
        product=Product.CNC,
        scheme=Scheme.A,
        url=wire.url,
        memory=tmp_path / "kite.pairs",
    )
    venue = await ZerodhaVenue.open(settings, Secret(KEY), Tokens(), wire.clock.now_ms)
    rig = Rig(wire, venue, Tokens())
    await rig.bought(100)
    wire.faults.plan(Fault.APPLIED_RESET, POST)
    wire.faults.plan(Fault.RESET, "GET /", times=9)  # nothing more is heard
    assert (await rig.one(pair(rig))).kind is K.UNSURE
    venue.close()
    wire.faults.planned.clear()
    venue = await ZerodhaVenue.open(settings, Secret(KEY), Tokens(), wire.clock.now_ms)
    again = Rig(wire, venue, Tokens())
    assert (await again.order(ONE)).type is PAIR
    assert (await again.one(pair(again))).kind is K.ALREADY_DONE
    venue.close()


async def test_memory_when_its_file_is_not_ours_then_it_is_named(
    wire: Venue, tmp_path: Path
) -> None:
    path = tmp_path / "kite.pairs"
    path.write_bytes(b"\xff\xfe")
    settings = ZerodhaSettings(account="kite", symbols=(SYMBOL,), url=wire.url, memory=path)
    with pytest.raises(InvalidSpec, match=r"kite\.pairs: cannot be read"):
        await ZerodhaVenue.open(settings, Secret(KEY), Tokens(), wire.clock.now_ms)
