"""What every venue without reduce-only owes the controller, seen through the port alone.

The simulated venue and Zerodha's adapter, one contract: the book is checked, not the calls.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol, cast

import pytest

from exchanges.feeds.bars import UNITS, Bar, Feed
from exchanges.simulated import Product as SimulatedProduct
from exchanges.simulated import SimulatedSettings, SimulatedVenue
from exchanges.venue import Venue
from machines.words import (
    AmendOrder,
    CancelOrder,
    ExitStyle,
    Key,
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
from tests.wire.zerodha.rig import INFY, SYMBOL, connected, infy
from tests.wire.zerodha.rig import Rig as WireRig
from tests.wire.zerodha.server import serve

D = Decimal
K, R, T, S = OutcomeKind, Refusal, OrderType, OrderStatus
BUY, SELL = Side.BUY, Side.SELL
ENTRY, ONE, TWO = "ladder0001e1g1", "ladder0001t1g1", "ladder0001t2g1"
ACCEPTED, ALREADY = (K.ACCEPTED, None), (K.ALREADY_DONE, None)


class Rig(Protocol):
    """A venue whose market goes where it is told."""

    venue: Venue
    key: Key

    def move(self, price: str) -> None: ...
    def rest(self) -> None: ...


class Simulated:
    """The simulated venue on a feed that grows."""

    def __init__(self) -> None:
        self._feed = Feed.of(SYMBOL, 60_000, [_bar(60_000, "1500", "1500")])
        settings = SimulatedSettings(
            account="kite",
            instruments={SYMBOL: INFY},
            exits=ExitStyle.PER_RUNG,
            product=SimulatedProduct.CNC,
            stop_market=False,
        )
        self._simulated = SimulatedVenue(settings, {SYMBOL: self._feed})
        self._simulated.advance(60_000)
        self.venue: Venue = self._simulated
        self.key = Key("kite", SYMBOL)

    def move(self, price: str) -> None:
        feed = self._feed
        bar = _bar(feed.times[-1] + 60_000, price, price)
        feed.times.append(bar.close_ms)
        for column in (feed.opens, feed.highs, feed.lows, feed.closes):
            column.append(int(bar.close * UNITS))
        feed.volumes.append("1")
        self._simulated.advance(bar.close_ms)

    def rest(self) -> None:
        """Do nothing: it has no rate limits."""


class Zerodha:
    """Zerodha's adapter on the loopback venue."""

    def __init__(self, rig: WireRig) -> None:
        self._wire = rig.wire
        self.venue: Venue = rig.venue
        self.key = rig.key

    def move(self, price: str) -> None:
        self._wire.move(price)

    def rest(self) -> None:
        """Let a second pass: whatever windows there are, are open again."""
        self._wire.clock.jump(1_001)


def _bar(close_ms: int, start: str, end: str) -> Bar:
    a, b = D(start), D(end)
    return Bar(close_ms, a, max(a, b), min(a, b), b, D(1))


@asynccontextmanager
async def simulated() -> AsyncIterator[Rig]:
    yield Simulated()


@asynccontextmanager
async def zerodha() -> AsyncIterator[Rig]:
    with serve(infy()) as wire:
        async with connected(wire) as rig:
            yield Zerodha(rig)


RIGS = {"simulated": simulated, "zerodha": zerodha}


class Contract:
    """A few words of asking and seeing, for any rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.venue = rig.venue

    def order(
        self,
        name: str,
        kind: OrderType,
        qty: int,
        price: str | None = None,
        trigger: str | None = None,
    ) -> PlaceOrder:
        entry = name == ENTRY
        side, role = (BUY, Role.ENTRY) if entry else (SELL, Role.STOP_LOSS)
        return PlaceOrder(
            *(self.rig.key, name, role, 1, side, kind, D(qty)), _px(price), _px(trigger)
        )

    def stop(self, name: str, qty: int, trigger: str = "1480", price: str = "1470") -> PlaceOrder:
        return self.order(name, T.STOP_LIMIT, qty, price, trigger)

    def amend(
        self,
        name: str,
        kind: OrderType,
        qty: int,
        price: str | None = None,
        trigger: str | None = None,
    ) -> AmendOrder:
        role = Role.STOP_LOSS
        return AmendOrder(*(self.rig.key, name, role, 1, kind, D(qty)), _px(price), _px(trigger))

    async def send(self, *mutations: Mutation) -> list[Outcome]:
        """Send after a look, as the controller does."""
        await self.view()
        return await self.venue.send(mutations)

    async def answer(self, mutation: Mutation) -> tuple[OutcomeKind, Refusal | None]:
        (outcome,) = await self.send(mutation)
        return outcome.kind, outcome.refusal

    async def done(self, *mutations: Mutation) -> None:
        outcomes = await self.send(*mutations)
        assert [outcome.kind for outcome in outcomes] == [K.ACCEPTED] * len(mutations), outcomes

    async def hold(self, qty: int) -> None:
        await self.done(self.order(ENTRY, T.MARKET, qty))

    async def view(self) -> View:
        self.rig.rest()
        snapshot = await self.venue.snapshot(0)
        return snapshot.views.get(self.rig.key, View(self.rig.key))

    async def see(self, name: str) -> Order:
        (order,) = [each for each in (await self.view()).orders if each.client_order_id == name]
        return order


def _px(text: str | None) -> Decimal | None:
    return None if text is None else D(text)


@pytest.fixture
def anyio_backend() -> str:
    """Sockets and threads are real here: one backend is enough."""
    return "asyncio"


@pytest.fixture(params=sorted(RIGS))
async def at(request: pytest.FixtureRequest) -> AsyncGenerator[Contract]:
    async with RIGS[cast("str", request.param)]() as rig:
        yield Contract(rig)


async def test_venue_when_opened_then_says_what_it_can_do(at: Contract) -> None:
    can = at.venue.capabilities
    assert (can.exits, can.position_stop, can.reduce_only) == (ExitStyle.PER_RUNG, False, False)
    assert (can.stop_limit, can.stop_market, can.amend_type) == (True, False, True)
    assert at.venue.instruments == {SYMBOL: INFY}
    assert at.venue.key_for(SYMBOL, "any", "long") == at.rig.key
    assert (await at.venue.snapshot(0)).quotes[SYMBOL].last == 1500


async def test_entry_when_it_fills_then_it_is_held_once(at: Contract) -> None:
    await at.done(at.order(ENTRY, T.LIMIT, 100, "1490"))
    assert (await at.see(ENTRY)).status is S.OPEN
    at.rig.move("1490")
    view = await at.view()
    assert (view.net_qty, view.avg_px) == (100, 1490)
    assert [(f.client_order_id, f.qty, f.price) for f in view.fills] == [(ENTRY, 100, 1490)]
    kind, refusal = await at.answer(at.order(ENTRY, T.LIMIT, 100, "1490"))
    assert kind is K.ALREADY_DONE or refusal is R.DUPLICATE_ID
    assert (await at.view()).net_qty == 100


async def test_stop_when_it_waits_then_both_prices_show_and_it_moves_in_place(
    at: Contract,
) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    order = await at.see(ONE)
    assert (order.type, order.status) == (T.STOP_LIMIT, S.OPEN)
    assert (order.trigger_px, order.price, order.leaves_qty) == (1480, 1470, 85)
    await at.done(at.amend(ONE, T.STOP_LIMIT, 80, "1475", "1485"))
    moved = await at.see(ONE)
    assert (moved.trigger_px, moved.price, moved.qty) == (1485, 1475, 80)
    assert moved.venue_order_id == order.venue_order_id
    assert await at.answer(at.amend(ONE, T.STOP_LIMIT, 80, "1475", "1485")) == ALREADY


async def test_stop_when_triggered_then_it_fills_and_what_is_left_stays(at: Contract) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85), at.stop(TWO, 15, "1460", "1450"))
    at.rig.move("1480")
    view = await at.view()
    assert view.net_qty == 15
    assert [fill.client_order_id for fill in view.fills] == [ENTRY, ONE]
    assert (await at.see(ONE)).status is S.FILLED
    assert (await at.see(TWO)).status is S.OPEN


async def test_stop_when_gapped_through_then_it_rests_triggered_and_is_chased(
    at: Contract,
) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    at.rig.move("1460")
    order = await at.see(ONE)
    assert (order.status, order.leaves_qty) == (S.TRIGGERED, 85)
    await at.done(at.amend(ONE, T.MARKET, 85))
    assert (await at.view()).net_qty == 15


async def test_stop_when_converted_then_the_same_order_sells_at_its_target(at: Contract) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    at.rig.move("1511")
    await at.done(at.amend(ONE, T.LIMIT, 85, "1510"))
    order = await at.see(ONE)
    assert (order.type, order.status, order.trigger_px) == (T.LIMIT, S.FILLED, None)
    assert (await at.view()).net_qty == 15


async def test_stop_when_converted_and_not_reached_then_it_rests_and_never_turns_back(
    at: Contract,
) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    await at.done(at.amend(ONE, T.LIMIT, 85, "1510"))
    assert (await at.see(ONE)).status is S.OPEN
    assert await at.answer(at.stop(TWO, 16)) == (K.REFUSED, R.OVERSELL)
    assert await at.answer(at.amend(ONE, T.STOP_LIMIT, 85, "1470", "1480")) == (
        *(K.REFUSED, R.INVALID),
    )
    await at.done(CancelOrder(at.rig.key, ONE, Role.STOP_LOSS, 1))
    assert (await at.see(ONE)).status is S.CANCELLED
    await at.done(at.stop(TWO, 100))


async def test_exits_when_more_than_is_held_then_refused_by_name(at: Contract) -> None:
    assert await at.answer(at.stop(ONE, 1)) == (K.REFUSED, R.NO_POSITION)
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    assert await at.answer(at.stop(TWO, 16)) == (K.REFUSED, R.OVERSELL)
    assert await at.answer(at.amend(ONE, T.STOP_LIMIT, 101, "1470", "1480")) == (
        *(K.REFUSED, R.OVERSELL),
    )
    await at.done(at.stop(TWO, 15))


@pytest.mark.parametrize(
    ("trigger", "price", "refusal"),
    [
        ("1500", "1490", R.BEHIND_MARKET),
        ("1510", "1490", R.BEHIND_MARKET),
        ("1480.05", "1470", R.INVALID),
        ("1480", "1470.05", R.INVALID),
    ],
)
async def test_stop_when_it_cannot_wait_then_refused_by_name(
    at: Contract, trigger: str, price: str, refusal: Refusal
) -> None:
    await at.hold(100)
    assert await at.answer(at.stop(ONE, 85, trigger, price)) == (K.REFUSED, refusal)
    assert len((await at.view()).orders) == 1


async def test_request_when_there_is_no_such_thing_then_refused_as_invalid(at: Contract) -> None:
    await at.hold(100)
    invalid = (K.REFUSED, R.INVALID)
    assert await at.answer(SetStop(at.rig.key, D(1480), D(100))) == invalid
    assert await at.answer(at.order(ONE, T.STOP_MARKET, 85, None, "1480")) == invalid
    assert await at.answer(at.order(ONE, T.STOP_LIMIT, 85, "1470")) == invalid


async def test_order_when_unknown_then_refused_and_when_ended_already_done(at: Contract) -> None:
    await at.hold(100)
    unknown = (K.REFUSED, R.UNKNOWN_ORDER)
    assert await at.answer(at.amend("ladder0001t9g1", T.STOP_LIMIT, 1, "1", "2")) == unknown
    assert await at.answer(CancelOrder(at.rig.key, "ladder0001t9g1", Role.EXIT, 9)) == unknown
    assert await at.answer(CancelOrder(at.rig.key, ENTRY, Role.ENTRY, 1)) == ALREADY


async def test_mutations_when_sent_together_then_one_outcome_each_in_order(at: Contract) -> None:
    await at.hold(100)
    outcomes = await at.send(at.stop(ONE, 85), at.stop(TWO, 16), at.stop("ladder0001t3g1", 15))
    assert [(each.kind, each.refusal) for each in outcomes] == [
        *(ACCEPTED, (K.REFUSED, R.OVERSELL), ACCEPTED),
    ]
    assert await at.send() == []


async def test_view_when_nothing_changes_then_the_same_object(at: Contract) -> None:
    await at.hold(100)
    await at.done(at.stop(ONE, 85))
    view = await at.view()
    at.rig.move("1501")
    assert await at.view() is view
    at.rig.move("1480")
    assert await at.view() is not view
