"""Puts a run together: configuration → venues, journal, clock, one supervised task per account.

The composition root: the only module that knows every room. Holds no behaviour of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec

from controller.clock import FeedClock
from controller.config import Config
from controller.config_accounts import AccountSettings
from controller.journal import Journal
from controller.keeper import Kept, Keeper
from controller.runner import FeedRunner
from exchanges import feeds
from exchanges.feeds import Feed
from exchanges.simulated import SimulatedVenue
from exchanges.simulated.settings import PricePath, SimulatedSettings, Slots
from machines.errors import InvalidSpec
from machines.planning import Setting, check
from machines.spec import LadderSpec


class Account(msgspec.Struct, frozen=True):
    """One account ready to run."""

    settings: AccountSettings
    venue: SimulatedVenue
    feeds: dict[str, Feed]


def build_account(settings: AccountSettings, base_dir: Path) -> Account:
    """Load an account's feeds and make its venue.

    *Raises*: BadFeed, InvalidSpec.
    """
    loaded = {
        symbol: feeds.load(text, symbol, settings.instruments[symbol], base_dir)
        for symbol, text in settings.feeds.items()
    }
    venue = SimulatedVenue(
        SimulatedSettings(
            account=settings.name,
            instruments=settings.instruments,
            fees=dict.fromkeys(settings.instruments, settings.fees),
            path=PricePath(settings.path.value),
            slots=Slots(settings.slots.value),
            slippage=settings.slippage,
            balance=settings.balance,
        ),
        loaded,
    )
    return Account(settings, venue, loaded)


def start_px(account: Account, spec: LadderSpec) -> int:
    """Return the index of the bar at whose close a plan would start."""
    feed = account.feeds[spec.symbol]
    return min(feed.closed_by((spec.not_before_ms or 0) - 1), len(feed) - 1)


def check_plans(config: Config, accounts: dict[str, Account]) -> None:
    """Refuse plans that are unsound at the price their feed starts from, before anything is sent.

    *Raises*: InvalidSpec with every fault.
    """
    faults: list[str] = []
    for k, spec in enumerate(config.positions, 1):
        account = accounts[spec.account]
        reference = account.feeds[spec.symbol].close_px(start_px(account, spec))
        found = check(spec, reference, setting_of(account, spec.symbol))
        faults += [f"{config.source}: positions[{k}] ({spec.name}): {fault}" for fault in found]
    if faults:
        raise InvalidSpec(faults)


def setting_of(account: Account, symbol: str) -> Setting:
    """Return where a plan for ``symbol`` would be opened."""
    venue = account.venue
    return Setting(venue.instruments[symbol], venue.fees(symbol), venue.capabilities)


class Run(msgspec.Struct, frozen=True):
    """A run ready to start."""

    config: Config
    accounts: dict[str, Account]
    journal: Journal
    keepers: dict[str, Keeper]


def prepare(config: Config, on_change: Callable[[Kept], None] = lambda _: None) -> Run:
    """Load everything a run needs; nothing has been sent yet.

    *Raises*: InvalidSpec, BadFeed, JournalBusy, JournalError.
    """
    accounts = {
        name: build_account(settings, config.base_dir)
        for name, settings in config.accounts.items()
    }
    check_plans(config, accounts)
    journal = Journal(config.controller.state)
    keepers = {
        name: Keeper(
            account.venue,
            journal,
            [plan for plan in config.positions if plan.account == name],
            on_change,
        )
        for name, account in accounts.items()
    }
    return Run(config, accounts, journal, keepers)


async def drive(run: Run, speed: float | None) -> None:
    """Run every account until its feed ends."""
    first = [feed.times[0] for account in run.accounts.values() for feed in account.feeds.values()]
    clock = FeedClock(min(first), speed)
    async with anyio.create_task_group() as tasks:
        for name, account in run.accounts.items():
            runner = FeedRunner(
                run.keepers[name], account.venue, account.feeds, clock, account.settings.poll_ms
            )
            tasks.start_soon(runner.run, name=f"account {name}")
