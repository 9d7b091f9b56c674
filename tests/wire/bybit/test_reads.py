"""Snapshots: one consistent cut or an error; endings found; nothing counted twice or forgotten."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.bybit.client import open_account
from exchanges.errors import VenueUnavailable
from machines.words import NAMELESS, Key, OrderStatus, Side
from tests.wire.bybit import rows
from tests.wire.bybit.conftest import StartVenue
from tests.wire.bybit.desk import Asker, now_ms, opened, settings
from tests.wire.bybit.params import Args
from tests.wire.bybit.queries import EXECUTIONS, HISTORY, POSITIONS, REALTIME
from tests.wire.bybit.server import Loopback
from tests.wire.bybit.trading import Trading

BUY, SELL = Side.BUY, Side.SELL


async def test_view_when_nothing_changes_then_the_same_object(desk: Asker, venue: Loopback) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"), desk.market("e", BUY, "0.2"))
    first = await desk.view()
    assert await desk.view() is first
    venue.exchange.move("BTCUSDT", "104400")
    assert await desk.view() is first
    await desk.done(desk.set_stop("101500"))
    assert await desk.view() is not first


async def test_executions_when_read_again_then_counted_once(desk: Asker, venue: Loopback) -> None:
    await desk.done(desk.limit("a", BUY, "0.3", "104000"))
    for part in ("0.1", "0.05", "0.02"):
        venue.exchange.part_fill("a", part)
        await desk.view()
    fills = (await desk.view()).fills
    assert [fill.qty for fill in fills] == [Decimal(qty) for qty in ("0.1", "0.05", "0.02")]
    assert len({fill.fill_id for fill in fills}) == 3


@pytest.mark.parametrize("path", [POSITIONS, EXECUTIONS, REALTIME])
async def test_snapshot_when_one_answer_is_older_then_no_snapshot(
    desk: Asker, venue: Loopback, path: str
) -> None:
    await desk.done(desk.limit("a", BUY, "0.3", "104000"))
    await desk.view()
    venue.exchange.freeze(path)
    venue.exchange.part_fill("a", "0.1")
    with pytest.raises(VenueUnavailable, match="do not fit together"):
        await desk.view()
    venue.exchange.thaw()
    view = await desk.view()
    assert view.net_qty == Decimal("0.1")
    assert (view.orders[0].filled_qty, view.fills[0].qty) == (Decimal("0.1"), Decimal("0.1"))


@pytest.mark.parametrize("path", [POSITIONS, EXECUTIONS, REALTIME])
async def test_snapshot_when_an_answer_lags_a_little_then_it_is_waited_for(
    desk: Asker, venue: Loopback, path: str
) -> None:
    await desk.view()
    venue.exchange.lag_ms[path] = 40
    await desk.done(desk.market("e", BUY, "0.1"))
    view = await desk.view()
    assert (view.net_qty, len(view.fills)) == (Decimal("0.1"), 1)
    assert view.orders[0].status is OrderStatus.FILLED


async def test_request_when_not_shown_yet_then_the_read_waits(desk: Asker, venue: Loopback) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"), desk.market("e", BUY, "0.2"))
    await desk.view()
    venue.exchange.lag_ms |= {REALTIME: 40, POSITIONS: 40}
    await desk.done(desk.amend("a", "0.2", "103000"), desk.set_stop("101500"))
    view = await desk.view()
    order = next(each for each in view.orders if each.client_order_id == "a")
    assert (order.qty, order.price) == (Decimal("0.2"), Decimal(103000))
    assert view.stop is not None
    await desk.done(desk.cancel("a"))
    assert (await desk.order("a")).status is OrderStatus.CANCELLED


async def test_order_when_it_ends_then_its_end_is_found(desk: Asker, venue: Loopback) -> None:
    await desk.done(*(desk.limit(name, BUY, "0.1", f"{px}00") for name, px in (
        *(("a", 1040), ("b", 1035)), *(("c", 1030), ("d", 1025)), ("e", 1020))))  # fmt: skip
    await desk.view()
    venue.exchange.person_cancels("b")
    assert (await desk.order("b")).status is OrderStatus.CANCELLED
    venue.exchange.move("BTCUSDT", "102000")
    view = await desk.view()
    ends = {order.client_order_id: order.status for order in view.orders}
    assert ends.pop("b") is OrderStatus.CANCELLED
    assert ends == dict.fromkeys("acde", OrderStatus.FILLED)
    assert view.net_qty == Decimal("0.4")


async def test_order_when_neither_open_nor_ended_then_no_snapshot(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    await desk.view()
    with venue.exchange.lock:
        shown = venue.exchange._shown[-1]
        shown.open = {}
    with pytest.raises(VenueUnavailable, match="order a is neither open nor ended"):
        await desk.view()


async def test_order_when_shown_open_after_its_end_then_no_snapshot(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    await desk.view()
    venue.exchange.freeze(REALTIME)
    before = venue.exchange.frozen[REALTIME]
    venue.exchange.thaw()
    venue.exchange.person_cancels("a")
    shown = await desk.order("a")
    assert (shown.status, shown.by_person) == (OrderStatus.CANCELLED, True)
    venue.exchange.frozen[REALTIME] = before
    with pytest.raises(VenueUnavailable, match="order a is shown open after its end"):
        await desk.view()


async def test_account_when_opened_again_then_all_since_is_known(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"), desk.limit("b", BUY, "0.1", "103000"))
    await desk.done(desk.limit("c", BUY, "0.1", "102000"))
    venue.exchange.move("BTCUSDT", "104000")
    venue.exchange.person_cancels("b")
    async with opened(venue) as account:
        fresh = Asker(account)
        fresh.began_ms = desk.began_ms
        view = await fresh.view()
    assert {order.client_order_id: order.status for order in view.orders} == {
        "a": OrderStatus.FILLED,
        "b": OrderStatus.CANCELLED,
        "c": OrderStatus.OPEN,
    }
    assert [fill.client_order_id for fill in view.fills] == ["a"]
    assert view.net_qty == Decimal("0.1")


async def test_lists_when_longer_than_a_page_then_read_whole(
    start_venue: StartVenue,
) -> None:
    venue = start_venue()
    async with opened(venue) as account:
        desk = Asker(account)
        entries = [desk.limit(f"e{n:03}", BUY, "0.01", f"{100000 + n}") for n in range(120)]
        await desk.done(*entries)
        assert len((await desk.view()).orders) == 120
        venue.exchange.move("BTCUSDT", "100000")
        view = await desk.view()
        assert view.net_qty == Decimal("1.2")
        assert len(view.fills) == 120
        assert {order.status for order in view.orders} == {OrderStatus.FILLED}
    async with opened(venue) as account:
        fresh = Asker(account)
        fresh.began_ms = desk.began_ms
        view = await fresh.view()
        assert (len(view.orders), len(view.fills)) == (120, 120)


async def test_pages_when_they_shift_while_they_are_read_then_each_order_is_shown_once(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(*(desk.limit(f"e{n:02}", BUY, "0.01", "100000") for n in range(60)))
    await desk.view()
    late = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
    more = [f"late{n}" for n in range(2)]

    def place_another(path: str) -> None:
        if path == REALTIME and more:
            name = more.pop()
            order: Args = {**late, "qty": "0.01", "price": "90000", "orderLinkId": name}
            with venue.exchange.lock:
                Trading(venue.exchange).create(order)

    venue.after = place_another
    view = await desk.view()
    names = [order.client_order_id for order in view.orders]
    assert len(names) == len(set(names))
    assert set(names) >= {f"e{n:02}" for n in range(60)}
    assert more == []
    venue.after = lambda path: None
    assert len((await desk.view()).orders) == 62


async def test_person_when_trading_then_shown_as_nobodys_fill(desk: Asker, venue: Loopback) -> None:
    await desk.view()
    venue.exchange.person_trades("BTCUSDT", BUY, "0.2")
    view = await desk.view()
    assert view.net_qty == Decimal("0.2")
    assert [(fill.client_order_id[:1], fill.by_position_stop) for fill in view.fills] == [
        (NAMELESS, False)
    ]


async def test_funding_when_paid_then_no_fill(desk: Asker, venue: Loopback) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    before = await desk.view()
    with venue.exchange.lock:
        at_ms = venue.exchange.now_ms()
        row = rows.funding_row("funding-1", "BTCUSDT", BUY, Decimal("0.1"), at_ms, 2000)
        venue.exchange.executions.append(row)
        venue.exchange._shown[-1].executions += 1
    assert await desk.view() is before


async def test_position_when_it_differs_from_what_traded_then_no_snapshot(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    await desk.view()
    with venue.exchange.lock:
        shown = venue.exchange._shown[-1]
        key = next(iter(shown.positions))
        shown.positions = {key: {**shown.positions[key], "size": "0.3"}}
    with pytest.raises(VenueUnavailable, match="changed by something else than what traded"):
        await desk.view()


async def test_position_when_its_stop_fires_then_the_fill_says_so(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    await desk.done(desk.set_stop("101500"))
    await desk.done(desk.limit("t", SELL, "0.1", "106000", closes=True))
    view = await desk.view()
    assert [order.client_order_id for order in view.orders] == ["e", "t"]
    venue.exchange.move("BTCUSDT", "101000")
    view = await desk.view()
    assert (view.net_qty, view.stop) == (0, None)
    assert [(fill.side, fill.by_position_stop) for fill in view.fills] == [
        (BUY, False),
        (SELL, True),
    ]
    ends = {order.client_order_id: order.status for order in view.orders}
    assert ends == {"e": OrderStatus.FILLED, "t": OrderStatus.CANCELLED}


@pytest.mark.parametrize(("field", "word"), [("orderStatus", "Banana"), ("side", "")])
async def test_order_when_its_words_are_unknown_then_no_snapshot_and_its_name(
    desk: Asker, venue: Loopback, field: str, word: str
) -> None:
    await desk.done(desk.limit("a", BUY, "0.1", "104000"))
    with venue.exchange.lock:
        shown = venue.exchange._shown[-1]
        shown.open = {name: {**row, field: word} for name, row in shown.open.items()}
    with pytest.raises(VenueUnavailable, match=f"order a: {field}: {word!r} is not known"):
        await desk.view()


async def test_mode_when_switched_then_no_snapshot(desk: Asker, venue: Loopback) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    with venue.exchange.lock:
        shown = venue.exchange._shown[-1]
        shown.positions = {key: {**row, "positionIdx": 1} for key, row in shown.positions.items()}
    with pytest.raises(VenueUnavailable, match="the account is in hedge mode now"):
        await desk.view()


@pytest.mark.parametrize("nothing", ["", "0", "0.00"])
async def test_nothing_when_spelt_in_any_way_then_nothing(
    start_venue: StartVenue, nothing: str
) -> None:
    venue = start_venue(nothing=nothing, no_stop_type="UNKNOWN")
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.market("e", BUY, "0.1"))
        await desk.done(desk.limit("t", SELL, "0.1", "106000", closes=True))
        view = await desk.view()
    assert view.stop is None
    assert [(order.trigger_px, order.attached_stop_px) for order in view.orders] == [
        (None, None)
    ] * 2


async def test_hedge_when_both_sides_are_held_then_each_has_its_own_fills(
    start_venue: StartVenue,
) -> None:
    venue = start_venue(hedge=True)
    async with opened(venue) as account:
        long = Asker(account)
        short = Asker(account, Key("main", "BTCUSDT", "short"))
        await long.done(long.market("a", BUY, "0.2"), short.market("b", SELL, "0.3"))
        await long.done(long.market("c", SELL, "0.1", closes=True))
        await short.done(short.market("d", BUY, "0.1", closes=True))
        await short.done(short.set_stop("106000"))
        view, other = await long.view(), await short.view()
        assert (view.net_qty, other.net_qty) == (Decimal("0.1"), Decimal("-0.2"))
        assert [fill.client_order_id for fill in view.fills] == ["a", "c"]
        assert [fill.client_order_id for fill in other.fills] == ["b", "d"]
        assert view.stop is None
        assert other.stop is not None


async def test_outage_when_longer_than_a_query_may_span_then_still_read_whole(
    venue: Loopback,
) -> None:
    async with opened(venue) as account:
        desk = Asker(account)
        await desk.done(desk.market("e", BUY, "0.1"))
    account = await open_account(settings(venue), now_ms)
    snapshot = await account.snapshot(now_ms() - 20 * 86_400_000)
    account.close()
    (view,) = snapshot.views.values()
    assert [fill.client_order_id for fill in view.fills] == ["e"]
    asked = [query for _, path, query in venue.requests if path == HISTORY]
    assert len(asked) == 3


async def test_everything_when_asked_for_then_two_years_are(venue: Loopback) -> None:
    async with opened(venue) as account:
        await account.snapshot(0)
    asked = [query for _, path, query in venue.requests if path == HISTORY]
    assert len(asked) == -(-730 // 7)


async def test_snapshot_when_taken_then_its_time_is_before_its_first_read(
    venue: Loopback,
) -> None:
    ticks = iter(range(1_000_000))
    begun = now_ms()
    async with opened(venue, clock=lambda: begun + next(ticks)) as account:
        first = next(ticks)
        snapshot = await account.snapshot(begun)
        assert snapshot.started_ms == begun + first + 1
        assert snapshot.as_of_ms > snapshot.started_ms
