"""Everything that may go wrong with a request, through the unmodified SDK."""

from decimal import Decimal

import pytest

from exchanges.errors import VenueUnavailable
from machines.words import OrderStatus, OrderType, OutcomeKind, Refusal
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rig import Rig

ENTRY, STOP = "ladder0001e1g1", "ladder0001t1g1"
K = OutcomeKind
D = Decimal
SECOND = 1_000
POST, PUT, DELETE = "POST /orders", "PUT /orders", "DELETE /orders"


def tickets(rig: Rig, tag: str) -> int:
    return sum(ticket.tag == tag for ticket in rig.wire.broker.tickets.values())


LANDED = [fault for fault in Fault if fault.startswith("applied")]
NOT_LANDED = [
    (Fault.HANG, K.UNSURE),
    (Fault.RESET, K.UNSURE),
    (Fault.HTML_502, K.MALFORMED),
    (Fault.HTML_429, K.MALFORMED),
    (Fault.JSON_503, K.UNSURE),
    (Fault.REDIRECT, K.UNSURE),
    (Fault.JSON_429, K.BUSY),
    (Fault.TOKEN_403, K.BUSY),
    (Fault.PERMISSION_403, K.REFUSED),
]


@pytest.mark.parametrize("fault", LANDED)
async def test_placement_when_it_landed_whatever_was_said_then_it_is_found_and_not_repeated(
    rig: Rig, fault: Fault
) -> None:
    await rig.snapshot()
    rig.spoil(fault, POST)
    assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is K.ACCEPTED
    for _ in range(3):
        await rig.snapshot()
        assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is K.ALREADY_DONE
    assert tickets(rig, ENTRY) == 1


@pytest.mark.parametrize(("fault", "kind"), NOT_LANDED)
async def test_placement_when_it_did_not_land_then_it_says_what_is_known(
    rig: Rig, fault: Fault, kind: OutcomeKind
) -> None:
    await rig.snapshot()
    rig.spoil(fault, POST)
    assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is kind
    assert tickets(rig, ENTRY) == 0


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.RESET, Fault.HTML_502, Fault.JSON_503])
async def test_placement_when_unknown_then_it_leaves_again_only_after_its_window(
    rig: Rig, fault: Fault
) -> None:
    await rig.bought(100)
    rig.spoil(fault, POST)
    assert (await rig.one(rig.stop(STOP, 85))).kind in (K.UNSURE, K.MALFORMED)
    before = len(rig.wire.writes())
    for _ in range(20):
        await rig.snapshot()
        assert (await rig.one(rig.stop(STOP, 85))).kind is K.BUSY
    assert len(rig.wire.writes()) == before
    rig.wire.clock.jump(10 * SECOND)
    await rig.snapshot()
    assert (await rig.one(rig.stop(STOP, 85))).kind is K.ACCEPTED
    assert tickets(rig, STOP) == 1


async def test_placement_when_an_old_copy_answers_the_second_look_then_it_is_not_believed(
    rig: Rig,
) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.wire.routes.stale = []
    rig.spoil(Fault.RESET, POST)
    assert (await rig.one(rig.stop("ladder0001t2g1", 15))).kind is K.UNSURE
    assert (await rig.one(rig.stop(STOP, 85))).kind is K.ALREADY_DONE
    with pytest.raises(VenueUnavailable, match="has lost order"):
        await rig.snapshot()


async def test_placement_when_unknown_then_its_quantity_counts_as_on_sale(rig: Rig) -> None:
    await rig.bought(100)
    rig.spoil(Fault.RESET, POST)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    assert (await rig.one(rig.stop("ladder0001t2g1", 16))).refusal is Refusal.OVERSELL


async def test_placement_when_the_book_lags_then_it_is_not_repeated(rig: Rig) -> None:
    rig.wire.broker.quirks.book_lag_ms = 8 * SECOND
    await rig.snapshot()
    assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is K.ACCEPTED
    for _ in range(7):
        assert (await rig.view()).orders == ()
        assert (await rig.one(rig.place(ENTRY, 100, price="1490"))).kind is K.ALREADY_DONE
    rig.wire.clock.jump(2 * SECOND)
    assert (await rig.order(ENTRY)).status is OrderStatus.OPEN
    assert tickets(rig, ENTRY) == 1


async def test_twin_when_the_broker_doubles_an_order_then_it_is_set_apart(rig: Rig) -> None:
    await rig.snapshot()
    rig.spoil(Fault.TWIN, POST)
    await rig.one(rig.place(ENTRY, 100, price="1490"))
    names = [order.client_order_id for order in (await rig.view()).orders]
    assert names == [ENTRY, f"{ENTRY}~2"]
    assert (await rig.one(rig.cancel(f"{ENTRY}~2"))).kind is K.ACCEPTED
    assert [order.status for order in (await rig.view()).orders] == [
        OrderStatus.OPEN,
        OrderStatus.CANCELLED,
    ]


async def test_cancel_when_the_book_does_not_show_the_order_yet_then_it_is_cancelled(
    rig: Rig,
) -> None:
    rig.wire.broker.quirks.book_lag_ms = 8 * SECOND
    await rig.snapshot()
    await rig.one(rig.place(ENTRY, 100, price="1490"))
    assert (await rig.one(rig.cancel(ENTRY))).kind is K.ACCEPTED
    rig.wire.clock.jump(8 * SECOND)
    order = await rig.order(ENTRY)
    assert (order.status, order.by_person) == (OrderStatus.CANCELLED, False)


async def test_order_when_stuck_before_the_exchange_then_it_is_live_and_left_alone(
    rig: Rig,
) -> None:
    await rig.bought(100)
    rig.spoil(Fault.STUCK, POST)
    await rig.one(rig.stop(STOP, 85))
    assert (await rig.order(STOP)).status is OrderStatus.OPEN
    assert (await rig.one(rig.amend(STOP, 85, trigger="1485"))).kind is K.BUSY
    assert (await rig.one(rig.cancel(STOP))).kind is K.BUSY
    assert (await rig.one(rig.stop(STOP, 85))).kind is K.ALREADY_DONE


# ------------------------------------------------------------------------------------ changing


async def test_change_when_pending_then_neither_repeated_nor_refused(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    rig.wire.broker.quirks.latency_ms = 5 * SECOND
    await rig.snapshot()
    assert (await rig.one(rig.amend(STOP, 85, trigger="1485"))).kind is K.ACCEPTED
    before = len(rig.wire.writes())
    order = await rig.order(STOP)
    assert (order.status, order.trigger_px, order.by_person) == (OrderStatus.OPEN, 1480, False)
    assert (await rig.one(rig.amend(STOP, 85, trigger="1485"))).kind is K.ALREADY_DONE
    assert (await rig.one(rig.amend(STOP, 85, trigger="1486"))).kind is K.BUSY
    assert len(rig.wire.writes()) == before
    rig.wire.clock.jump(5 * SECOND)
    assert (await rig.order(STOP)).trigger_px == 1485


async def test_change_when_accepted_and_not_done_then_it_is_sent_again(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.spoil(Fault.NOT_APPLIED_200, PUT)
    asked = rig.amend(STOP, 85, trigger="1485")
    assert (await rig.one(asked)).kind is K.ACCEPTED
    assert (await rig.order(STOP)).trigger_px == 1480
    rig.wire.clock.jump(10 * SECOND)
    await rig.snapshot()
    assert (await rig.one(asked)).kind is K.ACCEPTED
    assert (await rig.order(STOP)).trigger_px == 1485


@pytest.mark.parametrize("fault", [Fault.APPLIED_HANG, Fault.APPLIED_RESET, Fault.APPLIED_503])
async def test_change_when_it_landed_unheard_then_the_next_snapshot_shows_it(
    rig: Rig, fault: Fault
) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.spoil(fault, PUT)
    asked = rig.amend(STOP, 85, trigger="1485")
    assert (await rig.one(asked)).kind is K.UNSURE
    order = await rig.order(STOP)
    assert (order.trigger_px, order.by_person) == (1485, False)
    assert (await rig.one(asked)).kind is K.ALREADY_DONE


async def test_change_when_the_order_filled_meanwhile_then_it_has_ended(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.wire.move("1475")  # it triggers and fills, and the adapter does not know
    outcome = await rig.one(rig.amend(STOP, 85, trigger="1485"))
    assert (outcome.kind, outcome.refusal) == (K.REFUSED, Refusal.UNKNOWN_ORDER)
    assert (await rig.one(rig.cancel(STOP))).kind is K.ALREADY_DONE


async def test_change_when_partly_filled_then_its_quantity_is_never_sent(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    rig.wire.move("1475", depth=30)
    await rig.snapshot()
    before = len(rig.wire.writes())
    outcome = await rig.one(rig.amend(STOP, 80, price="1460", trigger=None))
    assert outcome.kind is K.REFUSED
    assert len(rig.wire.writes()) == before


@pytest.mark.parametrize("code", [429, 400])
async def test_change_when_its_modifications_are_spent_then_refused(rig: Rig, code: int) -> None:
    rig.wire.broker.quirks.spent_code = code
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    for n in range(20):
        await rig.snapshot()
        trigger = f"{1481 + n % 2}"
        assert (await rig.one(rig.amend(STOP, 85, trigger=trigger))).kind is K.ACCEPTED
    await rig.snapshot()
    before = len(rig.wire.writes())
    kept = await rig.one(rig.amend(STOP, 85, trigger="1490"))
    assert (kept.kind, len(rig.wire.writes())) == (K.REFUSED, before)
    assert (await rig.one(rig.amend(STOP, 85, OrderType.LIMIT, "1510", None))).kind is K.ACCEPTED
    (ticket,) = [each for each in rig.wire.broker.tickets.values() if each.tag == STOP]
    ticket.modifications = 25
    await rig.snapshot()
    spent = await rig.one(rig.amend(STOP, 85, OrderType.LIMIT, "1511", None))
    assert spent.kind is K.REFUSED


async def test_conversion_when_kite_does_not_convert_then_refused_by_name(rig: Rig) -> None:
    rig.wire.broker.quirks.converts = False
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    outcome = await rig.one(rig.amend(STOP, 85, OrderType.LIMIT, "1510", None))
    assert outcome.kind is K.REFUSED
    assert (await rig.order(STOP)).type is OrderType.STOP_LIMIT


async def test_cancel_when_accepted_and_filled_all_the_same_then_the_fill_counts(rig: Rig) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    rig.wire.broker.quirks.latency_ms = 5 * SECOND
    await rig.snapshot()
    assert (await rig.one(rig.cancel(STOP))).kind is K.ACCEPTED
    rig.wire.move("1475")
    rig.wire.clock.jump(5 * SECOND)
    view = await rig.view()
    assert view.net_qty == 15
    assert view.orders[-1].status is OrderStatus.FILLED


@pytest.mark.parametrize("fault", [Fault.APPLIED_HANG, Fault.APPLIED_RESET, Fault.HTML_502])
async def test_cancel_when_unknown_then_the_next_snapshot_tells(rig: Rig, fault: Fault) -> None:
    await rig.bought(100)
    await rig.one(rig.stop(STOP, 85))
    await rig.snapshot()
    rig.spoil(fault, DELETE)
    assert (await rig.one(rig.cancel(STOP))).kind in (K.UNSURE, K.MALFORMED)
    order = await rig.order(STOP)
    gone = fault.applies
    assert order.status is (OrderStatus.CANCELLED if gone else OrderStatus.OPEN)
    assert not order.by_person
    assert (await rig.one(rig.cancel(STOP))).kind is (K.ALREADY_DONE if gone else K.ACCEPTED)


# -------------------------------------------------------------------------------------- limits


async def test_limits_when_many_leave_at_once_then_none_is_turned_away(rig: Rig) -> None:
    await rig.snapshot()
    entries = [rig.place(f"ladder{n:04}e1g1", 1, price="1490") for n in range(12)]
    assert {outcome.kind for outcome in await rig.send(*entries)} == {K.ACCEPTED}
    assert rig.wire.rates.refused == 0


async def test_secrets_when_anything_fails_then_none_is_in_the_text(rig: Rig) -> None:
    token = rig.tokens.token.reveal()
    await rig.snapshot()
    for n, fault in enumerate(Fault):
        rig.spoil(fault, POST)
        rig.wire.clock.jump(SECOND)
        outcome = await rig.one(rig.place(f"ladder{n:04}e1g1", 1, price="1490"))
        assert token not in outcome.text
    assert token not in repr(vars(rig.venue.client))
