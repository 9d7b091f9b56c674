"""`rungkeeper run` on a loopback Zerodha, scheme B: a whole life, and a token that dies."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import pytest

from controller.codes import FINE
from tests.controller.live_runs import (
    PATIENCE_S,
    ROOT,
    Street,
    alerted,
    loaded,
    running,
    started,
    told,
)
from tests.wire.common_ws import WebSocketServer
from tests.wire.zerodha.rig import SYMBOL, infy
from tests.wire.zerodha.server import FRIDAY_10_15, KEY, TOKEN, Venue, serve
from tests.wire.zerodha.watch import Watch

CONFIG = """
[controller]
state = "k.db"
[accounts.kite]
venue = "zerodha"
key = "env:KITE_KEY"
secret = "env:KITE_SECRET"
access_token = "file:kite.token"
url = "{url}"
[[positions]]
name = "infy-1"
account = "kite"
symbol = "INFY"
side = "long"
entries = [ {{ price = "1490", qty = "100" }} ]
stop = "1470"
targets = ["1515", "1530", "1545", "1560"]
"""
CUT_OFF_MS = (4 * 60 + 50) * 60_000
"""From the quarter past ten at which the loopback day begins to five past three."""
WHOLE = [(5, 1470), (5, 1470), (5, 1470), (85, 1470)]


class Kite(Street):
    """A loopback Zerodha on a Friday morning, and what it shows."""

    def __init__(self, folder: Path, venue: Venue) -> None:
        self.venue = venue
        ahead_ms = FRIDAY_10_15 - time.time_ns() // 1_000_000
        env = {"KITE_KEY": KEY, "KITE_SECRET": "loopback-secret"}
        super().__init__(folder / "k.toml", CONFIG.format(url=venue.url), env, ahead_ms)
        self.log_in(TOKEN)
        self.watch = venue.watch = Telling(venue, self)

    def log_in(self, token: str) -> None:
        """Put a token where the configuration says."""
        path = self.config.with_name("kite.token")
        path.write_text(token)
        path.chmod(0o600)

    def stops(self) -> list[tuple[Decimal, Decimal]]:
        """Show what rests as a stop, as (quantity, trigger)."""
        resting = list(self.venue.broker.tickets.values())
        return sorted((t.quantity, t.trigger) for t in resting if t.status == "TRIGGER PENDING")

    @property
    def held(self) -> Decimal:
        """Return what is held."""
        return self.venue.broker.floor.book("MIS", SYMBOL).net_qty


class Telling(Watch):
    """Looks at the books after each request, and says that there was one."""

    def __init__(self, venue: Venue, street: Street) -> None:
        super().__init__(venue.broker)
        self._street = street

    def look(self, line: str) -> None:
        """Look, and tell."""
        super().look(line)
        self._street.tell(line)


@pytest.fixture
def street(tmp_path: Path) -> Generator[Kite]:
    with serve(infy()) as venue:
        opened = Kite(tmp_path, venue)
        yield opened
        assert opened.watch.violations == []


def test_run_when_killed_and_ended_on_the_way_then_the_ladder_lives_one_whole_life(
    street: Kite,
) -> None:
    with running(street, signal.SIGKILL):
        street.until(lambda: len(street.venue.broker.tickets) == 1)
        street.venue.move("1490")
        street.until(lambda: street.stops() == WHOLE)
    with running(street, signal.SIGTERM) as run:
        street.venue.move("1515")
        told(run, "T5 break_even_seen")
        assert street.held == 15
    break_even = street.stops()[0][1]
    assert street.stops() == [(5, break_even)] * 3
    assert 1490 < break_even < 1515
    with running(street, signal.SIGTERM) as run:
        street.venue.move(break_even)
        told(run, "C1 flat_and_clear")
    assert (street.stops(), street.held) == ([], 0)
    assert street.states() == [
        *("PENDING_LIMITS", "FULLY_FILLED", "TP1_HIT"),
        *("STOP_AT_BREAK_EVEN", "CLOSING", "CLOSED"),
    ]


def test_run_when_the_token_dies_then_what_is_decided_waits_for_a_login(street: Kite) -> None:
    with started(street) as run:
        street.until(lambda: len(street.venue.broker.tickets) == 1)
        street.venue.move("1490")
        street.until(lambda: street.stops() == WHOLE)
        street.venue.access.kill()
        alerted(run, "venue away: the access token is dead: run `rungkeeper login zerodha`")
        asked = len(street.venue.log)
        words = street.command("decide", "infy-1", "exit")
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "QUEUED" in done.stdout
        assert street.stops() == WHOLE
        assert len(street.venue.log) <= asked + 1, "a dead token is not tried again and again"
        street.venue.access.token = "of-a-new-login"
        street.log_in("of-a-new-login")
        told(run, "C1 flat_and_clear")
        alerted(run, "venue back after ")
        run.send_signal(signal.SIGTERM)
    assert run.returncode == FINE
    assert (street.stops(), street.held) == ([], 0)


def test_run_when_the_ticker_is_wanted_then_it_is_listened_to_and_twisted_is_loaded(
    street: Kite,
) -> None:
    opened = threading.Event()
    line = WebSocketServer(lambda _connection, _text: None, lambda _: opened.set())
    ticker = f'[accounts.kite]\nticker = true\nstream_url = "ws://127.0.0.1:{line.port}"'
    text = street.config.read_text()
    street.config.write_text(text.replace("[accounts.kite]", ticker))
    try:
        with started(street) as run:
            assert opened.wait(PATIENCE_S)
            street.until(lambda: len(street.venue.broker.tickets) == 1)
            assert loaded(run) == "kiteconnect twisted"
    finally:
        line.close()


def test_run_when_the_ticker_would_be_kites_own_then_the_loopback_has_none(street: Kite) -> None:
    text = street.config.read_text()
    street.config.write_text(text.replace("[accounts.kite]", "[accounts.kite]\nticker = true"))
    with started(street) as run:
        street.until(lambda: len(street.venue.broker.tickets) == 1)
        assert loaded(run) == "kiteconnect"


@pytest.mark.prove
def test_run_when_the_broker_would_soon_close_positions_then_it_does_so_first(
    tmp_path: Path,
) -> None:
    venue = infy()
    venue.clock.jump(CUT_OFF_MS - 6_000)
    with serve(venue):
        street = Kite(tmp_path, venue)
        street.ahead_ms += CUT_OFF_MS - 6_000
        with running(street, signal.SIGTERM) as run:
            street.until(lambda: len(venue.broker.tickets) == 1)
            venue.move("1490")
            street.until(lambda: street.stops() == WHOLE)
            told(run, "C1 flat_and_clear")
        assert (street.stops(), street.held) == ([], 0)
        assert venue.clock.now_ms() >= FRIDAY_10_15 + CUT_OFF_MS


def test_run_when_the_account_is_at_zerodha_then_neither_pybit_nor_twisted_is_loaded(
    street: Kite,
) -> None:
    with started(street) as run:
        street.until(lambda: len(street.venue.broker.tickets) == 1)
        assert loaded(run) == "kiteconnect"
