"""`rungkeeper run` on a loopback Bybit, as a user would: a whole life, kills and restarts too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from controller import journal
from controller.codes import FINE
from machines.words import Key
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.private import PrivateStream
from tests.wire.bybit.server import Loopback

ROOT = Path(__file__).resolve().parents[2]
RUN = (sys.executable, "-u", "-m", "controller", "run", "--config")
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


class Street:
    """A loopback Bybit, its stream, and a way to wait for what happens there."""

    def __init__(self, folder: Path) -> None:
        self.venue = Loopback(rules(), PRICES)
        self.stream = PrivateStream(self.venue.exchange)
        self.config = folder / "b.toml"
        text = CONFIG.format(url=self.venue.url, stream=self.stream.url)
        self.config.write_text(text)
        self._answered = threading.Condition()
        self.venue.after = self._tell

    def _tell(self, path: str) -> None:
        with self._answered:
            self._answered.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds after a request."""
        with self._answered:
            assert self._answered.wait_for(true, 20), self.venue.mutations()

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
        book = self.venue.exchange.engine.book(KEY)
        return None if book is None or book.stop is None else book.stop.px

    def move(self, price: str) -> None:
        self.venue.exchange.move("BTCUSDT", price)

    def close(self) -> None:
        self.stream.close()
        self.venue.close()


@pytest.fixture
def street(tmp_path: Path) -> Generator[Street]:
    opened = Street(tmp_path)
    yield opened
    opened.close()


@contextmanager
def started(street: Street, *command: str) -> Generator[subprocess.Popen[str]]:
    """Run the controller; whoever asks for it ends it."""
    keys = {"BYBIT_KEY": street.venue.rules.key, "BYBIT_SECRET": street.venue.rules.secret}
    with subprocess.Popen(
        [*(command or RUN), str(street.config)],
        cwd=ROOT, env=os.environ | keys, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        try:
            yield run
        except BaseException:
            run.kill()
            raise


@contextmanager
def running(street: Street, ending: signal.Signals) -> Generator[subprocess.Popen[str]]:
    """Run the controller, and end it by a signal; nothing worth an alert may happen."""
    with started(street) as run:
        yield run
        run.send_signal(ending)
        assert run.stderr is not None
        said = run.stderr.read()
    assert (said, run.returncode) == ("", FINE if ending is signal.SIGTERM else -ending)


def told(run: subprocess.Popen[str], row: str) -> None:
    """Read on until a row is printed."""
    assert run.stdout is not None
    for line in run.stdout:
        if row in line:
            return
    raise AssertionError(f"{row} was not taken")


def test_run_when_killed_and_ended_on_the_way_then_the_ladder_lives_one_whole_life(
    street: Street,
) -> None:
    with running(street, signal.SIGKILL):
        street.until(lambda: street.rungs() == ["0.289", "0.017", "0.017", "0.017"])
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
    records = list(journal.read(street.config.with_name("b.db")))
    states = [str(record.data["to"]) for record in records if record.kind == "transition"]
    assert list(dict.fromkeys(states)) == [
        *("PENDING_LIMITS", "PARTIALLY_FILLED", "FULLY_FILLED"),
        *("TP1_HIT", "STOP_AT_BREAK_EVEN", "CLOSING", "CLOSED"),
    ]
    orders = [str(row["orderLinkId"]) for row in street.venue.exchange.executions]
    assert len({name for name in orders if name}) == 4  # three entries and the first rung


def test_run_when_the_venue_is_away_at_a_restart_then_waits_for_it(street: Street) -> None:
    resting = ["0.289", "0.017", "0.017", "0.017"]
    with running(street, signal.SIGKILL):
        street.until(lambda: street.rungs() == resting)
    street.venue.faults.rates = {Wrong.HTML_502: 1.0}
    with started(street) as run:
        assert run.stderr is not None
        assert "  main  venue away: " in run.stderr.readline()
        street.venue.faults.rates = {}
        assert "  main  venue back after " in run.stderr.readline()
        run.send_signal(signal.SIGTERM)
    assert run.returncode == FINE
    assert street.rungs() == resting


def test_run_when_told_to_decide_then_the_venue_shows_it(street: Street) -> None:
    with running(street, signal.SIGTERM) as run:
        street.until(lambda: street.rungs() == ["0.289", "0.017", "0.017", "0.017"])
        words = [*RUN[:-2], "decide", "btc-1", "exit", "--config", str(street.config)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "QUEUED" in done.stdout or "EXECUTING" in done.stdout
        told(run, "C1 flat_and_clear")
    assert (street.rungs(), street.stop()) == ([], None)


LOADED = """
import sys
from controller.cli import main
try:
    main()
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("loaded", *sorted(loaded & {"pybit", "kiteconnect", "twisted"}))
"""


def test_run_when_the_account_is_at_bybit_then_nothing_of_zerodha_is_loaded(
    street: Street,
) -> None:
    with started(street, sys.executable, "-u", "-c", LOADED, "run", "--config") as run:
        street.until(lambda: len(street.rungs()) == 4)
        run.send_signal(signal.SIGTERM)
        assert run.stdout is not None
        assert run.stdout.read().splitlines()[-1] == "loaded pybit"
