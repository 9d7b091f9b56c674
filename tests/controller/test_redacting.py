"""Secrets leave by no line: a canary through errors, logs, tracebacks, journal and outcomes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.config import parse
from controller.live_venues import Desk, LateVenue, Opened
from exchanges.errors import VenueUnavailable
from exchanges.findings import Finding
from exchanges.secrets import Secret
from machines.words import (
    CancelOrder,
    Capabilities,
    Fees,
    Instrument,
    Key,
    Mutation,
    Outcome,
    OutcomeKind,
    Role,
    Snapshot,
)
from tests.controller.test_live_run import CONFIG

CHECKOUT = Path(__file__).resolve().parents[2]
CANARY = "canary-of-the-journal"

SAID = """
import logging, sys
from controller import cli, cmd_run
from exchanges.secrets import Secret
from machines.errors import InvalidSpec
secret = Secret("canary-of-stderr")
def run(*_, **__):
    logging.getLogger("pybit").error("sent with canary-of-stderr")
    logging.getLogger("rungkeeper").warning("X-KEY: %s", secret.reveal())
    raise {error}
cmd_run.run = run
sys.argv = ["rungkeeper", "run"]
cli.main()
"""


@pytest.mark.parametrize(
    "error", ['ValueError("key canary-of-stderr")', 'InvalidSpec(["key canary-of-stderr"])']
)
def test_stderr_when_a_secret_is_in_a_line_then_it_is_hidden(error: str) -> None:
    code = SAID.replace("{error}", error)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert "key ***" in done.stderr
    assert "sent with ***" in done.stderr
    assert "X-KEY: ***" in done.stderr
    assert "canary-of-stderr" not in done.stdout + done.stderr.replace(code, "")


class Echo:
    """A venue that says our key back to us."""

    account = "main"
    capabilities = Capabilities()
    instruments: Mapping[str, Instrument] = {}

    def fees(self, symbol: str) -> Fees:
        del symbol
        return Fees()

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        return Key(self.account, symbol, ladder_key + side)

    async def snapshot(self, since_ms: int) -> Snapshot:
        raise VenueUnavailable(f"since {since_ms}: key {CANARY} is slow")

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        return [Outcome(OutcomeKind.BUSY, None, f"key {CANARY} is busy")] * len(mutations)

    def close(self) -> None:
        pass


async def opened(_: Desk) -> Opened:
    async def look_over(_: int) -> list[Finding]:
        return []

    return Opened(venue=Echo(), look_over=look_over)


async def test_venue_when_it_says_a_secret_then_nobody_behind_it_hears_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Secret(CANARY)
    monkeypatch.setattr("controller.live_venues.open_venue", opened)
    text = CONFIG.format(url="http://127.0.0.1:9", stream="ws://127.0.0.1:9/v5/private")
    settings = parse(text, "t", tmp_path, {}).accounts["main"]
    desk = Desk(settings, (), {}, tmp_path, {}, SystemClock(), lambda: None)
    venue = LateVenue(desk, lambda _: None)
    with pytest.raises(VenueUnavailable, match=r"since 7: key \*\*\* is slow"):
        await venue.snapshot(7)
    asked = CancelOrder(Key("main", "BTCUSDT"), "a", Role.ENTRY, 1)
    (outcome,) = await venue.send([asked])
    assert outcome.text == "key *** is busy"
