"""A controller that kills itself, with SIGKILL, at its n-th meeting with the disk or the venue.

`python -m tests.simulation.killed CONFIG N`: the run of CONFIG from where it was left, in which the
process dies just before or just after its N-th commit, send or read; 0 never does. The wrappers
stand at the two ports; nothing in the product knows of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from controller import app
from controller.accounts import build_accounts, with_book
from controller.config import load
from controller.journal import Decided, Draft, Journal, Remembered
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.words import Mutation, Outcome, Snapshot


class Fate:
    """Counts the moments at which a process could die, and picks one."""

    def __init__(self, dies_at: int) -> None:
        self.passed = 0
        self._dies_at = dies_at

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal(Journal):
    """A journal whose process may die around a commit."""

    def __init__(self, path: Path, fate: Fate) -> None:
        self._fate = fate
        super().__init__(path)

    def append(
        self,
        drafts: Sequence[Draft],
        boot_ms: int = 0,
        decisions: Sequence[Decided] = (),
        memories: Sequence[Remembered] = (),
    ) -> None:
        if not drafts and not decisions and not memories:
            return
        self._fate.pass_by()
        super().append(drafts, boot_ms, decisions, memories)
        self._fate.pass_by()


class MortalVenue(SimulatedVenue):
    """A venue whose client may die around a request or after a read."""

    fate: Fate

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        self.fate.pass_by()
        outcomes = await super().send(mutations)
        self.fate.pass_by()
        return outcomes

    async def snapshot(self, since_ms: int) -> Snapshot:
        found = await super().snapshot(since_ms)
        self.fate.pass_by()
        return found


class MortalFaultyVenue(FaultyVenue):
    """The same behind a bad line; what is under way when its client dies never arrives."""

    fate: Fate

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        self.fate.pass_by()
        outcomes = await super().send(mutations)
        self.fate.pass_by()
        return outcomes

    async def snapshot(self, since_ms: int) -> Snapshot:
        found = await super().snapshot(since_ms)
        self.fate.pass_by()
        return found


def make_mortal(venue: SimulatedVenue | FaultyVenue, fate: Fate) -> None:
    """Let the process die around what this venue is asked."""
    if isinstance(venue, SimulatedVenue):
        venue.__class__ = MortalVenue
        assert isinstance(venue, MortalVenue)
    else:
        venue.__class__ = MortalFaultyVenue
        assert isinstance(venue, MortalFaultyVenue)
    venue.fate = fate


def run(path: Path, dies_at: int) -> int:
    """Run from where the files were left; return how many moments there were."""
    config = load(path)
    fate = Fate(dies_at)
    accounts = build_accounts(config)
    journal = MortalJournal(config.controller.state, fate)
    for name, begun in accounts.items():
        account = accounts[name] = with_book(begun)
        make_mortal(account.venue, fate)
    desks, _ = app.open_desks(config, accounts, journal)
    assert anyio.run(app.drive, config, desks)
    journal.close()
    for account in accounts.values():
        account.venue.close()
    return fate.passed


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]), int(sys.argv[2]))}\n")
