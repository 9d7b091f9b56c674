"""A ladder's whole life at a loopback Bybit, through the unmodified pybit."""

from decimal import Decimal
from typing import cast

import pytest

from exchanges.bybit.settings import StopStyle
from machines.ladder import State, order_id
from machines.words import OrderStatus, SetStop, View
from tests.wire.bybit.conftest import StartVenue
from tests.wire.bybit.desk import opened
from tests.wire.bybit.server import Loopback
from tests.wire.bybit.trader import Trader, in_a_row, long_plan

S = State


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


def rungs(view: View) -> list[tuple[str, str]]:
    """Show the resting exits as (price, what is open)."""
    found = [order for order in view.orders if order.status.live and order.reduce_only]
    return sorted((f"{order.price:f}", f"{order.leaves_qty.normalize():f}") for order in found)


def stop_of(view: View) -> str | None:
    return None if view.stop is None else f"{view.stop.trigger_px:f}"


async def test_ladder_when_tp1_is_hit_then_break_even_ends_it(venue: Loopback) -> None:
    async with opened(venue) as account:
        trader = await Trader.start(account, long_plan())
        view = await trader.poll()
        assert (view.net_qty, stop_of(view)) == (Decimal("0.34"), "101500.0")
        assert venue.mutations() == ["create-batch", "create-batch"]  # the stop rode on the entry
        assert [qty for _, qty in rungs(view)] == ["0.289", "0.017", "0.017", "0.017"]

        # One request for a whole entry fill: the stop follows the position by itself.
        venue.requests.clear()
        venue.exchange.move("BTCUSDT", "104000")
        view = await trader.poll()
        assert [qty for _, qty in rungs(view)] == ["0.57", "0.034", "0.033", "0.033"]
        assert venue.mutations() == ["amend-batch"]
        venue.exchange.move("BTCUSDT", "103500")
        view = await trader.poll()
        assert venue.mutations() == ["amend-batch"] * 2
        assert trader.state is S.FULLY_FILLED
        assert [qty for _, qty in rungs(view)] == ["0.85", "0.05", "0.05", "0.05"]

        # One request for the stop's move.
        venue.requests.clear()
        venue.exchange.move("BTCUSDT", "105000")
        view = await trader.poll()
        assert venue.mutations() == ["trading-stop"]
        assert stop_of(view) == f"{trader.ladder.break_even:f}"
        assert [qty for _, qty in rungs(view)] == ["0.05", "0.05", "0.05"]

        venue.requests.clear()
        venue.exchange.move("BTCUSDT", "103000")
        view = await trader.poll()
        assert (view.net_qty, stop_of(view), rungs(view)) == (Decimal(0), None, [])
        assert venue.mutations() == []
    assert in_a_row(trader.states) == [
        *(S.PENDING_LIMITS, S.PARTIALLY_FILLED, S.FULLY_FILLED, S.TP1_HIT),
        *(S.STOP_AT_BREAK_EVEN, S.CLOSING, S.CLOSED),
    ]
    ended = {order.status for order in view.orders if order.reduce_only}
    assert ended == {OrderStatus.FILLED, OrderStatus.CANCELLED}


async def test_ladder_when_the_stop_is_hit_then_everything_goes(venue: Loopback) -> None:
    async with opened(venue) as account:
        trader = await Trader.start(account, long_plan())
        venue.exchange.move("BTCUSDT", "103800", "101000")
        view = await trader.poll()
        assert (view.net_qty, rungs(view)) == (Decimal(0), [])
        assert trader.state is S.CLOSED
        assert not [order for order in view.orders if order.status.live]


async def test_rung_when_a_person_cancels_it_then_it_stays_off(venue: Loopback) -> None:
    async with opened(venue) as account:
        trader = await Trader.start(account, long_plan())
        await trader.poll()
        tp2 = next(rung for rung in trader.ladder.rungs if rung.n == 2)
        venue.exchange.person_cancels(order_id(trader.ladder.terms, tp2))
        view = await trader.poll()
        assert rungs(view) == [("105000.0", "0.304"), ("107000.0", "0.018"), ("108000.0", "0.018")]
        venue.exchange.move("BTCUSDT", "104000")  # and when more fills
        view = await trader.poll()
        assert [price for price, _ in rungs(view)] == ["105000.0", "107000.0", "108000.0"]


async def test_ladder_when_the_stop_is_an_order_then_two_requests_a_fill(
    venue: Loopback,
) -> None:
    async with opened(venue, stop_style=StopStyle.CONDITIONAL) as account:
        trader = await Trader.start(account, long_plan())
        await trader.poll()
        venue.requests.clear()
        venue.exchange.move("BTCUSDT", "104000")
        view = await trader.poll()
        assert venue.mutations() == ["amend", "amend-batch"]
        assert view.stop is None
        assert not [mutation for mutation in trader.sent if isinstance(mutation, SetStop)]
        venue.exchange.move("BTCUSDT", "103500")
        await trader.poll()
        venue.exchange.move("BTCUSDT", "101000")
        view = await trader.poll()
        assert view.net_qty == 0
        assert trader.state is S.CLOSED
        assert not [order for order in view.orders if order.status.live]


async def test_ladder_when_hedged_then_each_side_has_its_own_position(
    start_venue: StartVenue,
) -> None:
    venue = start_venue(hedge=True)
    async with opened(venue) as account:
        trader = await Trader.start(account, long_plan())
        view = await trader.poll()
        assert trader.key.slot == "long"
        assert (view.net_qty, stop_of(view)) == (Decimal("0.34"), "101500.0")
        venue.exchange.move("BTCUSDT", "105000")
        await trader.poll()
        assert trader.state is S.STOP_AT_BREAK_EVEN
        venue.exchange.move("BTCUSDT", "103000")
        await trader.poll()
        assert trader.state is S.CLOSED
