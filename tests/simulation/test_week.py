"""A week of rules on recorded prices: all of them fire, nothing decided is lost or done twice."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from controller import journal
from controller.cli import app
from controller.rules.settings import NAMES
from machines.ladder import State
from tests.simulation import week
from tests.simulation.test_killed import child, finish, ledger

LADDERS = 100
KILLS = 20
FIRES = 20


def test_week_when_lived_then_every_rule_is_heard_often_and_each_decision_ends_once(
    tmp_path: Path, shared_data: Path
) -> None:
    path = week.write(tmp_path, shared_data, LADDERS)
    lived = week.live(path)
    week.check(lived.records, lived.decisions)
    assert [rule for rule in NAMES if lived.fired[rule] < FIRES] == []
    assert [each.parked for each in lived.kept.values() if each.parked] == []
    check_mirrors(lived)
    assert [one.id for one in lived.decisions if not one.ended] == []
    assert [str(r.data["text"]) for r in lived.records if r.kind == "alert"] == []
    told = cast(
        dict[str, dict[str, dict[str, int]]],
        json.loads(CliRunner().invoke(app, ["report", "--json", "--config", str(path)]).stdout),
    )
    assert {rule: total["decisions"] for rule, total in told["by_rule"].items()} == Counter(
        one.order.by for one in lived.decisions
    )


def check_mirrors(lived: week.Lived) -> None:
    """Each mirrored ladder has one at the other account, which is where it is, at half."""
    ladders = {name: each.ladder for name, each in lived.kept.items()}
    mirrors = {name for name in ladders if week.MIRROR in name}
    assert len(ladders) == LADDERS + len(mirrors)
    assert len(mirrors) == LADDERS // 4
    for name in mirrors:
        primary, mirror = ladders[name.removesuffix(week.MIRROR)], ladders[name]
        assert (mirror.state is State.CLOSED) == (primary.state is State.CLOSED)
        assert abs(mirror.held - primary.held / 2) <= primary.held / 20


@pytest.mark.prove
@pytest.mark.parametrize("engine", ["busy", "failed_read"])
def test_week_when_venues_are_away_then_nothing_decided_is_lost_or_done_twice(
    tmp_path: Path, shared_data: Path, engine: str
) -> None:
    lived = week.live(week.write(tmp_path, shared_data, LADDERS, engine=engine))
    week.check(lived.records, lived.decisions)
    assert [one.id for one in lived.decisions if not one.ended] == []
    assert [each.parked for each in lived.kept.values() if each.parked] == []
    told = Counter((r.position, r.data["text"]) for r in lived.records if r.kind == "alert")
    assert [alert for alert, times in told.items() if times > 1] == []


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("engine", ["", "failed_read"])
def test_week_when_killed_twenty_times_then_its_ledger_is_that_of_an_unharmed_one(
    tmp_path: Path, shared_data: Path, engine: str, seed: int
) -> None:
    unharmed = week.write(tmp_path / "unharmed", shared_data, LADDERS, engine=engine)
    killed = week.write(tmp_path / "killed", shared_data, LADDERS, engine=engine)
    moments = finish(unharmed)
    draw = random.Random(seed)
    for _ in range(KILLS):
        died = child(killed, draw.randint(1, moments // (KILLS * 3 // 4)))
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    assert finish(killed) > 0
    found = list(journal.read(killed.with_name("week.db")))
    assert ledger(found) == ledger(list(journal.read(unharmed.with_name("week.db"))))
    week.check(found, week.decisions_in(killed.with_name("week.db")))
