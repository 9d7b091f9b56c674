"""What the venue does not document, both ways: the adapter shows what is, and ladders live on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.bybit.settings import StopStyle
from machines.ladder import State
from machines.words import OrderStatus, OutcomeKind, Refusal, Side
from tests.wire.bybit.conftest import StartVenue
from tests.wire.bybit.desk import Asker, opened
from tests.wire.bybit.rules import Shrink
from tests.wire.bybit.trader import Trader, long_plan

BUY, SELL = Side.BUY, Side.SELL
SWITCHES: list[dict[str, object]] = [
    {"attached_replaces": False},
    {"shrink": Shrink.SHRINK_NEWEST},
    {"shrink": Shrink.CANCEL_NEWEST},
    {"deactivated": True},
    {"small_closes": True},
    {"full_stop_shows_size": False},
    {"nothing": "0", "no_stop_type": "UNKNOWN"},
    {"nothing": "0.00"},
]


LIVES = [(switch, StopStyle.POSITION) for switch in SWITCHES]
LIVES += [(switch, StopStyle.CONDITIONAL) for switch in SWITCHES if "nothing" not in switch]


@pytest.mark.parametrize(("switch", "style"), LIVES, ids=str)
async def test_ladder_when_the_venue_is_otherwise_then_lives_the_same_life(
    start_venue: StartVenue, switch: dict[str, object], style: StopStyle
) -> None:
    venue = start_venue(**switch)
    async with opened(venue, stop_style=style) as account:
        trader = await Trader.start(account, long_plan())
        for price in ("104000", "103500", "105000", "103000"):
            venue.exchange.move("BTCUSDT", price)
            view = await trader.poll()
    assert trader.state is State.CLOSED
    assert (view.net_qty, view.stop) == (0, None)
    assert not [order for order in view.orders if order.status.live]
    assert State.STOP_AT_BREAK_EVEN in trader.states


@pytest.mark.parametrize(("replaces", "stop"), [(True, "101500"), (False, "102000")])
async def test_attached_stop_when_a_later_entry_fills_then_shown_as_it_is(
    start_venue: StartVenue, replaces: bool, stop: str
) -> None:
    venue = start_venue(attached_replaces=replaces)
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(
            *(
                desk.limit(name, BUY, "0.1", price, attached_stop_px=Decimal(101500))
                for name, price in (("a", "104000"), ("b", "103000"))
            )
        )
        venue.exchange.move("BTCUSDT", "104000")
        assert (view := await desk.view()).stop is not None
        assert view.stop.trigger_px == Decimal(101500)
        await desk.done(desk.set_stop("102000"))
        venue.exchange.move("BTCUSDT", "103000")
        assert (view := await desk.view()).stop is not None
        assert view.stop.trigger_px == Decimal(stop)


@pytest.mark.parametrize(
    ("shrink", "resting"),
    [
        (Shrink.LEAVE, {"t1": "0.2", "t2": "0.1"}),
        (Shrink.SHRINK_NEWEST, {"t1": "0.15"}),
        (Shrink.CANCEL_NEWEST, {}),
    ],
)
async def test_rungs_when_the_position_shrinks_under_them_then_read_back(
    start_venue: StartVenue, shrink: Shrink, resting: dict[str, str]
) -> None:
    venue = start_venue(shrink=shrink)
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.market("e", BUY, "0.3"))
        await desk.done(
            desk.limit("t1", SELL, "0.2", "106000", closes=True),
            desk.limit("t2", SELL, "0.1", "107000", closes=True),
        )
        venue.exchange.person_trades("BTCUSDT", SELL, "0.15")
        view = await desk.view()
    assert view.net_qty == Decimal("0.15")
    live = [order for order in view.orders if order.status.live]
    assert {o.client_order_id: f"{o.leaves_qty.normalize():f}" for o in live} == resting


@pytest.mark.parametrize("deactivated", [False, True])
async def test_conditional_stop_when_cancelled_then_ended(
    start_venue: StartVenue, deactivated: bool
) -> None:
    venue = start_venue(deactivated=deactivated)
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.stop("s", SELL, "0.1", "101500"))
        await desk.done(desk.cancel("s"))
        assert (await desk.order("s")).status is OrderStatus.CANCELLED


@pytest.mark.parametrize("small_closes", [False, True])
async def test_rung_when_worth_little_then_as_the_venue_says(
    start_venue: StartVenue, small_closes: bool
) -> None:
    venue = start_venue(small_closes=small_closes)
    venue.exchange.move("ETHUSDT", "100", gap=True)
    async with opened(venue) as account:
        desk = Asker(account, account.key_for("ETHUSDT", "", "long"))
        await desk.done(desk.market("e", BUY, "1"))
        kind, refusal = await desk.refusal(desk.limit("t", SELL, "0.04", "110", closes=True))
    if small_closes:
        assert kind is OutcomeKind.ACCEPTED
    else:
        assert (kind, refusal) == (OutcomeKind.REFUSED, Refusal.TOO_SMALL)


async def test_position_when_not_visible_to_requests_yet_then_refused_as_not_there(
    start_venue: StartVenue,
) -> None:
    venue = start_venue(visible_position_ms=3_600_000)
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.market("e", BUY, "0.1"))
        unseen = (OutcomeKind.REFUSED, Refusal.NO_POSITION)
        assert await desk.refusal(desk.set_stop("101500")) == unseen
        rung = desk.limit("t", SELL, "0.1", "106000", closes=True)
        assert await desk.refusal(rung) == unseen
        venue.rules.visible_position_ms = 0
        await desk.done(desk.set_stop("101500"), rung)
