"""Runs a configuration to its end in the test's own process and reads its journal back."""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec

from controller import app, journal
from controller.accounts import build_accounts
from controller.config import Config, parse
from controller.journal import Journal, Record

WALK = """
[controller]
poll = "{poll}"
[accounts.paper]
venue = "simulated"
slots = "per-ladder"
path = "{path}"
feed = {{ BTCUSDT = "random-walk:{seed}" }}
instruments.BTCUSDT = {{ tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" }}
fees = {{ maker = "0.0002", taker = "0.00055" }}
[ladder]
be_gap = "0.1%"
entry_ttl = "6h"
[[positions]]
name = "long"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ {{ price = "-0.2%", qty = "0.33" }}, {{ price = "-0.4%", qty = "0.33" }} ]
stop = "-1.2%"
targets = ["0.5%", "0.9%", "1.3%", "1.7%"]
repeat = "when-flat"
[[positions]]
name = "short"
account = "paper"
symbol = "BTCUSDT"
side = "short"
entries = [ {{ price = "market", qty = "0.33" }}, {{ price = "0.4%", qty = "0.33" }} ]
stop = "1.2%"
targets = ["-0.5%", "-0.9%", "-1.3%", "-1.7%"]
repeat = "when-flat"
step_stop = true
when_break_even_is_behind = "keep"
anchor = "average"
"""


def walk_config(tmp_path: Path, *, seed: int, poll: str = "bar", path: str = "ohlc") -> Config:
    """Make a configuration of two repeating plans on a seeded walk."""
    text = WALK.format(seed=seed, poll=poll, path=path)
    return parse(text, "walk", tmp_path, {})


def with_state(config: Config, state: Path) -> Config:
    """Point a configuration at a state file of the test's own."""
    controller = msgspec.structs.replace(config.controller, state=state)
    return msgspec.structs.replace(config, controller=controller)


def run(config: Config) -> list[Record]:
    """Run to the end of the feed and return every record."""
    accounts = build_accounts(config)
    book = Journal(config.controller.state)
    desks, _ = app.open_desks(config, accounts, book)
    try:
        anyio.run(app.drive, config, desks)
    finally:
        book.close()
    return list(journal.read(config.controller.state))
