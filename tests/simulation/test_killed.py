"""`kill -9` at twenty random moments of a month of real candles (RELIABILITY hazard m)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from controller import journal
from controller.journal import Record

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
JOB = """
[controller]
state = "month.db"
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
feed = {{ BTCUSDT = "{feed}" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
instruments.BTCUSDT = {{ tick = "0.1", step = "0.001", min_qty = "0.001", min_notional = "5" }}
[ladder]
entry_ttl = "12h"
be_gap = "0%"
[[positions]]
name = "long"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [
    {{ price = "-0.1%", qty = "0.33" }},
    {{ price = "-0.3%", qty = "0.33" }},
    {{ price = "market", qty = "0.34" }},
]
stop = "-1.2%"
targets = ["0.8%", "1.2%", "1.6%", "2%"]
repeat = "when-flat"
[[positions]]
name = "short"
account = "paper"
symbol = "BTCUSDT"
side = "short"
entries = [ {{ price = "0.1%", qty = "0.33" }}, {{ price = "0.3%", qty = "0.33" }} ]
stop = "1.2%"
targets = ["-0.8%", "-1.2%", "-1.6%", "-2%"]
step_stop = true
repeat = "when-flat"
"""
FEED = "bybit_linear_BTCUSDT_1m_20250530_20250629.csv.gz"


def child(config: Path, dies_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation.killed", str(config), str(dies_at)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def finish(config: Path) -> int:
    """Run to the end and return how many moments to die there were."""
    done = child(config, 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def config_in(folder: Path, data: Path) -> Path:
    folder.mkdir()
    config = folder / "month.toml"
    config.write_text(JOB.format(feed=data / FEED))
    return config


def ledger(records: list[Record]) -> dict[str, list[tuple[object, ...]]]:
    """Each position's fills: what, where and in which minute, not the second of it."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for record in records:
        if record.kind == "fill":
            data = record.data
            row = (data["role"], data["side"], data["price"], data["qty"], data["fee"])
            found.setdefault(record.position, []).append((record.at_ms // 60_000, *row))
    return found


@pytest.mark.parametrize("seed", [1])
def test_month_when_killed_twenty_times_then_its_ledger_is_that_of_an_unharmed_run(
    seed: int, tmp_path: Path, shared_data: Path
) -> None:
    unharmed = config_in(tmp_path / "unharmed", shared_data)
    moments = finish(unharmed)
    killed = config_in(tmp_path / "killed", shared_data)
    draw = random.Random(seed)
    for _ in range(KILLS):
        died = child(killed, draw.randint(1, moments // (KILLS * 3 // 4)))
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    assert finish(killed) > 0
    expected = list(journal.read(unharmed.with_name("month.db")))
    found = list(journal.read(killed.with_name("month.db")))
    assert ledger(found) == ledger(expected)
    check_intents(found)
    before = found[-1].seq
    finish(killed)
    after = list(journal.read(killed.with_name("month.db")))
    assert after[-1].seq == before, "a restart at the end changes nothing"


def check_intents(records: list[Record]) -> None:
    """No order without an intent, no client order id from two intents, none placed twice."""
    intents: dict[str, set[object]] = {}
    accepted: Counter[str] = Counter()
    for record in records:
        if record.data.get("op") == "place":
            cid = str(record.data["client_order_id"])
            if record.kind == "intent":
                intents.setdefault(cid, set()).add(record.data["intent"])
            elif record.data["outcome"] == "accepted":
                accepted[cid] += 1
    assert {cid for cid, names in intents.items() if len(names) > 1} == set()
    assert [cid for cid, times in accepted.items() if times > 1] == []
    filled = {str(r.data["client_order_id"]) for r in records if "client_order_id" in r.data}
    assert filled <= intents.keys()
