"""The engine against a market that looks at every order at every price (`slow_market`)."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import Oversell, Product
from machines.words import ExitStyle, OrderType
from tests.exchanges.desk import ACCEPTED, BUY, COIN, SELL, Desk, PricePath, settings
from tests.exchanges.slow_market import Resting, SlowMarket
from tests.exchanges.test_time import feeds, minute

LIMIT, MARKET, STOP_LIMIT = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT
SIDES, PRICES, QTYS = st.sampled_from([BUY, SELL]), st.integers(80, 120), st.integers(1, 5)
PLAIN = replace(COIN, min_notional=Decimal(0))
BACK = st.integers(1, 8)
"""Which order: so many before."""
DEEDS = st.lists(
    st.tuples(
        st.integers(1, 39),
        st.one_of(
            st.tuples(st.just("limit"), SIDES, QTYS, PRICES),
            st.tuples(st.just("market"), SIDES, QTYS),
            st.tuples(st.just("stop"), SIDES, QTYS, PRICES),
            st.tuples(st.just("stop_limit"), SIDES, QTYS, PRICES, st.integers(0, 4)),
            st.tuples(st.just("pair"), SIDES, QTYS, st.integers(1, 15), st.integers(-3, 4)),
            st.tuples(st.just("convert"), BACK, st.sampled_from([LIMIT, MARKET]), PRICES),
            st.tuples(st.just("shrink"), BACK, QTYS),
            st.tuples(st.just("cancel"), BACK),
        ),
    ),
    min_size=3,
    max_size=25,
)


@st.composite
def thin_feeds(draw: st.DrawFn) -> Feed:
    """Bars whose volume is often too small."""
    volumes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=7))
    bars = [
        Bar(*bar[:5], Decimal(volumes[n % len(volumes)])) for n, bar in enumerate(draw(feeds()))
    ]
    return Feed.of("BTCUSDT", 60_000, bars)


class Twins:
    """The same deeds at both markets."""

    def __init__(self, feed: Feed, path: PricePath, oversell: Oversell, halves: int | None) -> None:
        share = Decimal(1) if halves is None else Decimal(halves) / 2
        self.desk = Desk(
            feed,
            settings(
                exits=ExitStyle.PAIRS,
                product=Product.NRML,
                path=path,
                oversell=oversell,
                fill_share=share,
                instruments={"BTCUSDT": PLAIN},
            ),
        )
        self.slow = SlowMarket(oversell is Oversell.REFUSE, halves)
        self.path, self.feed, self.played = path, feed, 0

    def to_bar(self, count: int) -> None:
        for bar in list(self.feed)[self.played : count]:
            self.slow.bar(bar, self.path)
        self.played = max(self.played, count)
        self.desk.venue.advance(minute(count))

    def do(self, n: int, deed: tuple[Any, ...]) -> None:
        desk, slow, name, last = self.desk, self.slow, f"o{n}", self.slow.last
        match deed:
            case ("limit", side, qty, px):
                if desk.limit(name, side, qty, px) == ACCEPTED:
                    slow.act(Resting(name, side, qty, n, px), last)
            case ("market", side, qty):
                if desk.market(name, side, qty) == ACCEPTED:
                    slow.act(Resting(name, side, qty, n, None), last)
            case ("stop", side, qty, px):
                if desk.stop_order(name, side, qty, px, reduce_only=False) == ACCEPTED:
                    slow.resting.append(Resting(name, side, qty, n, None, px))
            case ("stop_limit", side, qty, px, room):
                limit = px - room if side is SELL else px + room
                if desk.stop_limit(name, side, qty, px, limit) == ACCEPTED:
                    slow.resting.append(Resting(name, side, qty, n, limit, px))
            case ("pair", side, qty, away, slack):
                self.pair(Resting(name, side, qty, n, None), away, slack)
            case (kind, back, *rest):
                self.change(kind, f"o{n - back}", *rest)

    def pair(self, one: Resting, away: int, slack: int) -> None:
        sign = -one.side.sign
        stop, target = self.slow.last - sign * away, self.slow.last + sign * away
        legs = (stop, stop - 2 * sign), (target, target - slack * sign)
        if self.desk.pair(one.name, one.side, one.qty, *legs) == ACCEPTED:
            one.limit, one.trigger, one.target = legs[0][1], legs[0][0], legs[1]
            self.slow.resting.append(one)

    def change(self, kind: str, name: str, *rest: Any) -> None:
        desk, slow = self.desk, self.slow
        one = slow.find(name)
        live = [order.client_order_id for order in desk.view.orders if order.status.live]
        assert (one is not None) is (name in live)
        if one is None:
            return
        order = desk.order(name)
        if kind == "cancel":
            assert desk.cancel(name) == ACCEPTED
            slow.resting.remove(one)
        elif kind == "shrink":
            total = order.filled_qty + min(one.qty, rest[0])
            desk.amend(name, total, kind=order.type)
            one.qty = min(one.qty, rest[0])
            if order.type is MARKET:  # which asks for today's price
                self.again(one, None)
        else:
            new, px = rest
            if desk.amend(name, order.qty, px if new is LIMIT else None, kind=new) == ACCEPTED:
                self.again(one, px if new is LIMIT else None)

    def again(self, one: Resting, limit: int | None) -> None:
        self.slow.resting.remove(one)
        one.limit, one.trigger = limit, None
        self.slow.act(one, self.slow.last)


@given(
    thin_feeds(),
    DEEDS,
    st.sampled_from(list(PricePath)),
    st.sampled_from(list(Oversell)),
    st.sampled_from([None, 1]),
)
def test_styles_when_anything_happens_then_fills_are_those_of_the_slow_market(
    feed: Feed,
    deeds: list[tuple[int, tuple[Any, ...]]],
    path: PricePath,
    oversell: Oversell,
    halves: int | None,
) -> None:
    twins = Twins(feed, path, oversell, halves)
    for n, (bar, deed) in enumerate(sorted(deeds, key=lambda each: each[0])):
        twins.to_bar(bar)
        if n == 0:
            twins.desk.limit("first", BUY, 1, 1)
            twins.slow.resting.append(Resting("first", BUY, 1, -1, 1))
        twins.do(n, deed)
        twins.desk.view  # noqa: B018 - a look must change nothing
    twins.to_bar(len(feed))
    trades = [
        (fill.client_order_id, int(fill.price), int(fill.qty) * fill.side.sign)
        for fill in twins.desk.fills
    ]
    assert trades == twins.slow.trades
    assert twins.desk.held == twins.slow.held
