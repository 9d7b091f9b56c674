"""What a snapshot of the simulated venue holds, and what of it stays the same object."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exchanges.simulated.state import Account
from machines.words import Fill, Key, OrderStatus, PositionStop
from tests.exchanges.desk import BUY, KEY, SELL, SYMBOL, Desk, Slots, settings

CALM = "100 100 100 100\n"
START_MS = 1_735_689_600_000
MINUTE_MS = 60_000


def test_view_when_nothing_of_its_key_changed_then_is_the_same_object() -> None:
    desk = Desk(CALM * 3, settings(slots=Slots.PER_LADDER), key=Key("paper", SYMBOL, "one"))
    desk.bar()
    one, desk.key = desk.key, Key("paper", SYMBOL, "two")
    desk.market("two-in", BUY, 1)
    two, desk.key = desk.key, one
    desk.market("one-in", BUY, 1)
    before = desk.snapshot()
    desk.bar()
    later = desk.snapshot()
    assert later.quotes != before.quotes
    assert later.views is before.views
    desk.set_stop(95)
    changed = desk.snapshot()
    assert changed.views[two] is before.views[two]
    assert changed.views[one] is not before.views[one]
    assert before.views[one].stop is None


def test_view_when_a_request_is_refused_then_is_the_same_object() -> None:
    desk = Desk(CALM)
    desk.bar()
    desk.limit("a", BUY, 1, 99)
    before = desk.view
    desk.limit("a", BUY, 1, 98)
    desk.cancel("b")
    desk.set_stop(90)
    desk.amend("a", "1.5", 99)
    assert desk.view is before


def test_view_when_each_thing_changes_then_shows_it() -> None:
    desk = Desk(CALM + "100 101 98 99\n99 99 94 94")
    desk.bar()
    seen = []

    def look() -> None:
        view = desk.view
        assert all(view is not other for other in seen)
        seen.append(view)

    desk.limit("a", BUY, 1, 98)
    look()
    desk.amend("a", 2, 98)
    look()
    desk.bar()
    look()
    desk.set_stop(95)
    look()
    desk.set_stop(96)
    look()
    desk.limit("b", SELL, 2, 104, reduce_only=True)
    look()
    desk.bar()
    look()
    desk.cancel("b")
    look()
    assert [view.net_qty for view in seen] == [0, 0, 2, 2, 2, 2, 0, 0]
    assert [view.stop and view.stop.trigger_px for view in seen] == [
        *(None, None, None, 95, 96, 96, None, None)
    ]


def test_snapshot_when_taken_then_tells_the_time_and_the_last_price() -> None:
    desk = Desk(CALM + "100 104 99 103\n" + CALM)
    desk.venue.advance(START_MS + 2 * MINUTE_MS + 12_000)
    snapshot = desk.snapshot()
    quote = snapshot.quotes[SYMBOL]
    assert (snapshot.account, snapshot.as_of_ms) == ("paper", START_MS + 132_000)
    assert snapshot.started_ms == snapshot.as_of_ms == quote.at_ms
    assert (quote.last, quote.bid, quote.ask) == (103, None, None)
    assert quote.trading_ms == 2 * MINUTE_MS


def test_quote_when_the_feed_has_a_pause_then_trading_time_counts_bars_only() -> None:
    desk = Desk(CALM * 2)
    desk.venue.advance(START_MS + 86_400_000)
    assert desk.snapshot().quotes[SYMBOL].trading_ms == 2 * MINUTE_MS


def test_view_when_asked_from_a_time_on_then_older_ends_and_fills_are_left_out() -> None:
    desk = Desk(CALM * 4)
    for name in ("a", "b", "c"):
        desk.bar()
        desk.market(name, BUY, 1)
    desk.limit("resting", BUY, 1, 90)
    recent = desk.snapshot(START_MS + 2 * MINUTE_MS).views[KEY]
    assert [fill.client_order_id for fill in recent.fills] == ["b", "c"]
    assert [order.client_order_id for order in recent.orders] == ["b", "c", "resting"]
    assert recent.net_qty == 3
    assert desk.snapshot(START_MS + 3 * MINUTE_MS).views[KEY] is recent
    whole = desk.snapshot(START_MS).views[KEY]
    assert [fill.client_order_id for fill in whole.fills] == ["a", "b", "c"]
    assert desk.snapshot(START_MS + 2 * MINUTE_MS).views[KEY] is whole
    assert desk.snapshot(0).views[KEY] is whole


def test_ids_when_given_then_are_counted_and_name_the_account() -> None:
    desk = Desk(CALM)
    desk.bar()
    desk.market("a", BUY, 1)
    desk.market("b", SELL, 1)
    assert [fill.fill_id for fill in desk.fills] == ["paper-f1", "paper-f2"]
    assert [desk.order(name).venue_order_id for name in "ab"] == ["paper-o1", "paper-o2"]


def test_view_when_everything_rests_then_shows_stop_and_orders_as_words() -> None:
    desk = Desk(CALM)
    desk.bar()
    desk.market("in", BUY, 2)
    desk.set_stop(95)
    desk.limit("out", SELL, 2, 104, reduce_only=True)
    view = desk.view
    assert view.stop == PositionStop(view.stop.trigger_px if view.stop else view.avg_px)
    assert (view.net_qty, view.avg_px) == (2, 100)
    out = desk.order("out")
    assert (out.status, out.reduce_only, out.leaves_qty) == (OrderStatus.OPEN, True, 2)


# -------------------------------------------------------------------- the state as a tree


SCRIPT = CALM + "100 101 98 99\n99 103 97 102\n102 102 93 94\n94 106 94 105\n"


def act(desk: Desk, bar: int) -> None:
    """Do something different after each bar."""
    if bar == 0:
        desk.limit("a", BUY, 2, 98)
        desk.limit("b", BUY, 1, 95)
    if bar == 1:
        desk.set_stop(96)
        desk.limit("c", SELL, 1, 103, reduce_only=True)
        desk.limit("d", SELL, 1, 105, reduce_only=True)
    if bar == 3:
        desk.market("e", BUY, 3)
        desk.set_stop(90)


@given(st.integers(0, 5))
def test_account_when_written_and_read_back_at_any_bar_then_goes_on_the_same(bars: int) -> None:
    whole, first = Desk(SCRIPT), Desk(SCRIPT)
    for bar in range(5):
        whole.bar()
        act(whole, bar)
    for bar in range(bars):
        first.bar()
        act(first, bar)
    written = msgspec.json.encode(first.venue.state)
    second = Desk(SCRIPT, state=msgspec.json.decode(written, type=Account))
    assert second.venue.next_ms(None) == first.venue.next_ms(None)
    for bar in range(bars, 5):
        second.bar()
        act(second, bar)
    assert second.view == whole.view
    assert second.venue.state == whole.venue.state
    assert second.venue.equity() == whole.venue.equity()


def test_fill_when_read_back_then_is_the_same_word() -> None:
    desk = Desk(CALM)
    desk.bar()
    desk.market("a", BUY, 1)
    (fill,) = desk.fills
    assert msgspec.json.decode(msgspec.json.encode(fill), type=Fill) == fill
