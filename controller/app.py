"""Puts a run together: configuration → venues, journal, clock, one supervised task per account.

The composition root: the only module that knows every room. Holds no behaviour of its own.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import anyio
import msgspec
import typer

from controller.clock import FeedClock
from controller.config import Config, parse
from controller.config_accounts import AccountSettings
from controller.journal import Journal
from controller.keeper import Keeper
from controller.runner import FeedRunner
from controller.screen import Screen, stamp
from exchanges import feeds, sqlite
from exchanges.feeds import Feed
from exchanges.simulated import Act, FaultyVenue, SimulatedVenue, acts
from exchanges.simulated.settings import PricePath, SimulatedSettings, Slots
from machines.errors import InvalidSpec, RungkeeperError
from machines.planning import Setting, check
from machines.spec import LadderSpec


class Account(msgspec.Struct, frozen=True):
    """One account ready to run."""

    settings: AccountSettings
    venue: SimulatedVenue | FaultyVenue
    feeds: dict[str, Feed]
    acts: tuple[Act, ...] = ()


def build_account(settings: AccountSettings, base_dir: Path) -> Account:
    """Load an account's feeds and acts and make its venue, in memory only.

    *Raises*: BadFeed, InvalidSpec.
    """
    loaded = {
        symbol: feeds.load(text, symbol, settings.instruments[symbol], base_dir)
        for symbol, text in settings.feeds.items()
    }
    written = () if settings.acts is None else acts.read(settings.acts)
    try:
        venue = _open_venue(settings, loaded, written)
    except InvalidSpec as error:  # of an act, as the settings were checked when they were read
        raise InvalidSpec([f"{settings.acts}: {fault}" for fault in error.faults]) from None
    return Account(settings, venue, loaded, written)


def with_book(account: Account, *, fresh: bool = False) -> Account:
    """Let an account's venue live in its file, where it left off; ``fresh`` begins it anew.

    *Raises*: VenueFileBusy, VenueFileError.
    """
    settings = account.settings
    venue = _open_venue(settings, account.feeds, account.acts, settings.book, fresh=fresh)
    return msgspec.structs.replace(account, venue=venue)


def _open_venue(
    settings: AccountSettings,
    loaded: dict[str, Feed],
    written: tuple[Act, ...],
    book: Path | None = None,
    *,
    fresh: bool = False,
) -> SimulatedVenue | FaultyVenue:
    simulated = SimulatedSettings(
        account=settings.name,
        instruments=settings.instruments,
        fees=dict.fromkeys(settings.instruments, settings.fees),
        path=PricePath(settings.path.value),
        slots=Slots(settings.slots.value),
        slippage=settings.slippage,
        balance=settings.balance,
    )
    venue = SimulatedVenue.open(simulated, loaded, book, acts=written, fresh=fresh)
    if settings.faults.rates or settings.faults.script:
        return FaultyVenue(venue, settings.faults, settings.seed)
    return venue


def start_px(account: Account, spec: LadderSpec) -> Decimal:
    """Return the price a plan would start from: the close of the first bar at which it may."""
    feed = account.feeds[spec.symbol]
    return feed.close_px(min(feed.closed_by((spec.not_before_ms or 0) - 1), len(feed) - 1))


def never_starts(account: Account, spec: LadderSpec) -> list[str]:
    """Say why a plan's time would never come; empty when it does."""
    feed = account.feeds[spec.symbol]
    if (spec.not_before_ms or 0) <= feed.times[-1]:
        return []
    begins, ends = stamp(spec.not_before_ms or 0), stamp(feed.times[-1])
    return [f"not_before = {begins}: the feed of {spec.symbol} ends earlier, at {ends}"]


def check_plans(config: Config, accounts: dict[str, Account]) -> None:
    """Refuse plans that are unsound at the price their feed starts from, before anything is sent.

    *Raises*: InvalidSpec with every fault.
    """
    faults: list[str] = []
    for k, spec in enumerate(config.positions, 1):
        account = accounts[spec.account]
        found = never_starts(account, spec) or check(
            spec, start_px(account, spec), setting_of(account, spec.symbol)
        )
        faults += [f"{config.source}: {spec.name}: positions[{k}].{fault}" for fault in found]
    if faults:
        raise InvalidSpec(faults)


def setting_of(account: Account, symbol: str) -> Setting:
    """Return where a plan for ``symbol`` would be opened."""
    venue = account.venue
    return Setting(venue.instruments[symbol], venue.fees(symbol), venue.capabilities)


def build_accounts(config: Config) -> dict[str, Account]:
    """Load every account's feeds and check every plan against them; nothing is sent.

    *Raises*: InvalidSpec, BadFeed.
    """
    if not config.accounts:
        raise InvalidSpec(
            [f"{config.source}: accounts: missing; at least one [accounts.NAME] is expected"]
        )
    accounts = {
        name: build_account(settings, config.base_dir) for name, settings in config.accounts.items()
    }
    check_plans(config, accounts)
    return accounts


async def drive(config: Config, accounts: dict[str, Account], keepers: dict[str, Keeper]) -> None:
    """Keep every account, each in a task of its own, until its feed ends or a signal comes."""
    first = [feed.times[0] for account in accounts.values() for feed in account.feeds.values()]
    paces = [s.speed for s in config.accounts.values() if s.speed is not None]
    start_ms = min(first)
    # Just before the first close, so that the first poll, like every other, is waited for.
    clock = FeedClock(start_ms - 1, float(min(paces)) if paces else None)
    runners = {
        name: FeedRunner(
            keepers[name], account.venue, account.feeds, clock, start_ms, account.settings.poll_ms
        )
        for name, account in accounts.items()
    }
    async with anyio.create_task_group() as watching:
        watching.start_soon(_stop_on_signal, watching.cancel_scope)
        async with anyio.create_task_group() as tasks:
            for name, runner in runners.items():
                tasks.start_soon(runner.run, name=f"account {name}")
        watching.cancel_scope.cancel()


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    """End the run at SIGINT or SIGTERM; orders are left resting."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def run(config: Config, *, quiet: bool = False, fresh: bool = False) -> int:
    """Run a configuration to its end; return the exit code.

    ``fresh`` begins the state file and the venues' files anew. *Raises*: InvalidSpec, BadFeed,
    JournalBusy, JournalError, VenueFileBusy, VenueFileError.
    """
    accounts = build_accounts(config)
    state = config.controller.state
    is_new = not state.exists()
    with ExitStack() as opened:
        journal = Journal(state, fresh=fresh)
        opened.callback(journal.close)
        if journal.records:
            raise InvalidSpec(
                [f"state {state}: holds {journal.records} records of an earlier run; "
                 "continuing one is not built yet (step 2): name another file or remove it"]
            )  # fmt: skip
        try:
            for name, begun in accounts.items():
                account = accounts[name] = with_book(begun, fresh=fresh)
                opened.callback(account.venue.close)
                if account.venue.now_ms > begun.venue.now_ms:
                    typer.echo(_goes_on(account, state), err=True)
        except RungkeeperError:
            if is_new:  # nothing is in it yet
                sqlite.remove(state)
            raise
        return _run(config, accounts, journal, quiet=quiet)


def _goes_on(account: Account, state: Path) -> str:
    ended = ", the end of its feed" if account.venue.next_bar_ms() is None else ""
    at = stamp(account.venue.now_ms) + ended
    return (
        f"note: venue file {account.settings.book}: goes on at {at}, but state {state} is new; "
        "to begin anew remove both"
    )


def _run(config: Config, accounts: dict[str, Account], journal: Journal, *, quiet: bool) -> int:
    keepers: dict[str, Keeper] = {}
    screen = Screen(keepers, quiet=quiet)
    for name, account in accounts.items():
        plans = [plan for plan in config.positions if plan.account == name]
        keepers[name] = Keeper(account.venue, journal, plans, screen.changed)
    with screen:
        anyio.run(drive, config, accounts, keepers)
    notes = [text for keeper in keepers.values() for text in keeper.refused]
    screen.summary([*notes, f"journal: {config.controller.state}"])
    return 1 if notes else 0


def demo_config() -> Config:
    """Return the demonstration's configuration: a seeded market, six plans and more."""
    text = files("controller").joinpath("demo.toml").read_text(encoding="utf-8")
    return parse(text, "the demonstration", Path.cwd(), {})
