"""Puts a run at real venues together: recovery, venues, one supervised task per account.

The counterpart of `controller.app` in real time. Before anything is sent every venue has been
asked, and every plan checked against what it answered. Holds no behaviour of an account's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import anyio
import msgspec

from controller.alerts import OnAlert
from controller.app import check_book, listen, signals_held, stop_on_signal
from controller.clock import SystemClock
from controller.codes import CHECK_FAILED, FINE, INTERNAL
from controller.config import Config
from controller.control import Control
from controller.cycle import Voice
from controller.journal import Journal
from controller.keeper import Keeper
from controller.kept import is_open
from controller.live import LiveRunner, Wake
from controller.live_market import LiveMarket
from controller.live_plans import plan_faults
from controller.live_venues import (
    Desk,
    LateVenue,
    Opened,
    Secrets,
    capabilities_of,
    fetch_secrets,
)
from controller.mirrors import link
from controller.owners import hold_accounts
from controller.rebalancer import Rebalancer
from controller.recovery import Recovered, Where, recover
from controller.screen import Screen, complaints
from controller.strategies import live_cycle
from controller.supervisor import supervised
from exchanges import sqlite
from exchanges.errors import VenueUnavailable
from machines.errors import InvalidSpec
from machines.words import Snapshot

STREAM_LOOK_S = 5.0
STREAM_PATIENCE_LOOKS = 6
"""A stream that is down for half a minute is told of; it flaps more often than that matters."""


class Account(msgspec.Struct):
    """One account at work."""

    venue: LateVenue
    keeper: Keeper
    wake: Wake
    poll_ms: int
    there: anyio.Event
    """The venue has answered."""
    market: LiveMarket
    opened: Opened | None = None


class Live:
    """One run: its clock, its accounts, what a person hears."""

    def __init__(self, config: Config, secrets: Secrets, journal: Journal, screen: Screen) -> None:
        self.config = config
        self.accounts: dict[str, Account] = {}
        self.notes: list[str] = []
        self.clock = SystemClock(on_jump=self._jumped)
        self._on_alert: OnAlert = screen.alert
        self._failed: list[str] = []
        self.began = False
        """Every venue has been asked, and from here on something may be sent."""
        found = self._recover(journal)
        for name, settings in config.accounts.items():
            wake = Wake()
            desk = Desk(
                settings=settings,
                symbols=_symbols(name, found),
                secrets=secrets,
                folder=config.base_dir,
                env=os.environ,
                clock=self.clock,
                wake=wake.set,
            )
            venue = LateVenue(desk, partial(self._opened, name))
            plans, kept = found[name].plans, found[name].kept
            make = Keeper if config.controller.enhanced_tp_sl else Rebalancer
            market = LiveMarket(config, settings, desk.symbols)
            cycle = live_cycle(
                *(config, settings, market.seen, journal),
                [each.ladder.terms.spec.name for each in kept if is_open(each)],
                Voice(screen.alert, screen.news),
                partial(self._square_off, name),
            )
            keeper = make(venue, journal, plans, kept, screen.changed, screen.alert, cycle)
            assert settings.poll_ms is not None, "real venues have no bars"
            self.accounts[name] = Account(
                venue, keeper, wake, settings.poll_ms, anyio.Event(), market
            )
            self.notes += found[name].notes
            if market.lacks and cycle.desk is not None:
                self._tell(name, market.lacks)
        if config.controller.enhanced_tp_sl:
            wakes = {name: account.wake.set for name, account in self.accounts.items()}
            link(self.keepers, journal, self._on_alert, wakes)

    def _recover(self, journal: Journal) -> dict[str, Recovered]:
        now_ms = self.clock.now_ms()
        where = {
            name: Where(now_ms, capabilities_of(settings).window_ms)
            for name, settings in self.config.accounts.items()
        }
        return recover(journal, where, self.config.positions)

    @property
    def keepers(self) -> Mapping[str, Keeper]:
        """Return the keepers by account."""
        return {name: account.keeper for name, account in self.accounts.items()}

    def _jumped(self, by_ms: int) -> None:
        text = f"this machine's clock was set by {by_ms / 1000:g} s; it is not followed, restart"
        self._on_alert("controller", text, self.clock.boot_ms())
        for account in self.accounts.values():
            account.wake.set()  # nothing is sent before the venue has been read again

    def _square_off(self, name: str, symbol: str, now_ms: int) -> int | None:
        """Return when a symbol's intraday positions are to be closed today, once that is known."""
        del now_ms
        opened = self.accounts[name].opened
        return None if opened is None else opened.square_off(symbol)

    def _opened(self, name: str, opened: Opened) -> None:
        self.accounts[name].opened = opened
        self.accounts[name].there.set()
        for text in opened.warnings:
            self._on_alert(name, text, self.clock.now_ms())

    # ------------------------------------------------------------------------------- running

    async def run(self) -> bool:
        """Ask every venue, then keep every account until a signal comes.

        Return whether none failed. *Raises*: InvalidSpec, VenueUnavailable; nothing was sent.
        """
        async with anyio.create_task_group() as watching:
            watching.start_soon(stop_on_signal, watching.cancel_scope)
            await self._ask_all()
            control = Control(self.config, self.keepers, self.clock.now_ms, self._wake_all)
            await watching.start(listen, control, self.config.controller.socket, self._on_alert)
            self.began = True
            for name, account in self.accounts.items():
                watching.start_soon(self._stream, name, account)
                watching.start_soon(self._tell_stream, name, account)
                watching.start_soon(self._fill_market, name, account)
            async with anyio.create_task_group() as tasks:
                for name in self.accounts:
                    tasks.start_soon(self._keep, name, name=f"account {name}")
            watching.cancel_scope.cancel()
        return not self._failed

    async def _keep(self, name: str) -> None:
        def report(text: str) -> None:
            self._failed.append(name)
            self._on_alert(name, f"account stopped: {text}", self.clock.now_ms())

        account = self.accounts[name]
        with supervised(report):
            runner = LiveRunner(account.keeper, self.clock, account.poll_ms, account.wake)
            await runner.run()

    async def _stream(self, name: str, account: Account) -> None:
        """Listen to the venue's stream once it is open; what fails there stops nothing."""
        await account.there.wait()
        if account.opened is not None and account.opened.stream is not None:
            with supervised(lambda text: self._tell(name, f"stream given up: {text}")):
                await account.opened.stream()

    async def _tell_stream(self, name: str, account: Account) -> None:
        """Tell when the stream stays down, and when it is back."""
        await account.there.wait()
        if account.opened is not None and account.opened.stream is not None:
            await tell_stream(account.opened.stream_fault, partial(self._tell, name))

    async def _fill_market(self, name: str, account: Account) -> None:
        """Fetch candles where rules look at them; what fails there stops nothing."""
        await account.there.wait()
        opened = account.opened
        if opened is None or opened.candles is None or account.keeper.cycle.desk is None:
            return
        with supervised(lambda text: self._tell(name, f"candles given up: {text}")):
            await account.market.fill(opened.candles, self.clock, partial(self._tell, name))

    def _tell(self, name: str, text: str) -> None:
        self._on_alert(name, text, self.clock.now_ms())

    def _wake_all(self) -> None:
        for account in self.accounts.values():
            account.wake.set()

    # ------------------------------------------------------------------------- before sending

    async def _ask_all(self) -> None:
        """Read every venue once, and hold the plans against it, before anything is sent.

        With something live, a venue that is away or a plan that is not sound now keeps nobody from
        looking after it. *Raises*: InvalidSpec with every fault; VenueUnavailable.
        """
        seen: dict[str, Snapshot] = {}
        faults: list[str] = []
        away: list[VenueUnavailable] = []

        async def ask(name: str) -> None:
            try:
                seen[name] = await self.accounts[name].venue.snapshot(self.clock.now_ms())
            except VenueUnavailable as error:
                away.append(error)
            except InvalidSpec as error:
                faults.extend(error.faults)

        async with anyio.create_task_group() as tasks:
            for name in self.accounts:
                tasks.start_soon(ask, name)
        if not self._anything_lives:
            for name, snapshot in seen.items():
                faults += self._plan_faults(self.accounts[name], snapshot)
        if faults:
            raise InvalidSpec(faults)
        if away and not self._anything_lives:
            raise away[0]

    @property
    def _anything_lives(self) -> bool:
        return any(account.keeper.open for account in self.accounts.values())

    def _plan_faults(self, account: Account, snapshot: Snapshot) -> list[str]:
        no_prices = "" if account.opened is None else account.opened.no_prices()
        return [
            f"{self.config.source}: {waiting.spec.name}: {fault}"
            for waiting in account.keeper.openings.waiting
            for fault in plan_faults(waiting.spec, account.venue, snapshot, no_prices)
        ]


async def tell_stream(fault: Callable[[], str], tell: Callable[[str], None]) -> None:
    """Watch a stream until cancelled: ``fault`` says why it is not up, empty while it is."""
    looks = 0
    while True:
        await anyio.sleep(STREAM_LOOK_S)
        found = fault()
        if not found and looks >= STREAM_PATIENCE_LOOKS:
            tell("stream back")
        looks = looks + 1 if found else 0
        if looks == STREAM_PATIENCE_LOOKS:
            tell(f"stream down: {found}; polling goes on")


def _symbols(account: str, found: Mapping[str, Recovered]) -> tuple[str, ...]:
    """Name what an account trades: for plans and ladders of its own, and those it mirrors."""
    specs = [waiting.spec for each in found.values() for waiting in each.plans]
    kept = [kept.ladder for each in found.values() for kept in each.kept if is_open(kept)]
    specs += [ladder.terms.spec for ladder in kept]
    traded = (s for s in specs if account in (s.account, *(m.account for m in s.mirrors)))
    return tuple(sorted({spec.symbol for spec in traded}))


def run(config: Config, *, quiet: bool = False) -> int:
    """Run accounts at real venues until a signal comes; return the exit code.

    *Raises*: InvalidSpec, VenueUnavailable, JournalBusy, AccountBusy, JournalError.
    """
    secrets = fetch_secrets(config.accounts.values(), config.base_dir, os.environ)
    state = config.controller.state
    is_new = not state.exists()
    live: Live | None = None
    try:
        with signals_held(), ExitStack() as opened:
            journal = Journal(state)
            opened.callback(journal.close)
            hold_accounts(config.accounts.values(), secrets, opened)
            for settings in config.accounts.values():
                if settings.live_fed:
                    check_book(settings, journal, state)
            opened.callback(config.controller.socket.unlink, missing_ok=True)
            screen = Screen(quiet=quiet)
            live = Live(config, secrets, journal, screen)
            for account in live.accounts.values():
                opened.callback(account.venue.close)
            screen.show(live.keepers)
            with screen:
                fine = anyio.run(live.run)
            left = complaints(live.keepers.values())
            screen.summary([*live.notes, *left, f"journal: {state}"])
            if not fine:
                return INTERNAL
            return CHECK_FAILED if left else FINE
    finally:
        if is_new and (live is None or not live.began):  # nothing is in it
            sqlite.remove(state)
