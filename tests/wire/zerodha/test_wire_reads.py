"""Readings that fail, lag or lie, and tokens that die: nothing is concluded from any of it."""

from decimal import Decimal

import pytest

from exchanges.errors import VenueUnavailable
from exchanges.secrets import Secret
from exchanges.zerodha.client import AuthLost
from exchanges.zerodha.venue import Health
from machines.words import OrderType, OutcomeKind, Side
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rig import SYMBOL, Rig

D = Decimal
ENTRY, STOP = "ladder0001e1g1", "ladder0001t1g1"
K = OutcomeKind
SECOND = 1_000


BAD_READS = (
    *(Fault.HANG, Fault.RESET, Fault.HTML_502, Fault.HTML_429, Fault.JSON_429, Fault.JSON_503),
    *(Fault.APPLIED_CUT, Fault.APPLIED_BAD_JSON, Fault.APPLIED_NO_CONTENT_TYPE),
    *(Fault.APPLIED_DATA_NULL, Fault.APPLIED_NO_ERROR_TYPE, Fault.REDIRECT),
)


PATHS = ("/orders$", "/trades", "/portfolio/positions")


@pytest.mark.parametrize("path", PATHS)
async def test_read_when_it_came_too_soon_then_it_is_made_again_in_its_turn(
    rig: Rig, path: str
) -> None:
    await rig.bought(100)
    rig.spoil(Fault.JSON_429, f"GET {path}")
    assert (await rig.view()).net_qty == 100
    assert rig.venue.health is Health.UP


@pytest.mark.parametrize("path", PATHS)
async def test_read_when_it_fails_then_nothing_is_known_and_the_next_one_is_whole(
    rig: Rig, path: str
) -> None:
    await rig.bought(100)
    for fault in BAD_READS:
        rig.spoil(fault, f"GET {path}", times=2 if fault is Fault.JSON_429 else 1)
        with pytest.raises(VenueUnavailable):
            await rig.snapshot()
        assert rig.venue.health is Health.DOWN
        assert (await rig.view()).net_qty == 100
        assert rig.venue.health is Health.UP


async def test_read_when_quotes_fail_then_the_orders_are_known_all_the_same(rig: Rig) -> None:
    first = await rig.snapshot()
    rig.spoil(Fault.HTML_502, "GET /quote")
    second = await rig.snapshot()
    symbol = rig.key.symbol
    assert second.quotes[symbol].at_ms == first.quotes[symbol].at_ms


async def test_read_when_an_old_copy_answers_then_it_is_not_believed(rig: Rig) -> None:
    await rig.bought(100)
    rig.wire.routes.stale = rig.wire.routes.book(rig.wire.clock.now_ms())
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.wire.routes.stale = None
    assert (await rig.order(STOP)).leaves_qty == 85
    rig.wire.routes.stale = []
    with pytest.raises(VenueUnavailable, match="has lost order"):
        await rig.snapshot()
    rig.wire.routes.stale = None
    assert (await rig.order(STOP)).leaves_qty == 85


async def test_read_when_trades_lag_behind_orders_then_they_are_waited_for(rig: Rig) -> None:
    await rig.snapshot()
    rig.spoil(Fault.APPLIED_500_SUCCESS, "GET /trades")  # harmless: the SDK looks away
    await rig.snapshot()
    rows = rig.wire.broker.tickets
    await rig.one(rig.place(ENTRY, 100, OrderType.MARKET))
    (ticket,) = rows.values()
    kept, ticket.trades = ticket.trades, list  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(VenueUnavailable, match="do not add up"):
        await rig.snapshot()
    ticket.trades = kept
    assert (await rig.view()).fills[0].qty == 100


async def test_position_when_it_lags_behind_its_trades_then_they_are_believed(rig: Rig) -> None:
    rig.wire.broker.quirks.position_lag_ms = 5 * SECOND
    await rig.snapshot()
    await rig.one(rig.place(ENTRY, 100, OrderType.MARKET))
    view = await rig.view()
    assert (view.net_qty, view.avg_px) == (100, 1500)
    assert (await rig.one(rig.stop(STOP, 100))).kind is K.ACCEPTED
    rig.wire.clock.jump(5 * SECOND)
    assert (await rig.view()).net_qty == 100


async def test_position_when_it_stays_apart_from_its_trades_then_it_is_believed(rig: Rig) -> None:
    await rig.bought(100)
    rig.wire.broker.floor.trade("MIS", SYMBOL, Side.SELL, D(40), rig.wire.clock.now_ms())
    assert (await rig.view()).net_qty == 100  # converted by a person: no trade shows it
    rig.wire.clock.jump(10 * SECOND)
    assert (await rig.view()).net_qty == 60


# -------------------------------------------------------------------------------- token and limits


async def test_token_when_it_dies_then_calls_stop_until_somebody_logs_in(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    rig.wire.access.kill()
    with pytest.raises(AuthLost, match="rungkeeper login zerodha"):
        await rig.snapshot()
    assert rig.venue.health is Health.AUTH_LOST
    before = len(rig.wire.log)
    for _ in range(5):
        with pytest.raises(AuthLost):
            await rig.snapshot()
        outcome = await rig.one(rig.cancel(STOP))
        assert (outcome.kind, "login" in outcome.text) == (K.BUSY, True)
    assert len(rig.wire.log) == before
    rig.wire.access.token = "todays-token"
    rig.tokens.token = Secret("todays-token")
    assert (await rig.order(STOP)).leaves_qty == 85
    assert rig.venue.health is Health.UP


@pytest.mark.parametrize("call", range(6))
async def test_token_when_it_dies_at_any_read_then_the_same(rig: Rig, call: int) -> None:
    await rig.snapshot()
    rig.spoil(Fault.TOKEN_403, "GET /", skip=call)
    if call == 5:  # a snapshot makes five reads
        await rig.snapshot()
    with pytest.raises(AuthLost):
        await rig.snapshot()
    assert rig.venue.client.auth_lost


async def test_token_when_it_dies_in_the_morning_then_by_the_clock(rig: Rig) -> None:
    await rig.snapshot()
    rig.wire.clock.jump(20 * 3_600 * SECOND)
    with pytest.raises(AuthLost):
        await rig.snapshot()
