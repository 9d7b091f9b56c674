"""Opens venues in real time: settings and secrets in, the port out. Names every adapter.

A venue may be away when the controller starts, and that is an outage like any other: `LateVenue`
is there from the start and opens at the first read that succeeds. Each adapter is imported when an
account of its venue is opened, so that nobody loads the SDK of another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from controller.accounts import simulated_settings
from controller.clock import Clock
from controller.config_accounts import AccountSettings
from controller.config_live import BybitAccount, ZerodhaAccount, fetch
from controller.live_market import Ask
from exchanges.errors import VenueUnavailable
from exchanges.findings import Finding, fine
from exchanges.secrets import Secret, redact
from exchanges.venue import Venue
from machines.errors import InvalidSpec
from machines.words import Capabilities, Fees, Instrument, Key, Mutation, Outcome, Snapshot

Secrets = Mapping[str, Secret]
"""By where each is configured: ``accounts.NAME.FIELD``."""


class Closing(Venue, Protocol):
    """A venue whose connections can be let go."""

    def close(self) -> None:
        """Let the connections go."""
        ...


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A venue that has answered. ``stream`` runs until cancelled and calls what it was given."""

    venue: Closing
    stream: Callable[[], Awaitable[None]] | None = None
    stream_fault: Callable[[], str] = lambda: ""
    """Says why the stream is not up; empty while it is."""
    warnings: tuple[str, ...] = ()
    square_off: Callable[[str], int | None] = lambda _: None
    """When a symbol's intraday positions are to be closed today, before the broker does it."""
    no_prices: Callable[[], str] = lambda: ""
    """Says why there will never be prices; empty where there are."""
    candles: Ask | None = None
    """Asks for candles that have closed; None where they are not to be had."""
    look_over: Callable[[int], Awaitable[list[Finding]]]
    """Judges the account, when it is looked at every so many ms. *Raises*: VenueUnavailable."""


class Desk(msgspec.Struct, frozen=True):
    """What it takes to open one account."""

    settings: AccountSettings
    symbols: tuple[str, ...]
    secrets: Secrets
    folder: Path
    env: Mapping[str, str]
    clock: Clock
    wake: Callable[[], None]

    def secret(self, field: str) -> Secret:
        """Return a secret that was fetched at the start."""
        return self.secrets[f"accounts.{self.settings.name}.{field}"]


def fetch_secrets(
    accounts: Iterable[AccountSettings], folder: Path, env: Mapping[str, str]
) -> Secrets:
    """Fetch what signs requests. *Raises*: InvalidSpec with every secret that is not there."""
    wanted: dict[str, str] = {}
    for settings in accounts:
        live, where = settings.live, f"accounts.{settings.name}"
        if isinstance(live, BybitAccount):
            wanted |= {f"{where}.key": live.key, f"{where}.secret": live.secret}
        elif live is not None:
            wanted |= {f"{where}.key": live.key, f"{where}.access_token": live.access_token}
    try:
        return fetch(wanted, folder, env)
    except InvalidSpec as error:
        raise InvalidSpec([_with_remedy(fault) for fault in error.faults]) from None


def _with_remedy(fault: str) -> str:
    """Add how to get what is missing, where a command of ours does that."""
    where, _, _ = fault.partition(":")
    return f"{fault}; run `rungkeeper login zerodha`" if where.endswith(".access_token") else fault


def capabilities_of(settings: AccountSettings) -> Capabilities:
    """Say what a venue can do, before it is asked."""
    live = settings.live
    if live is None:
        return simulated_settings(settings).capabilities()
    if isinstance(live, BybitAccount):
        from exchanges.bybit.capabilities import capabilities as bybit

        return bybit(live.stop_style)
    from exchanges.zerodha.capabilities import capabilities as zerodha

    return zerodha(live.settings.product, live.settings.scheme)


async def open_venue(desk: Desk) -> Opened:
    """Open an account. *Raises*: InvalidSpec when it must not trade; VenueUnavailable."""
    live = desk.settings.live
    if live is None:
        return await _open_paper(desk)
    if isinstance(live, BybitAccount):
        return await _open_bybit(desk, live)
    return await _open_zerodha(desk, live)


async def _open_paper(desk: Desk) -> Opened:
    from controller.live_paper import open_paper

    async def look_over(_: int) -> list[Finding]:
        return [fine("venue", "simulated on Bybit's public prices: no order leaves this machine")]

    venue = await open_paper(desk.settings, desk.clock)
    return Opened(venue=venue, candles=venue.candles, look_over=look_over)


async def _open_bybit(desk: Desk, live: BybitAccount) -> Opened:
    from exchanges.bybit.checkup import look_over
    from exchanges.bybit.client import open_account
    from exchanges.bybit.pace import BybitPacer
    from exchanges.bybit.public import closed_bars
    from exchanges.bybit.settings import BybitSettings
    from exchanges.bybit.stream import Stream, StreamState

    clock = desk.clock
    settings = BybitSettings(
        account=desk.settings.name,
        key=desk.secret("key"),
        secret=desk.secret("secret"),
        environment=live.environment,
        url=live.url,
        stream_url=live.stream_url,
        stop_style=live.stop_style,
        symbols=desk.symbols,
        allow_transfers=live.allow_transfers,
    )
    venue = await open_account(settings, clock.now_ms, BybitPacer(clock, clock.now_ms))
    opened = Opened(
        venue=venue,
        warnings=venue.found.warnings,
        candles=partial(closed_bars, venue.line, now_ms=clock.now_ms),
        look_over=lambda poll_ms: look_over(venue, settings, poll_ms, clock.now_ms()),
    )
    if not live.streams:
        return opened
    stream = Stream(settings, desk.wake, clock.now_ms)

    def fault() -> str:
        up = stream.health.state is StreamState.UP
        return "" if up else stream.health.text or stream.health.state.value

    return msgspec.structs.replace(opened, stream=stream.run, stream_fault=fault)


async def _open_zerodha(desk: Desk, live: ZerodhaAccount) -> Opened:
    from exchanges.zerodha import Stream, ZerodhaVenue
    from exchanges.zerodha.checkup import NO_QUOTES, look_over
    from exchanges.zerodha.stream import StreamState

    where = f"accounts.{desk.settings.name}.access_token"
    # Asked anew after a token has died: a login rewrites the file.
    token = partial(_token, {where: live.access_token}, desk)
    settings = msgspec.structs.replace(live.settings, symbols=desk.symbols)
    now_ms = desk.clock.now_ms
    venue = await ZerodhaVenue.open(settings, desk.secret("key"), token, now_ms)
    opened = Opened(
        venue=venue,
        square_off=venue.square_off_ms,
        no_prices=lambda: "" if venue.quotes_allowed else NO_QUOTES,
        look_over=lambda poll_ms: look_over(venue, poll_ms, now_ms()),
    )
    if not live.streams:
        return opened
    stream = Stream(desk.secret("key"), token, live.stream_url, desk.wake, now_ms)

    def fault() -> str:
        up = stream.health.state is StreamState.UP
        return "" if up else stream.health.text or stream.health.state.value

    return msgspec.structs.replace(opened, stream=stream.run, stream_fault=fault)


def _token(reference: Mapping[str, str], desk: Desk) -> Secret:
    (secret,) = fetch(reference, desk.folder, desk.env).values()
    return secret


class LateVenue:
    """One account's venue, whether or not it has answered yet."""

    def __init__(self, desk: Desk, on_open: Callable[[Opened], None]) -> None:
        self._desk = desk
        self._on_open = on_open
        self._capabilities = capabilities_of(desk.settings)
        self._venue: Closing | None = None

    @property
    def account(self) -> str:
        """Name the account as the configuration does."""
        return self._desk.settings.name

    @property
    def capabilities(self) -> Capabilities:
        """Say what this venue can do."""
        return self._capabilities

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the known instruments by symbol; none before the venue has answered."""
        return {} if self._venue is None else self._venue.instruments

    def fees(self, symbol: str) -> Fees:
        """Return the fee rates of a symbol."""
        return self._there.fees(symbol)

    def key_for(self, symbol: str, ladder_key: str, side: str) -> Key:
        """Name the venue position a ladder of this symbol and side would own."""
        if self._venue is None:  # asked for waiting plans, none of which starts without a price
            return Key(self.account, symbol)
        return self._venue.key_for(symbol, ladder_key, side)

    async def snapshot(self, since_ms: int) -> Snapshot:
        """Read everything, and open the account before that where it is not open.

        *Raises*: VenueUnavailable; InvalidSpec when the account must not trade.
        """
        try:
            if self._venue is None:
                opened = await open_venue(self._desk)
                self._venue = opened.venue
                self._on_open(opened)
            return await self._venue.snapshot(since_ms)
        except VenueUnavailable as error:
            error.args = (redact(str(error)),)
            raise

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        """Send mutations and return one outcome for each; what it says is a server's words."""
        outcomes = await self._there.send(mutations)
        return [msgspec.structs.replace(each, text=redact(each.text)) for each in outcomes]

    @property
    def _there(self) -> Closing:
        assert self._venue is not None, "what is sent follows a snapshot"
        return self._venue

    def close(self) -> None:
        """Let the connections go."""
        if self._venue is not None:
            self._venue.close()
