"""Prices: rounding to the tick, and break-even (SPEC §4 *Rounding*, *Break-even*)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from machines.ladder import Ladder, break_even_px
from machines.pricing import (
    Costs,
    break_even,
    entry_px,
    exit_px,
    tick_down,
    tick_nearest,
    tick_up,
)
from machines.spec import BreakEven, Rounding
from machines.words import ZERO, Direction
from tests.machines.scenario import SCENARIOS, Run
from tests.machines.script import read

TENTH = Decimal("0.1")
LONG, SHORT = Direction.LONG, Direction.SHORT
FAVOURABLE, NEAREST = Rounding.FAVOURABLE, Rounding.NEAREST

TICK = st.sampled_from([Decimal(t) for t in ("0.1", "0.05", "0.001", "0.5", "25", "0.3")])
PRICE = st.decimals("0.01", "200000", allow_nan=False, places=6)


# --------------------------------------------------------------------------------------- rounding


@pytest.mark.parametrize(
    ("price", "down", "nearest", "up"),
    [
        ("104000", "104000", "104000", "104000"),
        ("104000.04", "104000", "104000", "104000.1"),
        ("104000.05", "104000", "104000", "104000.1"),
        ("104000.15", "104000.1", "104000.2", "104000.2"),
        ("104000.06", "104000", "104000.1", "104000.1"),
        ("104055.81", "104055.8", "104055.8", "104055.9"),
    ],
)
def test_price_when_rounded_then_goes_where_it_is_told(
    price: str, down: str, nearest: str, up: str
) -> None:
    value = Decimal(price)
    assert tick_down(value, TENTH) == Decimal(down)
    assert tick_nearest(value, TENTH) == Decimal(nearest)
    assert tick_up(value, TENTH) == Decimal(up)


def test_quotient_when_exactly_on_the_tick_then_stays_there() -> None:
    third = Decimal("312387.3") / 3
    assert tick_up(third, TENTH) == tick_down(third, TENTH) == Decimal("104129.1")


@pytest.mark.parametrize("mode", Rounding)
def test_roundings_when_favourable_then_help_whoever_trades(mode: Rounding) -> None:
    value, near = Decimal("100.06"), Decimal("100.1")
    helped = mode is FAVOURABLE
    assert entry_px(value, TENTH, LONG, mode) == (Decimal(100) if helped else near)
    assert entry_px(value, TENTH, SHORT, mode) == near
    assert exit_px(value, TENTH, LONG, mode) == near
    assert exit_px(value, TENTH, SHORT, mode) == (Decimal(100) if helped else near)


@settings(max_examples=300)
@given(price=PRICE, tick=TICK)
def test_price_when_rounded_then_is_on_the_tick_and_near(price: Decimal, tick: Decimal) -> None:
    down, nearest, up = (f(price, tick) for f in (tick_down, tick_nearest, tick_up))
    assert down <= price <= up
    assert up - down in (ZERO, tick)
    assert nearest in (down, up)
    assert abs(nearest - price) * 2 <= tick
    assert all(one % tick == 0 for one in (down, nearest, up))


@settings(max_examples=300)
@given(ticks=st.integers(1, 10**6), part=st.decimals("-0.999", "0.999", places=3), tick=TICK)
def test_price_when_mirrored_then_rounds_to_the_mirrored_price(
    ticks: int, part: Decimal, tick: Decimal
) -> None:
    """Reflected at any tick, a long's rounding is a short's."""
    middle, off = 2 * ticks * tick, part * tick
    for px in (entry_px, exit_px):
        long = px(middle + off, tick, LONG, FAVOURABLE)
        short = px(middle - off, tick, SHORT, FAVOURABLE)
        assert long - middle == middle - short
    assert tick_nearest(middle + off, tick) - middle == middle - tick_nearest(middle - off, tick)


# ------------------------------------------------------------------------------------- break-even


def of_the_spec() -> Ladder:
    """SPEC §4's example: three entries filled, and funding of 10.40 paid on 1.0."""
    run = Run(read(SCENARIOS / "entries_fill_one_by_one.ladder"))
    run.play()
    assert run.ladder is not None
    return replace(run.ladder, funding=Decimal("10.40"), funding_per_unit=Decimal("10.40"))


def test_break_even_when_counted_as_in_the_spec_then_is_as_in_the_spec() -> None:
    ladder = of_the_spec()
    assert ladder.avg_px == Decimal(103_903)
    assert ladder.entry_fees / ladder.entered_qty == Decimal("33.1804")
    costs = Costs(
        avg_px=ladder.avg_px,
        entry_fee=Decimal("33.1804"),
        funding=Decimal("10.40"),
        taker=Decimal("0.00055"),
        slippage=Decimal("0.0005"),
    )
    assert round(break_even(LONG, costs), 2) == Decimal("104055.81")
    assert break_even_px(ladder) == Decimal("104055.9")


@pytest.mark.parametrize("rounding", Rounding)
def test_break_even_when_rounded_then_follows_the_exits(rounding: Rounding) -> None:
    ladder = of_the_spec()
    spec = ladder.terms.spec
    spec = replace(spec, rounding=replace(spec.rounding, exits=rounding))
    ladder = replace(ladder, terms=replace(ladder.terms, spec=spec))
    expected = "104055.9" if rounding is FAVOURABLE else "104055.8"
    assert break_even_px(ladder) == Decimal(expected)


def test_break_even_when_tp1_has_banked_then_the_whole_trade_counts_it() -> None:
    ladder = of_the_spec()
    spec = replace(ladder.terms.spec, break_even=BreakEven.WHOLE_TRADE)
    whole = replace(ladder, terms=replace(ladder.terms, spec=spec))
    assert break_even_px(whole) == break_even_px(ladder)
    sold, gain, fee = Decimal("0.85"), Decimal("932.45"), Decimal("17.85")
    left = ladder.held - sold
    after = replace(
        whole,
        held=left,
        held_cost=ladder.avg_px * left,
        realised=gain,
        fees=ladder.fees + fee,
    )
    banked = (gain - fee - sold * Decimal("33.1804")) / left
    expected = (103_903 + Decimal("33.1804") + Decimal("10.40") - banked) / (
        (1 - Decimal("0.00055")) * (1 - Decimal("0.0005"))
    )
    assert break_even_px(after) == tick_up(expected, TENTH)


RATE = st.decimals("0", "0.002", places=5)
COSTS = st.builds(
    Costs,
    avg_px=st.decimals("100", "200000", places=2),
    entry_fee=st.decimals("0", "5", places=4),
    funding=st.decimals("-5", "5", places=4),
    taker=RATE,
    slippage=RATE,
    banked=st.decimals("-3", "3", places=4),
)


def net(direction: Direction, costs: Costs, trigger: Decimal) -> Fraction:
    """What one unit earns if the stop at ``trigger`` slips as expected and pays the taker's fee."""
    sign = 1 if direction is LONG else -1
    f, s, px = Fraction(costs.taker), Fraction(costs.slippage), Fraction(trigger)
    filled = px * (1 - sign * s)
    burden = Fraction(costs.entry_fee) + Fraction(costs.funding) - Fraction(costs.banked)
    return sign * (filled - Fraction(costs.avg_px)) - filled * f - burden


@settings(max_examples=500)
@given(costs=COSTS, direction=st.sampled_from(list(Direction)))
def test_break_even_when_the_stop_slips_as_expected_then_nothing_is_lost(
    costs: Costs, direction: Direction
) -> None:
    trigger = exit_px(break_even(direction, costs), TENTH, direction, FAVOURABLE)
    assert net(direction, costs, trigger) >= 0
    worse = trigger - TENTH if direction is LONG else trigger + TENTH
    assert net(direction, costs, worse) < 0
