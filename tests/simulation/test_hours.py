"""A position every hour on real candles, in every exit style: what holds, and what it counts."""

from pathlib import Path

import pytest

from machines.ladder import State
from tests.simulation.hours import POSITION, Told, first_lines, play

DAY = 1_440
MONTH = 43_200
CANDLES = "bybit_linear_BTCUSDT_1m_20250530_20250629.csv.gz"
ACCOUNT = """
exits = "{exits}"
product = "NRML"
balance = "0"
feed = {{ BTCUSDT = "candles.csv" }}
instruments.BTCUSDT = {{ tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
"""
LONG = """
entries = [ { price = "-0.05%", qty = "0.1" }, { price = "-0.1%", qty = "0.1" } ]
stop = "-0.8%"
targets = ["0.3%", "0.5%", "0.7%", "0.9%"]
"""
SHORT = """
entries = [ { price = "market", qty = "0.1" }, { price = "0.1%", qty = "0.1" } ]
stop = "0.8%"
targets = ["-0.3%", "-0.5%", "-0.7%", "-0.9%"]
"""
POSITIONS = "".join(
    POSITION.format(side=side, symbol="BTCUSDT", plan=plan, every="1h")
    for side, plan in (("long", LONG), ("short", SHORT))
)
STYLES = ("pooled", "per-rung", "pairs")


def hours(folder: Path, data: Path, style: str, bars: int) -> Told:
    first_lines(data / CANDLES, folder / "candles.csv", bars)
    ladder = 'entry_ttl = "1h"\nbe_gap = "0.1%"'
    return play(folder, ACCOUNT.format(exits=style), POSITIONS, ladder, 'at_end = "exit"')


def sound(told: Told, count: int) -> None:
    """Hold a run to what must be so in every style."""
    assert told.states == {State.CLOSED: count}
    assert told.cash == told.booked()
    assert told.cash == sum(each.cash - each.fees for each in told.ladders.values())
    assert all(each.realised == each.cash for each in told.ladders.values())
    assert not [r for r in told.records if r.kind == "alert"]
    last = max(r.at_ms for r in told.records)
    ended = [r for r in told.records if r.data.get("reason") == "end_of_feed"]
    assert ended
    assert {r.at_ms for r in ended} == {last}


@pytest.mark.parametrize("style", STYLES)
def test_day_when_a_position_opens_every_hour_then_each_is_closed_and_the_cash_is_exact(
    tmp_path: Path, shared_data: Path, style: str
) -> None:
    told = hours(tmp_path, shared_data, style, DAY)
    sound(told, 48)


@pytest.mark.prove
@pytest.mark.parametrize("style", STYLES)
def test_month_when_a_position_opens_every_hour_then_each_is_closed_and_the_cash_is_exact(
    tmp_path: Path, shared_data: Path, style: str
) -> None:
    told = hours(tmp_path, shared_data, style, MONTH)
    sound(told, 1_440)
