"""One account's rules through a position's day, as a keeper drives them."""

from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec.structs import replace

from controller.rules.candles import MarketData
from controller.rules.desk import RuleDesk
from controller.rules.engine import Engine
from controller.rules.settings import BOOK_50, BOOK_75, LOCK, TIGHTEN, TRAIL, RuleSettings
from controller.rules.views import Memory, Place
from machines.decision import Decision, Kind, Order, Priority, Standing
from machines.ladder import Ladder
from machines.words import Quote
from tests.controller.rules.positions import AVERAGE, MINUTE_MS, at, filled, spec_of

HOUR_MS = 60 * MINUTE_MS


class Day:
    """A ladder filled at zero, and its desk; the market trades all the time."""

    def __init__(self, *rules: str, memories: dict[str, Memory] | None = None) -> None:
        settings = RuleSettings()
        engine = Engine(settings, Path(), lambda: 0)
        places = lambda symbol, now_ms: Place()  # noqa: E731
        self.market = MarketData()
        markets = {"KOTAKBANK": self.market}
        self.desk = RuleDesk(engine, settings, markets, places, memories)
        spec = spec_of(rules=rules)
        self.ladder: Ladder = filled(spec, 0, 0)
        if memories is None:
            quote = Quote("KOTAKBANK", AVERAGE, 0, 0)
            self.desk.changed(filled(spec, 0, 0, 0), self.ladder, quote)

    def orders(self, now_ms: int, percent: str, *waiting: Decision) -> tuple[Order, ...]:
        """Run a cycle."""
        return self.desk.cycle(self.ladder, self.quote(now_ms, percent), now_ms, waiting).orders

    def quote(self, now_ms: int, percent: str) -> Quote:
        return Quote("KOTAKBANK", at(percent), now_ms, now_ms)


def test_order_when_a_rule_fires_then_is_the_rules_and_named_by_its_moment() -> None:
    day = Day(BOOK_50)
    (order,) = day.orders(45 * MINUTE_MS, "18.5")
    assert order == Order(
        id="kotak:PARTIAL_PROFIT_BOOKING_50:2700000",
        ladder="kotak",
        kind=Kind.BOOK,
        by=BOOK_50,
        reason="KOTAKBANK booking 50% (P&L 18.5%, age 45.0 min): sell 50, 50 remain",
        priority=Priority.IMMEDIATE,
        fraction=Decimal("0.50"),
    )
    assert day.orders(45 * MINUTE_MS, "18.5") == (order,)


def test_orders_when_several_rules_fire_then_bear_their_priorities() -> None:
    orders = Day(BOOK_75, LOCK, TRAIL).orders(HOUR_MS, "30")
    assert [(order.by, order.priority) for order in orders] == [
        (BOOK_75, Priority.IMMEDIATE),
        (LOCK, Priority.NEXT_CYCLE),
        (TRAIL, Priority.BACKGROUND),
    ]


def test_rule_when_its_decision_waits_or_has_ended_without_a_fill_then_is_not_spent() -> None:
    day = Day(BOOK_50)
    (order,) = day.orders(HOUR_MS, "20")
    waiting = Decision(order=order)
    assert day.orders(HOUR_MS + 12_000, "20", waiting) == ()
    day.desk.heard(waiting)
    assert len(day.orders(HOUR_MS + 24_000, "20")) == 1  # it has ended; the rule asks again
    day.desk.heard(replace(waiting, filled_qty=Decimal(1)))
    assert day.orders(HOUR_MS + 36_000, "20") == ()


def test_rule_when_a_person_books_then_is_not_spent() -> None:
    day = Day(BOOK_50)
    order = Order(id="p1", ladder="kotak", kind=Kind.BOOK, by="person", fraction=Decimal(1))
    day.desk.heard(Decision(order=order, filled_qty=Decimal(50)))
    waiting = Decision(order=order)
    assert len(day.orders(HOUR_MS, "20", waiting)) == 1


def test_stop_when_another_waits_then_only_a_better_one_is_asked_for() -> None:
    day = Day(TRAIL)
    (first,) = day.orders(HOUR_MS, "12")
    waiting = Decision(order=first)
    assert day.orders(HOUR_MS + 12_000, "12.05", waiting) == ()
    (second,) = day.orders(HOUR_MS + 24_000, "13", waiting)
    assert first.price is not None
    assert second.price is not None
    assert second.price > first.price


def test_stop_when_a_better_one_waits_behind_the_one_under_way_then_is_not_asked_for_again() -> (
    None
):
    day = Day(TRAIL)
    (first,) = day.orders(HOUR_MS, "12")
    (second,) = day.orders(HOUR_MS + 12_000, "13", Decision(order=first))
    both = Decision(order=second), Decision(order=first, standing=Standing.EXECUTING)
    assert day.orders(HOUR_MS + 24_000, "13.05", *both) == ()
    assert day.orders(HOUR_MS + 24_000, "13.05", *reversed(both)) == ()


def test_decision_when_the_venue_was_away_for_an_hour_then_is_judged_anew() -> None:
    day = Day(BOOK_50)
    (order,) = day.orders(45 * MINUTE_MS, "18.5")
    for percent, expected in (("18.5", True), ("3", False)):
        now_ms = 105 * MINUTE_MS
        found = day.desk.still_true(order, day.ladder, day.quote(now_ms, percent), now_ms)
        assert found is expected
    assert not day.desk.still_true(order, day.ladder, None, 105 * MINUTE_MS)


def test_desk_when_taken_up_after_a_crash_then_goes_on_as_if_nothing_had_been() -> None:
    day = Day(TRAIL, TIGHTEN)
    day.orders(HOUR_MS, "20")
    written = msgspec.json.encode(day.desk.memories)
    after = Day(TRAIL, TIGHTEN, memories=msgspec.json.decode(written, type=dict[str, Memory]))
    for hours, percent in ((2, "18.5"), (4, "19"), (5, "21")):
        expected = day.orders(hours * HOUR_MS, percent)
        assert after.orders(hours * HOUR_MS, percent) == expected
        assert expected != ()


def test_stop_when_sent_then_its_time_is_remembered_once() -> None:
    day = Day(TRAIL)
    (order,) = day.orders(HOUR_MS, "12")
    for sent_ms in (700, 900, 800):
        day.desk.heard(Decision(order=order, sent_ms=sent_ms))
    assert day.desk.memories["kotak"].stop_sent_ms == 900
    day.desk.forget("kotak")
    assert day.desk.memories == {}


def test_price_when_unknown_then_the_cycle_asks_for_nothing() -> None:
    day = Day(BOOK_75)
    assert day.desk.cycle(day.ladder, None, HOUR_MS, ()).orders == ()


def test_candles_when_no_session_is_on_then_the_last_price_of_it_makes_none() -> None:
    day = Day()
    for minute in range(12):
        quote = replace(day.quote(minute * MINUTE_MS, "0"), in_session=minute < 6)
        day.desk.cycle(day.ladder, quote, minute * MINUTE_MS, ())
    closes = [candle.close_ms for candle in day.market.at(HOUR_MS).candles]
    assert closes == [5 * MINUTE_MS, 10 * MINUTE_MS]
    assert day.market.at(HOUR_MS).candles[-1].high == AVERAGE
