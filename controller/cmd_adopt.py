"""``rungkeeper adopt``: take over what rests at a venue already.

A running controller is asked. Where none runs, this command reads the account itself and, with
``--apply``, writes the ladder into the state file, whose next run keeps it. It sends nothing.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import anyio
import msgspec
import typer

from controller.accounts import build_account, with_book
from controller.adoption import Adopt, Books, Proposal, as_data, as_lines, propose
from controller.clock import SystemClock
from controller.codes import FINE, WRONG_INPUT
from controller.config import Config, load
from controller.config_accounts import AccountSettings
from controller.config_values import Wrong, listed, positive
from controller.control import Hello, Reply, ask
from controller.journal import Journal, read_latest
from controller.owners import hold_accounts
from controller.records import adoption_draft
from exchanges import sqlite
from exchanges.adopted import AdoptedVenue
from exchanges.venue import Venue
from machines.errors import InvalidSpec, RungkeeperError
from machines.ladder import Ladder, State
from machines.words import Direction, Snapshot

LOOK_BACK_MS = 60_000
"""Fills of an order that has filled in part are shown beside it for a while."""


def read(
    account: str,
    symbol: str,
    side: str | None,
    stop: str | None,
    hit: int | None,
    *,
    apply: bool,
) -> Adopt:
    """Read the words of the command line. *Raises*: InvalidSpec."""
    faults: list[str] = []
    if side not in (None, *Direction):
        faults.append(f"--side {side}: allowed: {listed(Direction)}")
    stop_px = None
    if stop is not None:
        try:
            stop_px = positive(stop)
        except Wrong as wrong:
            faults.append(f"--stop {stop}: {wrong}")
    if faults:
        raise InvalidSpec(faults)
    which = None if side is None else Direction(side)
    return Adopt(account, symbol, which, stop_px, hit, apply)


def adopt(asked: Adopt, path: Path, *, as_json: bool) -> int:
    """Show what adopting would change and, if asked to, adopt.

    *Raises*: InvalidSpec, JournalBusy, AccountBusy, JournalError, VenueFileBusy, VenueUnavailable.
    """
    config = load(path)
    running = _is_running(config.controller.socket)
    if running:
        reply = ask(config.controller.socket, asked)
    else:
        proposal = _alone(asked, config)
        reply = Reply(told=as_lines(proposal), data=as_data(proposal))
    for fault in reply.faults:
        typer.echo(fault, err=True)
    if reply.faults:
        return WRONG_INPUT
    if as_json:
        written = msgspec.json.encode({**reply.data, "applied": asked.apply})
        typer.echo(msgspec.json.format(written).decode())
        return FINE
    kept = "from now on" if running else "from the next `rungkeeper run` on"
    done = f"adopted: kept {kept}" if asked.apply else "nothing was changed; --apply takes it over"
    for line in [*reply.told, done]:
        typer.echo(line)
    return FINE


def _is_running(socket: Path) -> bool:
    try:
        ask(socket, Hello())
    except InvalidSpec:
        return False
    return True


def _alone(asked: Adopt, config: Config) -> Proposal:
    """Do without a controller what one would do. *Raises*: as `adopt`."""
    settings = config.accounts.get(asked.account)
    if settings is None:
        known = listed(config.accounts)
        raise InvalidSpec([f"{asked.account}: no account of that name; there are: {known}"])
    state = config.controller.state
    is_new = not state.exists()
    with ExitStack() as opened:
        journal = None
        if asked.apply:  # before the venue is read: nobody else may own it from here on
            journal = Journal(state)
            opened.callback(journal.close)
        try:
            proposal, now_ms = _propose(asked, config, settings, _known(state))
        except RungkeeperError:
            if is_new:  # nothing is in it yet
                sqlite.remove(state)
            raise
        if journal is not None:
            journal.append([adoption_draft(proposal.ladder, now_ms)])
        return proposal


def _known(state: Path) -> list[Ladder]:
    saved = read_latest(state) if state.is_file() else []
    return [msgspec.json.decode(each.state, type=Ladder) for each in saved]


def _propose(
    asked: Adopt, config: Config, settings: AccountSettings, known: list[Ladder]
) -> tuple[Proposal, int]:
    live = [each for each in known if each.state is not State.CLOSED]
    books = Books(
        {each.terms.key: each.terms.spec.name for each in live},
        {each.terms.spec.name for each in known} | {plan.name for plan in config.positions},
    )
    read = _read_simulated if settings.live is None else _read_live
    venue, snapshot, now_ms = read(asked, config, settings, live)
    enhanced = config.controller.enhanced_tp_sl
    proposal = propose(asked, config.ladder, venue, snapshot, books, now_ms, enhanced=enhanced)
    return proposal, now_ms


Read = tuple[AdoptedVenue, Snapshot, int]


async def _look(venue: Venue, live: list[Ladder], now_ms: int) -> Read:
    aliases = [alias for each in live for alias in each.terms.adopted]
    adopted = AdoptedVenue(venue, aliases)
    return adopted, await adopted.snapshot(now_ms - LOOK_BACK_MS), now_ms


def _read_simulated(
    asked: Adopt, config: Config, settings: AccountSettings, live: list[Ladder]
) -> Read:
    where = f"{asked.account} {asked.symbol}"
    if not settings.book.is_file():
        raise InvalidSpec([f"{where}: nothing rests there: no venue file {settings.book} yet"])
    account = with_book(build_account(settings, config.base_dir))
    try:
        return anyio.run(_look, account.venue, live, account.venue.now_ms)
    finally:
        account.venue.close()


def _read_live(asked: Adopt, config: Config, settings: AccountSettings, live: list[Ladder]) -> Read:
    from controller.live_venues import Desk, fetch_secrets, open_venue

    clock = SystemClock()
    secrets = fetch_secrets([settings], config.base_dir, os.environ)
    symbols = tuple({asked.symbol, *(each.terms.key.symbol for each in live)})
    desk = Desk(settings, symbols, secrets, config.base_dir, os.environ, clock, lambda: None)

    async def look() -> Read:
        opened = await open_venue(desk)
        try:
            return await _look(opened.venue, live, clock.now_ms())
        finally:
            opened.venue.close()

    with ExitStack() as held:
        if asked.apply:
            hold_accounts([settings], secrets, held)
        return anyio.run(look)
