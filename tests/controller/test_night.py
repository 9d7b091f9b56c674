"""What a session's end suspends is sent again in the next one, though nothing else changes then."""

from __future__ import annotations

from pathlib import Path

from machines.ladder import State
from tests.controller.stepping import Stepped, plan

OVERNIGHT = """
[controller]
state = "s.db"
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
exits = "per-rung"
product = "CNC"
session = "09:15-15:30 Asia/Kolkata"
feed = { KOTAKBANK = "script:bars" }
instruments.KOTAKBANK = { tick = "0.05", step = "1", min_qty = "1", min_notional = "0" }
"""
HALF_HOUR = 1_800_000


def resting(desk: Stepped) -> int:
    """Count the orders that rest."""
    last = desk.keeper.reading.last
    assert last is not None
    return sum(order.status.live for view in last.views.values() for order in view.orders)


def test_stops_when_a_night_has_passed_then_rest_again(tmp_path: Path) -> None:
    bars = ["1800 1801 1799 1800 1000"] * 60
    (tmp_path / "bars").write_text("\n".join(["start 2025-01-01T04:00:00Z bar 30m", *bars]) + "\n")
    held = plan("kotak").replace("BTCUSDT", "KOTAKBANK").replace('"1"', '"100"')
    desk = Stepped(OVERNIGHT + held, tmp_path)
    desk.poll(HALF_HOUR)
    by_day = resting(desk)
    assert by_day
    desk.poll(HALF_HOUR, times=30)
    assert resting(desk) == 0
    desk.poll(HALF_HOUR, times=20)
    assert desk.ladder("kotak").state is State.FULLY_FILLED
    assert resting(desk) == by_day
    desk.close()
