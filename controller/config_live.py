"""Read an account at a real venue: where it is, what signs for it, how its exits rest.

Secrets stay references here; `fetch` follows them when a venue is called. Loads nothing of a venue
that no account names. Invariant: a fault never repeats what may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from controller.config_table import Table
from controller.config_values import (
    Wrong,
    choice,
    duration_ms,
    file_in,
    flag,
    is_file,
    listed,
    text,
)
from exchanges.secrets import Secret, secret_from
from machines.errors import InvalidSpec

if TYPE_CHECKING:
    from exchanges.bybit.settings import Environment, StopStyle
    from exchanges.zerodha.settings import ZerodhaSettings

BYBIT_POLL_MS, ZERODHA_POLL_MS = 12_000, 1_000
"""SPEC §5."""
LIVE_FEED = "live:bybit"
"""The feed of a simulated account on Bybit's public prices."""
_KINDS = ("env", "file", "keyring")
_NAMED = 'where a secret is, like "env:NAME", "file:PATH" or "keyring:SERVICE/USER"'


class BybitAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account at Bybit as configured. ``key`` and ``secret`` are references."""

    key: str
    secret: str
    environment: Environment
    url: str | None
    stream_url: str | None
    stop_style: StopStyle
    allow_transfers: bool

    @property
    def streams(self) -> bool:
        """Tell whether there is a stream to listen to.

        Beside a ``url`` of one's own the venue's usual stream would be another venue's.
        """
        return self.url is None or self.stream_url is not None


class ZerodhaAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account at Zerodha as configured. ``key``, ``secret``, ``access_token``: references."""

    key: str
    secret: str
    access_token: str
    ticker: bool
    """Listen to Kite's order updates: this loads Twisted."""
    stream_url: str | None
    settings: ZerodhaSettings
    """Without symbols: those are the plans'."""

    @property
    def streams(self) -> bool:
        """Tell whether there is a stream to listen to; see `BybitAccount.streams`."""
        from exchanges.zerodha.settings import ROOT

        return self.ticker and (self.settings.url == ROOT or self.stream_url is not None)


LiveAccount = BybitAccount | ZerodhaAccount


def read_bybit(table: Table) -> BybitAccount:
    """Read an account at Bybit."""
    from exchanges.bybit.settings import (
        Environment,
        StopStyle,
        is_loopback_url,
        stream_faults,
        url_faults,
    )

    environment = table.read("environment", choice(Environment), Environment.MAINNET)
    read = BybitAccount(
        key=_reference(table, "key"),
        secret=_reference(table, "secret"),
        environment=environment,
        url=table.maybe("url", text),
        stream_url=table.maybe("stream_url", text),
        stop_style=table.read("stop_style", choice(StopStyle), StopStyle.POSITION),
        allow_transfers=table.read("allow_transfers", flag, False),
    )
    if read.url is not None:
        _note(table, "url", url_faults(environment, read.url))
    if read.stream_url is not None:
        faults = stream_faults(environment, read.stream_url)
        if not faults and is_loopback_url(read.stream_url) != is_loopback_url(read.url):
            faults = ["url and stream_url are two venues: both, or neither, on this machine"]
        _note(table, "stream_url", faults)
    return read


def read_zerodha(table: Table, name: str, base_dir: Path, state: Path) -> ZerodhaAccount:
    """Read an account at Zerodha; ``state`` is the journal, beside which GTTs are noted."""
    from exchanges.zerodha.instruments import EXCHANGES, Product
    from exchanges.zerodha.settings import ROOT, Scheme, ZerodhaSettings, check, url_fault

    def exchange(value: object) -> str:
        if value not in EXCHANGES:
            raise Wrong(f"allowed: {listed(EXCHANGES)}")
        return text(value)

    settings = ZerodhaSettings(
        account=name,
        symbols=(),
        product=table.read("product", choice(Product), Product.MIS),
        exchange=table.read("exchange", exchange, "NSE"),
        scheme=table.read("scheme", choice(Scheme), Scheme.B),
        url=table.read("url", text, ROOT),
        calendar=table.maybe("calendar", _present_in(base_dir)),
        memory=state.with_name(f"{state.stem}.{name}.gtt.json"),
    )
    fault = url_fault(settings.url)
    _note(table, "url", [fault] if fault else [])
    if table.sound("product", "scheme", "exchange", "url"):
        try:
            check(msgspec.structs.replace(settings, symbols=("-",)))
        except InvalidSpec as error:
            for each in error.faults:
                table.faults.add(table.path, each.removeprefix(f"account {name}: "))
    return ZerodhaAccount(
        key=_reference(table, "key"),
        secret=_reference(table, "secret"),
        access_token=_reference(table, "access_token"),
        ticker=table.read("ticker", flag, False),
        stream_url=_ticker_url(table),
        settings=settings,
    )


def _ticker_url(table: Table) -> str | None:
    from exchanges.zerodha.settings import stream_fault

    url = table.maybe("stream_url", text)
    fault = "" if url is None else stream_fault(url)
    _note(table, "stream_url", [fault] if fault else [])
    return url


def check_live_prices(
    table: Table, feeds: Iterable[str], poll_ms: int | None, fill_share: Decimal
) -> None:
    """Refuse what a simulated account on live prices cannot have."""
    if any(feed != LIVE_FEED for feed in feeds):
        table.fault("feed", "live prices and other feeds never share an account")
    if poll_ms is None:
        table.fault("poll", 'live prices have no bars; a duration is expected, like "12s"')
    for key in ("speed", "acts", "session", "faults"):
        if key in table:
            table.fault(key, "live prices go by real time, and nobody else trades on them")
    if fill_share != 1:
        table.fault("fill_share", "live prices do not say how much could be had; allowed: 1")


def live_poll_ms(value: object) -> int:
    """Read how often to poll a real venue."""
    if value == "bar":
        raise Wrong('a real venue has no bars; a duration is expected, like "12s"')
    return duration_ms(value)


def _note(table: Table, key: str, faults: list[str]) -> None:
    if faults and table.sound(key):
        table.fault(key, "; ".join(faults))


def _reference(table: Table, key: str) -> str:
    """Read where a secret is; a fault does not show what was written, for it may be the secret."""
    written = table.maybe(key, lambda value: value)
    kind, _, rest = written.partition(":") if isinstance(written, str) else ("", "", "")
    if kind in _KINDS and rest and isinstance(written, str):
        return written
    said = "missing" if key not in table else "a secret is not written here"
    table.faults.add(table.path_of(key), f"{said}; {_NAMED}")
    return ""


def _present_in(base_dir: Path) -> Callable[[object], Path]:
    def read(value: object) -> Path:
        path = file_in(base_dir)(value)
        if not is_file(path):
            raise Wrong(f"there is no file {path}")
        return path

    return read


def fetch(references: Mapping[str, str], folder: Path, env: Mapping[str, str]) -> dict[str, Secret]:
    """Follow references to secrets, by where each is configured; relative files are in ``folder``.

    *Raises*: InvalidSpec with every one that leads nowhere.
    """
    found: dict[str, Secret] = {}
    faults: list[str] = []
    for where, reference in references.items():
        try:
            found[where] = secret_from(reference, folder, env, where)
        except InvalidSpec as error:
            faults += error.faults
    if faults:
        raise InvalidSpec(faults)
    return found
