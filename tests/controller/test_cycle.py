"""The strategy cycle at work: rules fire on a market, once, durably, and say so (SPEC §5, §7)."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from controller.rules.settings import BOOK_50, BOOK_75, LOCK, SCALE
from machines.decision import Kind
from machines.ladder import State
from tests.controller.stepping import HELD, Stepped, plan, write_bars

SHARES = HELD.replace('step = "0.001", min_qty = "0.001"', 'step = "1", min_qty = "1"').replace(
    "BTCUSDT", "KOTAKBANK"
)
MINUTE = 5
"""Polls."""
HOUR = 60 * MINUTE
AWAY = """
[accounts.paper.faults]
outage = ["{0}..{1}"]
"""
Begin = Callable[..., Stepped]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start an account that holds some shares bought at 1800, on a market of these closes."""
    begun: list[Stepped] = []

    def make(*closes: str, rules: tuple[str, ...] = (), qty: int = 100, more: str = "") -> Stepped:
        write_bars(tmp_path, ["1800", *closes])
        held = plan("kotak").replace("BTCUSDT", "KOTAKBANK").replace('"1"', f'"{qty}"')
        chosen = "[" + ", ".join(f'"{each}"' for each in rules) + "]"
        text = SHARES + more + held + f"rules = {chosen}\n"
        begun.append(Stepped(text if "[rules" in more else text + "[rules]\n", tmp_path))
        return begun[-1]

    yield make
    for desk in begun:
        desk.close()


def held(desk: Stepped) -> Decimal:
    return desk.ladder("kotak").held


def stop(desk: Stepped) -> Decimal | None:
    declared = desk.ladder("kotak").stop
    return None if declared is None else declared.trigger_px


def steps(desk: Stepped) -> list[tuple[object, object]]:
    """Each step of each decision: by whom it is, and where it stands."""
    return [(r.data["by"], r.data["state"]) for r in desk.records("decision")]


# ---------------------------------------------------------------------------- SPEC's examples


def test_booking_when_the_profit_and_the_age_are_there_then_sells_half_and_says_so(
    begin: Begin,
) -> None:
    desk = begin(*["1800"] * 225, "2133", "2133", rules=(BOOK_50,))
    desk.poll(times=225)
    assert steps(desk) == []
    desk.poll()
    assert steps(desk) == [(BOOK_50, "QUEUED"), (BOOK_50, "EXECUTING"), (BOOK_50, "DONE")]
    assert held(desk) == 50
    said = "KOTAKBANK booking 50% (P&L 18.5%, age 45.2 min): sell 50, 50 remain"
    assert desk.news == [said]
    assert {(r.data["reason"], r.data["tag"]) for r in desk.records("decision")} == {
        (said, "POSITION_MGMT")
    }
    # E = 100, held 50: the four rungs share what is left (SPEC §4).
    assert [rung.qty for rung in desk.ladder("kotak").rungs] == [43, 3, 2, 2]


def test_scaling_when_the_market_runs_on_volume_then_adds_a_quarter(begin: Begin) -> None:
    run = [f"{1800 + 2 * k} 5000" for k in range(1, 76)]
    desk = begin(*["1800 100"] * 524, *run, *["1950"] * 9, rules=(SCALE,), qty=93)
    desk.poll(times=len(run) + 533)
    assert steps(desk)[-1] == (SCALE, "DONE")
    ladder = desk.ladder("kotak")
    assert ladder.held == 116
    (line,) = desk.news
    assert line.startswith("KOTAKBANK scaling in 25% (P&L ")
    assert line.endswith(": buy 23, 116 held")
    bought = desk.told(str(desk.records("decision")[-1].data["id"]))
    assert (bought.filled_qty, bought.asked_qty) == (23, 23)
    assert ladder.avg_px == (93 * 1800 + bought.filled_cost) / 116


def test_lock_when_the_profit_is_there_then_the_stop_goes_beyond_the_entry(begin: Begin) -> None:
    desk = begin("1979.95", "1980", "1980", rules=(LOCK,))
    desk.poll()
    assert stop(desk) == 1620
    desk.poll(times=2)
    assert (steps(desk)[-1], stop(desk)) == ((LOCK, "DONE"), 1836)


def test_booking_when_an_hours_outage_takes_its_reason_away_then_is_refused(
    begin: Begin,
) -> None:
    closes = [*["1800"] * 225, *["2133"] * 2, *["1900"] * (HOUR - 2), *["1854"] * 3]
    away = AWAY.format("2025-01-01T00:45:25Z", "2025-01-01T01:45:25Z")
    desk = begin(*closes, rules=(BOOK_50,), more=away)
    desk.poll(times=225)
    desk.now_ms += 12_000
    desk.look_once()  # the rule has decided; the venue goes before it is handed over
    (booking,) = desk.keeper.decisions.open
    desk.poll(times=HOUR)
    assert desk.told(booking).standing == "FALLBACK_RETRY"
    desk.restart()
    desk.poll(times=2)
    assert desk.ended(booking) == "REFUSED condition_gone"
    assert held(desk) == 100


INTRADAY = """
[controller]
state = "s.db"
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
exits = "per-rung"
product = "MIS"
session = "09:15-15:30 Asia/Kolkata"
feed = { KOTAKBANK = "script:bars" }
instruments.KOTAKBANK = { tick = "0.05", step = "1", min_qty = "1", min_notional = "0" }
"""


@pytest.mark.parametrize("rules", ["", "[rules]\n"])
def test_square_off_when_the_time_has_come_then_all_is_sold_whatever_the_plan_says(
    tmp_path: Path, rules: str
) -> None:
    bars = ["1800 1801 1799 1800 1000"] * 75
    (tmp_path / "bars").write_text("\n".join(["start 2025-01-01T03:45:00Z bar 5m", *bars]) + "\n")
    held = plan("kotak").replace("BTCUSDT", "KOTAKBANK").replace('"1"', '"100"')
    desk = Stepped(INTRADAY + held + "rules = false\n" + rules, tmp_path)
    five = 5 * 60_000
    desk.poll(five, times=68)
    assert desk.ladder("kotak").state is State.FULLY_FILLED
    desk.poll(five)  # 15:05 in India
    assert desk.ladder("kotak").state is State.CLOSED
    assert [line.partition(" (")[0] for line in desk.news] == ["KOTAKBANK exit"]
    desk.close()


# ------------------------------------------------------------------------------- what is kept


def test_rule_when_the_controller_starts_again_then_age_and_use_are_remembered(
    begin: Begin,
) -> None:
    desk = begin(*["1800"] * 100, *["2133"] * 200, rules=(BOOK_50,))
    desk.poll(times=100)
    desk.restart()
    desk.poll(times=49)
    assert held(desk) == 100
    desk.poll()  # thirty minutes since the fill, not since the restart
    assert held(desk) == 50
    desk.restart()
    desk.poll(times=50)
    assert held(desk) == 50
    assert len({r.data["id"] for r in desk.records("decision")}) == 1


def test_decision_of_a_rule_when_killed_at_each_step_then_is_done_once(begin: Begin) -> None:
    desk = begin(*["2300"] * 10, rules=(BOOK_75,))
    desk.now_ms += 12_000
    for _ in range(4):  # asked; taken and sent; filled; settled
        desk.look_once()
        desk.restart()
    desk.poll(times=3)
    assert steps(desk) == [(BOOK_75, "QUEUED"), (BOOK_75, "EXECUTING"), (BOOK_75, "DONE")]
    assert held(desk) == 25


def test_rules_when_the_configuration_has_no_table_for_them_then_none_runs(
    tmp_path: Path,
) -> None:
    write_bars(tmp_path, ["1800", *["2300"] * 20])
    desk = Stepped(SHARES + plan("kotak").replace("BTCUSDT", "KOTAKBANK"), tmp_path)
    desk.poll(times=20)
    assert desk.keeper.cycle.desk is None
    assert steps(desk) == []
    assert desk.keeper.cycle_due_ms() == []
    desk.close()


def test_rule_of_the_users_when_it_raises_then_is_told_of_and_the_others_go_on(
    begin: Begin, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def broken(view):\n    return 1 / 0\n")
    mine = '[rules.mine]\nfunction = "mine:broken"\n'
    desk = begin(*["2300"] * 10, rules=("mine", BOOK_75), more=mine)
    desk.poll(times=5)
    assert held(desk) == 25
    told = [str(r.data["text"]) for r in desk.records("alert")]
    assert [text.partition(" (")[0] for text in told] == [
        "rule mine: kotak: ZeroDivisionError: division by zero",
        "rule mine: 3 failures in a row, it is off: ZeroDivisionError: division by zero",
    ]


# ----------------------------------------------------------------------------- each cycle


def test_cycle_when_run_then_logs_one_line(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rungkeeper")
    desk = begin(*["1800"] * 3, *["2300"] * 3, rules=(BOOK_75, LOCK))
    desk.poll(times=2)
    caplog.clear()
    desk.poll(times=3)
    lines = [text for text in caplog.messages if "managing" in text]
    assert [text.partition("managing ")[2] for text in lines] == [
        "1 positions, exits 0, decisions 0 (0 immediate), fallback 0",
        "1 positions, exits 0, decisions 2 (1 immediate), fallback 0",
        "1 positions, exits 0, decisions 0 (0 immediate), fallback 0",
    ]


def test_cycle_when_the_venue_is_away_then_its_line_counts_what_fell_back(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rungkeeper")
    away = AWAY.format("2025-01-01T00:00:20Z", "2025-01-01T01:00:00Z")
    desk = begin(*["1800"] * 9, more=away)
    desk.decide("kotak", Kind.BOOK, id="half", fraction="0.5")
    desk.poll(times=3)
    assert caplog.messages[-1].endswith("decisions 0 (0 immediate), fallback 1")


def test_decision_of_a_persons_when_taken_then_is_told_in_figures(begin: Begin) -> None:
    desk = begin(*["1800"] * 9)
    desk.decide("kotak", Kind.BOOK, id="half", fraction="0.5", reason="the news")
    desk.poll()
    desk.decide("kotak", Kind.MOVE_STOP, id="up", price="1700")
    desk.poll()
    desk.decide("kotak", Kind.EXIT, id="out")
    desk.poll()
    assert desk.ladder("kotak").state is State.CLOSED
    assert desk.news == [
        "KOTAKBANK booking: sell 50, 50 remain, by person (the news)",
        "KOTAKBANK stop to 1700, by person",
        "KOTAKBANK exit, by person",
    ]


# ------------------------------------------------------------------------- what became of it


def test_booking_when_it_is_over_then_its_effect_is_looked_up_at_its_times_and_at_the_close(
    begin: Begin,
) -> None:
    at = {5: "1700", 30: "1900", 60: "1800"}
    closes = ["1800", *(at.get(1 + k // MINUTE, "1750") for k in range(62 * MINUTE))]
    desk = begin(*closes, *["1750"] * 9)
    desk.decide("kotak", Kind.BOOK, id="half", fraction="0.5")
    desk.poll(times=20 * MINUTE)
    desk.restart()
    desk.poll(times=20 * MINUTE)
    desk.decide("kotak", Kind.EXIT, id="out")
    desk.poll(times=25 * MINUTE)
    effects = {e.after: (e.price, e.gain) for e in desk.told("half").effects}
    assert effects == {
        "5m": (1700, 5000),
        "30m": (1900, -5000),
        "60m": (1800, 0),
        "close": (1750, 2500),
    }
    assert desk.keeper.cycle.tracker.ladders == []


def test_run_when_asked_to_log_then_each_cycle_is_a_line_on_stderr(tmp_path: Path) -> None:
    write_bars(tmp_path, ["1800"] * 4)
    (tmp_path / "job.toml").write_text(SHARES + plan("kotak").replace("BTCUSDT", "KOTAKBANK"))
    command = [sys.executable, "-m", "controller", "run", "--config", tmp_path / "job.toml"]
    loud = subprocess.run(
        [*command, "--quiet", "--log"], capture_output=True, text=True, check=True
    )
    assert "  paper  managing 1 positions, exits 0, decisions 0 (0 immediate)" in loud.stderr
    (tmp_path / "s.db").unlink()
    (tmp_path / "s.venue.db").unlink()
    calm = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=True)
    assert calm.stderr == ""
