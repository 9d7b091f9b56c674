"""The same seed gives the same history, byte for byte, whatever Python's hashes are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.fault_day import day_text
from tests.simulation.test_fault_day import CANDLES, CLASSES

ROOT = Path(__file__).resolve().parents[2]
BARS = 240


def history_of_a_run(folder: Path, data: Path, hash_seed: int) -> bytes:
    """Run the first hours of the fault day in processes of its own; return ``history --json``."""
    folder.mkdir()
    faults = ", ".join(f'{name} = "5%"' for name in CLASSES)
    config = folder / "day.toml"
    # The candles' place stands in no record, and the rest is the same in every folder.
    config.write_text(day_text(folder, data / CANDLES, 7, faults, ladders=8, bars=BARS))
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    said = b""
    for command in (["run", "--quiet"], ["history", "--json"]):
        said = subprocess.run(
            [sys.executable, "-m", "controller", *command, "--config", str(config)],
            cwd=ROOT, env=env, capture_output=True, check=True,
        ).stdout  # fmt: skip
    return said


def test_history_when_only_the_hash_seed_differs_then_is_the_same_to_the_byte(
    tmp_path: Path, shared_data: Path
) -> None:
    first = history_of_a_run(tmp_path / "a", shared_data, hash_seed=1)
    second = history_of_a_run(tmp_path / "b", shared_data, hash_seed=4_294_967_295)
    assert first == second
    kinds = {line.split(b'"kind":"')[1].split(b'"')[0] for line in first.splitlines()}
    assert kinds >= {b"fill", b"transition", b"intent", b"outcome", b"alert"}
    assert first.count(b"\n") > 500
    assert first.count(b'"outcome":"unsure"') > 5
