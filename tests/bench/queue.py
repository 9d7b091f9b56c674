"""How fast decisions pass through their queue, the journal and a simulated venue included."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from exchanges.simulated import SimulatedVenue
from machines.decision import Kind, Priority
from machines.words import Mutation, Outcome
from tests.controller.stepping import HELD, Stepped, order, plan, write_bars

LADDERS = 200
WAITING = 5_000
THROUGH = 4_000


Moment = tuple[float, float]
"""On the wall's clock and on the processor's."""


def now() -> Moment:
    return time.perf_counter(), time.process_time()


class Noting(SimulatedVenue):
    """A venue that notes when it was asked last."""

    asked: Moment = (0.0, 0.0)

    async def send(self, mutations: Sequence[Mutation]) -> list[Outcome]:
        self.asked = now()
        return await super().send(mutations)


def desk(folder: Path, ladders: int) -> Stepped:
    """Hold positions on a market that stands still."""
    write_bars(folder, ["100000"] * 2_000)
    return Stepped(HELD + "".join(plan(f"p{n}") for n in range(ladders)), folder)


def throughput(folder: str | None) -> tuple[float, float]:
    """Return the processor's time to accept a decision, and from there to its end, of many."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        stepped = desk(Path(made), 100)
        gc.collect()
        began = time.process_time()
        for n in range(THROUGH):
            stepped.keeper.decide(
                order(f"p{n % 100}", Kind.BOOK, f"b{n}", fraction="0.002", by="RULE",
                      expires_ms=10**15),
                stepped.now_ms,
            )  # fmt: skip
        accepted = time.process_time()
        while stepped.keeper.decisions.open:
            stepped.poll()
        ended = time.process_time()
        stepped.close()
    return (accepted - began) / THROUGH, (ended - accepted) / THROUGH


def behind_others(folder: str | None) -> tuple[list[float], list[float]]:
    """Return how long exits take from being asked for until they are sent, behind 5,000 others.

    *Shape*: sorted, on the wall's clock and on the processor's.

    The time includes one snapshot read, as the venue is asked before anything is sent.
    """
    with tempfile.TemporaryDirectory(dir=folder) as made:
        stepped = desk(Path(made), LADDERS)
        venue = stepped.venue
        venue.__class__ = Noting  # pyright: ignore[reportAttributeAccessIssue] - it is no faulty one
        assert isinstance(venue, Noting)
        for n in range(WAITING):
            waits = order(f"p{n % LADDERS}", Kind.BOOK, f"w{n}", fraction="0.002", by="RULE",
                          priority=Priority.BACKGROUND, expires_ms=10**15)  # fmt: skip
            stepped.keeper.decide(waits, stepped.now_ms)
        walls: list[float] = []
        works: list[float] = []
        gc.collect()
        for n in range(LADDERS):
            stepped.now_ms += 1_000
            venue.advance(stepped.now_ms)
            wall, work = now()
            stepped.decide(f"p{n}", Kind.EXIT, id=f"out{n}")
            stepped.look_once()
            walls.append(venue.asked[0] - wall)
            works.append(venue.asked[1] - work)
        stepped.close()
    return sorted(walls), sorted(works)
