"""A simulated day of twenty ladders with every fault at 5 % and an hour without the venue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from machines.ladder import State
from tests.simulation.fault_day import day_config, doubled, run_day

CANDLES = "bybit_linear_BTCUSDT_1m_20250530_20250629.csv.gz"
CLASSES = (
    "lost_before", "lost_after", "late", "twice", "refused", "busy", "malformed",
    "stale_read", "partial_poll", "failed_read", "nonsense",
)  # fmt: skip
OUTAGE = 'outage = ["2025-05-30T20:00:00Z..2025-05-30T21:00:00Z"]'


@pytest.mark.parametrize("seed", [1])
def test_day_when_every_fault_strikes_then_all_holds_and_the_cash_agrees(
    seed: int, tmp_path: Path, shared_data: Path
) -> None:
    faults = ", ".join([*(f'{name} = "5%"' for name in CLASSES), OUTAGE])
    judge, keeper, records = run_day(day_config(tmp_path, shared_data / CANDLES, seed, faults))
    assert judge.wrong == []
    assert {name: n for name, n in judge.venue.hits.items() if not n} == {}
    assert doubled(records) == []
    ladders = [kept.ladder for kept in keeper.kept.values()]
    assert sum(ladder.state is State.CLOSED for ladder in ladders) > 100
    assert [ladder.flights for ladder in ladders if ladder.flights] == []
    venue = judge.venue.inner
    booked = sum((ladder.cash - ladder.fees for ladder in ladders), Decimal(0))
    assert venue.cash - Decimal(100_000) == booked
    told = [record.data for record in records if record.kind == "fill"]
    fills = [fill for book in venue.state.books for fill in book.fills]
    assert len(told) == len({row["fill_id"] for row in told}) == len(fills)
    assert sum(Decimal(str(row["fee"])) for row in told) == sum(fill.fee for fill in fills)
