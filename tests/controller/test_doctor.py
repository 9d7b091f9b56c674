"""`rungkeeper doctor`: plain verdicts on accounts as they may be found, and nothing sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import anyio
import pytest
from typer.testing import CliRunner

from controller import live_look
from controller.cli import app
from controller.clock import SystemClock
from controller.codes import CHECK_FAILED, FINE, WRONG_INPUT
from controller.config import parse
from controller.live_venues import fetch_secrets
from controller.owners import hold_accounts
from machines.words import Side
from tests.controller.test_live_bad_input import ENV, KITE, token
from tests.controller.test_live_run import CONFIG
from tests.wire.bybit.desk import PRICES, Asker, opened, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback
from tests.wire.zerodha.rig import infy
from tests.wire.zerodha.server import Venue, serve

ROOT = Path(__file__).resolve().parents[2]
Told = dict[str, list[tuple[str, str]]]


@pytest.fixture
def bybit() -> Generator[Loopback]:
    venue = Loopback(rules(), PRICES)
    yield venue
    venue.close()


@pytest.fixture
def kite(monkeypatch: pytest.MonkeyPatch) -> Generator[Venue]:
    """A loopback Zerodha on a Friday morning, by whose clock the doctor goes."""
    venue = infy()

    class Friday(SystemClock):
        def __init__(self) -> None:
            super().__init__(venue.clock.now_ms)

    monkeypatch.setattr(live_look, "SystemClock", Friday)
    with serve(venue):
        yield venue


def examined(folder: Path, written: str, code: int) -> Told:
    """Return what is told of the one account, by check: verdicts and texts."""
    config = folder / "job.toml"
    config.write_text(written)
    done = CliRunner().invoke(app, ["doctor", "--json", "--config", str(config)], env=ENV)
    assert done.exit_code == code, done.output
    found = json.loads(done.stdout)
    (account,) = found["accounts"]
    assert found["safe"] == account["safe"] == (code == FINE)
    told: Told = {}
    for each in cast("list[dict[str, str]]", account["checks"]):
        told.setdefault(each["check"], []).append((each["verdict"], each["text"]))
    return told


def of_bybit(venue: Loopback) -> str:
    return CONFIG.format(url=venue.url, stream="ws://127.0.0.1:9/v5/private")


def test_bybit_when_all_is_well_then_says_so_of_every_check(
    bybit: Loopback, tmp_path: Path
) -> None:
    told = examined(tmp_path, of_bybit(bybit), FINE)
    (reachable,) = told.pop("reachable")
    assert reachable[1].startswith("opened in ")
    (clock,) = told.pop("clock")
    assert clock[1].endswith(" ms ahead of Bybit's")
    assert told == {
        "environment": [("ok", "the key belongs to mainnet")],
        "key": [("ok", "may trade and move no money; bound to an address")],
        "position mode": [("ok", "one-way")],
        "stop": [("ok", "the position's own")],
        "rate limit": [("ok", "4 reads every 1 s are 3% of 600 in 5 s")],
        "stream": [("ok", "configured; fills wake the poll")],
        "plan btc-1": [("ok", "fits BTCUSDT (tick 0.1, step 0.001) at 104500")],
        "others": [("ok", "every order and position is ours, or there is none")],
    }
    assert bybit.mutations() == []


def test_bybit_when_others_trade_there_then_what_is_theirs_is_named(
    bybit: Loopback, tmp_path: Path
) -> None:
    bybit.exchange.person_trades("ETHUSDT", Side.BUY, "0.5")
    told = examined(tmp_path, of_bybit(bybit), FINE)
    assert told["others"] == [("warning", "ETHUSDT: 0.5 are held, of which 0 are ours")]


def _late(venue: Loopback) -> None:
    venue.rules.clock_offset_ms = -4_000


def _slow(venue: Loopback) -> None:
    venue.rules.clock_offset_ms = -700


def _open(venue: Loopback) -> None:
    venue.rules.ips = ["*"]


def _read_only(venue: Loopback) -> None:
    venue.rules.read_only = 1


def _broken(venue: Loopback) -> None:
    venue.faults.rates = {Wrong.HTML_502: 1.0}


def _moved(venue: Loopback) -> None:
    venue.exchange.move("BTCUSDT", "105500")


@pytest.mark.parametrize(
    ("spoil", "code", "check", "verdict", "text"),
    [
        (_late, CHECK_FAILED, "account", "fault", "ms ahead of Bybit's; set it"),
        (_slow, FINE, "clock", "warning", "ms ahead of Bybit's"),
        (_open, FINE, "key", "warning", "works from any address"),
        (_read_only, CHECK_FAILED, "account", "fault", "key: is read-only"),
        (_broken, CHECK_FAILED, "reachable", "fault", "account main: HTTP 502"),
        (_moved, CHECK_FAILED, "plan btc-1", "fault", "targets[1] = 105000: is 105000.0, on the "),
    ],
)
def test_bybit_when_something_is_wrong_then_it_is_named(
    bybit: Loopback,
    tmp_path: Path,
    spoil: Callable[[Loopback], None],
    code: int,
    check: str,
    verdict: str,
    text: str,
) -> None:
    spoil(bybit)
    told = examined(tmp_path, of_bybit(bybit), code)
    found = [each for each in told[check] if text in each[1]]
    assert [each[0] for each in found] == [verdict], told


def test_bybit_when_a_controller_runs_it_then_says_which(bybit: Loopback, tmp_path: Path) -> None:
    config = parse(of_bybit(bybit), "job.toml", tmp_path, ENV)
    secrets = fetch_secrets(config.accounts.values(), tmp_path, ENV)
    with ExitStack() as held:
        hold_accounts(config.accounts.values(), secrets, held)
        told = examined(tmp_path, of_bybit(bybit), FINE)
    ((verdict, text),) = told["owner"]
    assert verdict == "warning"
    assert f"owned by another controller (process {os.getpid()}, this one)" in text


def test_bybit_when_an_order_is_of_another_journal_then_trading_is_not_safe(
    bybit: Loopback, tmp_path: Path
) -> None:
    async def place() -> None:
        async with opened(bybit) as account:
            asker = Asker(account)
            await asker.done(asker.limit("abcdefghije1g1", Side.BUY, "0.1", "90000"))

    anyio.run(place)
    told = examined(tmp_path, of_bybit(bybit), CHECK_FAILED)
    (other,) = told["others"]
    assert other[0] == "fault"
    assert "order abcdefghije1g1 is of a Rungkeeper with another journal" in other[1]


def test_zerodha_when_all_is_well_then_says_so_of_every_check(kite: Venue, tmp_path: Path) -> None:
    token(tmp_path)
    told = examined(tmp_path, KITE.format(url=kite.url), FINE)
    del told["reachable"]
    assert told == {
        "token": [("ok", "AB1234 is logged in, until 2026-11-21 06:00 in India at the latest")],
        "account": [("ok", "MIS at NSE, scheme B")],
        "prices": [("ok", "quotes are included")],
        "session": [("ok", "INFY trades now; positions end at 15:05")],
        "orders today": [("ok", "5000 of 5000 order requests are left today")],
        "rate limit": [("ok", "5 reads every 1 s are 55% of 10 a second")],
        "stream": [("ok", "none is configured: fills are seen at the next poll")],
        "plan infy-1": [("ok", "fits INFY (tick 0.1, step 1) at 1500")],
        "others": [("ok", "every order and position is ours, or there is none")],
    }
    assert kite.writes() == []


def _no_quotes(venue: Venue) -> None:
    venue.broker.quirks.quotes = False


def _night(venue: Venue) -> None:
    venue.clock.jump(8 * 3_600_000)


def _dead(venue: Venue) -> None:
    venue.access.kill()


@pytest.mark.parametrize(
    ("spoil", "code", "check", "verdict", "text"),
    [
        (_no_quotes, CHECK_FAILED, "prices", "fault", "scheme B cannot see a target"),
        (_night, FINE, "session", "ok", "opens Mon 2026-11-23 09:15 in India"),
        (_dead, CHECK_FAILED, "reachable", "fault", "run `rungkeeper login zerodha`"),
    ],
)
def test_zerodha_when_something_is_wrong_then_it_is_named(
    kite: Venue,
    tmp_path: Path,
    spoil: Callable[[Venue], None],
    code: int,
    check: str,
    verdict: str,
    text: str,
) -> None:
    token(tmp_path)
    spoil(kite)
    told = examined(tmp_path, KITE.format(url=kite.url), code)
    found = [each for each in told[check] if text in each[1]]
    assert [each[0] for each in found] == [verdict], told


def test_zerodha_when_nobody_has_logged_in_then_says_how(kite: Venue, tmp_path: Path) -> None:
    told = examined(tmp_path, KITE.format(url=kite.url), CHECK_FAILED)
    assert "run `rungkeeper login zerodha`" in told["secrets"][0][1]
    assert kite.log == []


def told_of(path: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", "--config", str(path)])
    return done.exit_code, done.output


def test_simulated_when_all_is_well_then_says_that_nothing_leaves(tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    path.write_text((ROOT / "examples" / "paper.toml").read_text())
    code, said = told_of(path)
    assert code == FINE
    assert "simulated: no order leaves this machine" in said
    assert said.endswith("safe to trade\n")
    assert list(tmp_path.iterdir()) == [path]


def test_simulated_when_a_plan_is_wrong_then_not_safe(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    written = (ROOT / "examples" / "spec.toml").read_text()
    assert written.count('stop = "101500"') == 1
    path.write_text(written.replace('stop = "101500"', 'stop = "104500"'))
    code, said = told_of(path)
    assert code == CHECK_FAILED
    assert "stop = 104500: is 104500.0, inside the entries" in said
    assert "NOT SAFE" in said


def test_doctor_when_the_configuration_is_wrong_then_it_is_wrong_input(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert told_of(path)[0] == WRONG_INPUT


def test_doctor_when_the_state_file_is_no_journal_then_not_safe(tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    path.write_text((ROOT / "examples" / "paper.toml").read_text())
    (tmp_path / "paper.db").write_text("not a journal")
    code, said = told_of(path)
    assert code == CHECK_FAILED
    assert "fault    state" in said
