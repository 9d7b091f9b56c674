"""Accounts at real venues as they are configured: every fault named, no secret repeated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.config_live import BybitAccount, ZerodhaAccount, fetch
from exchanges.bybit.settings import Environment, StopStyle
from exchanges.zerodha.settings import ROOT, Scheme
from machines.errors import InvalidSpec
from tests.controller.plans import ACCOUNT, POSITION, faults, read

# The issue's own block.
BYBIT = """
[accounts.main]
venue = "bybit"
environment = "mainnet"
key = "env:BYBIT_KEY"
secret = "env:BYBIT_SECRET"
url = "http://127.0.0.1:8123"
stop_style = "position"
"""
ZERODHA = """
[accounts.kite]
venue = "zerodha"
key = "env:KITE_KEY"
secret = "env:KITE_SECRET"
access_token = "file:kite.token"
product = "MIS"
exchange = "NSE"
scheme = "B"
url = "http://127.0.0.1:8124"
"""
KITE_PLAN = POSITION.replace('"paper"', '"kite"').replace('"BTCUSDT"', '"NSE:KOTAKBANK"')


def test_accounts_when_written_as_in_the_contract_then_are_read() -> None:
    config = read(BYBIT + ZERODHA + POSITION.replace('"paper"', '"main"'))
    bybit, kite = config.accounts["main"], config.accounts["kite"]
    assert isinstance(bybit.live, BybitAccount)
    assert (bybit.live.key, bybit.live.environment) == ("env:BYBIT_KEY", Environment.MAINNET)
    assert (bybit.live.stop_style, bybit.poll_ms) == (StopStyle.POSITION, 12_000)
    assert isinstance(kite.live, ZerodhaAccount)
    assert kite.live.access_token == "file:kite.token"
    assert (kite.live.settings.scheme, kite.poll_ms) == (Scheme.B, 1_000)
    assert [plan.account for plan in config.positions] == ["main"]


def test_accounts_when_little_is_written_then_the_rest_is_the_venues_own() -> None:
    short = '[accounts.main]\nvenue = "bybit"\nkey = "env:K"\nsecret = "env:S"\n'
    short += '[accounts.kite]\nvenue = "zerodha"\nkey = "env:K"\nsecret = "env:S"\n'
    accounts = read(short + 'access_token = "env:T"\npoll = "2s"\n').accounts
    bybit, kite = accounts["main"].live, accounts["kite"].live
    assert isinstance(bybit, BybitAccount)
    assert (bybit.url, bybit.stream_url, bybit.streams) == (None, None, True)
    assert isinstance(kite, ZerodhaAccount)
    assert (kite.settings.url, kite.ticker) == (ROOT, False)
    assert accounts["kite"].poll_ms == 2_000


def test_stream_when_only_the_url_is_ones_own_then_nobody_listens_elsewhere() -> None:
    alone = read(BYBIT).accounts["main"].live
    assert isinstance(alone, BybitAccount)
    assert not alone.streams
    both = read(BYBIT + 'stream_url = "ws://127.0.0.1:8125/v5/private"').accounts["main"].live
    assert isinstance(both, BybitAccount)
    assert both.streams


SPOILT = [
    (BYBIT, '"mainnet"', '"main"', 'environment = "main": did you mean "mainnet"?'),
    (BYBIT, '"http://127.0.0.1:8123"', '"https://evil.com"', "is neither Bybit's nor this machine"),
    (
        BYBIT,
        "http://127.0.0.1:8123",
        "https://api-testnet.bybit.com",
        "is not mainnet: that is api",
    ),
    (BYBIT, '"position"\n', '"position"\nstop = "x"\n', "accounts.main.stop"),
    (BYBIT, '"position"\n', '"position"\npoll = "bar"\n', "a real venue has no bars"),
    (
        *(BYBIT, '"position"\n', '"position"\nstream_url = "wss://stream.bybit.com/v5/private"\n'),
        "url and stream_url are two venues: both, or neither, on this machine",
    ),
    (
        ZERODHA,
        '"http://127.0.0.1:8124"',
        '"https://kite.evil"',
        "must be https://api.kite.trade or",
    ),
    (ZERODHA, '"B"', '"A"', "scheme 'A': GTTs do not exist for MIS"),
    (ZERODHA, '"NSE"', '"NYSE"', 'exchange = "NYSE": allowed: "NSE", "BSE", "NFO"'),
    (ZERODHA, '"MIS"', '"MTF"', 'product = "MTF"'),
    (ZERODHA, '"B"\n', '"B"\ncalendar = "no.toml"\n', "there is no file no.toml"),
]


@pytest.mark.parametrize(("written", "old", "new", "message"), SPOILT)
def test_account_when_a_field_is_wrong_then_it_is_named(
    written: str, old: str, new: str, message: str
) -> None:
    assert written.count(old) == 1
    (fault,) = faults(written.replace(old, new))
    assert message in fault


@pytest.mark.parametrize("field", ["key", "secret"])
def test_secret_when_written_out_then_is_refused_and_not_repeated(field: str) -> None:
    said = faults(BYBIT.replace(f'"env:BYBIT_{field.upper()}"', '"a1b2c3d4"'))
    assert said == [
        f"job.toml: accounts.main.{field}: a secret is not written here; where a secret is, like "
        '"env:NAME", "file:PATH" or "keyring:SERVICE/USER"'
    ]


def test_secrets_when_several_are_nowhere_then_one_error_lists_them(tmp_path: Path) -> None:
    references = {
        "accounts.a.key": "env:A",
        "accounts.a.secret": "file:s",
        "accounts.b.key": "env:B",
    }
    with pytest.raises(InvalidSpec) as caught:
        fetch(references, tmp_path, {"B": "found"})
    first, second = caught.value.faults
    assert first == "accounts.a.key: env:A: the variable is not set, or empty"
    assert (
        second == f"accounts.a.secret: file:{tmp_path}/s: cannot be read: No such file or directory"
    )


def test_process_when_a_feed_and_a_real_venue_share_it_then_is_refused() -> None:
    (fault,) = faults(BYBIT + ACCOUNT)
    assert 'accounts.paper.venue = "simulated": accounts.main is at a real venue' in fault


LOADED = """
import sys
from pathlib import Path
from controller.config import parse
parse(sys.stdin.read(), "job.toml", Path(), {})
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_configuration_when_read_then_no_sdk_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        input=BYBIT + ZERODHA, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"pybit", "kiteconnect", "twisted", "requests"} & set(done.stdout.split())
