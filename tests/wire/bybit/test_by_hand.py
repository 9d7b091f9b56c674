"""The loopback venue as it is started by hand."""

import re
import subprocess
import sys
from pathlib import Path

from controller.config import load
from controller.config_live import BybitAccount
from tests.wire.bybit.__main__ import arguments

CHECKOUT = Path(__file__).parents[3]


def test_venue_when_started_by_hand_then_listens_here_and_ends_by_itself() -> None:
    words = ["--port", "0", "--stream-port", "0", "--seconds", "0.2", "--tick-ms", "10"]
    found = subprocess.run(
        [sys.executable, "-m", "tests.wire.bybit", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
        timeout=60,
    )
    assert found.stderr == ""
    assert re.search(
        r"^Loopback Bybit at http://127\.0\.0\.1:\d+, stream at ws://127", found.stdout
    )
    assert "export BYBIT_KEY=loopback-key BYBIT_SECRET=loopback-secret" in found.stdout


def test_example_when_loaded_then_it_goes_to_the_loopback_venue() -> None:
    config = load(CHECKOUT / "examples" / "bybit-loopback.toml", {})
    (account,) = config.accounts.values()
    assert isinstance(account.live, BybitAccount)
    usual = arguments([])
    assert account.live.url == f"http://127.0.0.1:{usual.port}"
    assert account.live.stream_url == f"ws://127.0.0.1:{usual.stream_port}/v5/private"
