"""Plans that repeat: when flat, or by time."""

from itertools import pairwise
from pathlib import Path

import pytest

from controller.openings import Openings, Waiting
from tests.controller.plans import PLAN, faults, read
from tests.controller.runs import parse, run, with_state

HOUR_MS = 3_600_000
WALK = """
[controller]
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
feed = { BTCUSDT = "random-walk:7" }
instruments.BTCUSDT = { tick = "0.10", step = "0.001", min_qty = "0.001" }
[[positions]]
name = "each"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ { price = "market", qty = "0.1" } ]
stop = "-1%"
targets = ["1%", "2%", "3%", "4%"]
repeat = "6h"
"""


def waiting(repeat: str) -> Waiting:
    return Waiting(read(f'{PLAN}repeat = "{repeat}"').positions[0])


def test_plan_when_it_repeats_by_time_then_is_due_so_long_after_its_last_opening() -> None:
    plan = waiting("90m")
    assert plan.due_ms == 0
    openings = Openings([plan])
    openings.opened(plan, "btc-1-0001", 1_000)
    assert plan.due_ms == 1_000 + HOUR_MS * 3 // 2
    assert openings.startable(lambda _: False, lambda _: True) == [plan]
    assert openings.startable(lambda _: True, lambda _: False) == []


def test_plan_when_it_repeats_when_flat_then_waits_for_its_last_run() -> None:
    plan = waiting("when-flat")
    openings = Openings([plan])
    openings.opened(plan, "btc-1-0001", 1_000)
    assert plan.due_ms == 0
    assert openings.startable(lambda _: False, lambda _: True) == []


@pytest.mark.parametrize("repeat", ["often", "0h", "1"])
def test_repeat_when_it_is_no_time_then_says_how(repeat: str) -> None:
    (fault,) = faults(f'{PLAN}repeat = "{repeat}"')
    assert 'allowed: "when-flat", or a time like "1h"' in fault


def test_run_when_a_plan_repeats_by_time_then_opens_one_so_often(tmp_path: Path) -> None:
    config = with_state(parse(WALK, "walk", tmp_path, {}), tmp_path / "s.db")
    opened = [r.at_ms for r in run(config) if r.data.get("row") == "E1"]
    assert len(opened) == 28  # a week
    assert {later - sooner for sooner, later in pairwise(opened)} == {6 * HOUR_MS}
