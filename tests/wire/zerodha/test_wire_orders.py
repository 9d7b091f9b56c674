"""The adapter on the loopback venue: what it places, changes, cancels, and sees."""

from decimal import Decimal

import pytest

from exchanges.zerodha.instruments import Product
from machines.words import Liquidity, OrderStatus, OrderType, OutcomeKind, Refusal, Role, Side
from tests.wire.zerodha.rig import SYMBOL, Rig, connected
from tests.wire.zerodha.server import Venue

D = Decimal
ENTRY, STOP = "ladder0001e1g1", "ladder0001t1g1"
ACCEPTED, DONE, REFUSED = OutcomeKind.ACCEPTED, OutcomeKind.ALREADY_DONE, OutcomeKind.REFUSED


async def test_entry_when_it_rests_and_fills_then_the_view_shows_it(rig: Rig) -> None:
    await rig.snapshot()
    assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is ACCEPTED
    order = await rig.order(ENTRY)
    assert (order.status, order.type, order.price) == (OrderStatus.OPEN, OrderType.LIMIT, D(1490))
    rig.wire.move("1490")
    view = await rig.view()
    assert view.net_qty == 100
    assert view.avg_px == 1490
    (fill,) = view.fills
    assert (fill.client_order_id, fill.qty, fill.price) == (ENTRY, 100, 1490)
    assert (fill.side, fill.liquidity) == (Side.BUY, Liquidity.TAKER)
    assert fill.fee > 0
    assert view.orders[0].status is OrderStatus.FILLED


async def test_entry_when_it_fills_in_part_then_the_rest_works(rig: Rig) -> None:
    await rig.snapshot()
    await rig.one(rig.place(ENTRY, 100, price="1490"))
    rig.wire.move("1490", depth=40)
    order = await rig.order(ENTRY)
    assert (order.filled_qty, order.leaves_qty, order.status) == (40, 60, OrderStatus.OPEN)
    rig.wire.move("1490")
    view = await rig.view()
    assert [fill.qty for fill in view.fills] == [40, 60]
    assert len({fill.fill_id for fill in view.fills}) == 2


async def test_stop_when_it_rests_then_it_waits_for_its_trigger(rig: Rig) -> None:
    await rig.bought(100)
    assert (await rig.one(rig.stop(STOP, 85))).kind is ACCEPTED
    order = await rig.order(STOP)
    assert (order.status, order.type) == (OrderStatus.OPEN, OrderType.STOP_LIMIT)
    assert (order.trigger_px, order.price, order.leaves_qty) == (1480, 1470, 85)


async def test_stop_when_the_price_falls_through_its_limit_then_it_has_triggered(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    rig.wire.move("1460")
    order = await rig.order(STOP)
    assert (order.status, order.filled_qty) == (OrderStatus.TRIGGERED, 0)
    chase = rig.amend(STOP, 85, OrderType.MARKET, None, None)
    assert (await rig.one(chase)).kind is ACCEPTED
    view = await rig.view()
    assert view.net_qty == 15
    assert view.orders[-1].status is OrderStatus.FILLED


async def test_stop_when_converted_then_it_is_a_limit_of_the_same_order(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    before = await rig.order(STOP)
    await rig.one(rig.amend(STOP, 85, OrderType.LIMIT, "1510", None))
    after = await rig.order(STOP)
    assert after.venue_order_id == before.venue_order_id
    assert (after.type, after.price, after.trigger_px) == (OrderType.LIMIT, 1510, None)
    rig.wire.move("1511")
    view = await rig.view()
    assert (view.net_qty, view.fills[-1].client_order_id) == (15, STOP)


async def test_stop_when_it_was_converted_then_it_never_turns_back(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    await rig.one(rig.amend(STOP, 85, OrderType.LIMIT, "1510", None))
    await rig.snapshot()
    before = len(rig.wire.log)
    outcome = await rig.one(rig.amend(STOP, 85))
    assert (outcome.kind, outcome.refusal) == (REFUSED, Refusal.INVALID)
    assert len(rig.wire.log) == before


async def test_stop_when_resized_and_moved_then_one_request_does_it(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 50))
    await rig.snapshot()
    before = len(rig.wire.writes())
    await rig.one(rig.amend(STOP, 85, trigger="1485"))
    order = await rig.order(STOP)
    assert (order.qty, order.trigger_px, order.price) == (85, 1485, 1470)
    assert len(rig.wire.writes()) == before + 1
    assert not order.by_person


async def test_stop_when_already_as_asked_then_no_request_leaves(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    before = len(rig.wire.log)
    assert (await rig.one(rig.amend(STOP, 85))).kind is DONE
    assert (await rig.one(rig.stop(STOP, 85))).kind is DONE
    assert len(rig.wire.log) == before


async def test_cancel_when_live_then_ended_and_when_ended_then_done(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    assert (await rig.one(rig.cancel(STOP))).kind is ACCEPTED
    order = await rig.order(STOP)
    assert (order.status, order.by_person) == (OrderStatus.CANCELLED, False)
    assert (await rig.one(rig.cancel(STOP))).kind is DONE
    strange = await rig.one(rig.cancel("ladder0001t9g1"))
    assert (strange.kind, strange.refusal) == (REFUSED, Refusal.UNKNOWN_ORDER)


async def test_exit_when_more_than_is_held_then_it_never_leaves(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    before = len(rig.wire.writes())
    outcome = await rig.one(rig.stop("ladder0001t2g1", 16))
    assert (outcome.kind, outcome.refusal) == (REFUSED, Refusal.OVERSELL)
    outcome = await rig.one(rig.amend(STOP, 101))
    assert outcome.refusal is Refusal.OVERSELL
    assert len(rig.wire.writes()) == before
    assert (await rig.one(rig.stop("ladder0001t2g1", 15))).kind is ACCEPTED


async def test_exit_when_two_leave_at_once_then_the_book_is_not_needed_to_count(rig: Rig) -> None:
    await rig.bought(100)
    await rig.snapshot()
    stops = [rig.stop(f"ladder0001t{n}g1", 60) for n in (1, 2)]
    first, second = await rig.send(*stops)
    assert first.kind is ACCEPTED
    assert second.refusal is Refusal.OVERSELL


async def test_exit_when_a_growth_is_not_shown_yet_then_it_counts_all_the_same(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 50))
    await rig.snapshot()
    first, second = await rig.send(rig.amend(STOP, 85), rig.stop("ladder0001t2g1", 50))
    assert first.kind is ACCEPTED
    assert second.refusal is Refusal.OVERSELL
    await rig.snapshot()
    assert (await rig.one(rig.stop("ladder0001t2g1", 15))).kind is ACCEPTED


async def test_exit_when_nothing_is_held_then_refused_here(rig: Rig) -> None:
    await rig.snapshot()
    outcome = await rig.one(rig.stop(STOP, 1))
    assert (outcome.kind, outcome.refusal) == (REFUSED, Refusal.NO_POSITION)


async def test_stop_when_the_market_is_through_then_refused_by_name(rig: Rig) -> None:
    await rig.bought(100)
    outcome = await rig.one(rig.stop(STOP, 85, trigger="1500", price="1490"))
    assert (outcome.kind, outcome.refusal) == (REFUSED, Refusal.BEHIND_MARKET)


async def test_stop_when_refused_after_the_answer_then_the_book_says_why(rig: Rig) -> None:
    rig.wire.broker.quirks.refuses_late = True
    await rig.bought(100)
    assert (await rig.one(rig.stop(STOP, 85, "1500", "1490"))).kind is ACCEPTED
    order = await rig.order(STOP)
    assert (order.status, order.refusal) == (OrderStatus.REJECTED, Refusal.BEHIND_MARKET)


@pytest.mark.parametrize("tagged", [True, False])
async def test_market_order_when_shown_as_a_limit_then_it_still_is_one(
    rig: Rig, tagged: bool
) -> None:
    rig.wire.broker.quirks.protected_as_limit = True
    rig.wire.broker.quirks.tags_protected = tagged
    await rig.snapshot()
    rig.wire.move("1500", depth=30)
    await rig.one(rig.place(ENTRY, 100, OrderType.MARKET))
    order = await rig.order(ENTRY)
    assert (order.type, order.filled_qty, order.status) == (OrderType.MARKET, 30, OrderStatus.OPEN)
    assert not order.by_person


async def test_person_when_cancelling_or_moving_in_the_app_then_it_shows(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 50))
    other = "ladder0001t2g1"
    await rig.one(rig.stop(other, 50))
    await rig.snapshot()
    by_name = {ticket.tag: ticket.order_id for ticket in rig.wire.broker.tickets.values()}
    now_ms = rig.wire.clock.now_ms()
    rig.wire.broker.by_person(by_name[STOP], now_ms)
    rig.wire.broker.by_person(by_name[other], now_ms, trigger_price="1485")
    ended, moved = await rig.order(STOP), await rig.order(other)
    assert (ended.status, ended.by_person) == (OrderStatus.CANCELLED, True)
    assert (moved.trigger_px, moved.by_person) == (1485, True)


async def test_quotes_when_read_then_price_touch_and_session_are_there(rig: Rig) -> None:
    quote = (await rig.snapshot()).quotes[SYMBOL]
    assert (quote.last, quote.bid, quote.ask) == (1500, 1500, D("1500.1"))
    assert quote.in_session
    assert quote.day_volume == 125_000
    assert quote.session_ends_ms is not None
    assert rig.wire.clock.now_ms() - quote.at_ms < 5_000


async def test_quotes_when_the_plan_has_none_then_orders_are_looked_after(rig: Rig) -> None:
    rig.wire.broker.quirks.quotes = False
    assert (await rig.snapshot()).quotes == {}
    assert not rig.venue.quotes_allowed
    await rig.snapshot()
    assert rig.wire.log.count("GET /quote") == 1


async def test_view_when_nothing_changed_then_it_is_the_same_object(rig: Rig) -> None:
    await rig.bought(100)
    first, second = await rig.view(), await rig.view()
    assert first is second


async def test_session_when_it_ends_then_delivery_orders_are_suspended(wire: Venue) -> None:
    async with connected(wire, Product.CNC) as rig:
        await rig.snapshot()
        await rig.one(rig.place(ENTRY, 100, price="1490"))
        await rig.snapshot()
        rig.wire.clock.jump(6 * 3_600_000)
        order = await rig.order(ENTRY)
        assert (order.status, order.by_person) == (OrderStatus.SUSPENDED, False)


async def test_session_when_the_broker_closes_intraday_then_nobody_did_and_none_leaves(
    rig: Rig,
) -> None:
    await rig.snapshot()
    await rig.one(rig.place(ENTRY, 100, price="1490"))
    await rig.snapshot()
    rig.wire.clock.jump(6 * 3_600_000)
    order = await rig.order(ENTRY)
    assert (order.status, order.by_person) == (OrderStatus.CANCELLED, False)
    before = len(rig.wire.writes())
    outcome = await rig.one(rig.place("ladder0001e2g1", 1, price="1490"))
    assert (outcome.kind, outcome.refusal) == (REFUSED, Refusal.OUT_OF_SESSION)
    assert len(rig.wire.writes()) == before


async def test_requests_when_counted_then_an_adjustment_of_four_rungs_costs_four(rig: Rig) -> None:
    await rig.bought(100)
    stops = [rig.stop(f"ladder0001t{n}g1", qty) for n, qty in enumerate((85, 5, 5, 5), 1)]
    before = len(rig.wire.writes())
    assert {outcome.kind for outcome in await rig.send(*stops)} == {ACCEPTED}
    assert len(rig.wire.writes()) - before == 4
    assert sum(order.leaves_qty for order in (await rig.view()).orders) == 100


async def test_role_when_an_entry_sells_short_then_it_is_no_exit(rig: Rig) -> None:
    await rig.snapshot()
    short = rig.place(ENTRY, 10, OrderType.MARKET, side=Side.SELL, role=Role.ENTRY)
    assert (await rig.one(short)).kind is ACCEPTED
    assert (await rig.view()).net_qty == -10
