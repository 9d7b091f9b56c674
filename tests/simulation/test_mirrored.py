"""A week's walk with rules that fire often, and a mirror at half the size whose line is bad."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from controller import journal as journals
from controller.config import Config, parse
from controller.journal import Record
from machines.decision import ENDED, Decision
from machines.ladder import Ladder, State
from machines.mirror import mirror_name, primary_name
from tests.controller.runs import run

ACCOUNT = """
[accounts.{name}]
venue = "simulated"
slots = "per-ladder"
balance = "100000000"
feed = {{ BTCUSDT = "random-walk:7" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.1", step = "0.001", min_qty = "0.001", min_notional = "5" }}
{faults}
"""
PLAN = """
[[positions]]
name = "{name}"
account = "first"
symbol = "BTCUSDT"
side = "{side}"
entries = [ {{ price = "market", qty = "3.3" }}, {{ price = "{near}", qty = "3.3" }} ]
stop = "{stop}"
targets = {targets}
repeat = "when-flat"
{mirrors}
"""
RULES = """
[controller]
poll = "5m"
[rules.PARTIAL_PROFIT_BOOKING_50]
profit = "0.4%"
age = "30m"
[rules.STOP_LOSS_ADJUSTMENT]
profit = "0.7%"
lock = "0.2%"
[rules.TRAILING_STOP]
profit = "0.8%"
behind = "percent"
distance = "0.5%"
[rules.FULL_EXIT]
max_age = "12h"
[ladder]
be_gap = "0.1%"
entry_ttl = "6h"
"""
BAD_LINE = 'faults = { lost_before = "2%", lost_after = "2%", late = "2%" }\nseed = 5'


def week(folder: Path, *, mirrors: str, faults: str = "") -> Config:
    folder.mkdir()
    text = RULES + ACCOUNT.format(name="first", faults="")
    text += ACCOUNT.format(name="second", faults=faults)
    text += PLAN.format(
        name="long", side="long", near="-0.3%", stop="-1.2%", mirrors=mirrors,
        targets='["1%", "1.5%", "2%", "2.5%"]',
    )  # fmt: skip
    text += PLAN.format(
        name="short", side="short", near="0.3%", stop="1.2%", mirrors=mirrors,
        targets='["-1%", "-1.5%", "-2%", "-2.5%"]',
    )  # fmt: skip
    return parse(text, "week", folder, {})


MIRRORS = 'mirrors = [ { account = "second", ratio = "0.5" } ]'


def of_primaries(records: list[Record]) -> list[tuple[object, ...]]:
    return [
        (each.at_ms, each.position, each.kind, each.data)
        for each in records
        if each.account == "first"
    ]


def ladders(config: Config) -> dict[str, Ladder]:
    saved = journals.read_latest(config.controller.state)
    return {each.position: msgspec.json.decode(each.state, type=Ladder) for each in saved}


def test_week_when_a_mirror_follows_by_a_bad_line_then_its_primary_is_as_without_one(
    tmp_path: Path,
) -> None:
    alone = week(tmp_path / "alone", mirrors="")
    config = week(tmp_path / "both", mirrors=MIRRORS, faults=BAD_LINE)
    records = run(config)
    assert of_primaries(records) == of_primaries(run(alone))

    found = ladders(config)
    twins = {name: each for name, each in found.items() if primary_name(name)}
    primaries = {name: each for name, each in found.items() if not primary_name(name)}
    assert len(primaries) > 20
    assert set(twins) == {mirror_name(name, "second") for name in primaries}
    assert {each.state for each in found.values()} <= {
        State.CLOSED, State.FULLY_FILLED, State.PARTIALLY_FILLED, State.PENDING_LIMITS,
        State.TP1_HIT, State.STOP_AT_BREAK_EVEN,
    }  # fmt: skip
    for name, twin in twins.items():
        if primaries[primary_name(name)].state is State.CLOSED:
            assert twin.state is State.CLOSED
            assert twin.held == 0

    decided = [
        msgspec.json.decode(row.state, type=Decision)
        for row in journals.read_decisions(config.controller.state)
    ]
    by_name = {each.id: each for each in decided}
    mirrored = [each for each in decided if "@" in each.id and "/" not in each.id]
    assert len(mirrored) > 50
    assert {primary_name(each.id) for each in mirrored} <= by_name.keys()
    kinds = Counter((each.order.kind, each.standing) for each in mirrored)
    assert all(standing in ENDED for _, standing in kinds), kinds
