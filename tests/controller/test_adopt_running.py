"""`adopt` and decisions against a controller that runs: what the socket's other end does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import pytest

from controller import app
from controller.accounts import build_accounts, with_book
from controller.adoption import Adopt
from controller.config import load
from controller.control import Control, Decide, Open, Reply, Request
from controller.journal import Journal
from controller.keeper import Keeper
from exchanges.simulated import FaultyVenue, SimulatedVenue
from machines.decision import Kind
from machines.ladder import State
from machines.words import Direction
from tests.controller.handmade import KEY, QUIET, by_hand, job, long_of, resting
from tests.controller.plans import POSITION

NAME = "btcusdt-adopted"


class Running:
    """A controller's one account and its door, in a test's hands."""

    def __init__(self, path: Path) -> None:
        config = load(path)
        (begun,) = build_accounts(config).values()
        account = with_book(begun)
        self.venue: SimulatedVenue | FaultyVenue = account.venue
        self.now_ms = self.venue.now_ms
        self.journal = Journal(config.controller.state)
        desks, _ = app.open_desks(config, {"paper": account}, self.journal)
        self.keeper: Keeper = desks["paper"].keeper
        self.control = Control(config, {"paper": self.keeper}, lambda: self.now_ms)

    def ask(self, request: Request) -> Reply:
        """Ask, while the controller polls."""
        replies: list[Reply] = []

        async def both() -> None:
            async def ask() -> None:
                replies.append(await self.control.answer(msgspec.json.encode(request)))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await anyio.lowlevel.checkpoint()
                await self.poll()

        anyio.run(both)
        return replies[0]

    async def poll(self) -> None:
        self.now_ms += 60_000
        self.venue.advance(self.now_ms)
        await self.keeper.settle(self.now_ms)

    def close(self) -> None:
        self.venue.close()
        self.journal.close()


@pytest.fixture(params=["", "enhanced_tp_sl = false"], ids=["on", "off"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    path = job(tmp_path, controller=str(request.param), bars=QUIET * 30)
    by_hand(path, long_of())
    found = Running(path)
    yield found
    found.close()


def test_adopt_when_a_controller_runs_then_it_keeps_the_ladder_from_the_next_poll_on(
    running: Running,
) -> None:
    asked = Adopt("paper", "BTCUSDT", apply=True)
    reply = running.ask(asked)
    assert reply.faults == []
    assert reply.told[2:4] == [
        "  entry 1   103000   0.34    0.34     keep    hand-more",
        "  TP1       105000   0.5     0.561    amend   hand-tp1",
    ]
    anyio.run(running.poll)
    assert running.keeper.kept[NAME].ladder.state is State.PARTIALLY_FILLED
    view = anyio.run(running.venue.snapshot, 0).views[KEY]
    assert resting(view)["hand-tp1"] == "0.561 @ 105000"
    assert running.ask(asked).faults == [f"paper BTCUSDT: belongs to {NAME} already"]


def test_adopt_when_only_asked_of_a_controller_then_it_has_nothing_more(running: Running) -> None:
    reply = running.ask(Adopt("paper", "BTCUSDT", Direction.LONG))
    assert reply.data["name"] == NAME
    assert running.keeper.kept == {}
    assert running.journal.records == 0
    assert running.ask(Adopt("other", "BTCUSDT")).faults == [
        'other: no account of that name; there are: "paper"'
    ]


def test_door_when_the_rebalancer_runs_then_opens_and_decides_nothing(tmp_path: Path) -> None:
    path = job(tmp_path, controller="enhanced_tp_sl = false", bars=QUIET * 30)
    by_hand(path, long_of())
    running = Running(path)
    try:
        running.ask(Adopt("paper", "BTCUSDT", apply=True))
        plan = POSITION.replace("104000", "103000")
        faults = running.ask(Open(plan, "more.toml")).faults
        assert faults == ["btc-1: not opened; enhanced_tp_sl = false: only the conservative "
                          "rebalancer runs"]  # fmt: skip
        for dry_run in (True, False):
            (fault,) = running.ask(Decide("d1", NAME, Kind.EXIT, dry_run=dry_run)).faults
            assert fault.startswith("exit: refused; enhanced_tp_sl = false")
        reply = running.ask(Decide("d2", NAME, Kind.REBALANCE))
        assert (reply.faults, reply.data["state"]) == ([], "QUEUED")
        anyio.run(running.poll)
        assert running.ask(Decide("d2", NAME, Kind.REBALANCE)).data["state"] == "DONE"
    finally:
        running.close()
