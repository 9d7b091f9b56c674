"""Paper trading on a live venue's public prices: a whole life, and nothing sent to anybody."""

from __future__ import annotations

import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import FINE, NO_VENUE, STORAGE_FAILED, WRONG_INPUT
from tests.controller.live_runs import Street, loaded, running, started, told
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

CONFIG = """
[controller]
state = "p.db"
poll = "200ms"
[accounts.paper]
venue = "simulated"
feed = {{ BTCUSDT = "live:bybit" }}
url = "{url}"
fees = {{ maker = "0.0002", taker = "0.00055" }}
[accounts.paper.instruments]
BTCUSDT = {{ tick = "0.1", step = "0.001", min_qty = "0.001", min_notional = "5" }}
[[positions]]
name = "btc-1"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ {{ price = "104000", qty = "0.66" }}, {{ price = "market", qty = "0.34" }} ]
stop = "101500"
targets = ["105000", "106000", "107000", "108000"]
"""
WHOLE = (
    *("PENDING_LIMITS", "PARTIALLY_FILLED", "FULLY_FILLED"),
    *("TP1_HIT", "STOP_AT_BREAK_EVEN", "CLOSING", "CLOSED"),
)


class Paper(Street):
    """A loopback Bybit of which only the prices are wanted."""

    def __init__(self, folder: Path) -> None:
        self.venue = Loopback(rules(), PRICES)
        super().__init__(folder / "p.toml", CONFIG.format(url=self.venue.url), {})
        self.venue.after = self.tell

    def move(self, *prices: str) -> None:
        """Let prices happen, and a look begin and end after them."""
        self.venue.exchange.move("BTCUSDT", *prices)
        looks = self.venue.asked("/v5/market/tickers") + 2
        self.until(lambda: self.venue.asked("/v5/market/tickers") >= looks)


@pytest.fixture
def street(tmp_path: Path) -> Generator[Paper]:
    opened = Paper(tmp_path)
    yield opened
    assert {path for _, path, _ in opened.venue.requests} <= {
        "/v5/market/kline",
        "/v5/market/tickers",
    }
    opened.venue.close()


def test_paper_when_killed_and_ended_on_the_way_then_the_ladder_lives_one_whole_life(
    street: Paper,
) -> None:
    with running(street, signal.SIGKILL) as run:
        told(run, "E2 entry_filled")
        street.move("104000", "104400")  # there and back between two looks
        told(run, "E3 entry_filled")
    street.venue.exchange.move("BTCUSDT", "105000", "104800")  # while nobody looks
    with running(street, signal.SIGTERM) as run:
        told(run, "T5 break_even_seen")
    with running(street, signal.SIGTERM) as run:
        street.move("103000")
        told(run, "C1 flat_and_clear")
    assert tuple(street.states()) == WHOLE


def test_paper_when_run_then_nothing_of_zerodha_is_loaded(street: Paper) -> None:
    with started(street) as run:
        told(run, "E2 entry_filled")
        assert loaded(run) == "pybit"


def call(street: Paper, command: str) -> Result:
    words = [command] if command == "preview" else [command, "--config"]
    return CliRunner().invoke(app, [*words, str(street.config)])


def test_paper_when_previewed_then_starts_from_the_price_of_now(street: Paper) -> None:
    done = call(street, "preview")
    assert done.exit_code == FINE, done.output
    assert "btc-1: long BTCUSDT in paper, starting at 104500" in done.stdout


def test_paper_when_examined_then_says_that_nothing_leaves(street: Paper) -> None:
    done = call(street, "doctor")
    assert done.exit_code == FINE, done.output
    assert "simulated on Bybit's public prices: no order leaves this machine" in done.stdout


def test_paper_when_bybit_is_away_then_says_so(street: Paper) -> None:
    street.venue.faults.rates = {Wrong.HTML_502: 1.0}
    done = call(street, "run")
    assert "prices of BTCUSDT: HTTP 502" in done.stderr
    assert done.exit_code == NO_VENUE


def test_paper_when_the_venues_file_is_gone_then_refused(street: Paper) -> None:
    with running(street, signal.SIGTERM) as run:
        told(run, "E2 entry_filled")
    street.config.with_name("p.venue.db").unlink()
    done = call(street, "run")
    assert "is gone or empty" in done.stderr
    assert done.exit_code == WRONG_INPUT


def test_paper_when_its_prices_were_altered_then_refused(street: Paper) -> None:
    with running(street, signal.SIGTERM) as run:
        told(run, "E2 entry_filled")
    street.config.with_name("p.venue.prices.jsonl").write_text("no price\n")
    done = call(street, "run")
    assert "prices" in done.stderr
    assert done.exit_code == STORAGE_FAILED


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("live:bybit", "live:kraken", "live prices are Bybit's"),
        ('url = "', 'speed = "2"\nurl = "', "accounts.paper.speed"),
        ('url = "', 'fill_share = "0.5"\nurl = "', "accounts.paper.fill_share"),
        ('url = "', 'poll = "bar"\nurl = "', "accounts.paper.poll"),
        ("live:bybit", "random-walk:7", "accounts.paper.url"),
    ],
)
def test_paper_when_the_configuration_is_wrong_then_it_is_named(
    street: Paper, old: str, new: str, message: str
) -> None:
    written = street.config.read_text()
    assert old in written
    street.config.write_text(written.replace(old, new))
    done = call(street, "run")
    assert message in done.stderr
    assert done.exit_code == WRONG_INPUT
