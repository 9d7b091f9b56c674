"""Cash, positions and profit: exact, and the same however they are counted.

The second half plays random orders against a market that moves one tick at a time and looks at
every order at every tick: slow, simple, and written without a look at the engine.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchanges.feeds.bars import Bar, Feed
from exchanges.simulated import Product
from machines.words import ZERO, ExitStyle, Fees, Key, OrderStatus, Side
from tests.exchanges.desk import (
    ACCEPTED,
    BUY,
    SELL,
    SYMBOL,
    Desk,
    PricePath,
    Slots,
    settings,
)
from tests.exchanges.test_time import ACTIONS, STYLES, act, feeds, minute

ODD = Fees(maker=Decimal("-0.00012345"), taker=Decimal("0.00055001"))


def test_cash_when_flat_again_then_is_balance_and_profit_and_fees_exactly() -> None:
    desk = Desk("100 100 100 100\n100 104 96 103", settings(fees={SYMBOL: ODD}))
    desk.bar()
    desk.limit("a", BUY, 3, 97)
    desk.market("b", BUY, 4)
    desk.limit("c", SELL, 7, 104, reduce_only=True)
    desk.bar()
    venue = desk.venue
    assert desk.held == 0
    assert venue.realised(desk.key) == 7 * 104 - 3 * 97 - 4 * 100
    fees = ODD.maker * (3 * 97 + 7 * 104) + ODD.taker * 400
    assert venue.fees_paid(desk.key) == fees
    assert venue.cash == venue.equity() == 100_000 + venue.realised(desk.key) - fees


def test_average_when_a_part_is_sold_then_stays_and_realises_against_it() -> None:
    desk = Desk("100 100 100 100\n" + "110 110 110 110\n" + "120 120 120 120")
    desk.bar()
    desk.market("a", BUY, 2)
    desk.bar()
    desk.market("b", BUY, 2)
    assert desk.view.avg_px == 105
    desk.bar()
    desk.market("c", SELL, 1)
    assert (desk.held, desk.view.avg_px) == (3, 105)
    assert desk.venue.realised(desk.key) == 15
    assert desk.venue.equity() == 100_000 + 15 + 3 * 15 - desk.venue.fees_paid(desk.key)


def test_average_when_turned_over_then_is_the_price_of_what_is_held_now() -> None:
    desk = Desk("100 100 100 100\n" + "110 110 110 110")
    desk.bar()
    desk.market("a", BUY, 2)
    desk.bar()
    desk.market("b", SELL, 5)
    assert (desk.held, desk.view.avg_px) == (-3, 110)
    assert desk.venue.realised(desk.key) == 20


def test_money_when_nothing_was_traded_then_is_the_balance() -> None:
    desk = Desk("100 100 100 100", settings(balance=Decimal("12.34")))
    assert desk.venue.cash == desk.venue.equity() == Decimal("12.34")
    assert desk.venue.realised(desk.key) == desk.venue.fees_paid(desk.key) == 0


DELIVERY: dict[str, object] = {"exits": ExitStyle.PAIRS, "product": Product.CNC}


@given(feeds(), ACTIONS, st.sampled_from(["0", "0.0013"]), st.sampled_from([*STYLES, DELIVERY]))
def test_books_when_anything_happens_then_everything_adds_up(
    feed: Feed,
    actions: list[tuple[int, str, str, int, int, bool, int]],
    slippage: str,
    style: dict[str, object],
) -> None:
    given = settings(fees={SYMBOL: ODD}, slippage=Decimal(slippage), **style)
    if not given.pooled:  # or most would be refused
        actions = [(*action[:5], False, action[6]) for action in actions]
    desk = Desk(feed, given)
    for number, action in enumerate(sorted(actions, key=lambda action: action[0])):
        desk.venue.advance(minute(action[0]))
        act(desk, number, action)
        check(desk)
    desk.venue.advance(minute(1000))
    check(desk)


def style_is_delivery(desk: Desk) -> bool:
    return desk.venue._settings.bound and desk.venue._settings.product is Product.CNC


def check(desk: Desk) -> None:
    state = desk.venue.state
    for book in state.books:
        assert book.net_qty == sum(fill.side.sign * fill.qty for fill in book.fills)
        assert book.fees == sum(fill.fee for fill in book.fills)
        assert book.cash == sum(-fill.side.sign * fill.qty * fill.price for fill in book.fills)
        assert (book.avg_px > 0) is (book.net_qty != 0)
        assert len({fill.fill_id for fill in book.fills}) == len(book.fills)
        last = desk.snapshot().quotes[SYMBOL].last
        if style_is_delivery(desk):
            assert book.working_qty(SELL) <= book.net_qty
        waiting = [*book.live.values(), *([book.stop] if book.stop else [])]
        for working in [*waiting, *(pair.target for pair in waiting if pair.target)]:
            # Whatever rests has not been reached by the last price.
            assert working.px < last if working.falling else working.px > last
            assert not working.gone
        if book.stop is not None:
            assert book.reducible(book.stop.side) == abs(book.net_qty) > 0
        for order in desk.snapshot().views[book.key].orders:
            fills = [f for f in book.fills if f.client_order_id == order.client_order_id]
            assert order.filled_qty == sum(fill.qty for fill in fills)
            assert (order.status is OrderStatus.FILLED) is (order.filled_qty == order.qty)
    cash = state.cash - sum((book.cash - book.fees for book in state.books), start=ZERO)
    assert cash == 100_000


# ------------------------------------------------------------------- a market tick by tick


@dataclass
class Waiting:
    name: str
    slot: str
    side: Side
    px: int
    qty: int
    reduce_only: bool
    is_stop: bool
    place: int
    """In the order of placing, orders and position stops together."""


@dataclass
class TickByTick:
    """Every order looked at, at every price the path goes through."""

    waiting: list[Waiting] = field(default_factory=list[Waiting])
    held: dict[str, int] = field(default_factory=dict[str, int])
    stops: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    trades: list[tuple[str, str, int, int]] = field(default_factory=list[tuple[str, str, int, int]])

    def trade(self, slot: str, name: str, side: Side, px: int, qty: int) -> None:
        before = self.held.get(slot, 0)
        after = self.held[slot] = before + side.sign * qty
        self.trades.append((slot, name, px, qty * side.sign))
        if before * after <= 0:
            self.stops.pop(slot, None)

    def look(self, px: int, stop_px: int | None = None) -> None:
        """Do all that this price does; stops fill at ``stop_px`` where the market jumped."""
        due = [
            (not one.is_stop, self.distance(one, px), one.place, one)
            for one in self.waiting
            if self.reached(one.side, one.is_stop, one.px, px)
        ]
        for slot, (trigger_px, place) in self.stops.items():
            side = SELL if self.held[slot] > 0 else BUY
            if self.reached(side, True, trigger_px, px):
                one = Waiting("", slot, side, trigger_px, 0, True, True, place)
                due.append((False, self.distance(one, px), place, one))
        for _, _, _, one in sorted(due, key=lambda each: each[:3]):
            held = self.held.get(one.slot, 0)
            room = max(0, -held * one.side.sign)
            if not one.name:
                if one.slot in self.stops:
                    self.trade(one.slot, "", one.side, stop_px or one.px, room)
                continue
            self.waiting.remove(one)
            qty = min(one.qty, room) if one.reduce_only else one.qty
            if qty:
                at = (stop_px or one.px) if one.is_stop else one.px
                self.trade(one.slot, one.name, one.side, at, qty)

    @staticmethod
    def distance(one: Waiting, px: int) -> int:
        """What a jump passes first comes first; on a walk there is no distance."""
        return -abs(one.px - px)

    @staticmethod
    def reached(side: Side, is_stop: bool, at: int, px: int) -> bool:
        falling = (side is BUY) is not is_stop
        return px <= at if falling else px >= at

    def bar(self, bar: Bar, path: PricePath) -> None:
        opened, high, low, close = (int(px) for px in bar[1:5])
        self.look(opened, opened)
        first_high = path is PricePath.OHLC or high - opened < opened - low
        px = opened
        for target in (high, low, close) if first_high else (low, high, close):
            while px != target:
                px += 1 if target > px else -1
                self.look(px)


ORDERS = st.lists(
    st.tuples(
        st.integers(1, 39),
        st.sampled_from(["limit", "limit", "market", "stop", "set_stop"]),
        st.sampled_from(["one", "two"]),
        st.sampled_from([BUY, SELL]),
        st.integers(80, 120),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=25,
)


@given(feeds(), ORDERS, st.sampled_from(list(PricePath)))
def test_fills_when_the_market_moves_then_are_those_of_a_walk_tick_by_tick(
    feed: Feed,
    orders: list[tuple[int, str, str, Side, int, int, bool]],
    path: PricePath,
) -> None:
    desk = Desk(feed, settings(path=path, slots=Slots.PER_LADDER))
    walk, played = TickByTick(), 0
    orders.sort(key=lambda order: order[0])
    for number, (bar, what, slot, side, px, qty, reduce_only) in enumerate(orders):
        while played < bar:
            walk.bar(feed[played], path)
            played += 1
        desk.venue.advance(minute(bar))
        desk.key, last, name = Key("paper", SYMBOL, slot), int(feed[bar - 1].close), f"o{number}"
        if what == "set_stop":
            if desk.set_stop(px) == ACCEPTED:
                place = walk.stops[slot][1] if slot in walk.stops else number
                walk.stops[slot] = (px, place)
            continue
        one = Waiting(name, slot, side, px, qty, reduce_only, what == "stop", number)
        if what == "market":
            answer = desk.market(name, side, qty, reduce_only=reduce_only)
        elif what == "stop":
            answer = desk.stop_order(name, side, qty, px, reduce_only=reduce_only)
        else:
            answer = desk.limit(name, side, qty, px, reduce_only=reduce_only)
        if answer == ACCEPTED:
            walk.waiting.append(one)
            if what == "market" or (what == "limit" and walk.reached(side, False, px, last)):
                walk.waiting.remove(one)
                room = max(0, -walk.held.get(slot, 0) * side.sign)
                filled = min(qty, room) if reduce_only else qty
                walk.trade(slot, name, side, last, filled)
    for bar in list(feed)[played:]:
        walk.bar(bar, path)
    desk.venue.advance(minute(1000))
    found = [
        (int(fill.fill_id.rpartition("f")[2]), book.key.slot, fill)
        for book in desk.venue.state.books
        for fill in book.fills
    ]
    assert [
        (slot, fill.client_order_id, int(fill.price), int(fill.qty) * fill.side.sign)
        for _, slot, fill in sorted(found, key=lambda each: each[0])
    ] == walk.trades
