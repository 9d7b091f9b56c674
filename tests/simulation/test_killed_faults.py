"""Kills and a bad line together: a day of eight ladders, every fault at 5 %, ten deaths."""

from __future__ import annotations

import random
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from controller.config import load
from controller.journal import Record
from machines.ladder import LIVE, State
from tests.simulation.fault_day import day_text, doubled, run_day
from tests.simulation.test_fault_day import CANDLES, CLASSES
from tests.simulation.test_killed import child

KILLS = 10
MOMENTS = 3_000
"""At least so many moments to die has a run of the whole day; most of them are spent in kills."""


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=pytest.mark.prove) for n in range(2, 12))]
)
def test_day_when_killed_ten_times_behind_a_bad_line_then_all_holds_and_the_cash_agrees(
    seed: int, tmp_path: Path, shared_data: Path
) -> None:
    faults = ", ".join(f'{name} = "5%"' for name in CLASSES)
    path = tmp_path / "day.toml"
    path.write_text(day_text(tmp_path, shared_data / CANDLES, seed, faults, ladders=8))
    draw = random.Random(seed)
    for _ in range(KILLS):
        died = child(path, draw.randint(1, MOMENTS // KILLS * 3 // 2))
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    judge, keeper, records = run_day(load(path), on_file=True)
    assert judge.wrong == []
    assert doubled(records) == []
    check_orders(records, set(judge.venue.inner.state.ids))
    ladders = [kept.ladder for kept in keeper.kept.values()]
    # The market stood still for the last minutes, and the line was good: everything has settled.
    assert {ladder.state for ladder in ladders} <= {State.CLOSED, State.PENDING_LIMITS, *LIVE}
    assert [ladder.flights for ladder in ladders if ladder.flights] == []
    booked = sum((ladder.cash - ladder.fees for ladder in ladders), Decimal(0))
    assert judge.venue.inner.cash - Decimal(100_000) == booked
    told = [record.data["fill_id"] for record in records if record.kind == "fill"]
    fills = [fill.fill_id for book in judge.venue.inner.state.books for fill in book.fills]
    assert sorted(map(str, told)) == sorted(fills)


def check_orders(records: list[Record], at_the_venue: set[str]) -> None:
    """No order at the venue without an intent."""
    intended = {str(r.data["client_order_id"]) for r in records if r.data.get("op") == "place"}
    assert at_the_venue
    assert at_the_venue <= intended
