"""What was decided, what came of it and what it was worth, as `report` tells it (SPEC §6, §12)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from machines.decision import Kind
from tests.controller.stepping import HELD, Stepped, plan, write_bars

MINUTE = 5
"""Polls."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of decisions: one booking that is done, and one of each other ending."""
    folder = tmp_path_factory.mktemp("report")
    write_bars(folder, ["100000", "100000", *["90500"] * 400])
    text = HELD + plan("a") + plan("b")
    desk = Stepped(text, folder)
    desk.decide("a", Kind.BOOK, id="half", fraction="0.5", reason="the news")
    desk.decide("a", Kind.MOVE_STOP, id="typo", price="970000")
    desk.decide("b", Kind.BOOK, id="late", fraction="0.5", expires_ms=desk.now_ms + 1)
    desk.decide("b", Kind.REBALANCE, id="tidy", by="RULE")
    desk.poll(times=62 * MINUTE)
    desk.decide("b", Kind.BOOK, id="cut", fraction="0.5", by="RULE")
    desk.decide("b", Kind.EXIT, id="out")
    desk.poll()
    desk.decide("a", Kind.REBALANCE, id="waits")
    desk.close()
    path = folder / "job.toml"
    path.write_text(text)
    return path


def call(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def told(*args: object) -> dict[str, dict[str, dict[str, object]]]:
    result = call("report", "--json", *args)
    assert result.exit_code == 0, result.output
    return cast(dict[str, dict[str, dict[str, object]]], json.loads(result.stdout))


def test_report_when_read_as_json_then_has_each_decision_with_its_timeline(job: Path) -> None:
    rows = cast(list[dict[str, object]], told("--config", job)["decisions"])
    assert {row["id"]: (row["state"], row["why"]) for row in rows} == {
        "half": ("DONE", ""),
        "typo": ("REFUSED", "behind_market"),
        "late": ("EXPIRED", ""),
        "tidy": ("DONE", ""),
        "cut": ("SUPERSEDED", "out"),
        "out": ("DONE", ""),
        "waits": ("QUEUED", ""),
    }
    (half,) = (row for row in rows if row["id"] == "half")
    begun = 1_735_689_612_000
    assert half == {
        "id": "half", "position": "a", "decision": "book", "by": "person", "reason": "the news",
        "priority": "immediate", "decided_ms": begun, "sent_ms": begun + 12_000,
        "ended_ms": begun + 12_000, "state": "DONE", "why": "", "partial": False, "retries": 0,
        "filled": "0.500", "px": "100000",
        "effects": [
            {"after": after, "price": "90500", "gain": "4750.000"} for after in ("5m", "30m", "60m")
        ],
    }  # fmt: skip


def test_report_when_read_as_json_then_sums_by_rule_position_and_day(job: Path) -> None:
    found = told("--config", job)
    assert {key: total["decisions"] for key, total in found["by_rule"].items()} == {
        "RULE": 2, "person": 5,
    }  # fmt: skip
    assert found["by_position"]["a"] == {
        "decisions": 3, "done": 1, "refused": 1, "expired": 0, "superseded": 0, "waiting": 1,
        "filled": "0.500", "worth": "50000.000",
        "gains": {"5m": "4750.000", "30m": "4750.000", "60m": "4750.000"},
    }  # fmt: skip
    (day,) = found["by_day"]
    assert (day, found["by_day"][day]["decisions"]) == ("2025-01-01", 7)


def test_report_when_one_position_is_named_then_tells_of_it_alone(job: Path) -> None:
    rows = cast(list[dict[str, object]], told("b", "--config", job)["decisions"])
    assert {row["position"] for row in rows} == {"b"}
    assert told("nobody", "--config", job)["decisions"] == []


def test_report_when_read_by_a_person_then_is_a_line_each(job: Path) -> None:
    lines = call("report", "a", "--config", job).stdout.splitlines()
    assert lines[0].split() == [
        *("2025-01-01", "00:00:12", "a", "book", "DONE", "0.5", "@", "100000", "by", "person"),
        *("5m", "later", "4750", "30m", "later", "4750", "60m", "later", "4750"),
    ]
    assert lines[-1] == (
        "by day: 2025-01-01: 3 decisions: 1 done, 1 refused, 1 waiting, "
        "5m later 4750, 30m later 4750, 60m later 4750"
    )
    assert call("report", "nobody", "--config", job).stdout == "nothing has been decided\n"


def test_status_when_a_decision_waits_then_counts_it(job: Path) -> None:
    rows = json.loads(call("status", "--json", "--config", job).stdout)
    assert {row["name"]: row["decisions_waiting"] for row in rows} == {"a": 1, "b": 0}


def test_report_when_a_booked_position_has_closed_then_says_what_it_was_worth_then(
    tmp_path: Path,
) -> None:
    write_bars(tmp_path, ["100000", "100000", "101000"])
    desk = Stepped(HELD + plan("a"), tmp_path)
    desk.decide("a", Kind.BOOK, id="half", fraction="0.5")
    desk.poll()
    desk.decide("a", Kind.EXIT, id="out")
    desk.poll()
    desk.close()
    (tmp_path / "job.toml").write_text(HELD + plan("a"))
    lines = call("report", "a", "--config", tmp_path / "job.toml").stdout.splitlines()
    assert lines[0].endswith("by person  at the close -500")
