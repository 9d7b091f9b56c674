"""What the rules may ask for together, and what holds for any position whatever."""

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from controller.rules.settings import (
    BOOK_50,
    BOOK_75,
    EXIT,
    LOCK,
    TRAIL,
    ExitSettings,
    RuleSettings,
)
from controller.rules.views import (
    Memory,
    Spent,
    remember_filled,
    remember_fills,
)
from machines.decision import Kind, Order
from machines.ladder import LIVE, State
from machines.words import Quote
from tests.controller.rules.positions import AVERAGE, filled, now_ms, spec_of, trading


def order(rule: str, kind: Kind, price: Decimal | None = None) -> Order:
    fraction = Decimal("0.5") if kind is Kind.BOOK else None
    return Order(id="d1", ladder="kotak", kind=kind, by=rule, price=price, fraction=fraction)


def test_rules_when_a_plan_lists_some_then_only_those_look_after_it() -> None:
    for rules, expected in (
        (True, [BOOK_75, LOCK, TRAIL]),
        ((TRAIL, BOOK_75), [BOOK_75, TRAIL]),
        ((), []),
        (False, []),
    ):
        with trading(rules=rules) as trader:
            assert trader.see("26").fires == expected


def test_rules_when_the_position_is_not_live_then_none_fires() -> None:
    with trading() as trader:
        trader.see("26")
        for state in State:
            assert bool(trader.in_state(state).fires) is (state in LIVE)


def test_exit_when_it_fires_then_nothing_else_does() -> None:
    settings = RuleSettings(exit=ExitSettings(max_age_ms=1))
    with trading(settings=settings) as trader:
        assert trader.see("26").move(hours=5).fires == [EXIT]


def test_rule_when_its_decision_still_waits_then_asks_only_for_a_stop_worth_more() -> None:
    with trading() as trader:
        trader.see("30")
        trader.evaluate()

        def fires(**waiting: Decimal | None) -> list[str]:
            return [one.rule for one in trader.engine.evaluate(trader.view, waiting).proposals]

        assert fires() == [BOOK_75, LOCK, TRAIL]
        assert fires(**{BOOK_75: None}) == [LOCK, TRAIL]
        stop_px = Decimal("2293.20")  # 2 % below 2340
        assert fires(**{BOOK_75: None, LOCK: Decimal(1836), TRAIL: stop_px}) == []
        # A thousandth of what waits: 2.29 against 3.20 and 2.20.
        assert fires(**{BOOK_75: None, LOCK: Decimal(1836), TRAIL: Decimal(2290)}) == [TRAIL]
        assert fires(**{BOOK_75: None, LOCK: Decimal(1836), TRAIL: Decimal(2291)}) == []


def test_decision_when_its_condition_has_gone_then_is_not_true_any_more() -> None:
    with trading() as trader:
        booking = order(BOOK_50, Kind.BOOK)
        trader.see("18.5").move(minutes=45)
        assert trader.engine.still_true(booking, trader.view)
        trader.see("3").move(hours=1)  # the venue was away
        assert not trader.engine.still_true(booking, trader.view)
        trader.price = None
        assert not trader.engine.still_true(booking, trader.view)


def test_decision_when_its_rule_is_spent_or_off_then_is_not_true_any_more() -> None:
    with trading() as trader:
        trader.see("26").move(hours=1)
        fresh = trader.memory
        assert trader.engine.still_true(order(BOOK_50, Kind.BOOK), trader.view)
        assert not trader.engine.still_true(order(BOOK_50, Kind.EXIT), trader.view)
        assert not trader.engine.still_true(order("none_such", Kind.BOOK), trader.view)
        trader.memory = remember_filled(fresh, BOOK_75, Kind.BOOK, "d0")
        assert not trader.engine.still_true(order(BOOK_50, Kind.BOOK), trader.view)
        trader.memory = fresh
        trader.ladder = replace(trader.ladder, terms=replace(trader.ladder.terms, spec=replace(
            trader.ladder.terms.spec, rules=(BOOK_75,))))  # fmt: skip
        assert not trader.engine.still_true(order(BOOK_50, Kind.BOOK), trader.view)


def test_stop_when_the_market_has_come_near_then_is_not_sent_any_more() -> None:
    with trading(rules=(LOCK,)) as trader:
        trader.see("10")
        assert trader.engine.still_true(order(LOCK, Kind.MOVE_STOP, Decimal(1836)), trader.view)
        for price in (Decimal(1975), Decimal(1700), Decimal("1836.01")):
            assert not trader.engine.still_true(order(LOCK, Kind.MOVE_STOP, price), trader.view)


def test_square_off_when_due_then_only_its_exit_is_true() -> None:
    with trading(rules=False) as trader:
        trader.see("26")
        view = replace(trader.view, square_off_ms=now_ms())
        assert trader.engine.still_true(order(EXIT, Kind.EXIT), view)
        assert not trader.engine.still_true(order(BOOK_75, Kind.BOOK), view)
        assert trader.engine.evaluate(view, {EXIT: None}).proposals == ()


def test_memory_when_written_and_read_is_the_same() -> None:
    memory = Memory(
        first_fill_trading_ms=60_000,
        s0_px=Decimal("1773.00"),
        armed_ms=7,
        best_px=Decimal("1980"),
        stop_sent_ms=9,
        spent=(Spent(BOOK_50, Kind.BOOK, "d1"),),
    )
    assert msgspec.json.decode(msgspec.json.encode(memory), type=Memory) == memory
    assert msgspec.json.encode(Memory()) == b"{}"


def test_memory_when_a_decision_fills_twice_then_counts_it_once() -> None:
    once = remember_filled(Memory(), BOOK_50, Kind.BOOK, "d1")
    assert remember_filled(once, BOOK_50, Kind.BOOK, "d1") == once
    assert len(remember_filled(once, BOOK_50, Kind.BOOK, "d2").spent) == 2


def test_age_when_the_first_fill_was_seen_late_then_counts_from_the_fill() -> None:
    spec = spec_of()
    before, after = filled(spec, 0, 0, 0), filled(spec, 0, 0)
    seen = Quote("KOTAKBANK", AVERAGE, at_ms=3_600_000, trading_ms=3_600_000)
    late = remember_fills(Memory(), before, after, seen, filled_ms=60_000)
    assert late.first_fill_trading_ms == 60_000
    assert remember_fills(Memory(), before, after, seen).first_fill_trading_ms == 3_600_000
    # A night between fill and look: the venue traded less than time passed, never before opening.
    overnight = replace(seen, trading_ms=600_000)
    assert remember_fills(Memory(), before, after, overnight, 60_000).first_fill_trading_ms == 0


def test_s0_when_entries_fill_later_then_is_the_stop_at_the_last_of_them() -> None:
    spec = spec_of()
    before, part, whole = filled(spec, 0, 0, 0), filled(spec, 0, 0, 40), filled(spec, 0, 0)
    quote = Quote("KOTAKBANK", AVERAGE, 0, 0)
    memory = remember_fills(Memory(), before, part, quote)
    assert memory.s0_px == Decimal(1773)
    assert whole.stop is not None
    moved = replace(whole, stop=replace(whole.stop, trigger_px=Decimal(1780)))
    later = remember_fills(memory, part, moved, replace(quote, trading_ms=9))
    assert (later.s0_px, later.first_fill_trading_ms) == (Decimal(1780), 0)
    # A merge grows what is entered and is no fill.
    merged = replace(moved, entered_qty=Decimal(150))
    assert remember_fills(memory, moved, merged, quote) == memory
