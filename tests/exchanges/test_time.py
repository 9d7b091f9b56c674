"""How the market moves: the next bar that matters, bars passed over, several symbols."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import Product, SimulatedVenue
from machines.words import ExitStyle, Instrument, Key, OrderType, PlaceOrder, Role
from tests.exchanges.desk import BUY, COIN, SELL, SYMBOL, Desk, PricePath, at_once, settings

CALM = "100 100 100 100\n"
START_MS = 1_735_689_600_000
MINUTE_MS = 60_000
BARS = 40


def minute(count: int) -> int:
    return START_MS + count * MINUTE_MS


def test_next_bar_when_asked_then_is_the_next_close_until_the_feed_ends() -> None:
    desk = Desk(CALM * 2)
    assert desk.venue.next_bar_ms() == minute(1)
    desk.bar()
    assert desk.venue.next_bar_ms() == minute(2)
    desk.bar()
    assert desk.venue.next_bar_ms() is None


def test_next_when_nothing_waits_then_is_the_limit_or_the_last_close() -> None:
    desk = Desk(CALM * 10)
    assert desk.venue.next_ms(minute(3) + 5) == minute(3) + 5
    assert desk.venue.next_ms(None) == minute(10)
    assert desk.venue.next_ms(minute(99)) == minute(10)
    desk.venue.advance(minute(10))
    assert desk.venue.next_ms(None) is None
    assert desk.venue.next_ms(minute(99)) is None


def test_next_when_an_order_waits_then_is_the_bar_that_touches_it() -> None:
    desk = Desk(CALM * 5 + "100 101 97 100\n" + CALM * 5)
    desk.bar()
    desk.limit("a", BUY, 1, 97)
    assert desk.venue.next_ms(None) == minute(6)
    assert desk.venue.next_ms(minute(6)) == minute(6)
    assert desk.venue.next_ms(minute(6) - 1) == minute(6) - 1
    desk.amend("a", 1, "96.5")
    assert desk.venue.next_ms(None) == minute(11)
    desk.amend("a", 1, 97)
    desk.limit("b", BUY, 1, 98)
    desk.cancel("a")
    assert desk.venue.next_ms(None) == minute(6)
    desk.cancel("b")
    assert desk.venue.next_ms(None) == minute(11)


@pytest.mark.parametrize("bar", ["97 97 97 97", "90 95 89 94", "100 101 96 99"])
def test_next_when_a_bar_reaches_a_stop_in_any_way_then_is_that_bar(bar: str) -> None:
    desk = Desk(CALM * 3 + bar)
    desk.bar()
    desk.market("in", BUY, 1)
    desk.set_stop(97)
    assert desk.venue.next_ms(None) == minute(4)


def test_next_when_the_position_closed_then_its_stop_is_waited_for_no_more() -> None:
    desk = Desk(CALM * 3 + "100 100 90 90\n" + CALM)
    desk.bar()
    desk.market("in", BUY, 1)
    desk.set_stop(97)
    assert desk.venue.next_ms(None) == minute(4)
    desk.market("out", SELL, 1)
    assert desk.venue.next_ms(None) == minute(5)


def test_advance_when_time_has_passed_already_then_moves_nothing() -> None:
    desk = Desk(CALM * 3)
    desk.venue.advance(minute(2))
    desk.venue.advance(minute(1))
    assert desk.snapshot().as_of_ms == minute(2)
    assert desk.venue.next_bar_ms() == minute(3)


def test_advance_when_many_bars_pass_then_each_fill_has_its_own_bars_close() -> None:
    desk = Desk(CALM * 3 + "100 101 97 100\n" + CALM * 2 + "100 101 95 100\n" + CALM)
    desk.bar()
    desk.limit("b", BUY, 1, 95)
    desk.limit("a", BUY, 1, 97)
    desk.venue.advance(minute(60))
    assert [(fill.client_order_id, fill.at_ms) for fill in desk.fills] == [
        ("a", minute(4)),
        ("b", minute(7)),
    ]


# ---------------------------------------------------------------------- several symbols


def still(at_ms: int, price: Decimal) -> Bar:
    return Bar(at_ms, price, price, price, price, Decimal(1))


def two_symbols(*prices: tuple[int, str, int]) -> SimulatedVenue:
    """Open a venue on bars that stand still: (minute, symbol, price)."""
    instruments = {name: replace(COIN, symbol=name) for name in ("ZED", "ABC")}
    feeds = {
        name: Feed.of(
            name,
            MINUTE_MS,
            [still(minute(at), Decimal(price)) for at, symbol, price in prices if symbol == name],
        )
        for name in instruments
    }
    return SimulatedVenue(settings(instruments=instruments, fees={}), feeds)


def place(venue: SimulatedVenue, symbol: str, price: int) -> None:
    kind, key = OrderType.LIMIT, Key("paper", symbol)
    one = PlaceOrder(key, symbol, Role.ENTRY, 1, BUY, kind, Decimal(1), Decimal(price))
    (outcome,) = at_once(venue.send([one]))
    assert outcome.kind.value == "accepted", outcome.text


def test_symbols_when_they_move_at_one_instant_then_the_first_configured_moves_first() -> None:
    venue = two_symbols((1, "ABC", 100), (1, "ZED", 100), (2, "ABC", 90), (2, "ZED", 90))
    venue.advance(minute(1))
    place(venue, "ABC", 95)
    place(venue, "ZED", 95)
    assert venue.next_ms(None) == minute(2)
    venue.advance(minute(2))
    views = at_once(venue.snapshot(0)).views
    assert views[Key("paper", "ZED")].fills[0].fill_id == "paper-f1"
    assert views[Key("paper", "ABC")].fills[0].fill_id == "paper-f2"


def test_symbols_when_they_move_at_different_times_then_in_the_order_of_time() -> None:
    venue = two_symbols(
        (1, "ABC", 100), (1, "ZED", 100), (3, "ABC", 90), (4, "ZED", 90), (5, "ABC", 80)
    )
    assert venue.next_bar_ms() == minute(1)
    venue.advance(minute(1))
    assert venue.next_bar_ms() == minute(3)
    place(venue, "ZED", 95)
    assert venue.next_ms(None) == minute(4)
    place(venue, "ABC", 95)
    assert venue.next_ms(None) == minute(3)
    venue.advance(minute(4))
    snapshot = at_once(venue.snapshot(0))
    assert snapshot.views[Key("paper", "ABC")].fills[0].fill_id == "paper-f1"
    assert snapshot.views[Key("paper", "ZED")].fills[0].fill_id == "paper-f2"
    assert {symbol: quote.last for symbol, quote in snapshot.quotes.items()} == {
        "ABC": 90,
        "ZED": 90,
    }
    assert venue.next_bar_ms() == minute(5)
    assert venue.next_ms(None) == minute(5)
    venue.advance(minute(5))
    assert venue.next_ms(None) is None


def test_symbol_when_only_another_has_traded_then_has_no_price_and_no_quote() -> None:
    venue = two_symbols((1, "ABC", 100), (3, "ZED", 100))
    venue.advance(minute(1))
    assert list(at_once(venue.snapshot(0)).quotes) == ["ABC"]


# ----------------------------------------------------- passing over equals playing each bar


@st.composite
def feeds(draw: st.DrawFn) -> Feed:
    """Bars on a small grid, with gaps, so that prices and orders meet often."""
    prices = st.integers(85, 115).map(Decimal)
    rows: list[Bar] = []
    for count in range(1, BARS + 1):
        opened, close, a, b = draw(prices), draw(prices), draw(prices), draw(prices)
        high, low = max(opened, close, a, b), min(opened, close, a, b)
        rows.append(Bar(minute(count), opened, high, low, close, Decimal(1)))
        if draw(st.booleans()):  # many of a market's bars do little
            rows[-1] = still(minute(count), rows[-2].close if rows[1:] else Decimal(100))
    return Feed.of(SYMBOL, MINUTE_MS, rows)


ACTIONS = st.lists(
    st.tuples(
        st.integers(1, BARS),
        st.sampled_from(
            ["limit", "market", "stop", "order", "amend", "cancel", "stop_limit", "pair"]
        ),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 5),
        st.integers(80, 120),
        st.booleans(),
        st.integers(0, 9),
    ),
    max_size=30,
)


def act(desk: Desk, number: int, action: tuple[int, str, str, int, int, bool, int]) -> None:
    _, what, side_name, qty, price, reduce_only, other = action
    side = BUY if side_name == "buy" else SELL
    match what:
        case "limit":
            desk.limit(f"o{number}", side, qty, price, reduce_only=reduce_only)
        case "market":
            desk.market(f"o{number}", side, qty, reduce_only=reduce_only)
        case "order":
            desk.stop_order(f"o{number}", side, qty, price, reduce_only=reduce_only)
        case "stop":
            desk.set_stop(price)
        case "stop_limit":
            desk.stop_limit(
                f"o{number}", side, qty, price, price + (other if side is BUY else -other)
            )
        case "pair":
            low, high = (price - 5 - other, 200 - price + other)
            legs = (low, high) if side is SELL else (high, low)
            desk.pair(f"o{number}", side, qty, *((leg, leg) for leg in legs))
        case "amend":
            desk.amend(f"o{max(0, number - other)}", qty, price)
        case _:
            desk.cancel(f"o{max(0, number - other)}")


def happened(desk: Desk) -> list[object]:
    """Return what no bar that touches nothing may change."""
    books = desk.venue.state.books
    live = [working.order for book in books for working in book.live.values()]
    return [*live, *((len(book.fills), len(book.ended)) for book in books)]


STYLES: list[dict[str, object]] = [{}, {"exits": ExitStyle.PAIRS, "product": Product.NRML}]


@given(feeds(), ACTIONS, st.sampled_from(list(PricePath)), st.sampled_from(STYLES))
def test_bars_when_passed_over_then_all_is_as_if_each_had_been_played(
    feed: Feed,
    actions: list[tuple[int, str, str, int, int, bool, int]],
    path: PricePath,
    style: dict[str, object],
) -> None:
    each, passing, whole = (Desk(feed, settings(path=path, **style)) for _ in range(3))
    todo = sorted(actions, key=lambda action: action[0])
    todo.append((BARS, "cancel", "buy", 1, 100, False, 0))
    for number, action in enumerate(todo):
        until = minute(action[0])
        while (bar_ms := each.venue.next_bar_ms()) is not None and bar_ms <= until:
            each.venue.advance(bar_ms)
        while (stop_ms := passing.venue.next_ms(until)) is not None and stop_ms < until:
            before = happened(passing)
            passing.venue.advance(stop_ms - 1)
            assert happened(passing) == before
            passing.venue.advance(stop_ms)
            assert happened(passing) != before  # a bar that is announced does something
        passing.venue.advance(until)
        whole.venue.advance(until)
        for desk in (each, passing, whole):
            act(desk, number, action)
        assert passing.venue.state == each.venue.state
        assert whole.venue.state == each.venue.state


def test_instrument_when_its_tick_is_finer_than_the_feeds_then_touches_are_exact() -> None:
    fine = Instrument(SYMBOL, Decimal("0.01"), Decimal(1), Decimal(1))
    desk = Desk(CALM + "100 100 99.5 100\n" + CALM, settings(instruments={SYMBOL: fine}))
    desk.bar()
    desk.limit("a", BUY, 1, "99.49")
    assert desk.venue.next_ms(None) == minute(3)
    desk.amend("a", 1, "99.50")
    assert desk.venue.next_ms(None) == minute(2)
