"""A venue with hours: when orders are taken, what ends with the day, what the broker closes."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.feeds.bars import Feed, utc_ms
from exchanges.simulated import Act, Deed, Product, Session
from exchanges.simulated.session import Sessions
from machines.words import ExitStyle, OrderStatus, Refusal
from tests.exchanges.desk import ACCEPTED, BUY, SELL, SYMBOL, Desk, at_once, refused, settings
from tests.exchanges.test_time import still
from tests.exchanges.venue_files import tree

HOURS = Session.parse("09:15-15:30 Asia/Kolkata")
FIVE_MS = 300_000
OPENS, CLOSES, SQUARED_OFF = "03:45", "10:00", "09:50"
"""In UTC."""
STYLE: dict[str, object] = {
    "exits": ExitStyle.PER_RUNG,
    "product": Product.NRML,
    "session": HOURS,
}
DAYS = ("2026-11-19", "2026-11-20", "2026-11-23")
"""A Thursday, a Friday, a Monday."""


def at(day: str, time: str) -> int:
    return utc_ms(f"{day}T{time}:00Z")


def days(*prices: tuple[str, str, int]) -> Feed:
    """Make a feed of bars that stand still, as (day, UTC close, price)."""
    return Feed.of(
        SYMBOL, FIVE_MS, [still(at(day, time), Decimal(price)) for day, time, price in prices]
    )


QUIET = [(day, time, 100) for day in DAYS for time in ("03:50", "03:55", "09:55", CLOSES)]


def opened(product: Product = Product.NRML, path: Path | None = None) -> Desk:
    desk = Desk(days(*QUIET), settings(**(STYLE | {"product": product})), path=path)
    desk.venue.advance(at(DAYS[0], "03:55"))
    return desk


# ---------------------------------------------------------------------------------- hours


@pytest.mark.parametrize(
    "text",
    [
        "",
        "09:15-15:30",
        "9:15-15:30 Asia/Kolkata",
        "15:30-09:15 Asia/Kolkata",
        "09:15-09:15 Asia/Kolkata",
        "09:60-15:30 Asia/Kolkata",
        "09:15-25:30 Asia/Kolkata",
        "09:15-15:30 Asia/Atlantis",
        "09:15-15:30 ../etc/passwd",
    ],
)
def test_session_when_not_written_like_one_then_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Session.parse(text)


def test_session_when_the_clocks_change_then_keeps_to_local_time() -> None:
    session = Session.parse("09:30-16:00 America/New_York")
    assert session.on_day_of(at("2025-03-07", "15:00"))[0] == at("2025-03-07", "14:30")
    assert session.on_day_of(at("2025-03-10", "15:00"))[0] == at("2025-03-10", "13:30")


def test_sessions_when_a_day_has_no_bar_then_has_no_session() -> None:
    found = Sessions(HOURS, [days(*QUIET)])
    assert found.end_of(at(DAYS[1], "05:00")) == at(DAYS[1], CLOSES)
    assert found.end_of(at("2026-11-21", "05:00")) is None
    assert found.next_open(at(DAYS[1], OPENS)) == at(DAYS[2], OPENS)
    assert found.next_end(at(DAYS[1], CLOSES)) == at(DAYS[2], CLOSES)
    assert found.next_open(at(DAYS[2], OPENS)) is None
    assert found.next_end(at(DAYS[2], CLOSES)) is None


def test_sessions_when_bars_lie_outside_the_hours_then_make_none() -> None:
    early, late = (DAYS[0], "03:40", 100), (DAYS[1], "11:00", 100)
    found = Sessions(HOURS, [days(early, late)])
    assert found.next_open(0) is None


# ------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("time", "taken"), [("03:40", False), (OPENS, True), ("09:59", True), (CLOSES, False)]
)
def test_order_when_asked_for_outside_the_session_then_is_refused(time: str, taken: bool) -> None:
    desk = opened()
    desk.venue.advance(at(DAYS[1], time))
    expected = ACCEPTED if taken else refused(Refusal.OUT_OF_SESSION)
    assert desk.limit("a", BUY, 1, 99) == expected
    assert desk.market("b", BUY, 1) == expected
    quote = desk.snapshot().quotes[SYMBOL]
    assert quote.in_session is taken
    assert quote.session_ends_ms == (at(DAYS[1], CLOSES) if taken else None)
    bought = desk.venue.act(Act(Deed.BUY, SYMBOL, qty=Decimal(1)))
    assert (bought.kind, bought.refusal) == expected


def test_quote_when_the_venue_never_closes_then_is_always_in_session() -> None:
    desk = Desk(days(*QUIET))
    desk.bar()
    quote = desk.snapshot().quotes[SYMBOL]
    assert (quote.in_session, quote.session_ends_ms) == (True, None)
    assert not desk.venue.capabilities.day_orders


def test_amendment_when_asked_for_outside_the_session_then_finds_nothing() -> None:
    desk = opened()
    desk.limit("a", BUY, 1, 99)
    desk.venue.advance(at(DAYS[0], CLOSES))
    assert desk.amend("a", 1, 98) == refused(Refusal.UNKNOWN_ORDER)


# --------------------------------------------------------------------------------- the end


def test_session_when_it_ends_then_every_order_is_suspended_and_no_person_did_it() -> None:
    desk = opened()
    assert desk.venue.capabilities.day_orders
    desk.market("in", BUY, 2)
    desk.limit("entry", BUY, 1, 95)
    desk.stop_limit("r1", SELL, 2, 96, 95)
    desk.venue.act(Act(Deed.MOVE, client_order_id="entry", price=Decimal(94)))
    desk.venue.advance(at(DAYS[0], CLOSES) - 1)
    assert desk.status("entry") is OrderStatus.OPEN
    desk.venue.advance(at(DAYS[0], CLOSES))
    for name in ("entry", "r1"):
        order = desk.order(name)
        assert (order.status, order.by_person) == (OrderStatus.SUSPENDED, False)
        assert order.refusal is None
    assert desk.held == 2
    assert desk.snapshot(at(DAYS[0], CLOSES)).views[desk.key].orders  # ended at the close


def test_bar_when_it_closes_with_the_session_then_still_fills() -> None:
    feed = days((DAYS[0], "03:50", 100), (DAYS[0], CLOSES, 95), (DAYS[1], "03:50", 90))
    desk = Desk(feed, settings(**STYLE))
    desk.bar()
    desk.limit("met", BUY, 1, 96)
    desk.limit("missed", BUY, 1, 94)
    desk.venue.advance(at(DAYS[1], "03:50"))
    assert desk.trades == [("met", "96", "1")]
    assert desk.status("missed") is OrderStatus.SUSPENDED


def test_next_when_a_session_opens_or_ends_then_is_that_time() -> None:
    desk = opened()
    assert desk.venue.next_ms(None) == at(DAYS[0], CLOSES)
    desk.venue.advance(at(DAYS[0], CLOSES))
    assert desk.venue.next_ms(None) == at(DAYS[1], OPENS)
    assert desk.venue.next_bar_ms() == at(DAYS[1], OPENS)
    desk.venue.advance(at(DAYS[1], OPENS))
    assert desk.venue.next_bar_ms() == at(DAYS[1], "03:50")
    desk.venue.advance(at(DAYS[2], CLOSES))
    assert desk.venue.next_bar_ms() is None
    assert desk.venue.next_ms(None) is None


def test_stop_when_placed_at_the_opening_then_meets_the_first_bars_gap() -> None:
    feed = days((DAYS[0], "03:50", 100), (DAYS[1], "03:50", 90))
    desk = Desk(feed, settings(**STYLE))
    desk.bar()
    desk.market("in", BUY, 1)
    desk.bar()  # the second day's opening, at yesterday's price
    assert desk.stop_limit("r1", SELL, 1, 97, 96) == ACCEPTED
    desk.bar()
    assert desk.status("r1") is OrderStatus.TRIGGERED


# ------------------------------------------------------------------------------ square-off


def test_mis_when_open_before_the_end_then_the_broker_cancels_and_closes() -> None:
    desk = opened(Product.MIS)
    desk.market("in", BUY, 2)
    desk.limit("entry", BUY, 1, 95)
    desk.stop_limit("r1", SELL, 2, 96, 95)
    assert desk.snapshot().quotes[SYMBOL].session_ends_ms == at(DAYS[0], SQUARED_OFF)
    desk.venue.advance(at(DAYS[0], SQUARED_OFF) - 1)
    assert desk.held == 2
    desk.venue.advance(at(DAYS[0], SQUARED_OFF))
    assert desk.held == 0
    assert desk.fills[-1].client_order_id == ""
    assert desk.fills[-1].at_ms == at(DAYS[0], SQUARED_OFF)
    for name in ("entry", "r1"):
        order = desk.order(name)
        assert (order.status, order.by_person) == (OrderStatus.CANCELLED, False)
    assert desk.market("late", BUY, 1) == refused(Refusal.OUT_OF_SESSION)
    desk.venue.advance(at(DAYS[1], OPENS))
    assert desk.market("next", BUY, 1) == ACCEPTED


# ---------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("product", [Product.NRML, Product.MIS])
def test_venue_when_killed_around_a_sessions_end_then_goes_on_from_there(
    tmp_path: Path, product: Product
) -> None:
    path, memory = tmp_path / "venue.db", opened(product)
    desk = opened(product, path)
    for one in (desk, memory):
        one.market("in", BUY, 2)
        one.stop_limit("r1", SELL, 2, 96, 95)
    desk.venue.close()
    desk = opened(product, path)
    assert tree(desk.venue) == tree(memory.venue)
    for one in (desk, memory):
        one.venue.advance(at(DAYS[1], OPENS))
        one.limit("again", BUY, 1, 98)
    desk.venue.close()
    again = opened(product, path)
    assert tree(again.venue) == tree(memory.venue)
    assert at_once(again.venue.snapshot(0)) == at_once(memory.venue.snapshot(0))
    again.venue.close()
