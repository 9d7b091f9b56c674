"""What a mirror is to hold and to do: plans at a ratio, decisions, drift."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from machines.decision import Decision, Kind, Order
from machines.ladder import Ladder, State
from machines.mirror import (
    LIFE_MS,
    drift,
    mirror_name,
    mirror_plan,
    mirrored,
    outlived,
    primary_name,
    too_small,
)
from machines.planning import accept, fill_up, open_ladder
from machines.spec import Anchor, Mirror
from machines.words import Key, Quote
from tests.machines.resting import BTC, SETTING
from tests.machines.test_planning import LONG, entry, px

D = Decimal
HALF = Mirror("second", D("0.5"))
QUOTE = Quote("BTCUSDT", D(104_200), 0, 0)
PLAN = replace(
    LONG, entries=(entry(None, "0.331"), entry("-0.5%", "0.33")), stop=px("-2%")[0],
    targets=px("1%", "2%", "3%", "4%"), mirrors=(HALF,), repeat="when-flat",
)  # fmt: skip


def opened(filled: str = "0") -> Ladder:
    ladder = open_ladder(PLAN, SETTING, Key("paper", "BTCUSDT"), QUOTE, 1_000)
    if filled == "0":
        return accept(ladder, QUOTE, 1_000)
    return fill_up(ladder, [D(104_200), D(103_679)], SETTING, D(filled))


def twin(filled: str) -> Ladder:
    plan = mirror_plan(opened(), HALF, BTC, late=False)
    ladder = open_ladder(plan, SETTING, Key("second", "BTCUSDT"), QUOTE, 1_000)
    return fill_up(ladder, [D(104_200), D(103_679)], SETTING, D(filled))


def test_mirror_plan_when_made_then_has_the_primarys_prices_and_floored_quantities() -> None:
    plan = mirror_plan(opened(), HALF, BTC, late=False)
    assert (plan.name, plan.account) == (f"{PLAN.name}@second", "second")
    assert [each.qty for each in plan.entries] == [D("0.165"), D("0.165")]
    assert plan.entries[0].price is None
    assert plan.entries[1].price == px("103679")[0]
    assert plan.stop == px("102116")[0]
    assert plan.targets[0].at(D(1)) == D("105242")
    assert (plan.rules, plan.mirrors, plan.repeat) == (False, (), None)


def test_mirror_plan_when_late_then_buys_nothing_at_market() -> None:
    plan = mirror_plan(opened(), HALF, BTC, late=True)
    assert [each.price for each in plan.entries] == [px("104200")[0], px("103679")[0]]


def test_mirror_plan_when_prices_follow_the_average_then_they_follow_the_mirrors_own() -> None:
    spec = replace(PLAN, anchor=Anchor.AVERAGE)
    ladder = open_ladder(spec, SETTING, Key("paper", "BTCUSDT"), QUOTE, 1_000)
    plan = mirror_plan(ladder, HALF, BTC, late=False)
    assert (plan.stop, plan.targets) == (spec.stop, spec.targets)


def test_mirror_when_an_entry_would_be_too_small_then_it_is_named() -> None:
    prices = [D(104_200), D(103_679)]
    assert list(too_small(PLAN.entries, prices, HALF, BTC)) == []
    tiny = Mirror("second", D("0.003"))
    assert list(too_small(PLAN.entries, prices, tiny, BTC)) == [
        f"no mirror in second: entries[{n}] {qty} × 0.003 is 0.000, at least 0.001 is taken there"
        for n, qty in ((1, "0.331"), (2, "0.33"))
    ]


def test_names_when_of_a_mirror_then_lead_back_to_its_primary() -> None:
    assert primary_name(mirror_name("btc-1", "second")) == "btc-1"
    assert primary_name("btc-1") == ""


def decision(kind: Kind, **more: object) -> Decision:
    asked = {"id": "d", "ladder": PLAN.name, "kind": kind, "by": "person", "expires_ms": 9}
    order = msgspec.convert({**asked, "expect_version": 3, **more}, Order)
    return Decision(order=order, made_ms=5)


def handed_on(kind: Kind, **more: object) -> Order:
    return mirrored(decision(kind, **more), opened("0.661"), twin("0.165"), HALF.ratio)


def test_decision_when_mirrored_then_keeps_its_fraction_and_has_an_id_of_its_own() -> None:
    order = handed_on(Kind.BOOK, fraction="0.5")
    assert (order.id, order.ladder) == ("d@second", f"{PLAN.name}@second")
    assert (order.fraction, order.by, order.expect_version) == (D("0.5"), "person", None)
    assert order.expires_ms == 5 + LIFE_MS


def test_decision_when_it_adds_then_does_so_at_the_ratio_and_in_time_or_not_at_all() -> None:
    assert handed_on(Kind.SCALE_IN, qty="0.3").qty == D("0.15")
    assert handed_on(Kind.SCALE_IN, fraction="0.3").fraction == D("0.3")
    assert handed_on(Kind.SCALE_IN, qty="0.3").expires_ms == 9


def test_decision_when_it_moves_the_stop_then_a_rules_price_goes_by_the_average() -> None:
    primary, ladder = opened("0.661"), twin("0.165")
    assert (primary.avg_px, ladder.avg_px) == (
        pytest.approx(D("103939.89"), abs=D("0.01")),
        104_200,
    )
    assert handed_on(Kind.MOVE_STOP, price="103000").price == 103_000
    price = handed_on(Kind.MOVE_STOP, price="103000", by="TRAILING_STOP").price
    assert price is not None
    assert price / ladder.avg_px == pytest.approx(D(103_000) / primary.avg_px, abs=D("1e-20"))
    empty = mirrored(
        decision(Kind.MOVE_STOP, price="103000", by="TRAILING_STOP"), primary, opened(), D(1)
    )
    assert empty.price == 103_000  # nothing has filled there yet


@pytest.mark.parametrize(
    ("filled", "held", "target", "part"),
    [
        ("0.661", "0.330", "0.330", "0"),
        ("0.661", "0.165", "0.330", "0.5"),
        ("0.331", "0.165", "0.165", "0"),
        ("0.200", "0.165", "0.100", "0.65"),
        ("0", "0", "0", "0"),
    ],
)
def test_drift_when_entries_have_filled_then_is_against_the_floored_target(
    filled: str, held: str, target: str, part: str
) -> None:
    mirror = twin(held) if D(held) else None
    found = drift(opened(filled), mirror, HALF, D("0.001"))
    assert (found.target, found.held, found.part) == (D(target), D(held), D(part))


def test_drift_when_the_primary_has_sold_then_is_against_the_same_part() -> None:
    primary = replace(opened("0.661"), held=D("0.0991"))
    assert drift(primary, twin("0.330"), HALF, D("0.001")).target == D("0.049")


def test_drift_when_the_primary_is_closed_then_all_that_is_held_is_too_much() -> None:
    primary = replace(opened("0.661"), state=State.CLOSED, held=D(0))
    assert drift(primary, twin("0.330"), HALF, D("0.001")).part == 1
    assert drift(primary, None, HALF, D("0.001")).part == 0


@given(st.integers(1, 661), st.integers(1, 40).map(lambda n: D(n) / 20))
def test_drift_when_a_mirror_holds_its_target_then_there_is_none(
    filled: int, ratio: Decimal
) -> None:
    mirror = Mirror("second", ratio)
    primary = opened(str(D(filled) / 1000))
    target = drift(primary, None, mirror, D("0.001")).target
    exact = primary.held * ratio
    assert exact - 2 * D("0.001") < target <= exact  # each of two entries is floored
    holds = replace(twin("0.330"), held=target)
    assert drift(primary, holds, mirror, D("0.001")).part == 0


def test_entries_when_the_primary_enters_no_more_then_outlive_it() -> None:
    ladder = twin("0.165")
    assert outlived(opened("0.331"), ladder) == ()
    assert outlived(opened("0.661"), ladder) == (2,)
    scaled = replace(ladder.entries[1], expires_ms=30_000)
    assert outlived(opened("0.661"), replace(ladder, entries=(ladder.entries[0], scaled))) == ()
