"""Opening an account: what must be right before anything is sent, and what is read."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from exchanges.bybit.client import open_account
from exchanges.bybit.settings import BybitSettings, Environment, StopStyle, check
from exchanges.errors import VenueUnavailable
from exchanges.secrets import Secret
from machines.errors import InvalidSpec
from machines.words import ExitStyle, Fees, Instrument
from tests.wire.bybit.conftest import StartVenue
from tests.wire.bybit.desk import BTC, now_ms, opened, settings
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

ORDER, POSITION = "Order", "Position"


async def refused(venue: Loopback, match: str, **changes: Any) -> list[str]:
    """Open an account that must be refused; return every fault."""
    with pytest.raises(InvalidSpec, match=match) as caught:
        async with opened(venue, **changes):
            raise AssertionError("it was opened")
    assert venue.mutations() == []
    text = str(caught.value)
    assert venue.rules.secret not in text
    return caught.value.faults


async def test_account_when_opened_then_rules_come_from_the_venue(venue: Loopback) -> None:
    async with opened(venue) as account:
        assert account.account == "main"
        assert account.instruments["BTCUSDT"] == BTC
        assert account.instruments["ETHUSDT"] == Instrument(
            "ETHUSDT", Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(5)
        )
        rates = Fees(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
        assert account.fees("BTCUSDT") == rates
        assert abs(account.found.skew_ms) < 1_000
        assert account.found.warnings == ()


async def test_capabilities_when_the_stop_is_the_positions_then_it_may_be_attached(
    venue: Loopback,
) -> None:
    async with opened(venue) as account:
        found = account.capabilities
    assert (found.exits, found.position_stop, found.attached_stop, found.reduce_only) == (
        *(ExitStyle.POOLED, True),
        *(True, True),
    )
    assert (found.be_slippage, found.window_ms) == (Decimal("0.0005"), 7_000)
    async with opened(venue, stop_style=StopStyle.CONDITIONAL) as account:
        found = account.capabilities
    assert (found.position_stop, found.attached_stop) == (False, False)


@pytest.mark.parametrize("may", ["Withdraw", "AccountTransfer", "SubMemberTransfer"])
async def test_key_when_it_may_move_money_then_refused_by_name(
    start_venue: StartVenue, may: str
) -> None:
    venue = start_venue(permissions={"ContractTrade": [ORDER, POSITION], "Wallet": [may]})
    await refused(venue, rf"account main: key: may move money \(Wallet\.{may}\)")
    async with opened(venue, allow_transfers=True) as account:
        assert account.instruments


async def test_key_when_it_may_not_trade_then_refused_with_every_fault(
    start_venue: StartVenue,
) -> None:
    venue = start_venue(permissions={"ContractTrade": [ORDER], "Wallet": ["Withdraw"]})
    faults = await refused(venue, r"lacks the permission ContractTrade\.Position")
    assert len(faults) == 2
    await refused(start_venue(read_only=1), "key: is read-only")


async def test_key_when_open_to_all_or_expiring_then_warned(start_venue: StartVenue) -> None:
    venue = start_venue(ips=["*"], deadline_day=7)
    async with opened(venue) as account:
        warnings = account.found.warnings
    assert warnings == (
        "account main: the key works from any address; bind it to yours",
        "account main: the key expires in 7 days",
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"key": Secret("another-key")}, 10003), ({"secret": Secret("another-secret")}, 10004)],
)
async def test_key_when_of_another_environment_then_says_which_was_asked(
    venue: Loopback, changes: dict[str, object], code: int
) -> None:
    await refused(venue, rf"key: refused on mainnet: Bybit {code}", **changes)


async def test_account_when_not_unified_then_refused(start_venue: StartVenue) -> None:
    await refused(start_venue(unified=1), "not a unified account")


async def test_symbol_when_unknown_then_refused_by_name(venue: Loopback) -> None:
    await refused(venue, "symbol 'DOGEUSD': Bybit has no such", symbols=("BTCUSDT", "DOGEUSD"))


@pytest.mark.parametrize("offset_ms", [-1_500, 6_000])
async def test_clock_when_too_far_off_then_refused_before_anything_signed(
    start_venue: StartVenue, offset_ms: int
) -> None:
    venue = start_venue(clock_offset_ms=offset_ms)
    await refused(venue, r"this clock is -?\d+ ms ahead of Bybit's")
    assert [path for _, path, _ in venue.requests] == ["/v5/market/time"]


async def test_account_when_the_venue_is_away_then_unavailable(venue: Loopback) -> None:
    venue.faults.next("/account/info", Wrong.HTML_502)
    with pytest.raises(VenueUnavailable, match="account main: HTTP 502"):
        await open_account(settings(venue), now_ms)
    venue.faults.next("/instruments-info", Wrong.NULL)
    with pytest.raises(VenueUnavailable, match="account main"):
        await open_account(settings(venue), now_ms)


async def test_demo_when_opened_then_fees_are_not_asked_for(venue: Loopback) -> None:
    async with opened(venue, environment=Environment.DEMO) as account:
        assert account.fees("BTCUSDT").taker == Decimal("0.00055")
    assert venue.asked("/v5/account/fee-rate") == 0


async def test_mode_when_read_then_keys_have_its_slots(start_venue: StartVenue) -> None:
    async with opened(start_venue(hedge=True)) as account:
        assert account.key_for("BTCUSDT", "name", "short").slot == "short"
    async with opened(start_venue()) as account:
        assert account.key_for("BTCUSDT", "name", "short").slot == ""


async def test_proxy_when_in_the_environment_then_not_used(
    venue: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with opened(venue) as account:
        assert account.instruments


# ------------------------------------------------------------------------------- where to


def place(url: str | None = None, **changes: object) -> BybitSettings:
    given: dict[str, object] = {"account": "main", "key": Secret("k"), "secret": Secret("s")}
    return BybitSettings(url=url, **(given | changes))  # pyright: ignore[reportArgumentType] - any setting


@pytest.mark.parametrize(
    ("environment", "http", "stream"),
    [
        (Environment.MAINNET, "https://api.bybit.com", "wss://stream.bybit.com/v5/private"),
        (
            Environment.TESTNET,
            "https://api-testnet.bybit.com",
            "wss://stream-testnet.bybit.com/v5/private",
        ),
        (Environment.DEMO, "https://api-demo.bybit.com", "wss://stream-demo.bybit.com/v5/private"),
    ],
)
def test_place_when_not_given_then_the_environments(
    environment: Environment, http: str, stream: str
) -> None:
    chosen = place(environment=environment)
    check(chosen)
    assert (chosen.http, chosen.private_stream) == (http, stream)


@pytest.mark.parametrize(
    "url",
    [
        *("https://api.bytick.com", "https://api.bybit.kz", "http://127.0.0.1:8123"),
        *("http://[::1]:8123", "https://localhost:8443", "https://api.bybit.com:443"),
    ],
)
def test_place_when_bybits_or_this_machine_then_allowed(url: str) -> None:
    check(place(url))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://api.bybit.com.evil.example", "is neither Bybit's nor this machine"),
        ("https://api.evil.example", "is neither Bybit's nor this machine"),
        ("https://127.0.0.1.evil.example", "is neither Bybit's nor this machine"),
        ("http://192.0.2.1:8123", "must begin with https://"),
        ("http://api.bybit.com", "must begin with https://"),
        ("https://api-testnet.bybit.com", "is not mainnet"),
        ("https://api.bybit.com/v5", "must end after the host"),
        ("https://api.bybit.com@evil.example", "holds more than"),
        ("https://user:canary@api.bybit.com", "holds more than"),
        ("https://api.bybit.com?x=1", "holds more than"),
        ("ftp://127.0.0.1", "must begin with http://"),
        ("https://api.bybit.com:port", "Port"),
        ("//127.0.0.1:8123", "must begin with http://"),
        ("127.0.0.1:8123", "must begin"),
    ],
)
async def test_place_when_anywhere_else_then_named_before_anything_is_sent(
    url: str, why: str
) -> None:
    with pytest.raises(InvalidSpec, match=why) as caught:
        await open_account(place(url), now_ms)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("wss://stream.evil.example/v5/private", "is neither Bybit's"),
        ("ws://stream.bybit.com/v5/private", "must begin with wss://"),
        ("wss://stream-testnet.bybit.com/v5/private", "is not mainnet"),
        ("ws://127.0.0.1:9001/v5/public", "must end in /private"),
    ],
)
def test_stream_place_when_anywhere_else_then_refused(url: str, why: str) -> None:
    check(place(stream_url="ws://127.0.0.1:9001/v5/private"))
    with pytest.raises(InvalidSpec, match=why):
        check(place(stream_url=url))


def test_settings_when_shown_then_hide_the_key() -> None:
    shown = repr(place(key=Secret("canary"), secret=Secret("canary")))
    assert "canary" not in shown


def test_adapter_when_imported_then_brings_no_other_venue() -> None:
    code = (
        "import sys, exchanges.bybit.client; "
        "print([m for m in sys.modules if m.split('.')[0] in ('kiteconnect', 'twisted')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
