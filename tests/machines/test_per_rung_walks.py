"""What holds on every walk where nothing is reduce-only (RELIABILITY S4, S5).

That no more is ever on sale than is held is asserted by the book, at every request.
"""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from machines.grammar import Row
from machines.ladder import Ladder, State, parse_order_id
from machines.words import ZERO, ExitStyle
from tests.machines.rung_book import RungBook
from tests.machines.rung_walk import RungWalk
from tests.machines.test_watch import due, watched
from tests.machines.untraced import untraced

SEEDS = st.integers(0, 2**32)
STYLES = pytest.mark.parametrize("exits", [ExitStyle.PER_RUNG, ExitStyle.PAIRS])


def wrong(ladder: Ladder, walk: RungWalk) -> list[str]:
    """Name what a ladder must never show after a poll."""
    book = walk.run.book
    found = {
        "the position never turns over": book.held >= ZERO,
        "what is held is what the venue shows": ladder.held == book.held,
        "no exit for more than is held": ladder.exiting <= ladder.held,
    }
    if ladder.state is State.CLOSED:
        found["closed: nothing of ours rests"] = ladder.held == ZERO and not any(
            order.status.live and parse_order_id(ladder.terms, order.client_order_id)
            for order in book.view().orders
        )
    return [what for what, holds in found.items() if not holds]


@STYLES
@untraced
@settings(max_examples=400)
@given(seed=SEEDS)
def test_walk_without_reduce_only_when_anything_happens_then_nothing_turns_over(
    exits: ExitStyle, seed: int
) -> None:
    walk = RungWalk(seed, exits)
    for polled in walk.polls():
        assert wrong(polled.done.ladder, walk) == [], walk


@STYLES
@untraced
@settings(max_examples=150)
@example(seed=1153)  # a pair near its target could not grow by what another gave up
@given(seed=SEEDS)
def test_walk_without_reduce_only_when_the_venue_comes_to_rest_then_so_does_the_ladder(
    exits: ExitStyle, seed: int
) -> None:
    walk = RungWalk(seed, exits)
    for _ in walk.polls():
        pass
    done = walk.settle().done
    assert done.mutations == (), walk
    assert not any(isinstance(taken.cell, Row) for taken in done.taken), walk
    book = walk.run.book
    assert isinstance(book, RungBook)
    assert book.on_sale() == book.held, walk


@untraced
@settings(max_examples=150)
@given(seed=SEEDS)
def test_poll_without_reduce_only_when_said_to_be_idle_then_nothing_would_have_happened(
    seed: int,
) -> None:
    walk = RungWalk(seed, ExitStyle.PER_RUNG)
    for last, polled in pairwise(walk.polls()):
        seen = last.view == polled.view and polled.before is last.done.ladder
        if seen and not due(watched(last, walk.run), polled.quote, polled.now_ms):
            assert (polled.done.taken, polled.done.mutations) == ((), ()), walk
