"""The reference job: the fills on which other engines agree, and where we differ and why."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from controller.config import Config, load, parse
from controller.journal import Record
from exchanges.feeds import file
from tests.controller.reference_job import Job
from tests.controller.runs import run, with_state

Fill = tuple[int, str, Decimal, Decimal]
EXAMPLES = Path(__file__).parents[2] / "examples"
RESTART_MS = 1_714_017_000_000
"""2024-04-25T03:50Z: the market exit after which nautilus waits a bar (docs/PARITY.md)."""
BAR_MS = 5 * 60_000


def _ours(records: list[Record]) -> Counter[Fill]:
    found: Counter[Fill] = Counter()
    for record in records:
        if record.kind == "fill":
            data = record.data
            price, qty = Decimal(str(data["price"])), Decimal(str(data["qty"]))
            found[record.at_ms, str(data["side"]), price, qty] += 1
    return found


def _theirs(path: Path) -> Counter[Fill]:
    found: Counter[Fill] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = msgspec.json.decode(line, type=dict[str, object])
            at_ms = int(datetime.fromisoformat(str(row["ts"])).timestamp() * 1000)
            price, qty = Decimal(str(row["price"])), Decimal(str(row["qty"]))
            found[at_ms, str(row["side"]), price, qty] += 1
    return found


def _config(name: str, shared_data: Path) -> Config:
    return load(EXAMPLES / name, {"RUNGKEEPER_DATA": str(shared_data)})


def _run(config: Config, tmp_path: Path) -> Counter[Fill]:
    return _ours(run(with_state(config, tmp_path / "state.db")))


def test_reference_job_when_run_gives_the_130_fills_of_three_engines(
    tmp_path: Path, shared_data: Path
) -> None:
    ours = _run(_config("reference-job.toml", shared_data), tmp_path)
    theirs = _theirs(shared_data / "reference" / "BTCUSDT-1m.fills.jsonl.gz")
    assert ours == theirs
    assert ours.total() == 130


def test_kotakbank_when_run_differs_only_after_the_late_restart(
    tmp_path: Path, shared_data: Path
) -> None:
    ours = _run(_config("kotakbank-5m.toml", shared_data), tmp_path)
    theirs = _theirs(shared_data / "reference" / "KOTAKBANK-5m.fills.jsonl.gz")
    assert (ours & theirs).total() == 394
    assert (theirs.total(), ours.total()) == (413, 417)
    assert all(fill[0] > RESTART_MS for fill in (ours - theirs) | (theirs - ours))


def test_kotakbank_when_it_starts_a_bar_late_too_then_the_rest_is_equal(
    tmp_path: Path, shared_data: Path
) -> None:
    config = _config("kotakbank-5m.toml", shared_data)
    plan = msgspec.structs.replace(config.positions[0], not_before_ms=RESTART_MS + BAR_MS)
    ours = _run(msgspec.structs.replace(config, positions=(plan,)), tmp_path)
    theirs = _theirs(shared_data / "reference" / "KOTAKBANK-5m.fills.jsonl.gz")
    later = Counter({fill: n for fill, n in theirs.items() if fill[0] > RESTART_MS})
    assert ours == later
    assert ours.total() == 120


def _second(symbol: str, shared_data: Path, *, waits: bool) -> tuple[Counter[Fill], list[int]]:
    """The job's fills on a share by its second writing, and when an exit at market ended a run."""
    feed = file.read(shared_data / f"nse_{symbol}_5m_20230703_20240628.csv.gz", symbol)
    job = Job("0.05", "100", waits=waits)
    return Counter(job.run(feed)), job.restarts_ms


def test_second_writing_when_it_waits_a_bar_then_gives_the_413_fills_of_nautilus(
    shared_data: Path,
) -> None:
    found, restarts_ms = _second("KOTAKBANK", shared_data, waits=True)
    assert found == _theirs(shared_data / "reference" / "KOTAKBANK-5m.fills.jsonl.gz")
    assert restarts_ms == [RESTART_MS]


@pytest.mark.parametrize(
    ("symbol", "ours", "theirs", "equal"),
    [("KOTAKBANK", 417, 413, 394), ("TATASTEEL", 812, 813, 799), ("WIPRO", 627, 627, 627)],
)
def test_share_when_run_gives_the_fills_of_the_second_writing(
    tmp_path: Path, shared_data: Path, symbol: str, ours: int, theirs: int, equal: int
) -> None:
    text = (EXAMPLES / "kotakbank-5m.toml").read_text().replace("KOTAKBANK", symbol)
    config = parse(text, f"{symbol}.toml", tmp_path, {"RUNGKEEPER_DATA": str(shared_data)})
    found = _ours(run(config))
    assert found == _second(symbol, shared_data, waits=False)[0]
    late, restarts_ms = _second(symbol, shared_data, waits=True)
    assert (found.total(), late.total(), (found & late).total()) == (ours, theirs, equal)
    differing = (found - late) | (late - found)
    assert all(any(at_ms > start for start in restarts_ms) for at_ms, *_ in differing)
