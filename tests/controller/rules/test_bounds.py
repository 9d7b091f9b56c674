"""What holds for any position whatever: rules are pure, never loosen, and keep their distance.

Thousands of positions drawn by a seed, near enough to the thresholds that every rule fires often:
that it does is a test of its own.
"""

from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random

import msgspec

from controller.config_accounts import VenueName
from controller.rules.engine import Engine
from controller.rules.settings import NAMES, ExitSettings, RuleSettings
from controller.rules.stops import LEAST_DISTANCE, LEAST_MOVE, LEAST_TICKS, ZERODHA_GAP_MS
from controller.rules.views import PositionView, Spent
from exchanges.feeds import Bar
from machines.decision import Kind, Order
from machines.ladder import LIVE, State
from machines.spec import Rounding
from machines.words import Direction
from tests.controller.rules.positions import AVERAGE, FIVE_MS

VIEWS = 6_000
NOW_MS = 100_000_000
ENGINE = Engine(RuleSettings(exit=ExitSettings(max_age_ms=29_000_000)), Path(), lambda: 0)


@cache
def views() -> list[PositionView]:
    rng = Random(20_250_602)
    return [drawn(rng) for _ in range(VIEWS)]


def drawn(rng: Random) -> PositionView:
    """Draw a position: mostly ahead, its stop mostly behind, anything now and then unknown."""
    side = rng.choice(list(Direction))
    sign = 1 if side is Direction.LONG else -1

    def price(low: int, high: int) -> Decimal:
        """A price so many thousandths of the average toward profit."""
        return AVERAGE * (1 + sign * Decimal(rng.randint(low, high)) / 1000)

    def maybe(value: Decimal) -> Decimal | None:
        return None if rng.random() < 0.06 else value

    return PositionView(
        name="kotak",
        symbol="KOTAKBANK",
        side=side,
        state=rng.choice([*LIVE, *LIVE, *LIVE, *State]),
        now_ms=NOW_MS,
        held=Decimal(rng.choice([0, 1, 3, 40, 100, 101])),
        planned_qty=Decimal(100),
        entered_qty=Decimal(100),
        avg_px=AVERAGE,
        exit_px=maybe(price(-50, 400)),
        age_ms=rng.randint(0, 30_000_000),
        stop_px=maybe(price(-60, 150)),
        s0_px=maybe(price(-60, -5)),
        break_even=maybe(price(0, 3)),
        rungs_hit=tuple(n for n in range(1, 5) if rng.random() < 0.3),
        rung_behind_px=maybe(price(10, 100)),
        may_scale=rng.random() < 0.8,
        room_qty=Decimal(rng.randint(0, 90)),
        spent=tuple(
            Spent(rng.choice(NAMES[:3]), Kind.BOOK, str(n)) for n in range(rng.randint(0, 1))
        ),
        candles=candles(rng, sign),
        atr=maybe(Decimal(rng.randint(0, 60))),
        usual_atr=maybe(Decimal(rng.randint(0, 30))),
        armed_ms=None,
        best_px=maybe(price(90, 300)),
        stop_sent_ms=rng.choice([None, NOW_MS - rng.randint(0, 2 * ZERODHA_GAP_MS)]),
        tick=rng.choice([Decimal("0.05"), Decimal(5)]),
        step=rng.choice([Decimal(1), Decimal(25)]),
        rounding=rng.choice(list(Rounding)),
        venue=rng.choice(list(VenueName)),
        in_session=rng.random() < 0.95,
        session_ends_ms=None,
        square_off_ms=rng.choice([None] * 20 + [NOW_MS, NOW_MS + 1]),
        rules=rng.choice([True, True, True, False, NAMES[::2]]),
    )


def candles(rng: Random, sign: int) -> tuple[Bar, ...]:
    level = AVERAGE
    found: list[Bar] = []
    for n in range(rng.choice([0, 2, 19, 20, 20, 20, 20])):
        end = level * (1 + sign * Decimal(rng.randint(1, 8)) / 1000)
        volume = Decimal(rng.choice([0, 20, 20, 20, 400]))
        bounds = max(level, end), min(level, end)
        found.append(Bar(NOW_MS - (19 - n) * FIVE_MS, level, *bounds, end, volume))
        level = end
    return tuple(found)


def test_views_when_drawn_then_every_rule_fires_often() -> None:
    fired = Counter(one.rule for view in views() for one in ENGINE.evaluate(view).proposals)
    assert set(fired) == set(NAMES)
    assert min(fired.values()) >= 50, fired


def test_rules_when_asked_twice_then_answer_the_same_and_change_nothing() -> None:
    for view in views():
        before = msgspec.json.encode(view)
        assert ENGINE.evaluate(view) == ENGINE.evaluate(view)
        assert msgspec.json.encode(view) == before


def test_rules_when_anything_is_seen_then_never_loosen_and_keep_their_distance() -> None:
    for view in views():
        for one in ENGINE.evaluate(view).proposals:
            if one.kind is not Kind.MOVE_STOP:
                continue
            assert one.price is not None
            assert view.stop_px is not None
            assert view.exit_px is not None
            tighter = view.sign * (one.price - view.stop_px)
            assert one.price % view.tick == 0
            assert tighter >= LEAST_TICKS * view.tick
            assert tighter >= LEAST_MOVE * view.stop_px
            assert view.sign * (view.exit_px - one.price) >= LEAST_DISTANCE * view.exit_px
            recent = view.stop_sent_ms is not None and view.now_ms - view.stop_sent_ms < 60_000
            assert not (recent and view.venue is VenueName.ZERODHA)


def test_rules_when_anything_is_seen_then_book_once_and_leave_alone() -> None:
    for view in views():
        kinds = [one.kind for one in ENGINE.evaluate(view).proposals]
        assert kinds.count(Kind.BOOK) <= 1
        assert Kind.EXIT not in kinds or len(kinds) == 1
        if view.exit_px is None or not view.in_session:
            assert kinds == []
        if view.rules is False and kinds:
            assert view.square_off_ms == NOW_MS  # which nobody switches off


def test_scale_in_when_asked_for_then_has_room() -> None:
    for view in views():
        for one in ENGINE.evaluate(view).proposals:
            if one.kind is Kind.SCALE_IN:
                assert one.fraction is not None
                assert 0 < view.held * one.fraction // view.step * view.step <= view.room_qty


def test_proposal_when_sent_at_once_then_is_still_true() -> None:
    for view in views():
        for one in ENGINE.evaluate(view).proposals:
            order = Order(id="1", ladder="kotak", kind=one.kind, by=one.rule, price=one.price,
                          fraction=one.fraction)  # fmt: skip
            assert ENGINE.still_true(order, view)
