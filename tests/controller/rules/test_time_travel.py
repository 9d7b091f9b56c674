"""Time travel through the thresholds of each rule: freeze, look, move, look, on both sides.

Each test runs for a long and, mirrored, for a short.
"""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from controller.config_accounts import VenueName
from controller.rules.candles import Market
from controller.rules.settings import (
    BOOK_50,
    BOOK_75,
    EXIT,
    LOCK,
    SCALE,
    TIGHTEN,
    TRAIL,
    VOLATILITY,
    Behind,
    ExitSettings,
    RuleSettings,
    TrailSettings,
)
from controller.rules.views import Place, remember_filled, remember_stop_sent
from exchanges.zerodha.sessions import Market as Desk
from exchanges.zerodha.sessions import read_calendar
from machines.decision import Kind
from machines.ladder import State
from machines.words import Direction
from tests.controller.rules.positions import AVERAGE, Trader, at, candles, filled, now_ms, trading

LONG, SHORT = Direction.LONG, Direction.SHORT
both_sides = pytest.mark.parametrize("side", [LONG, SHORT])


def mirrored(price: str, side: Direction) -> Decimal:
    """A long's price, or the short's: as far on the other side of the average."""
    return Decimal(price) if side is LONG else 2 * AVERAGE - Decimal(price)


@both_sides
def test_booking_50_when_thirty_minutes_are_over_then_fires(side: Direction) -> None:
    with trading(side, rules=(BOOK_50,)) as trader:
        trader.see("18.5").move(minutes=29, seconds=59)
        assert trader.fires == []
        assert trader.move(milliseconds=999).fires == []
        assert trader.move(milliseconds=1).fires == [BOOK_50]


@both_sides
def test_booking_50_when_profit_passes_fifteen_percent_then_fires_both_ways(
    side: Direction,
) -> None:
    with trading(side, rules=(BOOK_50,)) as trader:
        trader.move(minutes=45)
        seen = [bool(trader.see(p).move(seconds=12).fires)
                for p in ("14.99", "15", "15.01", "14.99", "-15", "15")]  # fmt: skip
        assert seen == [False, True, True, False, False, True]


def test_booking_50_when_the_night_lies_between_then_it_does_not_count() -> None:
    with trading(rules=(BOOK_50,)) as trader:
        trader.see("16").move(minutes=29).night(hours=17, minutes=45)
        assert trader.fires == []
        assert trader.move(minutes=1).fires == [BOOK_50]


def test_booking_50_when_it_fires_then_says_so_as_a_trader_wants_to_read_it() -> None:
    with trading(rules=(BOOK_50,)) as trader:
        trader.see("18.5").move(minutes=45, seconds=12)
        said = "KOTAKBANK booking 50% (P&L 18.5%, age 45.2 min): sell 50, 50 remain"
        assert trader.says == [said]


@both_sides
def test_booking_75_when_profit_passes_25_percent_then_goes_before_the_lower(
    side: Direction,
) -> None:
    with trading(side, rules=(BOOK_50, BOOK_75)) as trader:
        assert trader.see("24.99").fires == []
        assert trader.see("25").fires == [BOOK_75]  # at any age
        trader.move(minutes=30)
        assert trader.fires == [BOOK_75]  # one booking a cycle
        assert trader.see("24.99").fires == [BOOK_50]


def test_booking_when_its_decision_has_filled_then_is_spent_and_so_are_lower_tiers() -> None:
    with trading(rules=(BOOK_50, BOOK_75)) as trader:
        trader.see("26").move(minutes=30)
        fresh = trader.memory
        trader.memory = remember_filled(fresh, BOOK_50, Kind.BOOK, "d1")
        assert trader.fires == [BOOK_75]
        assert trader.see("20").fires == []
        trader.memory = remember_filled(fresh, BOOK_75, Kind.BOOK, "d2")
        assert trader.see("26").fires == []
        assert trader.see("20").fires == []
        trader.memory = fresh  # a decision that ended without a fill
        assert trader.fires == [BOOK_50]


def test_booking_when_less_than_a_step_would_be_sold_then_does_not_fire() -> None:
    with trading(qty=1, rules=(BOOK_50,)) as trader:
        assert trader.see("20").move(hours=1).fires == []


def running(trader: Trader, change: str, volume: int, last_ms: int) -> Trader:
    """Let the last three of twenty candles go so many percent our way, on a volume."""
    sign = trader.ladder.sign
    end = 100 + sign * Decimal(change)
    closes = ["100"] * 20 + [str(end)]
    trader.market = Market(candles(closes, [100] * 19 + [volume], last_ms))
    return trader


@both_sides
def test_scaling_when_the_market_runs_one_percent_on_twice_the_volume_then_fires(
    side: Direction,
) -> None:
    with trading(side, rules=(SCALE,)) as trader:
        trader.move(minutes=20).see("5")
        last = now_ms()
        # 212 is the least above twice the mean of 20 of which it is one itself.
        seen = [running(trader, *market, last).fires
                for market in (("0.99", 300), ("1", 211), ("1", 212), ("-1", 300))]  # fmt: skip
        assert seen == [[], [], [SCALE], []]
        running(trader, "1", 212, last)
        assert trader.see("4.99").fires == []


def test_scaling_when_candles_are_too_few_or_too_old_or_without_volume_then_is_silent() -> None:
    with trading(rules=(SCALE,)) as trader:
        trader.move(minutes=20).see("6")
        assert running(trader, "2", 500, now_ms()).fires == [SCALE]
        assert trader.move(minutes=5).fires == [SCALE]
        assert trader.move(milliseconds=1).fires == []
        running(trader, "2", 500, now_ms())
        whole = trader.market
        trader.market = Market(whole.candles[1:])
        assert trader.fires == []
        unknown = tuple(candle._replace(volume=Decimal(0)) for candle in whole.candles)
        trader.market = Market(unknown)
        assert trader.fires == []


def test_scaling_when_93_are_held_then_buys_23_once_and_within_the_most() -> None:
    with trading(qty=93, rules=(SCALE,)) as trader:
        running(trader.move(minutes=15).see("6.2"), "1.4", 300, now_ms())
        said = (
            "KOTAKBANK scaling in 25% (P&L 6.2%, age 15.0 min, 1.4% in 3 candles, volume 2.7x): "
            "buy 23, 116 held"
        )
        assert trader.says == [said]
        fresh = trader.memory
        trader.memory = remember_filled(fresh, SCALE, Kind.SCALE_IN, "d1")
        assert trader.fires == []
        trader.memory = fresh
        trader.ladder = replace(trader.ladder, entered_qty=Decimal(94))
        assert trader.fires == []  # 94 + 23 would be more than 1.25 × 93


def test_scaling_when_entries_still_work_then_leaves_room_for_them() -> None:
    with trading(rules=(SCALE,)) as trader:
        running(trader.move(minutes=15).see("7"), "2", 300, now_ms())
        trader.ladder = filled(trader.ladder.terms.spec, 0, 0, 80)
        assert trader.fires == [SCALE]
        # All hundred are entered or working, so that 26 more would be beyond 125.
        trader.ladder = replace(trader.ladder, held=Decimal(104), held_cost=104 * AVERAGE)
        assert trader.fires == []


def test_scaling_when_tp1_is_hit_then_waits_for_the_plan_to_allow_it() -> None:
    for allowed in (False, True):
        with trading(rules=(SCALE,), scale_after_tp1=allowed) as trader:
            running(trader.move(minutes=15).see("7"), "2", 300, now_ms())
            assert trader.in_state(State.TP1_HIT).fires == [SCALE] * allowed


@both_sides
def test_adjustment_when_profit_passes_ten_percent_then_locks_two_in(side: Direction) -> None:
    with trading(side, rules=(LOCK,)) as trader:
        assert trader.see("9.99").fires == []
        assert trader.see("10").stop == mirrored("1836", side)
        trader.stop_at(mirrored("1836", side))
        assert trader.see("12").stop is None
        trader.stop_at(mirrored("1840", side))  # somebody has tightened it further
        assert trader.stop is None


@both_sides
def test_tightening_when_hours_pass_then_goes_to_break_even_in_four_steps(side: Direction) -> None:
    with trading(side, rules=(TIGHTEN,)) as trader:
        trader.see("1").move(hours=3, minutes=59, seconds=59, milliseconds=999)
        assert trader.stop is None
        trader.move(milliseconds=1)
        for long_stop in ("1779.75", "1786.5", "1793.25", "1800"):
            price = mirrored(long_stop, side)
            assert trader.stop == price
            trader.stop_at(price)
            trader.move(minutes=59, seconds=59, milliseconds=999)
            assert trader.stop is None
            trader.move(milliseconds=1)
        assert trader.move(hours=90).stop is None


def test_tightening_when_hours_were_missed_then_takes_the_step_of_now() -> None:
    with trading(rules=(TIGHTEN,)) as trader:
        assert trader.see("1").move(hours=6, minutes=10).stop == Decimal("1793.25")
        assert trader.move(hours=200).stop == Decimal(1800)


def test_tightening_when_the_step_is_too_near_the_market_then_waits_for_room() -> None:
    with trading(rules=(TIGHTEN,)) as trader:
        trader.move(hours=8).price = Decimal("1805.40")
        assert trader.stop is None
        trader.price = Decimal("1805.45")  # 0.3 % of it is 5.41635
        assert trader.stop == Decimal(1800)


@both_sides
def test_volatility_when_atr_is_half_above_its_median_then_keeps_three_away(
    side: Direction,
) -> None:
    with trading(side, rules=(VOLATILITY,)) as trader:
        trader.see("2")
        for atr, fires in (("11.99", False), ("12", True), ("13", True), ("11.99", False)):
            trader.market = Market(atr=Decimal(atr), usual_atr=Decimal(8))
            price = trader.ladder.sign * -3 * Decimal(atr) + at("2", side)
            assert trader.stop == (price if fires else None)
        trader.market = Market(atr=Decimal(12))  # not twenty sessions yet
        assert trader.stop is None


@both_sides
def test_trailing_when_ten_percent_are_passed_then_is_armed_for_good(side: Direction) -> None:
    with trading(side, rules=(TRAIL,)) as trader:
        trader.market = Market(atr=Decimal(20))
        assert trader.see("9.99").stop is None
        assert trader.see("10").stop == mirrored("1920", side)  # 1980 less three ATR
        assert trader.move(seconds=12).see("12").stop == mirrored("1956", side)
        # The best price counts, not the present one.
        assert trader.move(seconds=12).see("9.5").stop == mirrored("1956", side)
        assert trader.move(seconds=12).see("8.9").stop is None  # too near


def test_trailing_when_tp2_is_hit_then_is_armed_below_ten_percent() -> None:
    settings = RuleSettings(trail=TrailSettings(behind=Behind.PERCENT))
    with trading(settings=settings, rules=(TRAIL,)) as trader:
        assert trader.see("3").hit(1).stop is None
        assert trader.hit(2).stop == Decimal("1816.95")  # 2 % below 1854, up to the tick


def test_trailing_when_atr_is_unknown_then_keeps_two_percent() -> None:
    with trading(rules=(TRAIL,)) as trader:
        assert trader.see("10").stop == Decimal("1940.40")


def test_trailing_when_behind_rungs_then_follows_them() -> None:
    settings = RuleSettings(trail=TrailSettings(behind=Behind.RUNG))
    with trading(settings=settings, rules=(TRAIL,)) as trader:
        assert trader.see("35").hit(1).stop is None
        assert trader.see("45").hit(2).stop == AVERAGE * Decimal("1.3")


@both_sides
def test_exit_when_the_greatest_age_is_reached_then_fires_in_trading_time(side: Direction) -> None:
    settings = RuleSettings(exit=ExitSettings(max_age_ms=3_600_000))
    with trading(side, settings=settings) as trader:
        assert trader.move(minutes=59, seconds=59).fires == []
        assert trader.night(hours=12).fires == []
        assert trader.move(seconds=1).fires == [EXIT]


def test_exit_when_no_age_is_set_then_never_fires() -> None:
    with trading() as trader:
        assert trader.move(days=300).fires == []


@pytest.mark.parametrize(
    ("desk", "minutes"), [(Desk.CASH, 5 * 60 + 50), (Desk.FNO, 6 * 60 + 5)], ids=["cash", "fno"]
)
@both_sides
def test_square_off_when_its_minute_comes_then_exits_whatever_is_switched_off(
    desk: Desk, minutes: int, side: Direction
) -> None:
    """At 15:05 in the cash market, at 15:20 in derivatives: so long after 09:15."""
    off = RuleSettings(exit=ExitSettings(enabled=False))
    with trading(side, settings=off, rules=False) as trader:
        session = read_calendar().session(desk, date(2025, 6, 2))
        assert session is not None
        trader.place = Place(VenueName.ZERODHA, session.mis_exit_ms)
        trader.move(minutes=minutes, milliseconds=-1)
        assert trader.fires == []
        assert trader.move(milliseconds=1).fires == [EXIT]
        assert trader.evaluate().proposals[0].kind is Kind.EXIT
        for state in (State.PENDING_LIMITS, State.TP1_HIT, State.HALTED):
            assert trader.in_state(state).fires == [EXIT]
        for state in (State.CLOSING, State.CLOSED):
            assert trader.in_state(state).fires == []


def test_rules_when_the_price_is_unknown_or_old_or_the_market_shut_then_none_fires() -> None:
    with trading() as trader:
        trader.see("30").move(hours=10)
        trader.place = Place(square_off_ms=now_ms())
        assert trader.fires == [EXIT]
        trader.price = None
        assert trader.fires == []
        trader.see("30").in_session = False
        assert trader.fires == []


def test_quote_when_older_than_fifteen_seconds_then_no_rule_fires() -> None:
    with trading(rules=(BOOK_75,)) as trader:
        trader.see("30").falls_silent()
        assert trader.move(seconds=15).fires == [BOOK_75]
        assert trader.move(milliseconds=1).fires == []


def test_stop_of_a_rule_when_at_zerodha_then_is_sent_once_a_minute() -> None:
    for venue in (VenueName.ZERODHA, VenueName.SIMULATED):
        with trading(venue=venue, rules=(LOCK,)) as trader:
            trader.see("10")
            trader.memory = remember_stop_sent(trader.memory, now_ms())
            trader.move(seconds=59, milliseconds=999)
            assert trader.fires == ([] if venue is VenueName.ZERODHA else [LOCK])
            assert trader.move(milliseconds=1).fires == [LOCK]
