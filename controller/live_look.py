"""Looks at a real venue for a moment: opens an account, reads it, lets it go. Sends nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec

from controller.clock import SystemClock
from controller.config_accounts import AccountSettings
from controller.live_plans import plan_faults
from controller.live_venues import Desk, Opened, fetch_secrets, open_venue
from machines.planning import Setting
from machines.spec import LadderSpec
from machines.words import Quote


class Start(msgspec.Struct, frozen=True):
    """Where a plan would start. ``faults`` say why it cannot; there is no ``quote`` then."""

    quote: Quote | None
    setting: Setting | None
    faults: tuple[str, ...] = ()


def desk_of(settings: AccountSettings, symbols: Sequence[str], folder: Path) -> Desk:
    """Gather what it takes to open an account. *Raises*: InvalidSpec when a secret is not there."""
    secrets = fetch_secrets([settings], folder, os.environ)
    return Desk(
        settings=settings,
        symbols=tuple(symbols),
        secrets=secrets,
        folder=folder,
        env=os.environ,
        clock=SystemClock(),
        wake=lambda: None,
    )


@asynccontextmanager
async def opened(desk: Desk) -> AsyncGenerator[Opened]:
    """Open an account for as long as the block lasts. *Raises*: InvalidSpec, VenueUnavailable."""
    found = await open_venue(desk)
    try:
        yield found
    finally:
        found.venue.close()


def starts(
    settings: AccountSettings, specs: Sequence[LadderSpec], folder: Path
) -> dict[str, Start]:
    """Say where each plan would start now, by its name. *Raises*: InvalidSpec, VenueUnavailable."""
    desk = desk_of(settings, sorted({spec.symbol for spec in specs}), folder)
    return anyio.run(_starts, desk, specs)


async def _starts(desk: Desk, specs: Sequence[LadderSpec]) -> dict[str, Start]:
    async with opened(desk) as found:
        venue = found.venue
        snapshot = await venue.snapshot(desk.clock.now_ms())
        made: dict[str, Start] = {}
        for spec in specs:
            faults = plan_faults(spec, venue, snapshot, found.no_prices())
            quote = snapshot.quotes.get(spec.symbol)
            if quote is None and not faults:
                faults = [f"symbol = {spec.symbol!r}: has no price yet; try again"]
            if faults or quote is None:
                made[spec.name] = Start(None, None, tuple(faults))
                continue
            grid, fees = venue.instruments[spec.symbol], venue.fees(spec.symbol)
            made[spec.name] = Start(quote, Setting(grid, fees, venue.capabilities))
        return made
