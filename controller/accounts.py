"""What a configuration's accounts are made of: their feeds, their venues, the check of their plans.

Nothing is sent from here and no file of a venue is touched but by `with_book`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from controller.config import Config
from controller.config_accounts import AccountSettings
from controller.screen import stamp
from exchanges import feeds
from exchanges.feeds import Feed
from exchanges.simulated import Act, FaultyVenue, SimulatedVenue, acts
from exchanges.simulated.settings import PricePath, SimulatedSettings, Slots
from machines.errors import InvalidSpec
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
    if settings.real_time:
        raise InvalidSpec([f"accounts.{settings.name}: goes by real time, which has no feed"])
    loaded = {
        symbol: feeds.load(text, symbol, settings.instruments[symbol], base_dir)
        for symbol, text in settings.feeds.items()
    }
    written = () if settings.acts is None else acts.read(settings.acts)
    try:
        venue = _open_venue(settings, loaded, written)
    except InvalidSpec as error:
        if settings.acts is None:
            raise
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
    venue = SimulatedVenue.open(
        simulated_settings(settings), loaded, book, acts=written, fresh=fresh
    )
    if settings.faults.rates or settings.faults.script:
        return FaultyVenue(venue, settings.faults, settings.seed)
    return venue


def simulated_settings(settings: AccountSettings) -> SimulatedSettings:
    """Return what a simulated account's venue is made of."""
    return SimulatedSettings(
        account=settings.name,
        instruments=settings.instruments,
        fees=dict.fromkeys(settings.instruments, settings.fees),
        path=PricePath(settings.path.value),
        slots=Slots(settings.slots.value),
        exits=settings.exits,
        oversell=settings.oversell,
        product=settings.product,
        session=settings.session,
        fill_share=settings.fill_share,
        slippage=settings.slippage,
        balance=settings.balance,
    )


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
        found = plan_faults(account, spec)
        faults += [f"{config.source}: {spec.name}: positions[{k}].{fault}" for fault in found]
    if faults:
        raise InvalidSpec(faults)


def plan_faults(account: Account, spec: LadderSpec) -> list[str]:
    """Return every fault of a plan at the price its feed starts from."""
    setting = setting_of(account, spec.symbol)
    return never_starts(account, spec) or check(spec, start_px(account, spec), setting)


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
