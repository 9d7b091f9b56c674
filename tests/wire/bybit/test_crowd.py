"""Many ladders through every fault of the line: all end closed, nothing is doubled or turned over.

*Source*: issue 6, what it must show, 3; RELIABILITY S3, S4, S8, S19.
"""

from __future__ import annotations

import sys

import pytest

from machines.ladder import State
from tests.wire.bybit.crowd import START, Clock, Crowd, signs, symbols
from tests.wire.bybit.desk import impatient, rules
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

RATE = 0.05
"""Of each class, of all requests."""
LATENCY_S = 0.05
TOGETHER = 2
"""Classes of fault at work at one time: with all of them no read would ever be whole."""


async def live(loopback: Loopback, clock: Clock, seed: int, rounds: int) -> Crowd:
    """Let a crowd live through every class of fault, then in quiet until it is closed."""
    loopback.faults.seed(seed)
    crowd = await Crowd.open(loopback, clock, seed)
    wrongs = [wrong for wrong in Wrong if wrong is not Wrong.STATUS_403]
    with impatient(crowd.venue):
        for n in range(rounds):
            first = n * TOGETHER
            chosen = {wrongs[(first + k) % len(wrongs)] for k in range(TOGETHER)}
            loopback.faults.rates = dict.fromkeys(chosen, RATE)
            loopback.faults.next("", *chosen)  # the next requests, wherever they go
            await crowd.round(step=0.006, lagging=True)
    loopback.faults.rates = {}
    for _ in range(4):
        await crowd.round(step=0.002, polls=4)
    return crowd


def assert_sound(crowd: Crowd) -> None:
    """Nothing is left, nothing was doubled, turned over, or off the venue's grid."""
    engine = crowd.loopback.exchange.engine
    assert {ladder.state for ladder in crowd.ladders.values()} == {State.CLOSED}
    for ladder in crowd.ladders.values():
        book = engine.book(type(ladder.terms.key)("loop", ladder.terms.key.symbol))
        if book is None:  # its entries met a 404, and a refused entry is never placed again
            continue
        assert (book.net_qty, book.live, book.stop) == (0, {}, None)
        assert signs(book.fills) <= {ladder.direction.entry_side.sign}
        assert {fill.fill_id for fill in book.fills} <= {
            name.partition("-")[2] for name in ladder.seen_fills
        }
    # The entries carry the stop: it is there from the first fill, whatever the line does.
    assert {ladder.unprotected_ms for ladder in crowd.ladders.values()} == {0}
    grid = ("invalid: Bybit", "too_small: Bybit")
    assert [text for text in crowd.refusals if text.startswith(grid)] == []


async def prove(
    monkeypatch: pytest.MonkeyPatch, *, count: int, rounds: int, seed: int, latency_s: float = 0
) -> Loopback:
    """Let so many ladders live and end, and see that nothing is wrong with what they leave."""
    clock, instruments = Clock(monkeypatch), symbols(count)
    chosen = rules(instruments=instruments, limits=True)
    loopback = Loopback(chosen, dict.fromkeys(instruments, str(START)))
    loopback.latency_s = latency_s
    try:
        crowd = await live(loopback, clock, seed, rounds)
        await crowd.finish()
        assert_sound(crowd)
        crowd.venue.close()
    finally:
        loopback.close()
    return loopback


async def test_ladders_when_every_fault_of_the_line_is_met_then_all_end_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loopback = await prove(monkeypatch, count=12, rounds=14, seed=7)
    assert len(loopback.faults.hits) == len(Wrong) - 1


@pytest.mark.prove
async def test_ladders_when_two_hundred_and_the_line_is_slow_then_all_end_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loopback = await prove(monkeypatch, count=200, rounds=30, seed=9, latency_s=LATENCY_S)
    fills = sum(len(book.fills) for book in loopback.exchange.engine.account.books)
    with capsys.disabled():
        asked = len(loopback.mutations())
        sys.stdout.write(f"\n{fills} fills, {asked} requests: {asked / fills:.2f} a fill\n")
    assert len(loopback.faults.hits) == len(Wrong) - 1


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 130))
async def test_ladders_when_many_seeds_are_tried_then_all_end_closed(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    await prove(monkeypatch, count=20, rounds=40, seed=seed)
