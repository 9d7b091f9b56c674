"""Two accounts at loopback Bybits, one following the other; and a position that is taken over."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from controller.codes import FINE
from tests.controller.live_runs import ROOT, Street, running
from tests.controller.test_live_run import KEY
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.server import Loopback
from tests.wire.bybit.test_nameless import built_by_hand

ACCOUNT = """
[accounts.{name}]
venue = "bybit"
key = "env:BYBIT_KEY"
secret = "env:BYBIT_SECRET"
url = "{url}"
"""
HEAD = """
[controller]
state = "b.db"
poll = "1s"
{more}
"""
PLAN = """
[[positions]]
name = "btc-1"
account = "main"
symbol = "BTCUSDT"
side = "long"
entries = [ { price = "market", qty = "0.34" }, { price = "103500", qty = "0.66" } ]
stop = "101500"
targets = ["105000", "106000", "107000", "108000"]
mirrors = [ { account = "second", ratio = "0.5" } ]
"""


class Pair(Street):
    """Two loopback Bybits; the second one follows."""

    def __init__(self, folder: Path, more: str = "", plan: str = PLAN) -> None:
        self.venues = {name: Loopback(rules(), PRICES) for name in ("main", "second")}
        made = self.venues["main"].rules
        accounts = (ACCOUNT.format(name=n, url=v.url) for n, v in self.venues.items())
        text = HEAD.format(more=more) + "".join(accounts) + plan
        env = {"BYBIT_KEY": made.key, "BYBIT_SECRET": made.secret}
        super().__init__(folder / "b.toml", text, env)
        for venue in self.venues.values():
            venue.after = self.tell

    def held(self, name: str) -> Decimal:
        """Return what an account holds."""
        book = self.venues[name].exchange.engine.book(KEY)
        return Decimal(0) if book is None else book.net_qty

    def rungs(self, name: str) -> list[str]:
        """Show what rests to take profit, nearest first."""
        book = self.venues[name].exchange.engine.book(KEY)
        orders = [] if book is None else [each.order for each in book.live.values()]
        resting = [
            (order.price, f"{order.leaves_qty.normalize():f}")
            for order in orders
            if order is not None and order.price is not None and order.reduce_only
        ]
        return [qty for _, qty in sorted(resting)]

    def says(self, *words: str) -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            self.command(*words), cwd=ROOT, env=os.environ | self.env, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == FINE, done.stderr
        return done.stdout

    def close(self) -> None:
        for venue in self.venues.values():
            venue.close()


@pytest.fixture
def pair(tmp_path: Path) -> Generator[Pair]:
    opened = Pair(tmp_path)
    yield opened
    opened.close()


def test_mirror_when_at_a_real_venues_door_then_follows_what_is_decided(pair: Pair) -> None:
    with running(pair, signal.SIGTERM):
        pair.until(lambda: len(pair.rungs("second")) == 4)
        assert (pair.held("main"), pair.held("second")) == (Decimal("0.34"), Decimal("0.17"))
        pair.says("decide", "btc-1", "book", "50%")
        pair.until(lambda: pair.held("second") == Decimal("0.085"))
        assert pair.held("main") == Decimal("0.17")


@pytest.mark.parametrize("switch", ["", "enhanced_tp_sl = false"], ids=["on", "off"])
def test_adopt_when_applied_at_a_real_venues_door_then_the_next_run_keeps_it(
    tmp_path: Path, switch: str
) -> None:
    pair = Pair(tmp_path, more=switch, plan="")
    try:
        anyio.run(built_by_hand, pair.venues["main"])
        told = pair.says("adopt", "main", "BTCUSDT", "--apply").splitlines()
        assert told[2].split()[:5] == ["TP1", "105000", "0.5", "0.623", "amend"]
        assert pair.rungs("main") == ["0.5", "0.033"]
        with running(pair, signal.SIGTERM):
            pair.until(lambda: pair.rungs("main") == ["0.623", "0.037"])
    finally:
        pair.close()
