"""What every venue with pooled exits owes the controller, seen through the port alone.

The book is checked, not the calls. A new venue joins with a rig of its own in `rigs`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import cast

import msgspec
import pytest

from machines.words import (
    AmendOrder,
    CancelOrder,
    Fill,
    Liquidity,
    Mutation,
    Order,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Side,
    View,
)
from tests.exchanges.rigs import FEES, RIGS, SYMBOL, Rig
from tests.wire.bybit.desk import BTC

K, R = OutcomeKind, Refusal
BUY, SELL = Side.BUY, Side.SELL
ACCEPTED, ALREADY = (K.ACCEPTED, None), (K.ALREADY_DONE, None)


class Contract:
    """A few words of asking and seeing, for any rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.venue = rig.venue

    def limit(
        self, name: str, side: Side, qty: str, price: str, *, closes: bool = False
    ) -> PlaceOrder:
        return PlaceOrder(
            *(self.rig.key, name, Role.ENTRY, 1, side, OrderType.LIMIT),
            *(Decimal(qty), Decimal(price), None, closes),
        )

    def market(self, name: str, side: Side, qty: str, *, closes: bool = False) -> PlaceOrder:
        order = self.limit(name, side, qty, "1", closes=closes)
        return msgspec.structs.replace(order, type=OrderType.MARKET, price=None)

    def stop(self, name: str, side: Side, qty: str, trigger_px: str) -> PlaceOrder:
        return msgspec.structs.replace(
            self.limit(name, side, qty, "1", closes=True),
            type=OrderType.STOP_MARKET,
            price=None,
            trigger_px=Decimal(trigger_px),
        )

    def amend(self, name: str, qty: str, price: str | None) -> AmendOrder:
        px = None if price is None else Decimal(price)
        return AmendOrder(self.rig.key, name, Role.ENTRY, 1, OrderType.LIMIT, Decimal(qty), px)

    def cancel(self, name: str) -> CancelOrder:
        return CancelOrder(self.rig.key, name, Role.ENTRY, 1)

    def set_stop(self, trigger_px: str) -> SetStop:
        return SetStop(self.rig.key, Decimal(trigger_px), Decimal(1))

    async def send(self, *mutations: Mutation) -> list[Outcome]:
        return await self.venue.send(mutations)

    async def answer(self, mutation: Mutation) -> tuple[OutcomeKind, Refusal | None]:
        (outcome,) = await self.send(mutation)
        assert bool(outcome.text) is (outcome.kind is K.REFUSED)
        return outcome.kind, outcome.refusal

    async def done(self, *mutations: Mutation) -> None:
        outcomes = await self.send(*mutations)
        assert [outcome.kind for outcome in outcomes] == [K.ACCEPTED] * len(mutations), outcomes

    async def view(self) -> View:
        snapshot = await self.venue.snapshot(self.rig.began_ms)
        return snapshot.views.get(self.rig.key, View(self.rig.key))

    async def order(self, name: str) -> Order:
        (order,) = [each for each in (await self.view()).orders if each.client_order_id == name]
        return order


@pytest.fixture
def anyio_backend() -> str:
    """Sockets and threads are real here: one backend is enough."""
    return "asyncio"


@pytest.fixture(params=sorted(RIGS))
async def at(request: pytest.FixtureRequest) -> AsyncGenerator[Contract]:
    async with RIGS[cast("str", request.param)]() as rig:
        yield Contract(rig)


def told(fill: Fill) -> tuple[str, Side, str, str, Liquidity]:
    px, qty = f"{fill.price.normalize():f}", f"{fill.qty.normalize():f}"
    return fill.client_order_id, fill.side, px, qty, fill.liquidity


async def test_venue_when_opened_then_says_what_it_is(at: Contract) -> None:
    venue = at.venue
    assert venue.account == "main"
    assert venue.instruments[SYMBOL] == BTC
    assert venue.fees(SYMBOL) == FEES
    assert venue.capabilities.position_stop
    assert venue.capabilities.reduce_only
    assert venue.key_for(SYMBOL, "any", "long") == at.rig.key


async def test_snapshot_when_nothing_is_there_then_a_price_and_no_position(at: Contract) -> None:
    snapshot = await at.venue.snapshot(at.rig.began_ms)
    assert snapshot.account == "main"
    assert snapshot.started_ms <= snapshot.as_of_ms
    assert snapshot.quotes[SYMBOL].last == Decimal(104500)
    view = snapshot.views.get(at.rig.key, View(at.rig.key))
    assert view == View(at.rig.key)


async def test_send_when_nothing_is_asked_then_nothing_is_answered(at: Contract) -> None:
    assert await at.send() == []


async def test_limit_when_placed_then_shown_as_asked(at: Contract) -> None:
    await at.done(at.limit("a", BUY, "0.33", "104000"))
    order = await at.order("a")
    assert (order.side, order.type, order.status) == (BUY, OrderType.LIMIT, OrderStatus.OPEN)
    assert (order.qty, order.filled_qty, order.leaves_qty) == (
        *(Decimal("0.33"), Decimal(0)),
        Decimal("0.33"),
    )
    assert (order.price, order.trigger_px, order.reduce_only) == (Decimal(104000), None, False)
    assert order.venue_order_id


async def test_limit_when_touched_then_filled_once_at_its_price_as_maker(at: Contract) -> None:
    await at.done(at.limit("a", BUY, "0.33", "104000"))
    at.rig.move("103900")
    view = await at.view()
    assert [told(fill) for fill in view.fills] == [("a", BUY, "104000", "0.33", Liquidity.MAKER)]
    assert view.fills[0].fee == Decimal(104000) * Decimal("0.33") * FEES.maker
    assert (view.net_qty, view.avg_px) == (Decimal("0.33"), Decimal(104000))
    order = await at.order("a")
    assert (order.status, order.filled_qty, order.leaves_qty) == (
        *(OrderStatus.FILLED, Decimal("0.33")),
        Decimal(0),
    )
    assert (await at.view()).fills == view.fills


async def test_market_order_when_sent_then_filled_at_the_last_price_as_taker(
    at: Contract,
) -> None:
    await at.done(at.market("e", SELL, "0.2"))
    view = await at.view()
    assert [told(fill) for fill in view.fills] == [("e", SELL, "104500", "0.2", Liquidity.TAKER)]
    assert view.fills[0].fee == Decimal(104500) * Decimal("0.2") * FEES.taker
    assert (view.net_qty, view.avg_px) == (Decimal("-0.2"), Decimal(104500))


async def test_order_when_sent_twice_then_there_is_one(at: Contract) -> None:
    await at.done(at.limit("a", BUY, "0.33", "104000"))
    kind, refusal = await at.answer(at.limit("a", BUY, "0.33", "104000"))
    assert kind is K.ALREADY_DONE or refusal is R.DUPLICATE_ID
    assert len((await at.view()).orders) == 1
    at.rig.move("104000")
    kind, refusal = await at.answer(at.limit("a", BUY, "0.33", "104000"))
    assert kind is K.ALREADY_DONE or refusal is R.DUPLICATE_ID
    assert (await at.view()).net_qty == Decimal("0.33")


@pytest.mark.parametrize(
    ("qty", "price"), [("0.33", "104000.05"), ("0.3305", "104000"), ("0.33", "104000.123")]
)
async def test_order_when_off_the_grid_then_refused_as_invalid(
    at: Contract, qty: str, price: str
) -> None:
    assert await at.answer(at.limit("a", BUY, qty, price)) == (K.REFUSED, R.INVALID)
    assert (await at.view()).orders == ()


async def test_amendment_when_sent_then_an_absolute_total_and_price(at: Contract) -> None:
    await at.done(at.limit("a", BUY, "0.33", "104000"))
    await at.done(at.amend("a", "0.5", "103000"))
    order = await at.order("a")
    assert (order.qty, order.price, order.status) == (
        *(Decimal("0.5"), Decimal(103000)),
        OrderStatus.OPEN,
    )
    assert await at.answer(at.amend("a", "0.5", "103000")) == ALREADY
    await at.done(at.amend("a", "0.4", None))
    order = await at.order("a")
    assert (order.qty, order.price) == (Decimal("0.4"), Decimal(103000))


async def test_unknown_order_when_amended_then_refused(at: Contract) -> None:
    assert await at.answer(at.amend("z", "0.5", "103000")) == (K.REFUSED, R.UNKNOWN_ORDER)


async def test_order_when_cancelled_then_ended_and_again_already_done(at: Contract) -> None:
    await at.done(at.limit("a", BUY, "0.33", "104000"))
    assert await at.answer(at.cancel("a")) == ACCEPTED
    order = await at.order("a")
    assert (order.status, order.filled_qty, order.leaves_qty) == (
        *(OrderStatus.CANCELLED, Decimal(0)),
        Decimal(0),
    )
    assert await at.answer(at.cancel("a")) == ALREADY
    at.rig.move("103000")
    assert (await at.view()).net_qty == 0


async def test_rung_when_nothing_is_held_then_refused_by_name(at: Contract) -> None:
    rung = at.limit("t", SELL, "0.1", "106000", closes=True)
    assert await at.answer(rung) == (K.REFUSED, R.NO_POSITION)


async def test_rung_when_hit_then_reduces_and_what_is_left_stays(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    await at.done(
        at.limit("t1", SELL, "0.2", "105000", closes=True),
        at.limit("t2", SELL, "0.1", "106000", closes=True),
    )
    assert (await at.order("t1")).reduce_only
    at.rig.move("105500")
    view = await at.view()
    assert (view.net_qty, view.avg_px) == (Decimal("0.1"), Decimal(104500))
    assert (await at.order("t1")).status is OrderStatus.FILLED
    assert (await at.order("t2")).status is OrderStatus.OPEN
    at.rig.move("106000")
    view = await at.view()
    assert (view.net_qty, view.avg_px) == (0, 0)
    assert [fill.client_order_id for fill in view.fills] == ["e", "t1", "t2"]


async def test_stop_when_nothing_is_held_then_refused_by_name(at: Contract) -> None:
    assert await at.answer(at.set_stop("101500")) == (K.REFUSED, R.NO_POSITION)


async def test_stop_when_set_then_shown_moved_and_not_set_twice(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    assert (await at.view()).stop is None
    for price in ("101500", "102000"):
        await at.done(at.set_stop(price))
        stop = (await at.view()).stop
        assert stop is not None
        assert stop.trigger_px == Decimal(price)
        assert await at.answer(at.set_stop(price)) == ALREADY


async def test_stop_when_behind_the_market_then_refused_and_the_old_one_stays(
    at: Contract,
) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    await at.done(at.set_stop("101500"))
    assert await at.answer(at.set_stop("105000")) == (K.REFUSED, R.BEHIND_MARKET)
    stop = (await at.view()).stop
    assert stop is not None
    assert stop.trigger_px == Decimal(101500)


async def test_stop_when_the_position_grows_then_closes_all_that_is_held(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"), at.limit("a", BUY, "0.2", "104000"))
    await at.done(at.set_stop("101500"))
    at.rig.move("104000")
    at.rig.move("101400")
    view = await at.view()
    assert (view.net_qty, view.stop) == (0, None)
    last = view.fills[-1]
    assert told(last) == ("", SELL, "101500", "0.5", Liquidity.TAKER)
    assert [fill.by_position_stop for fill in view.fills] == [False, False, True]


async def test_position_when_flat_again_then_the_next_one_has_no_stop(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    await at.done(at.set_stop("101500"))
    await at.done(at.market("x", SELL, "0.3", closes=True))
    assert (await at.view()).stop is None
    await at.done(at.market("f", BUY, "0.1"))
    assert (await at.view()).stop is None


async def test_exit_when_larger_than_what_is_held_then_never_turns_over(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    await at.send(at.market("x", SELL, "0.5", closes=True))
    assert (await at.view()).net_qty == 0


async def test_view_when_nothing_changes_then_the_same_object(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"), at.limit("a", BUY, "0.2", "104000"))
    view = await at.view()
    assert await at.view() is view
    at.rig.move("104100")
    assert await at.view() is view
    at.rig.move("104000")
    assert await at.view() is not view


async def test_mutations_when_sent_together_then_one_outcome_each_in_order(at: Contract) -> None:
    await at.done(at.market("e", BUY, "0.3"), at.limit("a", BUY, "0.2", "104000"))
    outcomes = await at.send(
        at.set_stop("101500"),
        at.cancel("a"),
        at.amend("z", "0.1", "100000"),
        at.limit("t1", SELL, "0.2", "105000", closes=True),
        at.limit("t2", SELL, "0.1", "106000.05", closes=True),
    )
    assert [(outcome.kind, outcome.refusal) for outcome in outcomes] == [
        *(ACCEPTED, ACCEPTED),
        (K.REFUSED, R.UNKNOWN_ORDER),
        ACCEPTED,
        (K.REFUSED, R.INVALID),
    ]
    view = await at.view()
    assert view.stop is not None
    assert {o.client_order_id for o in view.orders if o.status.live} == {"t1"}


async def test_conditional_stop_when_fired_then_sells_what_it_holds_under_its_own_id(
    at: Contract,
) -> None:
    await at.done(at.market("e", BUY, "0.3"))
    await at.done(at.stop("s", SELL, "0.2", "101500"))
    order = await at.order("s")
    assert (order.type, order.status, order.trigger_px, order.reduce_only) == (
        *(OrderType.STOP_MARKET, OrderStatus.OPEN),
        *(Decimal(101500), True),
    )
    at.rig.move("101000")
    view = await at.view()
    assert view.net_qty == Decimal("0.1")
    assert told(view.fills[-1]) == ("s", SELL, "101500", "0.2", Liquidity.TAKER)
    assert not view.fills[-1].by_position_stop
    assert (await at.order("s")).status is OrderStatus.FILLED
