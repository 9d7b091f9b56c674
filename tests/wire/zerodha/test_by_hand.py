"""The loopback venue as it is started by hand."""

import re
import subprocess
import sys
from pathlib import Path

from controller.config import load
from controller.config_live import ZerodhaAccount
from exchanges.zerodha.sessions import Market, read_calendar

SUNDAY_NIGHT = 1_795_365_000_000  # 2026-11-22, 22:00 in India
CHECKOUT = Path(__file__).parents[3]


def test_venue_when_started_by_hand_then_listens_here_and_ends_by_itself() -> None:
    words = ["--port", "0", "--seconds", "0.2", "--tick-ms", "10"]
    found = subprocess.run(
        [sys.executable, "-m", "tests.wire.zerodha", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
        timeout=60,
    )
    assert found.stderr == ""
    assert re.search(r"^Loopback Zerodha at http://127\.0\.0\.1:\d+: NSE:KOTAKBANK", found.stdout)
    assert "export KITE_KEY=loopback-key KITE_SECRET=loopback-secret" in found.stdout


def test_example_when_loaded_then_it_goes_to_the_loopback_venue() -> None:
    config = load(CHECKOUT / "examples" / "zerodha-loopback.toml", {})
    (account,) = config.accounts.values()
    assert isinstance(account.live, ZerodhaAccount)
    assert account.live.settings.url == "http://127.0.0.1:8124"
    assert read_calendar(account.live.settings.calendar).is_open(Market.CASH, SUNDAY_NIGHT)
