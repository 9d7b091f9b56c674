"""A short market of minutes, written by a seed, and the two repeating plans of the walk on it."""

from __future__ import annotations

import random
from pathlib import Path

from controller import journal
from controller.config import Config, load
from controller.journal import Record
from tests.controller.runs import WALK

START = "2025-01-01T00:00:00Z"


def write_job(folder: Path, *, bars: int = 600, seed: int = 1, poll: str = "bar") -> Path:
    """Write a configuration, its state beside it, on ``bars`` minutes that move by up to 0.1 %."""
    folder.mkdir(exist_ok=True)
    draw, px, lines = random.Random(seed), 100_000, [f"start {START} bar 1m"]
    for _ in range(bars):
        begun, px = px, px + draw.randint(-100, 100)
        lines.append(f"{begun} {max(begun, px) + 20} {min(begun, px) - 20} {px}")
    (folder / "bars").write_text("\n".join(lines) + "\n")
    text = WALK.format(seed=seed, poll=poll, path="ohlc").replace("random-walk:1", "script:bars")
    text = text.replace("[controller]", '[controller]\nstate = "s.db"')
    path = folder / "job.toml"
    path.write_text(text.replace(f"random-walk:{seed}", "script:bars"))
    return path


def changed(path: Path, old: str, new: str) -> Config:
    """Change a configuration in its file; return it."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return load(path)


def ledger(path: Path) -> list[tuple[object, ...]]:
    """Each fill and each change of state in a configuration's journal: when, whose and what."""
    return [
        (r.at_ms, r.position, *(r.data.get(name) for name in ("row", "qty", "price", "fee")))
        for r in records(path)
        if r.kind in ("fill", "transition")
    ]


def records(path: Path) -> list[Record]:
    """Read a configuration's journal."""
    return list(journal.read(path.with_name("s.db")))
