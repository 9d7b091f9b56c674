"""Puts a run together: configuration → venues, journal, clock, one supervised task per account.

The composition root: the only module that knows every room. Holds no behaviour of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import msgspec
import typer
from anyio.abc import TaskStatus

from controller.accounts import Account, build_accounts, with_book
from controller.alerts import OnAlert, no_alert
from controller.clock import FeedClock
from controller.codes import CHECK_FAILED, FINE, INTERNAL
from controller.config import AtEnd, Config
from controller.config_accounts import AccountSettings
from controller.control import Control
from controller.cycle import Voice
from controller.journal import Journal
from controller.keeper import Keeper
from controller.kept import OnChange, is_open, no_change
from controller.mirrors import link
from controller.rebalancer import Rebalancer
from controller.recovery import Recovered, Where, recover
from controller.runner import FeedRunner
from controller.screen import Screen, complaints, stamp
from controller.strategies import fed_cycle
from controller.supervisor import supervised
from exchanges import sqlite
from machines.errors import InvalidSpec, RungkeeperError


class Desk(msgspec.Struct, frozen=True):
    """One account at work: its venue, its keeper, and when an earlier run was last at work."""

    account: Account
    keeper: Keeper
    resume_ms: int = 0


async def drive(config: Config, desks: Mapping[str, Desk], on_failure: OnAlert = no_alert) -> bool:
    """Keep every account, each in a task of its own, until its feed ends or a signal comes.

    Return whether none failed; one that does stops alone, and ``on_failure`` hears of it.
    """
    feeds_ = [feed for desk in desks.values() for feed in desk.account.feeds.values()]
    paces = [s.speed for s in config.accounts.values() if s.speed is not None]
    start_ms = min(feed.times[0] for feed in feeds_)
    resumed = [desk.resume_ms for desk in desks.values() if desk.resume_ms]
    # Just before the first close, so that the first poll, like every other, is waited for.
    clock = FeedClock(min([start_ms, *resumed]) - 1, float(min(paces)) if paces else None)
    failed: list[str] = []

    async def keep(name: str, runner: FeedRunner) -> None:
        def report(text: str) -> None:
            failed.append(name)
            on_failure(name, f"account stopped: {text}", clock.now_ms())

        with supervised(report):
            await runner.run()

    gets_out = config.controller.at_end is AtEnd.EXIT
    runners = {
        name: FeedRunner(
            *(desk.keeper, desk.account, clock, start_ms, desk.resume_ms), gets_out=gets_out
        )
        for name, desk in desks.items()
    }
    async with anyio.create_task_group() as watching:
        watching.start_soon(stop_on_signal, watching.cancel_scope)
        if clock.is_paced:
            keepers = {name: desk.keeper for name, desk in desks.items()}
            control = Control(config, keepers, clock.paced_ms, clock.nudge)
            await watching.start(listen, control, config.controller.socket, on_failure)
        async with anyio.create_task_group() as tasks:
            for name, runner in runners.items():
                tasks.start_soon(keep, name, runner, name=f"account {name}")
        watching.cancel_scope.cancel()
    return not failed


async def listen(
    control: Control, path: Path, on_failure: OnAlert, *, task_status: TaskStatus[None]
) -> None:
    """Take a person's decisions; without a socket the run goes on all the same."""
    begun = False

    def listening() -> None:
        nonlocal begun
        begun = True
        task_status.started()

    with supervised(lambda text: on_failure("controller", f"no commands are taken: {text}", 0)):
        await control.serve(path, listening)
    if not begun:
        task_status.started()


_ENDING = (signal.SIGINT, signal.SIGTERM)


async def stop_on_signal(scope: anyio.CancelScope) -> None:
    """End the run at SIGINT or SIGTERM; orders are left resting."""
    held = False
    try:
        with anyio.open_signal_receiver(*_ENDING) as signals:
            before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            held = before.issuperset(_ENDING)
            try:
                async for _ in signals:
                    scope.cancel()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        if held:  # by this thread; those that have begun meanwhile would let them through
            for each in _ENDING:
                signal.signal(each, signal.SIG_IGN)


@contextmanager
def signals_held() -> Generator[None]:
    """Let signals wait for the loop to listen: files are opened, closed and summed up whole."""
    handlers = {each: signal.getsignal(each) for each in _ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        while signal.sigtimedwait(_ENDING, 0) is not None:
            pass  # it came when all had ended anyway
        for each, handler in handlers.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(config: Config, *, quiet: bool = False, fresh: bool = False) -> int:
    """Run a configuration to its end, from where an earlier run left off; return the exit code.

    ``fresh`` begins the state file and the venues' files anew. *Raises*: InvalidSpec, BadFeed,
    JournalBusy, JournalError, VenueFileBusy, VenueFileError.
    """
    accounts = build_accounts(config)
    state = config.controller.state
    is_new = not state.exists()
    with signals_held(), ExitStack() as opened:
        journal = Journal(state, fresh=fresh)
        opened.callback(journal.close)
        opened.callback(config.controller.socket.unlink, missing_ok=True)
        try:
            for name, begun in accounts.items():
                check_book(begun.settings, journal, state)
                account = accounts[name] = with_book(begun, fresh=fresh)
                opened.callback(account.venue.close)
                _tell_apart(account, journal, state)
        except RungkeeperError:
            if is_new:  # nothing is in it yet
                sqlite.remove(state)
            raise
        return _run(config, accounts, journal, quiet=quiet)


def check_book(settings: AccountSettings, journal: Journal, state: Path) -> None:
    """Refuse a state that goes on while its venue's own file is gone: all would seem closed.

    *Raises*: InvalidSpec.
    """
    book, written_ms = settings.book, journal.last_ms(settings.name)
    if written_ms and not (book.is_file() and book.stat().st_size):
        raise InvalidSpec(
            [f"state {state}: goes on at {stamp(written_ms)}, but venue file {book} is gone or "
             "empty; restore it, or remove both to begin anew"]
        )  # fmt: skip


def _tell_apart(account: Account, journal: Journal, state: Path) -> None:
    """Say so when the venue goes on and the state is new."""
    settings, venue = account.settings, account.venue
    begins_ms = min(feed.times[0] for feed in account.feeds.values())
    if not journal.last_ms(settings.name) and venue.now_ms > begins_ms:
        ended = ", the end of its feed" if venue.next_bar_ms() is None else ""
        typer.echo(
            f"note: venue file {settings.book}: goes on at {stamp(venue.now_ms)}{ended}, but state "
            f"{state} is new; to begin anew remove both",
            err=True,
        )


def _begun_ms(account: Account) -> int:
    """Return the venue's time; zero before its first bar has closed."""
    first_ms = min(feed.times[0] for feed in account.feeds.values())
    return account.venue.now_ms if account.venue.now_ms >= first_ms else 0


def open_desks(
    config: Config,
    accounts: Mapping[str, Account],
    journal: Journal,
    on_change: OnChange = no_change,
    voice: Voice = Voice(),  # noqa: B008 - frozen
) -> tuple[dict[str, Desk], list[str]]:
    """Recover every account from the journal; return the desks and what a person should know.

    *Raises*: InvalidSpec, JournalError.
    """
    where = {
        name: Where(_begun_ms(account), account.venue.capabilities.window_ms)
        for name, account in accounts.items()
    }
    found = recover(journal, where, config.positions)

    def desk(account: Account, mine: Recovered) -> Desk:
        settings, venue = account.settings, account.venue
        live = [kept.ladder.terms.spec.name for kept in mine.kept if is_open(kept)]
        cycle = fed_cycle(config, settings, account.feeds, journal, live, voice)
        work = (journal, mine.plans, mine.kept, on_change, voice.alert, cycle)
        keeper = Keeper if config.controller.enhanced_tp_sl else Rebalancer
        return Desk(account, keeper(venue, *work), mine.resume_ms)

    desks = {name: desk(account, found[name]) for name, account in accounts.items()}
    if config.controller.enhanced_tp_sl:
        link({name: each.keeper for name, each in desks.items()}, journal, voice.alert)
    return desks, [note for one in found.values() for note in one.notes]


def _run(config: Config, accounts: dict[str, Account], journal: Journal, *, quiet: bool) -> int:
    screen = Screen(quiet=quiet)
    voice = Voice(screen.alert, screen.news)
    desks, notes = open_desks(config, accounts, journal, screen.changed, voice)
    screen.show({name: desk.keeper for name, desk in desks.items()})
    with screen:
        fine = anyio.run(drive, config, desks, screen.alert)
    left = complaints(desk.keeper for desk in desks.values())
    screen.summary([*notes, *left, f"journal: {config.controller.state}"])
    if not fine:
        return INTERNAL
    return CHECK_FAILED if left else FINE
