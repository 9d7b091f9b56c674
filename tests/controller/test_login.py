"""`rungkeeper login zerodha`: from what a person pastes to a token that lets the controller in."""

from __future__ import annotations

import stat
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import FINE, NO_VENUE, WRONG_INPUT
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rig import infy
from tests.wire.zerodha.server import KEY, SECRET, Venue, serve

CONFIG = """
[accounts.kite]
venue = "zerodha"
key = "env:KITE_KEY"
secret = "env:KITE_SECRET"
access_token = "file:kite.token"
url = "{url}"
"""


@pytest.fixture
def kite() -> Generator[Venue]:
    with serve(infy()) as venue:
        yield venue


class Desk:
    """A person at a terminal."""

    def __init__(self, folder: Path, venue: Venue) -> None:
        self.config = folder / "k.toml"
        self.token = folder / "kite.token"
        self.write(CONFIG.format(url=venue.url))

    def write(self, text: str) -> None:
        self.config.write_text(text)

    def login(self, *words: str, typed: str | None = None) -> Result:
        env = {"KITE_KEY": KEY, "KITE_SECRET": SECRET}
        asked = ["login", "zerodha", "--config", str(self.config), *words]
        done = CliRunner().invoke(app, asked, env=env, input=typed)
        assert SECRET not in done.output
        return done


@pytest.fixture
def desk(tmp_path: Path, kite: Venue) -> Desk:
    return Desk(tmp_path, kite)


def test_login_when_the_address_is_pasted_then_the_token_is_its_owners_alone(
    desk: Desk, kite: Venue
) -> None:
    address = "https://127.0.0.1/?action=login&status=success&request_token=requesttoken1"
    done = desk.login(typed=f"{address}\n")
    assert done.exit_code == FINE, done.output
    assert f"https://kite.zerodha.com/connect/login?api_key={KEY}" in done.stdout
    assert "kite: AB1234 is logged in until 2" in done.stdout
    assert desk.token.read_text().strip() == kite.access.token
    assert kite.access.token not in done.output
    assert stat.S_IMODE(desk.token.stat().st_mode) == 0o600


def test_login_when_the_token_is_given_then_nothing_is_asked(desk: Desk) -> None:
    done = desk.login("--request-token", "requesttoken1")
    assert done.exit_code == FINE
    assert "Log in at" not in done.stdout


def test_login_when_kite_refuses_then_the_old_token_stays(desk: Desk) -> None:
    desk.token.write_text("old")
    done = desk.login("--request-token", "requesttoken2")
    assert done.exit_code == WRONG_INPUT
    assert "Kite refused the login: " in done.stderr
    assert desk.token.read_text() == "old"


def test_login_when_kite_is_away_then_says_so(desk: Desk, kite: Venue) -> None:
    kite.faults.plan(Fault.HTML_502, "POST /session")
    done = desk.login("--request-token", "requesttoken1")
    assert done.exit_code == NO_VENUE
    assert "Kite did not answer the login" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words", "message"),
    [
        ("file:kite.token", "env:KITE_TOKEN", [], "accounts.kite.access_token: is not a file"),
        ("zerodha", "zerodha", ["--account", "kit"], "--account kit: no account at Zerodha of th"),
        ("env:KITE_SECRET", "env:NONE", [], "accounts.kite.secret: env:NONE: the variable is not"),
    ],
)
def test_login_when_the_input_is_wrong_then_it_is_named_and_kite_is_not_asked(
    desk: Desk, kite: Venue, old: str, new: str, words: list[str], message: str
) -> None:
    desk.write(CONFIG.format(url=kite.url).replace(old, new))
    done = desk.login(*words, "--request-token", "requesttoken1")
    assert message in done.stderr
    assert (done.exit_code, kite.log) == (WRONG_INPUT, [])


def test_login_when_there_are_several_accounts_then_one_must_be_named(
    desk: Desk, kite: Venue
) -> None:
    text = CONFIG.format(url=kite.url)
    desk.write(text + text.replace("kite", "other"))
    done = desk.login("--request-token", "requesttoken1")
    assert "which account? --account NAME; at Zerodha: kite, other" in done.stderr
    assert desk.login("--account", "kite", "--request-token", "requesttoken1").exit_code == FINE
