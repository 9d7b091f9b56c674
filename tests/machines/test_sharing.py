"""Sharing: the worked examples of SPEC §4, and the formula against a slow second opinion."""

from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from machines.sharing import Share, ceil_to, floor_to, min_rung_qty, share_out
from machines.words import ZERO, Instrument
from tests.machines.slow_share import minimum, shared
from tests.machines.untraced import untraced

FOUR = tuple(map(Decimal, ("0.85", "0.05", "0.05", "0.05")))
COIN = Instrument("X", Decimal("0.1"), Decimal(1), Decimal(1))
BTC = Instrument("X", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))


class Case(msgspec.Struct, frozen=True):
    """What `share_out` is asked."""

    held: Decimal
    entered: Decimal
    rungs: tuple[Share, ...]
    instrument: Instrument

    def answer(self) -> list[Decimal]:
        return share_out(self.held, self.entered, self.rungs, self.instrument)


def fresh(held: str, entered: str, instrument: Instrument = COIN, *filled: str) -> Case:
    """Four rungs at 105000, 106000, … of which some have filled."""
    rungs = tuple(
        Share(share, Decimal(filled[k] if k < len(filled) else 0), Decimal(105_000 + 1_000 * k))
        for k, share in enumerate(FOUR)
    )
    return Case(Decimal(held), Decimal(entered), rungs, instrument)


# ---------------------------------------------------------------------------- examples of the SPEC


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (fresh("0.66", "0.66", BTC), "0.561 0.033 0.033 0.033"),
        (fresh("0.7", "1", BTC, "0.300"), "0.550 0.050 0.050 0.050"),
        (fresh("25", "25"), "22 1 1 1"),
        (fresh("20", "20"), "17 1 1 1"),
        (fresh("19", "19"), "19 0 0 0"),
        (fresh("5", "5"), "5 0 0 0"),
        (fresh("50", "100"), "43 3 2 2"),
    ],
)
def test_held_when_shared_as_in_the_spec_then_is_as_in_the_spec(case: Case, expected: str) -> None:
    assert case.answer() == [Decimal(one) for one in expected.split()]


def test_held_when_tp1_is_hit_then_the_others_share_it() -> None:
    after = fresh("0.099", "0.66", BTC)
    assert replace(after, rungs=after.rungs[1:]).answer() == [Decimal("0.033")] * 3
    two = fresh("2", "25")
    assert replace(two, rungs=two.rungs[1:]).answer() == [Decimal(2), ZERO, ZERO]


def test_held_when_below_one_step_then_nothing_is_shared() -> None:
    assert fresh("0.5", "1").answer() == [ZERO] * 4
    assert Case(Decimal(5), Decimal(5), (), COIN).answer() == []


def test_held_when_nothing_is_large_enough_then_stop_only() -> None:
    grid = replace(COIN, min_qty=Decimal(30))
    assert replace(fresh("29", "29"), instrument=grid).answer() == [ZERO] * 4
    assert replace(fresh("30", "30"), instrument=grid).answer() == [Decimal(30), ZERO, ZERO, ZERO]


def test_first_rung_when_too_small_then_joins_the_nearest_later() -> None:
    shares = tuple(map(Decimal, ("0.1", "0.2", "0.7")))
    rungs = tuple(Share(share, ZERO, Decimal(100)) for share in shares)
    grid = replace(COIN, min_qty=Decimal(2))
    assert Case(Decimal(10), Decimal(10), rungs, grid).answer() == [ZERO, Decimal(3), Decimal(7)]


def test_rungs_when_all_have_filled_their_share_then_plain_shares_decide() -> None:
    case = fresh("20", "20", COIN, "17", "1", "1", "1")
    assert case.answer() == fresh("20", "20").answer()


def test_fractions_when_they_tie_then_the_earliest_gets_the_spare_step() -> None:
    rungs = tuple(Share(Decimal("0.25"), ZERO, Decimal(100)) for _ in range(4))
    assert Case(Decimal(10), Decimal(10), rungs, COIN).answer() == [3, 3, 2, 2]


def test_thirds_when_joined_then_are_exactly_one() -> None:
    rungs = tuple(Share(Decimal("0.05"), ZERO, Decimal(100)) for _ in range(3))
    assert Case(Decimal(1), Decimal(25), rungs, COIN).answer() == [Decimal(1), ZERO, ZERO]


def test_least_rung_when_notional_decides_then_is_rounded_up_to_the_step() -> None:
    assert min_rung_qty(BTC, Decimal(105_000)) == Decimal("0.001")
    assert min_rung_qty(BTC, Decimal(100)) == Decimal("0.050")
    assert min_rung_qty(BTC, Decimal(99)) == Decimal("0.051")
    assert min_rung_qty(COIN, Decimal(100)) == 1
    assert [ceil_to(Decimal(x), Decimal(5)) for x in (0, 1, 5, 6)] == [0, 5, 5, 10]
    assert [floor_to(Decimal(x), Decimal(5)) for x in (0, 4, 5, 9)] == [0, 0, 5, 5]


# --------------------------------------------------------------------------- the second opinion


def judge(case: Case) -> None:
    """Hold an answer to the slow reference, and to what SPEC promises of any answer."""
    step = case.instrument.step
    found = [qty / step for qty in case.answer()]
    assert found == shared(case.held, case.entered, case.rungs, case.instrument), case
    assert sum(found) in (case.held // step, 0), case
    for steps, rung in zip(found, case.rungs, strict=True):
        assert steps == 0 or steps >= minimum(case.instrument, rung.price), case


STEPS = ("1", "5", "0.001", "0.25", "75")
MENUS = (
    ("0.85", "0.05", "0.05", "0.05"),
    ("0.25", "0.25", "0.25", "0.25"),
    ("0.1", "0.2", "0.3", "0.4"),
    ("0.333", "0.333", "0.334"),
    ("0.98", "0.01", "0.01"),
    ("0.05", "0.05", "0.05"),
    ("1",),
)


def made_up(random: Random) -> Case:
    """Make up a case: quantities in steps, some rungs filled in part or beyond their share."""
    step = Decimal(random.choice(STEPS))
    units = random.choice((3, 30, 300, 3_000))
    entered = random.randint(1, units)
    menu = random.choice(MENUS)
    rungs: list[Share] = []
    price = random.randint(10, 1_000)
    for word in random.sample(menu, random.randint(1, len(menu))):
        filled = random.choice((0, 0, random.randint(0, entered), int(entered * Decimal(word))))
        price += random.randint(1, 30)
        rungs.append(Share(Decimal(word), filled * step, Decimal(price)))
    least = step * random.choice((1, 1, 1, random.randint(1, 9)))
    notional = random.choice((ZERO, ZERO, step * random.randint(1, 9 * price)))
    held = random.randint(0, entered) * step
    return Case(held, entered * step, tuple(rungs), Instrument("X", step, step, least, notional))


@pytest.mark.parametrize("quarter", range(4))
@untraced
def test_cases_when_a_hundred_thousand_are_made_up_then_both_opinions_agree(quarter: int) -> None:
    random = Random(quarter)
    for _ in range(25_000):
        judge(made_up(random))


GRIDS = [
    Instrument("X", Decimal(1), step, step * least, notional)
    for step in map(Decimal, ("0.001", "0.01", "1", "0.0005"))
    for least in (1, 2, 7, 20)
    for notional in (ZERO, Decimal(5), Decimal(100))
]
COUNT = st.integers(0, 4_000)
RUNG = st.tuples(st.integers(1, 1_000), COUNT, st.integers(1, 10**6))
"""A share in thousandths, what has filled in steps, a price."""


def built(held: int, more: int, rungs: list[tuple[int, int, int]], grid: Instrument) -> Case:
    shares = [Share(Decimal(s) / 1_000, f * grid.step, Decimal(px)) for s, f, px in rungs]
    return Case(held * grid.step, (held + more) * grid.step, tuple(shares), grid)


CASE = st.builds(
    built, COUNT, COUNT, st.lists(RUNG, min_size=1, max_size=5), st.sampled_from(GRIDS)
)


@untraced
@settings(max_examples=2_000)
@given(case=CASE)
def test_case_when_anything_is_asked_then_both_opinions_agree(case: Case) -> None:
    judge(case)


@untraced
@settings(max_examples=200)
@given(case=CASE, by=st.sampled_from([Decimal("0.001"), Decimal("0.1"), Decimal(7), Decimal(1000)]))
def test_case_when_every_quantity_is_scaled_then_so_is_the_answer(case: Case, by: Decimal) -> None:
    """The unit of quantity is nobody's business; the notional's is the price's."""
    grid = case.instrument
    scaled = Case(
        case.held * by,
        case.entered * by,
        tuple(replace(r, filled_qty=r.filled_qty * by, price=r.price / by) for r in case.rungs),
        replace(grid, step=grid.step * by, min_qty=grid.min_qty * by, min_notional=ZERO),
    )
    plain = replace(case, instrument=replace(grid, min_notional=ZERO))
    assert scaled.answer() == [qty * by for qty in plain.answer()]


@untraced
@settings(max_examples=200)
@given(case=CASE, by=st.sampled_from([Decimal("0.5"), Decimal(3), Decimal(100)]))
def test_case_when_prices_and_notional_are_scaled_then_nothing_changes(
    case: Case, by: Decimal
) -> None:
    grid = case.instrument
    scaled = replace(
        case,
        rungs=tuple(replace(rung, price=rung.price * by) for rung in case.rungs),
        instrument=replace(grid, min_notional=grid.min_notional * by),
    )
    assert scaled.answer() == case.answer()


@untraced
@settings(max_examples=200)
@given(case=CASE, by=st.sampled_from([Decimal("0.5"), Decimal("0.1")]))
def test_case_when_nothing_has_filled_and_shares_are_scaled_then_nothing_changes(
    case: Case, by: Decimal
) -> None:
    """Only the proportion of the shares counts, and E not at all, before anything fills."""
    rungs = tuple(replace(rung, filled_qty=ZERO) for rung in case.rungs)
    empty = replace(case, rungs=rungs, entered=case.entered + 1)
    scaled = replace(empty, rungs=tuple(replace(r, share=r.share * by) for r in rungs))
    assert scaled.answer() == empty.answer() == replace(empty, entered=Decimal(1)).answer()
