"""What the venue answers to each request, heard through pybit as one of our outcomes."""

from decimal import Decimal

import pytest

from machines.words import (
    Mutation,
    OrderStatus,
    OrderType,
    OutcomeKind,
    Refusal,
    Side,
)
from tests.wire.bybit.conftest import StartVenue
from tests.wire.bybit.desk import Asker, opened
from tests.wire.bybit.server import Loopback

K, R = OutcomeKind, Refusal
BUY, SELL = Side.BUY, Side.SELL
ACCEPTED = (K.ACCEPTED, None)
ALREADY = (K.ALREADY_DONE, None)


async def test_order_when_asked_twice_then_there_is_one(desk: Asker, venue: Loopback) -> None:
    entry = desk.limit("a", BUY, "0.1", "104000")
    assert await desk.refusal(entry) == ACCEPTED
    assert await desk.refusal(entry) == ALREADY
    venue.exchange.move("BTCUSDT", "104000")
    assert await desk.refusal(entry) == ALREADY
    view = await desk.view()
    assert [(each.client_order_id, each.status) for each in view.orders] == [
        ("a", OrderStatus.FILLED)
    ]
    assert view.net_qty == Decimal("0.1")


@pytest.mark.parametrize(
    ("qty", "price", "refusal"),
    [
        ("0.1", "104000.05", R.INVALID),
        ("0.1005", "104000", R.INVALID),
        ("0.0001", "104000", R.INVALID),
    ],
)
async def test_entry_when_off_the_grid_then_refused(
    desk: Asker, qty: str, price: str, refusal: Refusal
) -> None:
    assert await desk.refusal(desk.limit("a", BUY, qty, price)) == (K.REFUSED, refusal)


async def test_entry_when_too_small_then_says_so(start_venue: StartVenue) -> None:
    venue = start_venue()
    venue.exchange.move("ETHUSDT", "100", gap=True)
    async with opened(venue) as account:
        desk = Asker(account, account.key_for("ETHUSDT", "", "long"))
        assert await desk.refusal(desk.limit("a", BUY, "0.04", "100")) == (K.REFUSED, R.TOO_SMALL)
        assert await desk.refusal(desk.limit("a", BUY, "0.05", "100")) == ACCEPTED


async def test_rung_when_nothing_is_held_then_no_position(desk: Asker) -> None:
    rung = desk.limit("t", SELL, "0.1", "106000", closes=True)
    assert await desk.refusal(rung) == (K.REFUSED, R.NO_POSITION)
    assert await desk.refusal(desk.set_stop("101500")) == (K.REFUSED, R.NO_POSITION)


async def test_stop_when_moved_then_once_already_or_behind(desk: Asker) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    assert await desk.refusal(desk.set_stop("101500")) == ACCEPTED
    assert await desk.refusal(desk.set_stop("101500")) == ALREADY
    assert await desk.refusal(desk.set_stop("104600")) == (K.REFUSED, R.BEHIND_MARKET)
    stop = (await desk.view()).stop
    assert stop is not None
    assert stop.trigger_px == Decimal(101500)


async def test_conditional_stop_when_passed_then_behind_the_market(desk: Asker) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    behind = desk.stop("s", SELL, "0.1", "104600")
    assert await desk.refusal(behind) == (K.REFUSED, R.BEHIND_MARKET)
    assert await desk.refusal(desk.stop("s", SELL, "0.1", "101500")) == ACCEPTED
    order = await desk.order("s")
    assert (order.type, order.trigger_px, order.status, order.reduce_only) == (
        *(OrderType.STOP_MARKET, Decimal(101500)),
        *(OrderStatus.OPEN, True),
    )
    moved = desk.amend("s", "0.1", None, type=OrderType.STOP_MARKET, trigger_px=Decimal(102000))
    assert await desk.refusal(moved) == ACCEPTED
    assert (await desk.order("s")).trigger_px == Decimal(102000)


async def test_eleventh_conditional_order_when_asked_then_refused(desk: Asker) -> None:
    await desk.done(*(desk.stop(f"s{n}", SELL, "0.1", f"10{n}000") for n in range(4)))
    await desk.done(*(desk.stop(f"s{n}", SELL, "0.1", f"9{n}000") for n in range(4, 10)))
    assert await desk.refusal(desk.stop("s10", SELL, "0.1", "90000")) == (K.REFUSED, R.OTHER)


async def test_amendment_when_nothing_changes_then_already_done(desk: Asker) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    assert await desk.refusal(desk.amend("a", "0.1", "104000")) == ALREADY
    assert await desk.refusal(desk.amend("a", "0.1", None)) == ALREADY
    assert await desk.refusal(desk.amend("a", "0.2", "103000")) == ACCEPTED
    order = await desk.order("a")
    assert (order.qty, order.price) == (Decimal("0.2"), Decimal(103000))


async def test_amendment_when_a_fill_races_it_then_the_total_stands(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.3", "104000"))
    venue.exchange.part_fill("a", "0.1")
    assert await desk.refusal(desk.amend("a", "0.25", "104000")) == ACCEPTED
    order = await desk.order("a")
    assert (order.qty, order.filled_qty, order.leaves_qty) == (
        *(Decimal("0.25"), Decimal("0.1")),
        Decimal("0.15"),
    )
    assert await desk.refusal(desk.amend("a", "0.1", "104000")) == (K.REFUSED, R.OTHER)


async def test_attached_stop_when_amended_then_on_the_order_until_it_fills_in_part(
    desk: Asker, venue: Loopback
) -> None:
    entry = desk.limit("a", BUY, "0.3", "104000", attached_stop_px=Decimal(101500))
    await desk.done(entry)
    await desk.done(desk.amend("a", "0.3", None, attached_stop_px=Decimal(102000)))
    assert (await desk.order("a")).attached_stop_px == Decimal(102000)
    venue.exchange.part_fill("a", "0.1")
    view = await desk.view()
    assert view.stop is not None
    assert view.stop.trigger_px == Decimal(102000)
    late = desk.amend("a", "0.3", None, attached_stop_px=Decimal(103000))
    assert await desk.refusal(late) == (K.REFUSED, R.INVALID)


async def test_unknown_order_when_touched_then_amend_refused_and_cancel_done(desk: Asker) -> None:
    assert await desk.refusal(desk.amend("z", "0.1", "104000")) == (K.REFUSED, R.UNKNOWN_ORDER)
    assert await desk.refusal(desk.cancel("z")) == ALREADY


async def test_cancel_when_asked_twice_then_already_done(desk: Asker) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    assert await desk.refusal(desk.cancel("a")) == ACCEPTED
    assert await desk.refusal(desk.cancel("a")) == ALREADY
    assert (await desk.order("a")).status is OrderStatus.CANCELLED


async def test_batch_when_items_fail_then_each_has_its_own_outcome(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"), desk.limit("b", BUY, "0.1", "103000"))
    asked: list[Mutation] = [
        desk.amend("a", "0.2", "104000"),
        desk.amend("z", "0.2", "104000"),
        desk.amend("b", "0.1", "103000"),
        desk.amend("b", "0.1005", "103000"),
    ]
    outcomes = await desk.ask(*asked)
    assert [(each.kind, each.refusal) for each in outcomes] == [
        ACCEPTED,
        (K.REFUSED, R.UNKNOWN_ORDER),
        ALREADY,
        (K.REFUSED, R.INVALID),
    ]
    assert venue.mutations() == ["create-batch", "amend-batch"]


async def test_batch_when_the_second_is_full_then_the_rest_is_busy(start_venue: StartVenue) -> None:
    venue = start_venue(limits=True, per_second={"/v5/order/create-batch": 3})
    async with opened(venue) as account:
        desk = Asker(account)
        outcomes = await desk.ask(*(desk.limit(f"e{n}", BUY, "0.1", "104000") for n in range(5)))
        assert [each.kind for each in outcomes] == [K.ACCEPTED] * 3 + [K.BUSY] * 2
        outcomes = await desk.ask(*(desk.limit(f"f{n}", BUY, "0.1", "104000") for n in range(2)))
        assert [each.kind for each in outcomes] == [K.BUSY] * 2
        assert len((await desk.view()).orders) == 3


async def test_market_order_when_depth_runs_out_then_the_rest_dies(
    start_venue: StartVenue,
) -> None:
    venue = start_venue(depth={"BTCUSDT": Decimal("0.158")})
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.market("e", BUY, "0.4"))
        order = await desk.order("e")
        assert (order.qty, order.filled_qty, order.status) == (
            *(Decimal("0.4"), Decimal("0.158")),
            OrderStatus.CANCELLED,
        )


async def test_order_when_accepted_and_then_rejected_then_shown_as_rejected(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    reason = "EC_PostOnlyWillTakeLiquidity"
    venue.exchange.end("a", "UNKNOWN", OrderStatus.REJECTED, reason)
    order = await desk.order("a")
    assert (order.status, order.refusal) == (OrderStatus.REJECTED, R.BEHIND_MARKET)


async def test_requests_when_for_two_positions_then_share_their_batches(
    desk: Asker, venue: Loopback
) -> None:
    other = Asker(desk.account, desk.account.key_for("ETHUSDT", "", "long"))
    entries = [desk.limit("a", BUY, "0.1", "104000"), other.limit("b", BUY, "1", "2400")]
    await desk.done(*entries)
    assert venue.mutations() == ["create-batch"]
    assert (await desk.order("a")).qty == Decimal("0.1")
    assert (await other.order("b")).qty == 1
