"""Accounts as they are configured: feeds, venue files, speeds, faults and acts."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from controller.cli import app
from exchanges.simulated import Fault
from tests.controller.plans import ACCOUNT, POSITION, faults, read


def test_book_when_left_out_then_is_named_after_the_state_file(tmp_path: Path) -> None:
    assert read(ACCOUNT).accounts["paper"].book == Path("rungkeeper.venue.db")
    written = '[controller]\nstate = "a.db"' + ACCOUNT + ACCOUNT.replace("paper", "second")
    accounts = read(written, base_dir=tmp_path).accounts
    assert [account.book.name for account in accounts.values()] == [
        "a.venue.db",
        "a.second.venue.db",
    ]


def test_book_when_two_would_write_it_then_is_refused() -> None:
    same = 'book = "one.db"\n'
    (fault,) = faults(ACCOUNT + same + ACCOUNT.replace("paper", "second") + same)
    assert fault == (
        'job.toml: accounts.second.book = "one.db": accounts.paper.book is this file; every file '
        "has one owner"
    )
    (fault,) = faults(ACCOUNT + 'book = "rungkeeper.db"')
    assert "controller.state is this file" in fault


def test_speed_when_two_accounts_differ_then_is_refused() -> None:
    second = ACCOUNT.replace("paper", "second")
    (fault,) = faults(ACCOUNT + 'speed = "60"' + second)
    assert fault == (
        'job.toml: accounts.second.speed: accounts.paper has "60"; all accounts of a run have one '
        "speed"
    )
    assert len(read(ACCOUNT + "speed = 60" + second + 'speed = "60.0"').accounts) == 2


def test_faults_when_sound_then_are_read_with_their_seed(tmp_path: Path) -> None:
    (tmp_path / "acts.txt").touch()
    written = """seed = 7
acts = "acts.txt"
faults = { lost_before = "5%", busy = "0.01", outage = ["2025-06-01T10:00:00Z..2025-06-01T11:00:00Z"] }
"""  # noqa: E501 - one table stands on one line
    account = read(ACCOUNT + written, base_dir=tmp_path).accounts["paper"]
    assert (account.seed, account.acts) == (7, tmp_path / "acts.txt")
    assert account.faults.rates == {
        Fault.LOST_BEFORE: Decimal("0.05"),
        Fault.BUSY: Decimal("0.01"),
    }
    (outage,) = account.faults.script
    assert (outage.fault, outage.to_ms - outage.from_ms) == (Fault.OUTAGE, 3_600_000)


def test_faults_when_wrong_then_each_is_named() -> None:
    written = """faults = { lost_before = "5", late = 0.05, busi = "1%", outage = "x", script = ["read 1 late"] }
"""  # noqa: E501 - one table stands on one line
    found = faults(ACCOUNT + written + 'acts = "acts.txt"\n')
    for fault, start in zip(
        found,
        (
            'acts = "acts.txt": there is no file acts.txt',
            'faults.lost_before = "5": must be like "5%" or "0.05", at most "100%"',
            "faults.late = 0.05: numbers stand in quotes here",
            'faults.busi = "1%": no such fault; did you mean "busy"?',
            'faults.outage = "x": must be a list of texts',
            "faults.script = [\"read 1 late\"]: 'read 1 late': a read can meet stale_read",
        ),
        strict=True,
    ):
        assert fault.startswith(f"job.toml: accounts.paper.{start}")


def test_faults_when_their_rates_add_up_to_too_much_then_are_refused() -> None:
    (fault,) = faults(ACCOUNT + 'faults = { lost_before = "60%", late = "0.5" }')
    assert fault == (
        "job.toml: accounts.paper.faults: lost_before + late: 110% of the requests: at most 100%"
    )


def test_feed_when_it_has_variables_then_they_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").touch()
    account = """
[accounts.paper]
venue = "simulated"
feed = {{ X = "{}" }}
instruments = {{ X = {{ tick = "0.1", step = "1", min_qty = "1" }} }}
"""
    for feed in ("$DATA/bars.csv", "${DATA}/bars.csv", "${DATA:-nowhere}/bars.csv"):
        config = read(account.format(feed), {"DATA": str(tmp_path)})
        assert config.accounts["paper"].feeds == {"X": f"{tmp_path}/bars.csv"}
    config = read(account.format("${DATA:-.}/bars.csv"), base_dir=tmp_path)
    assert config.accounts["paper"].feeds == {"X": "./bars.csv"}
    (fault,) = faults(account.format("$DATA/bars.csv"))
    assert "the variable DATA is not set" in fault


def test_run_when_faults_and_acts_are_configured_then_the_venue_meets_them(tmp_path: Path) -> None:
    (tmp_path / "acts.txt").write_text("2025-01-01T00:05Z buy BTCUSDT 0.002\n")
    own = 'acts = "acts.txt"\nbook = "v.db"\nfaults = { refused = "100%" }\n'
    path = tmp_path / "job.toml"
    plan = POSITION.replace("104000", "-1%").replace("101500", "-3%")
    path.write_text(ACCOUNT + own + plan)
    result = CliRunner().invoke(app, ["run", "--quiet", "--config", str(path)])
    assert "entries ended unfilled" in result.stdout
    with closing(sqlite3.connect(tmp_path / "v.db")) as venue:
        counters = dict(venue.execute("SELECT name, n FROM counter").fetchall())
    assert (counters["acts"], counters["hits.refused"], counters["requests"]) == (1, 2, 2)
