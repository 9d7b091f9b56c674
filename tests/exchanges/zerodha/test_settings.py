"""Where orders may go, and how a person's login is taken."""

from datetime import date, time
from pathlib import Path

import pytest

from exchanges.secrets import Secret, secret_from
from exchanges.zerodha import ist
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.login import keep_token, login_url, request_token, token_dies_ms
from exchanges.zerodha.settings import Scheme, ZerodhaSettings, check, url_fault
from machines.errors import InvalidSpec


@pytest.mark.parametrize(
    "url",
    [
        "https://api.kite.trade",
        "https://api.kite.trade/",
        "https://api.kite.trade:443",
        "http://127.0.0.1:8124",
        "http://localhost:1",
        "http://[::1]:8124",
    ],
)
def test_url_when_kites_or_loopback_then_allowed(url: str) -> None:
    assert url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://api.kite.trade",
        "https://api.kite.trade:444",
        "https://api.kite.trade.evil.example",
        "https://evil.example/api.kite.trade",
        "https://api.kite.trade@evil.example",
        "https://user@127.0.0.1",
        "http://127.0.0.1:8124/kite",
        "http://127.0.0.1:99999",
        "http://127.0.0.2.example",
        "ftp://127.0.0.1",
        "",
    ],
)
def test_url_when_anything_else_then_refused(url: str) -> None:
    assert url_fault(url)


def test_settings_when_all_is_wrong_then_every_fault_is_named() -> None:
    bad = ZerodhaSettings(
        account="kite", symbols=(), exchange="MCX", scheme=Scheme.A, url="http://x.example"
    )
    with pytest.raises(InvalidSpec) as caught:
        check(bad)
    assert len(caught.value.faults) == 4
    assert all(fault.startswith("account kite: ") for fault in caught.value.faults)
    check(ZerodhaSettings(account="kite", symbols=("INFY",), product=Product.MIS))


@pytest.mark.parametrize(
    "pasted",
    [
        "abcDEF123456",
        " abcDEF123456\n",
        "https://me.example/?action=login&status=success&request_token=abcDEF123456",
    ],
)
def test_request_token_when_pasted_any_way_then_found(pasted: str) -> None:
    assert request_token(pasted) == "abcDEF123456"


@pytest.mark.parametrize("pasted", ["", "no such thing", "https://me.example/?status=success"])
def test_request_token_when_there_is_none_then_it_says_what_to_paste(pasted: str) -> None:
    with pytest.raises(InvalidSpec, match="paste the whole address"):
        request_token(pasted)


def test_request_token_when_the_login_failed_then_it_says_so() -> None:
    with pytest.raises(InvalidSpec, match="did not succeed"):
        request_token("https://me.example/?status=cancelled&request_token=abcDEF123456")


def test_login_url_when_asked_then_it_is_kites_with_the_key() -> None:
    url = login_url(Secret("my-api-key"))
    assert url == "https://kite.zerodha.com/connect/login?api_key=my-api-key&v=3"


def test_token_when_kept_then_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "kite.token"
    path.write_text("yesterday's")
    path.chmod(0o644)
    keep_token(Secret("todays-token"), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret_from("file:kite.token", tmp_path, {}, "x").reveal() == "todays-token"
    assert [each.name for each in tmp_path.iterdir()] == ["kite.token"]


def test_token_when_it_cannot_be_kept_then_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"nowhere/kite\.token: cannot be written"):
        keep_token(Secret("lost-token"), tmp_path / "nowhere" / "kite.token")


def test_token_when_taken_in_the_day_or_at_night_then_it_dies_at_the_next_six() -> None:
    friday, saturday = date(2026, 11, 20), date(2026, 11, 21)
    assert token_dies_ms(ist.at(friday, time(8, 0))) == ist.at(saturday, time(6, 0))
    assert token_dies_ms(ist.at(friday, time(5, 0))) == ist.at(friday, time(6, 0))
