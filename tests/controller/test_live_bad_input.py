"""What keeps a controller from trading at a real venue: named, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.codes import NO_VENUE, WRONG_INPUT
from tests.controller.test_live_run import CONFIG
from tests.wire.bybit.desk import PRICES, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback
from tests.wire.zerodha.faults import READS, Fault
from tests.wire.zerodha.rig import infy
from tests.wire.zerodha.server import KEY, TOKEN, Venue, serve

KITE = """
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
entries = [ {{ price = "1500", qty = "100" }} ]
stop = "1480"
targets = ["1520", "1530", "1540", "1550"]
"""
ENV = {"BYBIT_KEY": "loopback-key", "BYBIT_SECRET": "loopback-secret", "KITE_KEY": KEY}


@pytest.fixture
def bybit() -> Generator[Loopback]:
    venue = Loopback(rules(), PRICES)
    yield venue
    venue.close()


@pytest.fixture
def kite() -> Generator[Venue]:
    venue = infy()
    with serve(venue):
        yield venue


def run(folder: Path, written: str, **env: str) -> Result:
    config = folder / "job.toml"
    config.write_text(written)
    done = CliRunner().invoke(app, ["run", "--config", str(config)], env=ENV | env)
    assert [path.name for path in folder.glob("*.db")] == [], "nothing was begun"
    return done


SPOILT: list[tuple[str, str, str]] = [
    ('"BTCUSDT"', '"BTCUSD"', "symbol 'BTCUSD': Bybit has no such perpetual"),
    ('"104000"', '"104000.05"', "entries[1].price = 104000.05: off the tick of BTCUSDT, 0.1; near"),
    (
        '"101500"',
        '"101500.01"',
        "stop = 101500.01: off the tick of BTCUSDT, 0.1; nearest: 101500.0",
    ),
    ('"0.34"', '"0.3405"', "entries[3].qty = 0.3405: must be a multiple of the step 0.001"),
    ('"108000"', '"107000"', "targets[4] = 107000: is 107000"),
    (
        'key = "env:BYBIT_KEY"',
        'key = "env:NOT_THERE"',
        "accounts.main.key: env:NOT_THERE: the vari",
    ),
    ('venue = "bybit"', 'venue = "bybit"\nenvironment = "prod"', "accounts.main.environment"),
]


@pytest.mark.parametrize(("old", "new", "message"), SPOILT, ids=[new for _, new, _ in SPOILT])
def test_bybit_when_the_input_is_wrong_then_it_is_named_and_nothing_is_sent(
    bybit: Loopback, tmp_path: Path, old: str, new: str, message: str
) -> None:
    written = CONFIG.format(url=bybit.url, stream="ws://127.0.0.1:9/v5/private")
    assert written.count(old) == 1
    done = run(tmp_path, written.replace(old, new))
    assert message in done.stderr
    assert done.exit_code == WRONG_INPUT
    assert bybit.mutations() == []


Spoil = Callable[[Loopback], None]


def _wrong_key(venue: Loopback) -> None:
    venue.rules.key = "another"


def _wrong_secret(venue: Loopback) -> None:
    venue.rules.secret = "another"


def _read_only(venue: Loopback) -> None:
    venue.rules.read_only = 1


def _withdraws(venue: Loopback) -> None:
    venue.rules.permissions["Wallet"] = ["Withdraw"]


def _late(venue: Loopback) -> None:
    venue.rules.clock_offset_ms = -4_000


def _broken(venue: Loopback) -> None:
    venue.faults.rates = {Wrong.HTML_502: 1.0}


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (_wrong_key, WRONG_INPUT, "account main: key: refused on mainnet: Bybit 10003: API key is"),
        (_wrong_secret, WRONG_INPUT, "account main: key: refused on mainnet: Bybit 10004"),
        (_read_only, WRONG_INPUT, "account main: key: is read-only; it must be allowed to trade"),
        (_withdraws, WRONG_INPUT, "account main: key: may move money (Wallet.Withdraw); take that"),
        (_late, WRONG_INPUT, "ms ahead of Bybit's; set it"),
        (_broken, NO_VENUE, "account main: HTTP 502"),
    ],
)
def test_bybit_when_the_account_is_wrong_then_it_is_named_and_nothing_is_sent(
    bybit: Loopback, tmp_path: Path, spoil: Spoil, code: int, message: str
) -> None:
    spoil(bybit)
    written = CONFIG.format(url=bybit.url, stream="ws://127.0.0.1:9/v5/private")
    done = run(tmp_path, written)
    assert message in done.stderr
    assert "loopback-secret" not in done.stderr
    assert (done.exit_code, bybit.mutations()) == (code, [])


def token(folder: Path, text: str = TOKEN) -> None:
    path = folder / "kite.token"
    path.write_text(text)
    path.chmod(0o600)


KITE_SPOILT: list[tuple[str, str, str]] = [
    ('"INFY"', '"INFOSYS"', "symbol INFOSYS: NSE lists no 'INFOSYS' today"),
    ('"1520"', '"1520.05"', "targets[1] = 1520.05: off the tick of INFY, 0.1; nearest: 1520.0 or"),
    ('"100"', '"100.5"', "entries[1].qty = 100.5: must be a multiple of the step 1"),
]


@pytest.mark.parametrize(("old", "new", "message"), KITE_SPOILT)
def test_zerodha_when_the_input_is_wrong_then_it_is_named_and_nothing_is_sent(
    kite: Venue, tmp_path: Path, old: str, new: str, message: str
) -> None:
    token(tmp_path)
    written = KITE.format(url=kite.url)
    assert written.count(old) == 1
    done = run(tmp_path, written.replace(old, new))
    assert message in done.stderr
    assert (done.exit_code, kite.writes()) == (WRONG_INPUT, [])


def test_zerodha_when_nobody_has_logged_in_then_says_how(kite: Venue, tmp_path: Path) -> None:
    done = run(tmp_path, KITE.format(url=kite.url))
    assert f"accounts.kite.access_token: file:{tmp_path}/kite.token: cannot be read" in done.stderr
    assert "rungkeeper login zerodha" in done.stderr
    assert (done.exit_code, kite.log) == (WRONG_INPUT, [])


def test_zerodha_when_the_token_is_dead_then_says_how(kite: Venue, tmp_path: Path) -> None:
    token(tmp_path, "yesterdays-token")
    done = run(tmp_path, KITE.format(url=kite.url))
    assert "the access token is dead: run `rungkeeper login zerodha`" in done.stderr
    assert (done.exit_code, kite.writes()) == (NO_VENUE, [])


def test_zerodha_when_kite_is_away_then_says_so(kite: Venue, tmp_path: Path) -> None:
    token(tmp_path)
    kite.faults.share, kite.faults.kinds = 1.0, (Fault.HTML_502,)
    kite.faults.pattern = READS
    done = run(tmp_path, KITE.format(url=kite.url))
    assert (done.exit_code, kite.writes()) == (NO_VENUE, [])


def test_zerodha_when_there_are_no_quotes_then_no_plan_is_taken(
    kite: Venue, tmp_path: Path
) -> None:
    token(tmp_path)
    kite.broker.quirks.quotes = False
    done = run(tmp_path, KITE.format(url=kite.url))
    assert "infy-1: Kite gives this app no quotes: no plan can start" in done.stderr
    assert (done.exit_code, kite.writes()) == (WRONG_INPUT, [])


def test_zerodha_when_others_may_read_the_token_then_it_is_named(
    kite: Venue, tmp_path: Path
) -> None:
    token(tmp_path)
    (tmp_path / "kite.token").chmod(0o640)
    done = run(tmp_path, KITE.format(url=kite.url))
    assert f"file:{tmp_path}/kite.token: mode 0640 lets others in; chmod 600" in done.stderr
    assert (done.exit_code, kite.log) == (WRONG_INPUT, [])


@pytest.mark.parametrize(
    "url", ["https://api.kite.trade.example.com", "http://192.0.2.7:8124", "http://api.kite.trade"]
)
def test_zerodha_when_the_url_is_neither_kites_nor_this_machine_then_it_is_named(
    tmp_path: Path, url: str
) -> None:
    token(tmp_path)
    done = run(tmp_path, KITE.format(url=url))
    assert "accounts.kite.url" in done.stderr
    assert "must be https://api.kite.trade or on this machine" in done.stderr
    assert done.exit_code == WRONG_INPUT


@pytest.mark.parametrize(
    "url", ["https://api.bybit.com.example.com", "http://192.0.2.7:8123", "http://api.bybit.com"]
)
def test_bybit_when_the_url_is_neither_bybits_nor_this_machine_then_it_is_named(
    tmp_path: Path, url: str
) -> None:
    done = run(tmp_path, CONFIG.format(url=url, stream="ws://127.0.0.1:9/v5/private"))
    assert "accounts.main.url" in done.stderr
    assert done.exit_code == WRONG_INPUT


def test_bybit_when_the_url_is_of_another_environment_then_it_is_named(tmp_path: Path) -> None:
    text = CONFIG.format(url="https://api-testnet.bybit.com", stream="ws://127.0.0.1:9/v5/private")
    done = run(tmp_path, text)
    assert "is not mainnet: that is api.bybit.com" in done.stderr
    assert done.exit_code == WRONG_INPUT


def test_zerodha_when_the_ticker_is_elsewhere_then_it_is_named(kite: Venue, tmp_path: Path) -> None:
    token(tmp_path)
    text = KITE.format(url=kite.url).replace(
        "[accounts.kite]", '[accounts.kite]\nticker = true\nstream_url = "wss://ws.example.com"'
    )
    done = run(tmp_path, text)
    assert "accounts.kite.stream_url" in done.stderr
    assert "must be on this machine" in done.stderr
    assert (done.exit_code, kite.log) == (WRONG_INPUT, [])
