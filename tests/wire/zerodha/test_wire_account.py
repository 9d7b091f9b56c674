"""Login, symbols, products and weight: what happens around the orders."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.errors import VenueUnavailable
from exchanges.pacing import Lane
from exchanges.secrets import Secret
from exchanges.zerodha.checkup import checkup
from exchanges.zerodha.client import AuthLost
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.login import exchange
from exchanges.zerodha.settings import Scheme, ZerodhaSettings
from exchanges.zerodha.venue import ZerodhaVenue
from machines.errors import InvalidSpec
from machines.words import ExitStyle, Fees, Instrument, OrderType, OutcomeKind, Refusal, Side
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rig import SYMBOL, Rig, Tokens, connected
from tests.wire.zerodha.server import FRIDAY_10_15, KEY, SECRET, Venue, serve

D = Decimal
ENTRY, STOP = "ladder0001e1g1", "ladder0001t1g1"
FUTURE = "NFO:INFY26NOVFUT"


def test_login_when_the_request_token_is_good_then_its_token_works_till_six(wire: Venue) -> None:
    login = exchange(Secret(KEY), Secret(SECRET), "requesttoken1", wire.url, FRIDAY_10_15)
    assert login.user_id == "AB1234"
    assert login.token.reveal() == wire.access.token
    assert login.dies_ms - FRIDAY_10_15 == (19 * 60 + 45) * 60_000
    with pytest.raises(InvalidSpec, match="log in again"):
        exchange(Secret(KEY), Secret(SECRET), "requesttoken1", wire.url, FRIDAY_10_15)


def test_login_when_the_secret_is_wrong_then_refused_and_not_shown(wire: Venue) -> None:
    with pytest.raises(InvalidSpec, match="checksum") as caught:
        exchange(Secret(KEY), Secret("wrong-secret"), "requesttoken1", wire.url, FRIDAY_10_15)
    assert "wrong-secret" not in str(caught.value)


def test_login_when_kite_is_down_then_it_is_nobodys_fault(wire: Venue) -> None:
    wire.faults.plan(Fault.HTML_502, "POST /session")
    with pytest.raises(VenueUnavailable):
        exchange(Secret(KEY), Secret(SECRET), "requesttoken1", wire.url, FRIDAY_10_15)


async def test_open_when_the_token_is_dead_then_a_login_is_asked_for(wire: Venue) -> None:
    wire.access.kill()
    with pytest.raises(AuthLost, match="login"):
        async with connected(wire):
            pass
    assert wire.writes() == []


async def test_open_when_a_symbol_is_unknown_then_all_are_named(wire: Venue) -> None:
    with pytest.raises(InvalidSpec) as caught:
        async with connected(wire, Product.MIS, Scheme.B, "NSE:INFI", "SBIN"):
            pass
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize("url", ["http://10.0.0.1:8124", "https://kite.example"])
async def test_open_when_the_url_is_neither_kites_nor_ours_then_nothing_is_sent(url: str) -> None:
    settings = ZerodhaSettings(account="kite", symbols=(SYMBOL,), url=url)
    with pytest.raises(InvalidSpec, match="url"):
        await ZerodhaVenue.open(settings, Secret(KEY), Tokens(), lambda: FRIDAY_10_15)


async def test_open_when_intraday_then_it_says_what_it_can_do(rig: Rig) -> None:
    can = rig.venue.capabilities
    assert (can.exits, can.reduce_only, can.position_stop) == (ExitStyle.PER_RUNG, False, False)
    assert rig.venue.instruments == {SYMBOL: Instrument(SYMBOL, D("0.1"), D(1), D(1))}
    fees = rig.venue.fees(SYMBOL)
    assert fees == Fees(fees.taker, fees.taker)
    assert D("0.0006") < fees.taker < D("0.0007")
    assert rig.key.slot == "MIS"
    assert rig.venue.account == "kite"


async def test_mutation_when_of_a_foreign_symbol_then_refused_here(rig: Rig) -> None:
    strange = rig.place(ENTRY, 1, OrderType.MARKET)
    key = type(rig.key)("kite", "NSE:SBIN", "MIS")
    outcome = await rig.one(type(strange)(**{**_fields(strange), "key": key}))
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, Refusal.INVALID)


def _fields(order: object) -> dict[str, object]:
    return {name: getattr(order, name) for name in order.__struct_fields__}  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


@pytest.mark.parametrize("gross", [True, False])
async def test_delivery_when_a_holding_is_sold_in_part_then_the_rest_is_held(
    wire: Venue, gross: bool
) -> None:
    wire.broker.quirks.gross_holdings = gross
    wire.broker.hold(SYMBOL, D(100), wire.clock.now_ms())
    async with connected(wire, Product.CNC) as rig:
        assert (await rig.view()).net_qty == 100
        await rig.one(rig.stop(STOP, 60))
        await rig.snapshot()
        assert (await rig.one(rig.stop("ladder0001t2g1", 41))).refusal is Refusal.OVERSELL
        rig.wire.move("1475")
        assert (await rig.view()).net_qty == 40


async def test_delivery_when_bought_today_then_it_is_held_and_tomorrow_too(wire: Venue) -> None:
    async with connected(wire, Product.CNC) as rig:
        await rig.bought(100)
        assert (await rig.one(rig.stop(STOP, 100))).kind is OutcomeKind.ACCEPTED
        wire.broker.roll()
        wire.clock.jump(3 * 24 * 3_600_000)  # to Monday
        wire.access.dies_ms = wire.clock.now_ms() + 3_600_000
        view = await rig.view()
        assert (view.net_qty, view.orders) == (100, ())
        assert (await rig.one(rig.stop(STOP, 100))).kind is OutcomeKind.ACCEPTED


async def test_delivery_when_the_broker_says_no_stock_then_it_is_an_oversale(wire: Venue) -> None:
    async with connected(wire, Product.CNC) as rig:
        await rig.bought(100)
        wire.broker.place(_sale(100), wire.clock.now_ms())  # in the app, unseen
        outcome = await rig.one(rig.stop(STOP, 100))
        assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, Refusal.OVERSELL)
        await rig.snapshot()
        before = len(wire.writes())
        assert (await rig.one(rig.stop(STOP, 100))).refusal is Refusal.OVERSELL
        assert len(wire.writes()) == before


def _sale(qty: int) -> dict[str, str]:
    return {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "SELL",
        "quantity": f"{qty}",
        "product": "CNC",
        "order_type": "LIMIT",
        "price": "1600",
    }


async def test_future_when_traded_then_in_lots_until_its_own_close() -> None:
    lot = Instrument(FUTURE, D("0.1"), D(400), D(400))
    with serve(Venue({FUTURE: lot}, {FUTURE: D(1500)})) as wire:
        async with connected(wire, Product.NRML, Scheme.B, FUTURE) as rig:
            rig.key = rig.venue.key_for(FUTURE, "", "long")
            await rig.snapshot()
            odd = await rig.one(rig.place(ENTRY, 401, OrderType.MARKET))
            assert odd.refusal is Refusal.INVALID
            await rig.one(rig.place(ENTRY, 800, OrderType.MARKET))
            assert (await rig.view(FUTURE)).net_qty == 800
            await rig.one(rig.stop(STOP, 800))
            quote = (await rig.snapshot()).quotes[FUTURE]
            ends_ms = quote.session_ends_ms or 0
            assert (ends_ms - FRIDAY_10_15) // 60_000 == 5 * 60 + 25


async def test_future_when_carried_over_a_night_then_it_adds_up_with_todays() -> None:
    lot = Instrument(FUTURE, D("0.1"), D(400), D(400))
    with serve(Venue({FUTURE: lot}, {FUTURE: D(1500)})) as market:
        async with connected(market, Product.NRML, Scheme.B, FUTURE) as rig:
            rig.key = rig.venue.key_for(FUTURE, "", "long")
            await rig.snapshot()
            await rig.one(rig.place(ENTRY, 800, OrderType.MARKET))
            assert (await rig.view(FUTURE)).net_qty == 800
            market.broker.roll()
            market.clock.jump(3 * 24 * 3_600_000)
            market.access.dies_ms = market.clock.now_ms() + 3_600_000
            assert (await rig.view(FUTURE)).net_qty == 800
            await rig.one(rig.place("ladder0002e1g1", 400, OrderType.MARKET))
            assert (await rig.view(FUTURE)).net_qty == 1_200


async def test_checkup_when_others_trade_here_then_their_orders_are_named(wire: Venue) -> None:
    async with connected(wire, Product.CNC, Scheme.A) as rig:
        await rig.bought(100)
        now_ms = wire.clock.now_ms()
        number = wire.broker.place(_sale(10), now_ms)
        legs = [{"transaction_type": "SELL", "product": "CNC", "quantity": 1, "price": 1470}]
        place = {"exchange": "NSE", "tradingsymbol": "INFY", "last_price": 1500}
        form = {
            "type": "single",
            "condition": json.dumps(place | {"trigger_values": [1480]}),
            "orders": json.dumps(legs),
        }
        trigger = wire.triggers.place(form, now_ms)
        wire.clock.jump(1_001)
        found = await checkup(rig.venue)
        assert (found.user_id, found.sells_freely, found.quotes) == ("AB1234", True, True)
        assert (found.untagged, found.pairs) == ((number,), (f"{trigger}",))
        assert found.held == {SYMBOL: 100}
        assert found.closed == ()
        assert found.orders_left_today == 4_998
        assert found.token_dies_ms == wire.access.dies_ms
        assert rig.venue.square_off_ms(SYMBOL) is None


async def test_square_off_when_intraday_then_before_the_brokers(rig: Rig) -> None:
    off_ms = rig.venue.square_off_ms(SYMBOL) or 0
    assert (off_ms - FRIDAY_10_15) // 60_000 == 4 * 60 + 50  # 15:05
    assert (await rig.snapshot()).quotes[SYMBOL].square_off_ms == off_ms


async def test_entry_when_after_the_cut_off_then_it_never_leaves(rig: Rig) -> None:
    rig.wire.clock.jump((4 * 60 + 50) * 60_000)  # 15:05
    await rig.snapshot()
    before = len(rig.wire.writes())
    outcome = await rig.one(rig.place(ENTRY, 10, OrderType.MARKET))
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.REFUSED, Refusal.OUT_OF_SESSION)
    assert len(rig.wire.writes()) == before


async def test_exit_when_barred_then_entries_wait_and_exits_do_not(rig: Rig) -> None:
    await rig.bought(100)
    rig.spoil(Fault.PERMISSION_403, "POST /orders")
    entry = rig.place("ladder0002e1g1", 10, price="1490")
    assert (await rig.one(entry)).kind is OutcomeKind.REFUSED
    before = len(rig.wire.writes())
    assert (await rig.one(entry)).kind is OutcomeKind.REFUSED
    assert len(rig.wire.writes()) == before
    assert (await rig.one(rig.stop(STOP, 100))).kind is OutcomeKind.ACCEPTED
    rig.wire.clock.jump(60_000)
    assert (await rig.one(entry)).kind is OutcomeKind.ACCEPTED


async def test_order_when_odd_at_the_server_then_its_strictness_is_real(rig: Rig) -> None:
    """The server refuses what Kite would: else the other tests would prove nothing."""
    await rig.snapshot()
    for price, trigger in (("1490.05", None), ("1900", None)):
        outcome = await rig.one(rig.place(ENTRY, 1, price=price, trigger=trigger))
        assert outcome.refusal is Refusal.INVALID
    session = rig.venue.client
    sent = await session.write(
        lambda s: s.place_order(
            variety="regular",
            exchange="NSE",
            tradingsymbol="INFY",
            transaction_type=Side.BUY.name,
            quantity=1,
            product="MIS",
            order_type="MARKET",
        ),
        Lane.ENTRY,
    )
    assert "market protection" in sent.verdict.outcome.text


def test_import_when_the_ticker_is_not_used_then_no_twisted_is_loaded() -> None:
    program = (
        "import sys, exchanges.zerodha.venue, exchanges.zerodha.login, exchanges.zerodha.stream\n"
        "from exchanges.zerodha import sdk\n"
        "assert sdk.exceptions().KiteException\n"
        "print([name for name in ('twisted', 'autobahn', 'OpenSSL') if name in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert ran.stdout == "[]\n"


def test_import_when_no_account_is_opened_then_kiteconnect_is_not_loaded() -> None:
    program = (
        "import sys, controller.cli, exchanges.simulated, exchanges.bybit, exchanges.zerodha\n"
        "print('kiteconnect' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert ran.stdout == "False\n"
