"""`rungkeeper run` on a loopback Bybit, as a user would: a whole life, kills and restarts too."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from controller.codes import FINE
from machines.words import Key
from tests.controller.live_runs import (
    ROOT,
    Street,
    alerted,
    loaded,
    running,
    started,
    told,
)
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.private import PrivateStream
from tests.wire.bybit.server import Loopback

CONFIG = """
[controller]
state = "b.db"
poll = "1s"
[accounts.main]
venue = "bybit"
key = "env:BYBIT_KEY"
secret = "env:BYBIT_SECRET"
url = "{url}"
stream_url = "{stream}"
[[positions]]
name = "btc-1"
account = "main"
symbol = "BTCUSDT"
side = "long"
entries = [
    {{ price = "104000", qty = "0.33" }},
    {{ price = "103500", qty = "0.33" }},
    {{ price = "market", qty = "0.34" }},
]
stop = "101500"
targets = ["105000", "106000", "107000", "108000"]
"""
KEY = Key("loop", "BTCUSDT")
FIRST = ["0.289", "0.017", "0.017", "0.017"]
"""The rungs when the market entry alone has filled."""


class Bybit(Street):
    """A loopback Bybit and its stream."""

    def __init__(self, folder: Path) -> None:
        self.venue = Loopback(rules(), PRICES)
        self.stream = PrivateStream(self.venue.exchange)
        super().__init__(
            folder / "b.toml",
            CONFIG.format(url=self.venue.url, stream=self.stream.url),
            {"BYBIT_KEY": self.venue.rules.key, "BYBIT_SECRET": self.venue.rules.secret},
        )
        self.venue.after = self.tell

    def rungs(self) -> list[str]:
        """Show what rests to take profit, nearest first."""
        book = self.venue.exchange.engine.book(KEY)
        orders = [] if book is None else [each.order for each in book.live.values()]
        resting = [
            (order.price, order.leaves_qty)
            for order in orders
            if order is not None and order.price is not None and order.reduce_only
        ]
        return [f"{qty.normalize():f}" for _, qty in sorted(resting)]

    def stop(self) -> Decimal | None:
        """Return where the position's stop is."""
        book = self.venue.exchange.engine.book(KEY)
        return None if book is None or book.stop is None else book.stop.px

    def move(self, price: str) -> None:
        """Let a price happen."""
        self.venue.exchange.move("BTCUSDT", price)


@pytest.fixture
def street(tmp_path: Path) -> Generator[Bybit]:
    opened = Bybit(tmp_path)
    yield opened
    opened.stream.close()
    opened.venue.close()


def test_run_when_killed_and_ended_on_the_way_then_the_ladder_lives_one_whole_life(
    street: Bybit,
) -> None:
    with running(street, signal.SIGKILL):
        street.until(lambda: street.rungs() == FIRST)
        assert street.stop() == 101500
        street.move("104000")
        street.until(lambda: street.rungs() == ["0.57", "0.034", "0.033", "0.033"])
    street.move("103500")  # fills while nobody looks; its stop came with it
    assert street.stop() == 101500
    with running(street, signal.SIGTERM) as run:
        street.until(lambda: street.rungs() == ["0.85", "0.05", "0.05", "0.05"])
        street.move("105000")
        told(run, "T5 break_even_seen")
    assert street.rungs() == ["0.05"] * 3
    break_even = street.stop()
    assert break_even is not None
    assert 103500 < break_even < 105000
    with running(street, signal.SIGTERM) as run:
        street.move("103000")
        told(run, "C1 flat_and_clear")
    assert (street.rungs(), street.stop()) == ([], None)
    book = street.venue.exchange.engine.book(KEY)
    assert book is not None
    assert book.net_qty == 0
    assert street.states() == [
        *("PENDING_LIMITS", "PARTIALLY_FILLED", "FULLY_FILLED"),
        *("TP1_HIT", "STOP_AT_BREAK_EVEN", "CLOSING", "CLOSED"),
    ]
    orders = [str(row["orderLinkId"]) for row in street.venue.exchange.executions]
    assert len({name for name in orders if name}) == 4  # three entries and the first rung


def test_run_when_the_venue_is_away_at_a_restart_then_waits_for_it(street: Bybit) -> None:
    with running(street, signal.SIGKILL):
        street.until(lambda: street.rungs() == FIRST)
    street.venue.faults.rates = {Wrong.HTML_502: 1.0}
    with started(street) as run:
        alerted(run, "  main  venue away: ")
        street.venue.faults.rates = {}
        alerted(run, "  main  venue back after ")
        run.send_signal(signal.SIGTERM)
    assert run.returncode == FINE
    assert street.rungs() == FIRST


def test_run_when_told_to_end_again_and_again_then_ends_in_peace(street: Bybit) -> None:
    with started(street) as run:
        street.until(lambda: street.rungs() == FIRST)
        while run.poll() is None:
            run.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):  # it needs a moment to do anything at all
                run.wait(0.01)
        assert run.stdout is not None
        assert "journal: " in run.stdout.read()  # files are closed, all is summed up
    assert street.rungs() == FIRST


def test_run_when_told_to_decide_then_the_venue_shows_it(street: Bybit) -> None:
    with running(street, signal.SIGTERM) as run:
        street.until(lambda: street.rungs() == FIRST)
        words = street.command("decide", "btc-1", "exit")
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "QUEUED" in done.stdout or "EXECUTING" in done.stdout
        told(run, "C1 flat_and_clear")
    assert (street.rungs(), street.stop()) == ([], None)


def test_run_when_the_account_is_at_bybit_then_nothing_of_zerodha_is_loaded(
    street: Bybit,
) -> None:
    with started(street) as run:
        street.until(lambda: len(street.rungs()) == 4)
        assert loaded(run) == "pybit"


def test_run_when_the_clock_is_set_then_says_so_and_reads_before_it_sends(street: Bybit) -> None:
    with started(street) as run:
        street.until(lambda: street.rungs() == FIRST)
        os.kill(run.pid, signal.SIGUSR1)
        said = alerted(run, "this machine's clock was set by 3600")
        assert "it is not followed" in said
        street.venue.requests.clear()
        street.move("104000")
        street.until(lambda: len(street.venue.mutations()) > 0)
        methods = [method for method, _, _ in street.venue.requests]
        assert methods.index("GET") < methods.index("POST")
        run.send_signal(signal.SIGTERM)
    assert street.rungs() == ["0.57", "0.034", "0.033", "0.033"]
