"""A plan as text that is sound, and ways to spoil it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import Config, parse
from machines.errors import InvalidSpec

ACCOUNT = """
[accounts.paper]
venue = "simulated"
feed = { BTCUSDT = "random-walk:7" }
instruments = { BTCUSDT = { tick = "0.10", step = "0.001", min_qty = "0.002", min_notional = "5" } }
"""
POSITION = """
[[positions]]
name = "btc-1"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [{ price = "104000", qty = "0.33" }, { price = "market", qty = "0.34" }]
stop = "101500"
targets = ["1%", "2%", "3%", "4%"]
"""
PLAN = ACCOUNT + POSITION


def read(written: str, env: dict[str, str] | None = None, base_dir: Path = Path()) -> Config:
    return parse(written, "job.toml", base_dir, env or {})


def faults(written: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        read(written, env)
    return caught.value.faults


def changed(old: str, new: str) -> str:
    assert PLAN.count(old) == 1
    return PLAN.replace(old, new)
