"""Every fault of the line, met by the unmodified pybit: what is heard, and what is then true."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from decimal import Decimal

import pytest

from exchanges.bybit.line import BAN_MS
from exchanges.errors import VenueUnavailable
from machines.words import OutcomeKind, Refusal, Side
from tests.wire.bybit.desk import Asker, impatient, now_ms, opened
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

K, W = OutcomeKind, Wrong
BUY = Side.BUY
MUTE = (W.SILENT_BEFORE, W.SILENT_AFTER, W.STALL)

# What is heard of a request that meets it, and whether it took effect.
REQUESTS: list[tuple[Wrong, OutcomeKind, bool]] = [
    (W.DROP_BEFORE, K.UNSURE, False),
    (W.DROP_AFTER, K.UNSURE, True),
    (W.SILENT_BEFORE, K.UNSURE, False),
    (W.SILENT_AFTER, K.UNSURE, True),
    (W.HALF, K.UNSURE, True),
    (W.STALL, K.UNSURE, True),
    (W.HTML_502, K.UNSURE, False),
    (W.STATUS_500, K.UNSURE, False),
    (W.STATUS_429, K.UNSURE, False),
    (W.HTML_200, K.MALFORMED, True),
    (W.EMPTY, K.MALFORMED, True),
    (W.A_LIST, K.MALFORMED, True),
    (W.NULL, K.MALFORMED, True),
    (W.ODD_CODE, K.MALFORMED, False),
    (W.NO_TEXT, K.MALFORMED, False),
    (W.STATUS_401, K.BUSY, False),
    (W.STATUS_403, K.BUSY, False),
    (W.STATUS_404, K.REFUSED, False),
    (W.REDIRECT, K.UNSURE, False),
    (W.LIMITED, K.BUSY, False),
    (W.LIMITED_PAST, K.BUSY, False),
    (W.LIMITED_BARE, K.BUSY, False),
    (W.CLOCK, K.BUSY, False),
    (W.TIMEOUT_BEFORE, K.UNSURE, False),
    (W.TIMEOUT_AFTER, K.UNSURE, True),
    (W.INTERNAL_AFTER, K.UNSURE, True),
    (W.PROCESSING, K.BUSY, False),
    (W.TWICE, K.ALREADY_DONE, True),
]


@pytest.mark.parametrize(("wrong", "kind", "lands"), REQUESTS)
async def test_request_when_it_goes_wrong_then_sent_once_and_never_called_what_it_is_not(
    desk: Asker, venue: Loopback, wrong: Wrong, kind: OutcomeKind, lands: bool
) -> None:
    await desk.view()
    venue.faults.next("/order/create", wrong)
    with impatient(desk.account) if wrong in MUTE else nullcontext():
        (outcome,) = await desk.ask(desk.limit("a", BUY, "0.1", "104000"))
    assert outcome.kind is kind
    venue.rest()
    assert venue.asked("/v5/order/create") == 1
    assert bool(venue.exchange.working("a")) is lands
    if lands and wrong not in (W.STATUS_403,):
        assert (await desk.order("a")).qty == Decimal("0.1")


@pytest.mark.parametrize("wrong", [W.DROP_AFTER, W.HALF, W.NO_EXTRA, W.TIMEOUT_AFTER])
async def test_batch_when_its_answer_is_lost_then_every_item_is_unsure(
    desk: Asker, venue: Loopback, wrong: Wrong
) -> None:
    venue.faults.next("/order/create-batch", wrong)
    outcomes = await desk.ask(*(desk.limit(name, BUY, "0.1", "104000") for name in "ab"))
    assert {outcome.kind for outcome in outcomes} <= {K.UNSURE, K.MALFORMED}
    assert [order.client_order_id for order in (await desk.view()).orders] == ["a", "b"]
    again = await desk.ask(*(desk.limit(name, BUY, "0.1", "104000") for name in "ab"))
    assert {outcome.kind for outcome in again} == {K.ALREADY_DONE}
    assert len((await desk.view()).orders) == 2


async def test_market_order_when_its_answer_is_lost_then_read_back_by_its_id(
    desk: Asker, venue: Loopback
) -> None:
    await desk.view()
    venue.faults.next("/order/create", W.DROP_AFTER)
    await desk.ask(desk.market("e", BUY, "0.1"))
    order = await desk.order("e")
    assert order.filled_qty == Decimal("0.1")


PATHS = ["/order/realtime", "/execution/list", "/position/list", "/market/tickers"]
UNREADABLE = [
    *(W.DROP_BEFORE, W.SILENT_BEFORE, W.HALF, W.HTML_502, W.HTML_200, W.EMPTY, W.A_LIST, W.NULL),
    *(W.LIMITED, W.CLOCK, W.STATUS_429, W.ODD_CODE, W.NO_TEXT, W.REDIRECT),
]


@pytest.mark.parametrize("path", PATHS)
async def test_read_when_any_part_of_it_fails_then_nothing_is_known(
    desk: Asker, venue: Loopback, path: str
) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    before = await desk.view()
    for wrong in UNREADABLE:
        venue.faults.next(path, wrong)
        hurry = impatient(desk.account) if wrong in MUTE else nullcontext()
        with hurry, pytest.raises(VenueUnavailable, match="account main"):
            await desk.view()
    assert await desk.view() is before


async def test_stop_when_its_answer_is_lost_then_set_again_is_already_done(
    desk: Asker, venue: Loopback
) -> None:
    await desk.done(desk.market("e", BUY, "0.1"))
    venue.faults.next("/trading-stop", W.SILENT_AFTER)
    with impatient(desk.account):
        assert (await desk.refusal(desk.set_stop("101500")))[0] is K.UNSURE
    assert (await desk.refusal(desk.set_stop("101500")))[0] is K.ALREADY_DONE


async def test_key_when_refused_then_only_reads_go_out_until_one_succeeds(
    desk: Asker, venue: Loopback
) -> None:
    entry = desk.limit("a", BUY, "0.1", "104000")
    venue.faults.next("/order/create", W.STATUS_401)
    assert (await desk.refusal(entry))[0] is K.BUSY
    assert (await desk.refusal(entry))[0] is K.BUSY
    assert venue.asked("/v5/order/create") == 1
    assert desk.account.line.key_trouble
    await desk.view()
    assert not desk.account.line.key_trouble
    await desk.done(entry)


async def test_address_when_banned_then_ten_quiet_minutes(venue: Loopback) -> None:
    late_ms = 0

    def clock() -> int:
        return now_ms() + late_ms

    async with opened(venue, clock=clock) as account:
        desk = Asker(account)
        venue.faults.next("/order/create", W.STATUS_403)
        await desk.ask(desk.limit("a", BUY, "0.1", "104000"))
        venue.requests.clear()
        with pytest.raises(VenueUnavailable, match="shut this address out"):
            await desk.view()
        assert (await desk.refusal(desk.cancel("a")))[0] is K.BUSY
        assert venue.requests == []
        late_ms = BAN_MS
        assert (await desk.view()).orders == ()


async def test_line_when_nobody_listens_then_nothing_was_sent(desk: Asker, venue: Loopback) -> None:
    venue.close()
    desk.account.line.close()  # a connection that was kept alive would first have to be missed
    (outcome,) = await desk.ask(desk.limit("a", BUY, "0.1", "104000"))
    assert outcome.kind is K.BUSY
    assert "did not leave" in outcome.text
    with pytest.raises(VenueUnavailable):
        await desk.view()


async def test_secrets_when_everything_goes_wrong_then_told_to_nobody(
    desk: Asker, venue: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = [repr(desk.account.line), repr(desk.account), str(vars(desk.account.line))]
    for wrong, _, _ in REQUESTS:
        if wrong in (*MUTE, W.STATUS_403):
            continue  # they only take time, or shut the door
        venue.faults.next("/order/create", wrong)
        told += [each.text for each in await desk.ask(desk.limit("a", BUY, "0.1", "104000"))]
        venue.faults.next("/execution/list", wrong)
        try:
            await desk.view()
        except VenueUnavailable as error:
            told += [str(error), repr(error), repr(error.__cause__)]
    told.append(caplog.text)
    assert len(told) > len(REQUESTS)
    for secret in (venue.rules.key, venue.rules.secret):
        assert not [text for text in told if secret in text]


async def test_refused_request_when_unknown_path_then_invalid(desk: Asker, venue: Loopback) -> None:
    venue.faults.next("/order/create", W.STATUS_404)
    found = await desk.refusal(desk.limit("a", BUY, "0.1", "104000"))
    assert found == (K.REFUSED, Refusal.INVALID)
